"""Judges wheels and static archives. Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tfbuild.artifacts.elf.facts import ElfFacts, Libc, VersionFloor, version_key
from tfbuild.artifacts.platforms import Platforms, WheelTag
from tfbuild.artifacts.runs_on import arch_of, libc_of, wheel_tag
from tfbuild.artifacts.static_archive import ArchiveFacts
from tfbuild.artifacts.wheel import WheelFacts
from tfbuild.base.arch import Arch
from tfbuild.verify.findings import Observation
from tfbuild.verify.policy import Context

# Machine names at the end of platform tags: https://packaging.python.org/specifications/platform-compatibility-tags/
_MACHINES = {each.platform.machine: each for each in Arch}
_SHOWN = 8


@dataclass(frozen=True)
class TagFacts:
    """The platform tag that a wheel could have, and what its libraries need."""

    machine: str  # as in tags: x86_64
    # "manylinux_2_28_x86_64", or "linux_x86_64" where it needs what no tag allows; None where it is newer
    # than all known tags, and without glibc.
    fits: str | None
    needs: tuple[VersionFloor, ...]
    foreign: tuple[str, ...]  # needed libraries that no tag allows
    libc: Libc | None = Libc.GLIBC
    versions_fit: str | None = None  # as ``fits``, judged by symbol versions alone


def tag_facts(
    files: tuple[ElfFacts, ...], platforms: Platforms, tags: tuple[str, ...] = ()
) -> TagFacts | None:
    """What the ELF files of a wheel allow; None where there is none, or of several machines.

    ``tags`` are those that the wheel has: they decide where no file names a C library.
    """
    arch = arch_of(files)
    if arch is None:
        return None
    machine = arch.platform.machine
    libc = libc_of(files)
    if libc is None and any(tag.startswith("musllinux") for tag in tags):
        libc = Libc.MUSL
    if libc in {Libc.MUSL, Libc.BIONIC}:
        return TagFacts(machine, None, (), (), libc)
    tag, needs, foreign = wheel_tag(files, arch, platforms)
    versions = f"{tag.tag}_{machine}" if tag else None
    # A tag is a promise that pip installs it where it can be imported: auditwheel does not give it either.
    return TagFacts(machine, f"linux_{machine}" if foreign else versions, needs, foreign, libc, versions)


def check_wheel(
    wheel: WheelFacts,
    fits: TagFacts | None,
    platforms: Platforms,
) -> Iterator[Observation]:
    """What is wrong with a wheel as a whole."""
    if wheel.altered:
        yield Observation(
            "wheel-record",
            f"{len(wheel.altered)} files are not those that RECORD names",
            wheel.altered[:_SHOWN],
            "download the wheel again, and compare its sha256",
        )
    yield from _libc(wheel, fits)
    claimed = [each for tag in wheel.tags if (each := _claim(tag, platforms))]
    if fits is None or not claimed:
        return
    machines = {machine for _, machine in claimed}
    if fits.machine not in machines:
        yield Observation(
            "wheel-machine", f"the tag is for {', '.join(sorted(machines))}, the libraries for {fits.machine}"
        )
        return
    if fits.libc in {Libc.MUSL, Libc.BIONIC}:
        return
    if fits.foreign:
        yield Observation(
            "wheel-library",
            f"the wheel needs {', '.join(fits.foreign)}, which a manylinux wheel must contain",
            fix="auditwheel repair copies them into the wheel",
        )
    yield from _tags(claimed, fits, platforms)


# Which C library a platform tag is about (packaging.python.org, "Platform compatibility tags").
_TAG_LIBC = (("manylinux", Libc.GLIBC), ("musllinux", Libc.MUSL), ("android", Libc.BIONIC))


def _libc(wheel: WheelFacts, fits: TagFacts | None) -> Iterator[Observation]:
    if fits is None or fits.libc is None:
        return
    for tag in wheel.tags:
        claimed = next((libc for start, libc in _TAG_LIBC if tag.startswith(start)), None)
        if claimed is not None and claimed is not fits.libc:
            yield Observation(
                "wheel-tag",
                f"the tag says {tag}, which is for {claimed}, but the libraries were linked with {fits.libc}",
                fix="pip installs it where it cannot be imported; build it on a system with that C library",
            )


def _claim(tag: str, platforms: Platforms) -> tuple[int, str] | None:
    """Place of the tag in the list and machine."""
    for machine in _MACHINES:
        if tag.endswith(f"_{machine}"):
            name = tag.removesuffix(f"_{machine}")
            for index, known in enumerate(platforms.wheel_tags):
                if name in (known.tag, *known.aliases):
                    return index, machine
    return None


def _tags(claimed: list[tuple[int, str]], fits: TagFacts, platforms: Platforms) -> Iterator[Observation]:
    lowest = min(index for index, _ in claimed)
    said = platforms.wheel_tags[lowest]
    order = [f"{tag.tag}_{fits.machine}" for tag in platforms.wheel_tags]
    actual = order.index(fits.versions_fit) if fits.versions_fit is not None else len(order)
    arch = _MACHINES[fits.machine]
    if actual > lowest:
        yield Observation(
            "wheel-tag",
            f"the tag says {said.tag}, but the libraries need {fits.versions_fit or 'more than all tags'}",
            tuple(_reason(floor, said, arch) for floor in _beyond(fits, said, arch)),
            "pip installs it where it cannot be imported; build on an older system, or tag it as it is",
        )
    elif actual < lowest and not fits.foreign:
        yield Observation(
            "wheel-tag-strict",
            f"the tag says {said.tag}, though {fits.fits} would do",
            fix="pip refuses it on systems on which it would run; auditwheel repair finds the right tag",
        )


def _beyond(fits: TagFacts, said: WheelTag, arch: Arch) -> tuple[VersionFloor, ...]:
    return tuple(
        floor
        for floor in fits.needs
        if (limit := said.limit(floor.family, arch)) and floor.key > version_key(limit)
    )


def _reason(floor: VersionFloor, said: WheelTag, arch: Arch) -> str:
    symbols = f", for {', '.join(floor.symbols[:4])}" if floor.symbols else ""
    needs = f"{floor.family}_{floor.version} of {floor.library}{symbols}"
    return f"{needs}; {said.tag} has {said.limit(floor.family, arch)}"


def check_archive(facts: ArchiveFacts, context: Context) -> Iterator[Observation]:
    """What is wrong with a static archive."""
    if not facts.objects:
        yield Observation(
            "archive-empty", f"{facts.path} has no objects", facts.other[:_SHOWN], "build it again"
        )
    if len(facts.machines) > 1:
        yield Observation("archive-mixed", f"{facts.path} has objects for {', '.join(facts.machines)}")
    elif (
        context.arch is not None and facts.machines and facts.machines != (context.arch.platform.elf_machine,)
    ):
        yield Observation("elf-machine", f"{facts.path} is for {facts.machines[0]}, not for {context.arch}")
    if facts.bitcode:
        yield Observation(
            "archive-bitcode",
            f"{facts.path} has objects for link-time optimisation",
            fix="compile without -flto for others to link, or with -ffat-lto-objects",
        )
