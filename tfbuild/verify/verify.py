"""Verifies an artifact: reads its facts, applies a policy, and gives one report.

Takes a shared library, a program, a static archive, a wheel, a dist folder, an image archive, or an image in
the engine. The engine is not known here: the caller passes what saves an image to a file.
"""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tfbuild.artifacts.elf.facts import ElfFacts, ElfKind
from tfbuild.artifacts.elf.read import ELF_MAGIC
from tfbuild.artifacts.examine import Beside, examine, examine_file
from tfbuild.artifacts.image.archive import ImageArchive, image_platforms, is_image_archive
from tfbuild.artifacts.image.closure import closure
from tfbuild.artifacts.image.facts import FileType
from tfbuild.artifacts.platforms import load_platforms
from tfbuild.artifacts.runs_on import RunsOn, runs_on
from tfbuild.artifacts.static_archive import AR_MAGIC, THIN_MAGIC, read_archive
from tfbuild.artifacts.wheel import ZIP_MAGIC
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, NothingMatchesError, UsageError, VerificationError
from tfbuild.base.project import PROJECT
from tfbuild.base.text import did_you_mean, matches
from tfbuild.config.binding import bind
from tfbuild.config.yaml_source import read_yaml
from tfbuild.verify.checks.dist import read_checksums
from tfbuild.verify.checks.elf import check_elf
from tfbuild.verify.checks.image import check_image, image_arch
from tfbuild.verify.checks.isa import check_isa
from tfbuild.verify.checks.wheel import check_archive
from tfbuild.verify.policy import Context, Findings, Policy
from tfbuild.verify.report import NamedPolicy, SubjectKind, VerifyFacts, VerifyReport
from tfbuild.verify.wheel import judge_wheel

INDEX_ARCHIVE = "image.oci.tar"  # in the dist folder of a multi-platform image
POLICY_FOLDER = Path("build_configs", "policies")
DEFAULT_POLICY = "default"
_NO_CONTEXT = Context()

SaveImage = Callable[[str, Path], None]


"""Writes the image that the first argument names to a file; raises NothingMatchesError if there is none."""


_ELF_KINDS = {
    ElfKind.SHARED_LIBRARY: SubjectKind.LIBRARY,
    ElfKind.EXECUTABLE: SubjectKind.PROGRAM,
    ElfKind.PIE: SubjectKind.PROGRAM,
    ElfKind.DEBUG: SubjectKind.DEBUG,
}


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
        return _verify_images(file, policy, context, platform, target, SubjectKind.IMAGE, Beside())


def verify_path(
    path: Path,
    policy: NamedPolicy,
    *,
    context: Context = _NO_CONTEXT,
    platform: str | None = None,
    checksums: bool = True,
    symbols: Path | None = None,
) -> VerifyReport:
    """Verifies a file or a dist folder. ``checksums=False`` is for a folder that is not complete yet.

    ``platform`` ("linux/arm64") picks an image where an archive holds several; ``symbols`` is a folder with
    the same files as they were before they were stripped.
    """
    beside = Beside.of(path, symbols)
    if path.is_dir():
        return _verify_dist(path, policy, context, checksums, beside)
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    if start.startswith(ELF_MAGIC):
        return _verify_elf(path, policy, context)
    if start.startswith((AR_MAGIC, THIN_MAGIC)):
        return _verify_static(path, policy, context)
    if start.startswith(ZIP_MAGIC):
        return _verify_wheel(path, policy, context)
    if is_image_archive(path):
        return _verify_images(path, policy, context, platform, str(path), SubjectKind.ARCHIVE, beside)
    raise _unknown(path, start)


def _verify_elf(path: Path, policy: NamedPolicy, context: Context) -> VerifyReport:
    facts = examine_file(path, Beside.of(_dist_of(path)))
    role = policy.policy.role_for(path.name)
    return VerifyReport(
        subject=str(path),
        kind=_ELF_KINDS[facts.kind],
        policy=policy.name,
        facts=VerifyFacts(elf=(facts,), runs_on=_runs_on((facts,), beside=_siblings(path, facts))),
        findings=check_elf(facts, policy.policy, role, context),
    )


def _dist_of(path: Path) -> Path:
    """The dist folder that the file lies in, if it does: its headers and debug files tell more."""
    return path.resolve().parent.parent


def _siblings(path: Path, facts: ElfFacts) -> frozenset[str]:
    """Names of files that the loader finds beside ``path`` (or where its run path leads from there)."""
    origin = path.resolve().parent
    folders = [
        origin / run.replace("${ORIGIN}", ".").replace("$ORIGIN", ".").lstrip("/")
        for run in (*facts.runpath, *facts.rpath)
        if run.startswith(("$ORIGIN", "${ORIGIN}"))
    ]
    return frozenset(name for name in facts.needed for folder in folders if (folder / name).is_file())


def _runs_on(
    files: tuple[ElfFacts, ...], *, image: bool = False, beside: frozenset[str] = frozenset()
) -> RunsOn | None:
    loaded = tuple(each for each in files if each.kind is not ElfKind.DEBUG)
    return runs_on(loaded, load_platforms(PROJECT), image=image, beside=beside) if loaded else None


def _verify_static(path: Path, policy: NamedPolicy, context: Context) -> VerifyReport:
    try:
        facts = read_archive(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    found = Findings(policy.policy)
    if facts.isa is not None:
        check_isa(found, facts.path, facts.isa, policy.policy, policy.policy.role_for(path.name), context)
    return VerifyReport(
        subject=str(path),
        kind=SubjectKind.STATIC,
        policy=policy.name,
        facts=VerifyFacts(elf=(), static=facts),
        findings=(*check_archive(facts, policy.policy, context), *found.all()),
    )


def _verify_wheel(path: Path, policy: NamedPolicy, context: Context) -> VerifyReport:
    wheel = judge_wheel(path, policy.policy, context)
    return VerifyReport(
        subject=str(path),
        kind=SubjectKind.WHEEL,
        policy=policy.name,
        facts=VerifyFacts(elf=wheel.elf, wheel=wheel.facts, tag=wheel.tag, runs_on=_runs_on(wheel.elf)),
        findings=wheel.findings,
    )


def _verify_dist(
    path: Path, policy: NamedPolicy, context: Context, checksums: bool, beside: Beside
) -> VerifyReport:
    indexed = path / INDEX_ARCHIVE
    if indexed.is_file():
        return _verify_indexed(path, indexed, policy, context, checksums)
    parts = [path / name for name in ("lib", "bin") if (path / name).is_dir()]
    wheels = sorted(path.glob("python/*.whl"))
    if not parts and not wheels and not (path / "SHA256SUMS").exists():
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
                facts.append(examine_file(file, beside))
        except VerificationError as error:
            found.add("elf-damaged", error.message, error.details, error.hint)
        except UsageError:
            continue  # an object file: nothing that is loaded
        except OSError as error:
            raise UsageError(f"cannot read {file}: {error.strerror or error}") from error
    judged_wheels = [judge_wheel(file, policy.policy, context, beside) for file in wheels]
    if not facts and not judged_wheels:
        found.add(
            "dist-nothing", f"no ELF file in lib/ or bin/ of {path}, and no wheel", fix="build it again"
        )
    sums = read_checksums(path, found) if checksums else None
    judged = tuple(
        finding
        for each in facts
        for finding in check_elf(each, policy.policy, policy.policy.role_for(Path(each.path).name), context)
    )
    elf = (*facts, *(each for wheel in judged_wheels for each in wheel.elf))
    wheel = judged_wheels[0] if judged_wheels else None
    return VerifyReport(
        subject=str(path),
        kind=SubjectKind.DIST,
        policy=policy.name,
        facts=VerifyFacts(
            elf=elf,
            checksums=sums,
            wheel=wheel.facts if wheel else None,
            tag=wheel.tag if wheel else None,
            runs_on=_runs_on(elf),
        ),
        findings=(*found.all(), *judged, *(each for wheel in judged_wheels for each in wheel.findings)),
    )


def _verify_indexed(
    folder: Path, archive: Path, policy: NamedPolicy, context: Context, checksums: bool
) -> VerifyReport:
    """The dist folder of a multi-platform image: its archive, and the checksums of all in it."""
    found = Findings(policy.policy)
    sums = read_checksums(folder, found) if checksums else None
    report = _verify_images(archive, policy, context, None, str(folder), SubjectKind.ARCHIVE, Beside())
    return replace(
        report, facts=replace(report.facts, checksums=sums), findings=(*found.all(), *report.findings)
    )


def _verify_images(
    path: Path,
    policy: NamedPolicy,
    context: Context,
    platform: str | None,
    subject: str,
    kind: SubjectKind,
    beside: Beside,
) -> VerifyReport:
    """The image of ``platform``; without one, the image of each platform that the archive holds."""
    platforms = image_platforms(path) if platform is None else ()
    if not platforms:
        return _verify_image(path, policy, context, platform, subject, kind, beside)
    reports = {each: _verify_image(path, policy, context, each, subject, kind, beside) for each in platforms}
    return VerifyReport.of_platforms(subject, reports)


def _verify_image(
    path: Path,
    policy: NamedPolicy,
    context: Context,
    platform: str | None,
    subject: str,
    kind: SubjectKind,
    beside: Beside,
) -> VerifyReport:
    rules = policy.policy
    with ImageArchive(path, platform=platform) as archive:
        facts = archive.facts
        names = [f.path for f in facts.files if f.type is FileType.FILE]
        ours = [n for n in names if rules.role_for(posixpath.basename(n)) is not None]
        entry = _entrypoint(archive)
        start = {n for n in names if matches(n, rules.image.closure)} | set(ours) | set(entry)
        links = closure(archive, start)
        elf = {
            name: replace(examine(archive.read(name), name, beside), path=name)
            for name in archive.elf_facts([*ours, *entry])
        }
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
        facts=VerifyFacts(
            elf=(examined := tuple(elf[name] for name in sorted(elf))),
            image=facts,
            closure=links,
            runs_on=_runs_on(examined, image=True),
        ),
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
    return replace(context, arch=arch)


def _unknown(path: Path, start: bytes) -> UsageError:
    hints = (
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
        hint="give a shared library, a program, a static archive, a wheel, a dist folder or an image",
    )
