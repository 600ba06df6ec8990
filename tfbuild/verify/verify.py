"""Verifies an artifact: reads its facts, applies a policy, and gives one report.

Takes a shared library, a program, a static archive, a wheel, a dist folder, an image archive, or an image in
the engine. The engine is not known here: the caller passes what saves an image to a file.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tfbuild.artifacts.elf.facts import ElfFacts, ElfKind
from tfbuild.artifacts.elf.read import ELF_MAGIC
from tfbuild.artifacts.examine import Beside, examine_file
from tfbuild.artifacts.foreign import HEAD, STATIC, ForeignFiles, ForeignKind, count_foreign, is_text, kind_of
from tfbuild.artifacts.image.archive import is_image_archive, require_whole_tar
from tfbuild.artifacts.image.closure import Link
from tfbuild.artifacts.platforms import load_platforms
from tfbuild.artifacts.runs_on import RunsOn, runs_on
from tfbuild.artifacts.static_archive import AR_MAGIC, THIN_MAGIC, ArchiveFacts, read_archive
from tfbuild.artifacts.wheel import ZIP_MAGIC, ZipPackage
from tfbuild.artifacts.whole_file import read_whole, require_regular
from tfbuild.base.arch import Arch
from tfbuild.base.errors import NothingMatchesError, UsageError, VerificationError
from tfbuild.base.project import PROJECT
from tfbuild.base.text import did_you_mean, matches
from tfbuild.base.values import SaveImage
from tfbuild.verify.checks.dist import read_checksums
from tfbuild.verify.checks.elf import check_elf
from tfbuild.verify.checks.isa import check_isa
from tfbuild.verify.checks.licenses import check_licenses, read_licensed
from tfbuild.verify.checks.trust import Demand, check_trust
from tfbuild.verify.checks.wheel import check_archive
from tfbuild.verify.dist_folders import which_dist_folder
from tfbuild.verify.findings import Observation
from tfbuild.verify.image import verify_images, verify_indexed
from tfbuild.verify.libraries import check_misplaced, misplaced
from tfbuild.verify.policy import Context, Policy, Requirement
from tfbuild.verify.policy_file import policy_names, read_policy
from tfbuild.verify.report import NamedPolicy, SubjectKind, VerifyFacts, VerifyReport
from tfbuild.verify.wheel import check_foreign, judge_package, judge_wheel

INDEX_ARCHIVE = "image.oci.tar"  # in the dist folder of a multi-platform image
DEFAULT_POLICY = "default"
_NO_CONTEXT = Context()
_NO_DEMAND = Demand()

_ELF_KINDS = {
    ElfKind.SHARED_LIBRARY: SubjectKind.LIBRARY,
    ElfKind.EXECUTABLE: SubjectKind.PROGRAM,
    ElfKind.PIE: SubjectKind.PROGRAM,
    ElfKind.DEBUG: SubjectKind.DEBUG,
}


def load_policy(root: Path, name: str = DEFAULT_POLICY) -> NamedPolicy:
    """The policy ``name`` of the project in ``root``, or the policy file that ``name`` is the path of, from
    ``root``.

    Raises NothingMatchesError for an unknown name, ConfigError for a file that is no valid policy.
    """
    known = policy_names(root)
    file = root / name
    if name not in known and (file.suffix not in {".yaml", ".yml"} or not file.is_file()):
        raise NothingMatchesError(
            f"there is no policy '{name}'{did_you_mean(name, known)}",
            details=("known: " + ", ".join(known),),
            hint="name one of these, or the path of a policy file (.yaml)",
        )
    return NamedPolicy(name if name in known else file.stem, read_policy(root, name).policy)


def verify(
    target: str,
    policy: NamedPolicy,
    save_image: SaveImage,
    *,
    context: Context = _NO_CONTEXT,
    platform: str | None = None,
    demand: Demand = _NO_DEMAND,
) -> VerifyReport:
    """Verifies ``target``: a path when something is there, else an image in the engine.

    ``demand`` is for dist folders: who must have signed it, and which documents it must have, besides those
    that the policy requires.
    Raises UsageError for what cannot be verified, VerificationError for a damaged file.
    """
    path = Path(target)
    demand = _with_required(demand, policy)
    if not demand.is_empty and not path.is_dir():
        what = (
            f"the policy {policy.name} requires" if policy.policy.require else "--key and --require ask for"
        )
        raise UsageError(
            f"{target} is no dist folder, and {what} documents of one",
            hint="give the folder below dist/ that has SHA256SUMS",
        )
    if path.exists():
        report = verify_path(path, policy, context=context, platform=platform)
        return report if demand.is_empty else _with_trust(report, path, policy, demand)
    if target.startswith((".", "/", "~")) or path.suffix in {".so", ".a", ".tar", ".whl"}:
        raise UsageError(f"there is no file or folder {target}", hint="check the path")
    with tempfile.TemporaryDirectory(prefix="tfbuild-verify-") as folder:
        file = Path(folder) / "image.tar"
        save_image(target, file)
        return verify_images(file, policy, context, platform, target, SubjectKind.IMAGE, Beside())


def _with_required(demand: Demand, policy: NamedPolicy) -> Demand:
    required = frozenset(policy.policy.require)
    if Requirement.SIGNATURE in required and demand.key is None:
        raise UsageError(
            f"the policy {policy.name} requires a signature: by which key?", hint="--key KEY.pub"
        )
    return replace(demand, require=demand.require | required)


def _with_trust(report: VerifyReport, path: Path, policy: NamedPolicy, demand: Demand) -> VerifyReport:
    trust, found = check_trust(path, demand)
    return report.with_more(policy, replace(report.facts, trust=trust), found)


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
    require_regular(path)
    start = _head(path)
    if start.startswith(ELF_MAGIC):
        return _verify_elf(path, policy, context)
    if start.startswith((AR_MAGIC, THIN_MAGIC)) and kind_of(start, path.name) is STATIC:
        return _verify_static(path, policy, context)
    if start.startswith(ZIP_MAGIC):
        return _verify_zip(path, policy, context)
    if is_image_archive(path):
        return verify_images(path, policy, context, platform, str(path), SubjectKind.ARCHIVE, beside)
    raise _unknown(path, start)


def _lost(links: tuple[tuple[Link, str], ...], policy: Policy) -> tuple[tuple[Link, str], ...]:
    """``links`` without those of plug-ins to what the program that opens them has loaded by then."""

    def is_loaded(link: Link) -> bool:
        plugins = policy.elf.plugins.items()
        return any(matches(link.owner, (owner,)) and matches(link.needed, had) for owner, had in plugins)

    return tuple(each for each in links if not is_loaded(each[0]))


def _verify_elf(path: Path, policy: NamedPolicy, context: Context) -> VerifyReport:
    facts = examine_file(path, Beside.of(_dist_of(path)))
    role = policy.policy.role_for(path.name)
    siblings = _siblings(path, facts)
    found = (
        *check_misplaced(str(_dist_of(path)), _lost(_misplaced_alone(path, facts, siblings), policy.policy)),
        *check_elf(facts, policy.policy, role, context),
    )
    read = VerifyFacts(elf=(facts,), runs_on=_runs_on((facts,), beside=siblings))
    return VerifyReport.of(str(path), _ELF_KINDS[facts.kind], policy, read, found)


def _dist_of(path: Path) -> Path:
    """The dist folder that the file lies in, if it does: its headers and debug files tell more."""
    return path.resolve().parent.parent


def _misplaced_alone(path: Path, facts: ElfFacts, siblings: frozenset[str]) -> tuple[tuple[Link, str], ...]:
    """Libraries of the same dist folder that ``path`` needs, and has no run path to."""
    dist = _dist_of(path)
    if not (dist / "manifest.json").is_file() and not (dist / "SHA256SUMS").is_file():
        return ()
    owner = path.resolve().relative_to(dist).as_posix()
    return tuple(
        (Link(owner, name, None), f"lib/{name}")
        for name in facts.needed
        if name not in siblings and (dist / "lib" / name).is_file()
    )


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
    files: tuple[ElfFacts, ...],
    *,
    image: bool = False,
    beside: frozenset[str] = frozenset(),
    unmeasured: tuple[str, ...] = (),
) -> RunsOn | None:
    loaded = tuple(each for each in files if each.kind is not ElfKind.DEBUG)
    left = tuple(each.path for each in loaded if matches(Path(each.path).name, unmeasured))
    platforms = load_platforms(PROJECT)
    return runs_on(loaded, platforms, image=image, beside=beside, unmeasured=left) if loaded else None


def _verify_static(path: Path, policy: NamedPolicy, context: Context) -> VerifyReport:
    facts = read_archive(read_whole(path), str(path))
    found = _judge_static(facts, policy.policy, context)
    return VerifyReport.of(str(path), SubjectKind.STATIC, policy, VerifyFacts(elf=(), static=facts), found)


def _judge_static(facts: ArchiveFacts, rules: Policy, context: Context) -> list[Observation]:
    found = list(check_archive(facts, context))
    if facts.isa is not None:
        found += check_isa(facts.path, facts.isa, rules, rules.role_for(Path(facts.path).name), context)
    return found


def _verify_zip(path: Path, policy: NamedPolicy, context: Context) -> VerifyReport:
    with ZipPackage(path) as package:
        is_wheel = any(".dist-info/" in name for name in package.names)
    if not is_wheel and path.suffix != ".whl":
        return _verify_package(path, policy, context)
    wheel = judge_wheel(path, policy.policy, context)
    return VerifyReport.of(
        str(path),
        SubjectKind.WHEEL,
        policy,
        VerifyFacts(
            elf=wheel.elf,
            wheel=wheel.facts,
            tag=wheel.tag,
            runs_on=_runs_on(wheel.elf),
            foreign=wheel.foreign,
        ),
        wheel.observations,
    )


def _verify_package(path: Path, policy: NamedPolicy, context: Context) -> VerifyReport:
    package = judge_package(path, policy.policy, context)
    one_machine = len({each.machine for each in package.elf}) == 1
    return VerifyReport.of(
        str(path),
        SubjectKind.PACKAGE,
        policy,
        VerifyFacts(
            elf=package.elf,
            runs_on=_runs_on(package.elf) if one_machine else None,
            foreign=package.foreign,
        ),
        package.observations,
    )


def _verify_dist(
    path: Path, policy: NamedPolicy, context: Context, checksums: bool, beside: Beside
) -> VerifyReport:
    indexed = path / INDEX_ARCHIVE
    if indexed.is_file():
        return verify_indexed(path, indexed, policy, context, checksums)
    parts = [path / name for name in ("lib", "bin") if (path / name).is_dir()]
    wheels = sorted(file for file in path.glob("python/*.whl") if file.is_file())
    if not parts and not wheels and not (path / "SHA256SUMS").exists():
        raise UsageError(
            f"{path} is not a dist folder: no lib/, bin/ or SHA256SUMS in it",
            hint=which_dist_folder(path, ", or a single file"),
        )
    context = context if context.arch else _with_arch(context, Arch.parse(path.resolve().name))
    read = _read_parts(path, parts, beside, policy.policy.elf.unmeasured)
    judged_wheels = [judge_wheel(file, policy.policy, context, beside) for file in wheels]
    found = list(read.damaged)
    if not read.elf and not read.static and not judged_wheels and not is_image_alone(path):
        message = f"no ELF file and no static archive in lib/ or bin/ of {path}, and no wheel"
        found.append(Observation("dist-nothing", message, fix="build it again"))
    found += check_foreign(str(path), read.foreign, nothing=False)
    by_name = {Path(each.path).relative_to(path).as_posix(): each for each in read.elf}
    found += check_misplaced(str(path), _lost(misplaced(by_name, read.links, each_alone=True), policy.policy))
    sums, different = read_checksums(path) if checksums else (None, ())
    found += different
    for each in read.elf:
        found += check_elf(each, policy.policy, policy.policy.role_for(Path(each.path).name), context)
    for archive in read.static:
        found += _judge_static(archive, policy.policy, context)
    for judged in judged_wheels:
        found += judged.observations
    found += check_licenses(read_licensed(path), policy.policy.licenses) if checksums else ()
    elf = (*read.elf, *(each for wheel in judged_wheels for each in wheel.elf))
    wheel = judged_wheels[0] if judged_wheels else None
    return VerifyReport.of(
        str(path),
        SubjectKind.DIST,
        policy,
        VerifyFacts(
            elf=elf,
            checksums=sums,
            static=read.static[0] if read.static else None,
            wheel=wheel.facts if wheel else None,
            tag=wheel.tag if wheel else None,
            runs_on=_runs_on(elf, unmeasured=policy.policy.elf.unmeasured),
            foreign=(*read.foreign, *(each for wheel in judged_wheels for each in wheel.foreign)),
        ),
        found,
    )


@dataclass(frozen=True)
class _Parts:
    """What lies in lib/ and bin/; ``links`` are symbolic links and where they end, relative to the folder."""

    elf: tuple[ElfFacts, ...]
    static: tuple[ArchiveFacts, ...]
    links: Mapping[str, str]
    foreign: tuple[ForeignFiles, ...]
    damaged: tuple[Observation, ...]


def is_image_alone(folder: Path) -> bool:
    """Whether a build wrote ``folder`` whose whole result is an image: by its manifest, no file has code."""
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and manifest.get("files") == [] and bool(manifest.get("image"))


def _read_parts(path: Path, parts: list[Path], beside: Beside, unmeasured: tuple[str, ...]) -> _Parts:
    damaged: list[Observation] = []
    elf: list[ElfFacts] = []
    static: list[ArchiveFacts] = []
    links: dict[str, str] = {}
    foreign: list[tuple[str, ForeignKind]] = []
    root = path.resolve()
    for file in sorted(f for part in parts for f in part.rglob("*") if f.is_file()):
        name = file.relative_to(path).as_posix()
        if file.is_symlink():
            target = file.resolve()
            if target.is_relative_to(root):
                links[name] = target.relative_to(root).as_posix()
            continue
        head = _head(file)
        kind = kind_of(head, name)
        try:
            if head.startswith(ELF_MAGIC):
                elf.append(examine_file(file, beside, code=not matches(file.name, unmeasured)))
            elif kind is STATIC:
                static.append(read_archive(read_whole(file), str(file)))
            elif kind is not None:
                foreign.append((name, kind))
        except VerificationError as error:
            damaged.append(Observation("elf-damaged", error.message, error.details, error.hint))
        except UsageError:
            continue  # an object file: nothing that is loaded
    return _Parts(tuple(elf), tuple(static), links, count_foreign(foreign), tuple(damaged))


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error


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
        require_whole_tar(path)
        return UsageError(
            f"{path} is a tar file without an image: no manifest.json or index.json in it, or damaged",
            hint="write an image archive with: docker save -o image.tar IMAGE",
        )
    kind = kind_of(start, path.name)
    if kind is not None:
        hint = "use the tools of that system, or unpack it and verify the ELF files in it"
        return UsageError(f"{path} is a {kind.name}, which is not understood here", hint=hint)
    what = "it is a text" if is_text(start) else f"it starts with {start[:8]!r}"
    what = what if start else "it is empty"
    return UsageError(
        f"{path} cannot be verified",
        details=(what,),
        hint="give a shared library, a program, a static archive, a wheel, a dist folder or an image",
    )
