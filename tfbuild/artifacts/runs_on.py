"""Where something runs: distributions by symbol versions, CPUs by instruction sets. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tfbuild.artifacts.elf.facts import ElfFacts, ElfKind, Libc, VersionFloor, version_key
from tfbuild.artifacts.isa.facts import Verdict
from tfbuild.artifacts.isa.march import cpus
from tfbuild.artifacts.platforms import FAMILIES, DistributionFamily, Platforms, WheelTag
from tfbuild.base.arch import Arch
from tfbuild.base.text import matches


@dataclass(frozen=True)
class Supplier:
    """Where a needed library comes from."""

    library: str
    source: str  # "beside", or a package
    package: bool


@dataclass(frozen=True)
class RunsOn:
    """Where it runs, in words. ``distributions`` is empty for an image, which brings its own."""

    arch: Arch | None
    distributions: tuple[str, ...]
    refused: tuple[str, ...]  # the newest release of each family that is too old, and why
    cpus: str
    conditions: tuple[str, ...]
    libraries: tuple[Supplier, ...]


def arch_of(files: Iterable[ElfFacts]) -> Arch | None:
    """The one architecture of all files, where it is one of ours."""
    machines = {each.machine for each in files if each.kind is not ElfKind.DEBUG}
    found = [arch for arch in Arch if {arch.platform.elf_machine} == machines]
    return found[0] if found else None


def libc_of(files: Iterable[ElfFacts]) -> Libc | None:
    """The C library of the files; the strangest where they differ, None where nothing tells."""
    found = {each.libc for each in files}
    return next((libc for libc in (Libc.BIONIC, Libc.MUSL, Libc.GLIBC) if libc in found), None)


def highest(files: Iterable[ElfFacts], provided: frozenset[str]) -> tuple[VersionFloor, ...]:
    """The highest version of each family, asked of libraries that are not among ``provided``."""
    top: dict[str, VersionFloor] = {}
    for each in files:
        for floor in each.floors:
            if floor.library in provided:
                continue
            known = top.get(floor.family)
            if known is None or floor.key > known.key:
                top[floor.family] = floor
    return tuple(top[family] for family in sorted(top))


def provided_by(files: Iterable[ElfFacts]) -> frozenset[str]:
    """Names under which the files find each other."""
    return frozenset(name for each in files for name in (each.soname, each.path.rpartition("/")[2]) if name)


def runs_on(
    files: tuple[ElfFacts, ...],
    platforms: Platforms,
    *,
    image: bool = False,
    beside: frozenset[str] = frozenset(),
    unmeasured: tuple[str, ...] = (),
    scripts: tuple[str, ...] = (),
) -> RunsOn:
    """Where a program can load and run all of ``files``; ``beside`` are libraries that come along.

    ``unmeasured`` are further files that it loads, of unknown instructions; ``scripts`` start what is not
    known.
    """
    arch = arch_of(files)
    beside |= provided_by(files)
    floors = highest(files, beside)
    suppliers = _suppliers(files, beside, platforms)
    libc = libc_of(files)
    other = libc not in {None, Libc.GLIBC}
    families = () if image or arch is None or other else platforms.distributions
    shown = [_family(family, arch, floors) for family in families if arch]
    conditions = list(_conditions(files))
    conditions += [f"what the script {script} starts is not looked at" for script in scripts]
    if other and libc is not None:
        conditions.append(_OTHER_LIBC[libc])
    unknown = [s.library for s in suppliers if s.source == _UNKNOWN]
    if unknown and not image and not other:
        conditions.append("these have to be installed as well: " + ", ".join(unknown))
    return RunsOn(
        arch=arch,
        distributions=tuple(words for words, _ in shown if words),
        refused=tuple(reason for _, reason in shown if reason),
        cpus=_cpus(files, unmeasured),
        conditions=tuple(conditions),
        libraries=suppliers,
    )


_UNKNOWN = "somewhere else"
_NAMED = 4  # files of many
_OTHER_LIBC = {
    Libc.MUSL: "linked against musl: Alpine Linux, not the distributions with glibc",
    Libc.BIONIC: "linked against bionic: Android, not the distributions with glibc",
}


def _suppliers(
    files: tuple[ElfFacts, ...], beside: frozenset[str], platforms: Platforms
) -> tuple[Supplier, ...]:
    found: list[Supplier] = []
    for name in sorted({name for each in files for name in each.needed}):
        if name in beside:
            found.append(Supplier(name, "beside", False))
            continue
        package = next((lib for lib in platforms.system_libraries if matches(name, lib.files)), None)
        source = f"{package.deb} (Debian, Ubuntu) or {package.rpm} (RHEL, Amazon)" if package else _UNKNOWN
        found.append(Supplier(name, source, package is not None))
    return tuple(found)


def _family(family: DistributionFamily, arch: Arch, floors: tuple[VersionFloor, ...]) -> tuple[str, str]:
    """In words: from which release on, and why not on the one before."""
    releases = [release for release in family.releases if arch in release.arches]
    if not releases:
        return "", ""
    reason = ""
    first = 0
    for index, release in enumerate(releases):
        gap = next((f for f in floors if not release.has(f.family, f.version)), None)
        if gap is not None:
            first = index + 1
            have = getattr(release, gap.family)
            because = f" ({', '.join(gap.symbols[:3])})" if gap.symbols else ""
            reason = (
                f"{family.family} {release.name} has {gap.family}_{have}; "
                f"{gap.family}_{gap.version} is needed{because}"
            )
    if first == len(releases):
        return "", reason
    return f"{family.family} {releases[first].name} or newer", reason


def _cpus(files: tuple[ElfFacts, ...], unmeasured: tuple[str, ...]) -> str:
    measured = [each.isa for each in files if each.isa is not None]
    if not measured:
        return "not measured: instructions of this machine are not decoded here"
    needed = frozenset(name for isa in measured for name in isa.names(Verdict.ALWAYS))
    words = cpus(measured[0].machine, needed)
    open_questions = frozenset(n for isa in measured for n in isa.names(Verdict.UNCLEAR)) - needed
    if open_questions:
        words += f"; whether {', '.join(sorted(open_questions))} must be there as well is unclear"
    if not unmeasured:
        return words
    names = [path.rpartition("/")[2] for path in unmeasured]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"unclear: {', '.join(names[:_NAMED])}{more} not measured, being too large; the rest: {words}"


def _conditions(files: tuple[ElfFacts, ...]) -> Iterable[str]:
    unclear = sorted({n for each in files if each.isa for n in each.isa.names(Verdict.UNCLEAR)})
    alone: dict[str, list[str]] = {}
    always = {n for each in files if each.isa for n in each.isa.names(Verdict.ALWAYS)}
    unclear = [name for name in unclear if name not in always]
    if unclear:
        yield (
            f"{', '.join(unclear)}: in use, and names of functions do not show whether they are chosen at "
            "run time"
        )
    for name in sorted(always):
        users = [each for each in files if each.isa and name in each.isa.names(Verdict.ALWAYS)]
        if len(users) == 1 < len(files):
            alone.setdefault(users[0].path.rpartition("/")[2], []).append(name)
    for library, names in alone.items():
        yield f"only {library} needs {', '.join(names)}"
    said: dict[str, list[str]] = {}
    for each in files:
        if each.abi:
            said.setdefault(", ".join(each.abi), []).append(each.path.rpartition("/")[2])
    for words, names in said.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"{', '.join(names[:_NAMED])}{more}: {words}"


def wheel_tag(
    files: tuple[ElfFacts, ...], arch: Arch, platforms: Platforms
) -> tuple[WheelTag | None, tuple[VersionFloor, ...], tuple[str, ...]]:
    """The most compatible tag whose versions suffice; what is needed; libraries that no tag allows."""
    beside = provided_by(files)
    floors = tuple(f for f in highest(files, beside) if f.family in FAMILIES)
    foreign = tuple(
        sorted(
            {
                name
                for each in files
                for name in each.needed
                if name not in beside and name not in platforms.wheel_libraries
            }
        )
    )
    for tag in platforms.wheel_tags:
        if arch not in tag.arches:
            continue
        if not any(_beyond(f, tag.limit(f.family, arch)) for f in floors):
            return tag, floors, foreign
    return None, floors, foreign


def _beyond(floor: VersionFloor, limit: str | None) -> bool:
    return limit is not None and floor.key > version_key(limit)
