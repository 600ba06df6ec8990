"""Verifies an artifact: reads its facts, applies a policy, and gives one report.

Takes a shared library, a program, a dist folder, an image archive, or an image in the engine. The
engine is not known here: the caller passes what saves an image to a file.
"""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from tfbuild.binding import bind
from tfbuild.checks import check_elf, check_image, image_arch
from tfbuild.checksums import ChecksumFacts, read_checksums
from tfbuild.closure import Closure, closure
from tfbuild.documents import dump
from tfbuild.elf import ELF_MAGIC, ElfFacts, ElfKind, read_elf
from tfbuild.errors import ConfigError, ExitCode, NothingMatchesError, UsageError, VerificationError
from tfbuild.image_archive import ImageArchive, is_image_archive
from tfbuild.image_facts import FileType, ImageFacts
from tfbuild.model import Arch, Finding
from tfbuild.policy import Context, Findings, Policy, matches
from tfbuild.suggest import did_you_mean
from tfbuild.yaml_source import read_yaml

POLICY_FOLDER = Path("build_configs", "policies")
DEFAULT_POLICY = "default"
_NO_CONTEXT = Context()

SaveImage = Callable[[str, Path], None]
"""Writes the image that the first argument names to a file; raises NothingMatchesError if there is none."""


class SubjectKind(str, Enum):
    """What was verified."""

    LIBRARY = "shared library"
    PROGRAM = "program"
    DEBUG = "separate debug information"
    DIST = "dist folder"
    ARCHIVE = "image archive"
    IMAGE = "image"

    def __str__(self) -> str:
        return self.value


_ELF_KINDS = {
    ElfKind.SHARED_LIBRARY: SubjectKind.LIBRARY,
    ElfKind.EXECUTABLE: SubjectKind.PROGRAM,
    ElfKind.PIE: SubjectKind.PROGRAM,
    ElfKind.DEBUG: SubjectKind.DEBUG,
}


@dataclass(frozen=True)
class NamedPolicy:
    """A policy with the name that reports give it."""

    name: str
    policy: Policy


@dataclass(frozen=True, kw_only=True)
class VerifyFacts:
    """Everything that was read. What does not apply to the kind of subject is None."""

    elf: tuple[ElfFacts, ...]
    image: ImageFacts | None = None
    closure: Closure | None = None
    checksums: ChecksumFacts | None = None


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """The result of one verification."""

    version: Literal[1] = 1  # of the JSON document
    subject: str
    kind: SubjectKind
    policy: str
    facts: VerifyFacts
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity == "error")

    @property
    def exit_code(self) -> ExitCode:
        """7 with at least one error; warnings do not fail."""
        return ExitCode.VERIFICATION_FAILED if self.errors else ExitCode.OK

    def to_json(self) -> dict[str, Any]:
        """The document that build_configs/verify.schema.json describes."""
        return dump(self)


def load_policy(root: Path, name: str = DEFAULT_POLICY) -> NamedPolicy:
    """The policy ``name`` of the project in ``root``, or the policy file that ``name`` is the path of.

    Raises NothingMatchesError for an unknown name, ConfigError for a file that is no valid policy.
    """
    folder = root / POLICY_FOLDER
    file = folder / f"{name}.yaml"
    shown = str(POLICY_FOLDER / file.name)
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        file, shown = Path(name), name
        if file.suffix not in {".yaml", ".yml"} or not file.is_file():
            raise NothingMatchesError(
                f"there is no policy '{name}'{did_you_mean(name, known)}",
                details=("known: " + ", ".join(known),),
                hint="name one of these, or the path of a policy file (.yaml)",
            )
    document = read_yaml(file, shown)
    policy, problems = bind(document, Policy)
    if policy is None or document.problems:
        raise ConfigError((*document.problems, *(() if document.problems else problems)))
    return NamedPolicy(file.stem, policy)


def verify(
    target: str,
    policy: NamedPolicy,
    save_image: SaveImage,
    *,
    context: Context = _NO_CONTEXT,
    platform: str | None = None,
) -> VerifyReport:
    """Verifies ``target``: a path when something is there, else an image in the engine.

    Raises UsageError for what cannot be verified, VerificationError for a damaged file.
    """
    path = Path(target)
    if path.exists():
        return verify_path(path, policy, context=context, platform=platform)
    if target.startswith((".", "/", "~")) or path.suffix in {".so", ".a", ".tar", ".whl"}:
        raise UsageError(f"there is no file or folder {target}", hint="check the path")
    with tempfile.TemporaryDirectory(prefix="tfbuild-verify-") as folder:
        file = Path(folder) / "image.tar"
        save_image(target, file)
        return _verify_image(file, policy, context, platform, target, SubjectKind.IMAGE)


def verify_path(
    path: Path,
    policy: NamedPolicy,
    *,
    context: Context = _NO_CONTEXT,
    platform: str | None = None,
    checksums: bool = True,
) -> VerifyReport:
    """Verifies a file or a dist folder. ``checksums=False`` is for a folder that is not complete yet.

    ``platform`` ("linux/arm64") picks an image where an archive holds several.
    """
    if path.is_dir():
        return _verify_dist(path, policy, context, checksums)
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    if start.startswith(ELF_MAGIC):
        return _verify_elf(path, policy, context)
    if is_image_archive(path):
        return _verify_image(path, policy, context, platform, str(path), SubjectKind.ARCHIVE)
    raise _unknown(path, start)


def _verify_elf(path: Path, policy: NamedPolicy, context: Context) -> VerifyReport:
    facts = read_elf(path)
    role = policy.policy.role_for(path.name)
    return VerifyReport(
        subject=str(path),
        kind=_ELF_KINDS[facts.kind],
        policy=policy.name,
        facts=VerifyFacts(elf=(facts,)),
        findings=check_elf(facts, policy.policy, role, context),
    )


def _verify_dist(path: Path, policy: NamedPolicy, context: Context, checksums: bool) -> VerifyReport:
    parts = [path / name for name in ("lib", "bin") if (path / name).is_dir()]
    if not parts and not (path / "SHA256SUMS").exists():
        raise UsageError(
            f"{path} is not a dist folder: no lib/, bin/ or SHA256SUMS in it",
            hint="give a folder below dist/, or a single file",
        )
    context = context if context.arch else _with_arch(context, Arch.parse(path.resolve().name))
    found = Findings(policy.policy)
    facts: list[ElfFacts] = []
    for file in sorted(f for part in parts for f in part.rglob("*") if f.is_file() and not f.is_symlink()):
        try:
            with file.open("rb") as stream:
                is_elf = stream.read(len(ELF_MAGIC)) == ELF_MAGIC
            if is_elf:
                facts.append(read_elf(file))
        except VerificationError as error:
            found.add("elf-damaged", error.message, error.details, error.hint)
        except UsageError:
            continue  # an object file: nothing that is loaded
        except OSError as error:
            raise UsageError(f"cannot read {file}: {error.strerror or error}") from error
    if not facts:
        found.add("dist-nothing", f"no ELF file in lib/ or bin/ of {path}", fix="build it again")
    sums = read_checksums(path, found) if checksums else None
    judged = tuple(
        finding
        for each in facts
        for finding in check_elf(each, policy.policy, policy.policy.role_for(Path(each.path).name), context)
    )
    return VerifyReport(
        subject=str(path),
        kind=SubjectKind.DIST,
        policy=policy.name,
        facts=VerifyFacts(elf=tuple(facts), checksums=sums),
        findings=(*found.all(), *judged),
    )


def _verify_image(
    path: Path,
    policy: NamedPolicy,
    context: Context,
    platform: str | None,
    subject: str,
    kind: SubjectKind,
) -> VerifyReport:
    rules = policy.policy
    with ImageArchive(path, platform=platform) as archive:
        facts = archive.facts
        names = [f.path for f in facts.files if f.type is FileType.FILE]
        ours = [n for n in names if rules.role_for(posixpath.basename(n)) is not None]
        entry = _entrypoint(archive)
        start = {n for n in names if matches(n, rules.image.closure)} | set(ours) | set(entry)
        links = closure(archive, start)
        elf = archive.elf_facts([*ours, *entry])
        damaged = dict(archive.damaged)
    found = Findings(rules)
    for name, error in sorted(damaged.items()):
        found.add("elf-damaged", f"{name} in the image is a damaged ELF file", error.details, error.hint)
    if rules.roles and not ours:
        files = sorted(glob for role in rules.roles.values() for glob in role.files)
        found.add("image-nothing", "the image has none of the files that the policy is about", tuple(files))
    inner = _with_arch(context, context.arch or image_arch(facts))
    judged = [
        finding
        for name, each in sorted(elf.items())
        # Whatever else the entrypoint starts is the distribution's own work.
        if name in ours or not rules.roles
        for finding in check_elf(each, rules, rules.role_for(posixpath.basename(name)), inner)
    ]
    return VerifyReport(
        subject=subject,
        kind=kind,
        policy=policy.name,
        facts=VerifyFacts(elf=tuple(elf[name] for name in sorted(elf)), image=facts, closure=links),
        findings=(*found.all(), *check_image(facts, links, rules, context), *judged),
    )


def _entrypoint(archive: ImageArchive) -> tuple[str, ...]:
    """The file that a container of the image starts, as the engine searches it."""
    words = archive.config.entrypoint + archive.config.cmd
    if not words:
        return ()
    name = words[0]
    if "/" in name:
        places = [posixpath.join("/", archive.config.working_dir, name)]
    else:
        places = [posixpath.join(d, name) for d in (archive.config.variable("PATH") or "").split(":") if d]
    return tuple(place for place in places if archive.resolve(place) is not None)[:1]


def _with_arch(context: Context, arch: Arch | None) -> Context:
    return Context(arch, context.created, context.labels, context.exports, context.keep_symbols)


def _unknown(path: Path, start: bytes) -> UsageError:
    hints = (
        (b"!<arch>\n", "a static archive (.a)", "verify the library or the program that it is linked into"),
        (b"PK\x03\x04", "a zip file or a wheel", "unpack it and verify the libraries in it"),
        (b"\x1f\x8b", "compressed with gzip", "decompress it first: gunzip"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd", "decompress it first: zstd -d"),
        (b"BZh", "compressed with bzip2", "decompress it first: bunzip2"),
        (b"\xfd7zXZ", "compressed with xz", "decompress it first: xz -d"),
    )
    for magic, what, hint in hints:
        if start.startswith(magic):
            return UsageError(f"{path} is {what}, which cannot be verified as it is", hint=hint)
    if start[257:262] == b"ustar":
        return UsageError(
            f"{path} is a tar file without an image: no manifest.json or index.json in it, or damaged",
            hint="write an image archive with: docker save -o image.tar IMAGE",
        )
    what = f"it starts with {start[:8]!r}" if start else "it is empty"
    return UsageError(
        f"{path} is nothing that can be verified",
        details=(what,),
        hint="give a shared library, a program, a dist folder, an image archive or an image",
    )
