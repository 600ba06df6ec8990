"""What CPUs have: the table ``build_configs/platforms/cpus.yaml``, whose comments name the sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from itertools import chain, takewhile
from pathlib import Path
from typing import Annotated

from pydantic import Field

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, ConfigProblem
from tfbuild.base.text import did_you_mean
from tfbuild.config.binding import bind
from tfbuild.config.types import Keys
from tfbuild.config.yaml_source import YamlDocument, YamlMapping, YamlScalar, YamlSequence, read_yaml

CPUS = Path("build_configs", "platforms", "cpus.yaml")

Extension = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]+$")]
CpuFlag = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
CompilerFlag = Annotated[str, Field(pattern=r"^-m[a-z0-9.]+$")]
Version = Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})*$")]


class Level(Keys):
    """A step of the architecture: what it adds to those before it, and who has it."""

    name: str
    cpus: str = Field(description="In words.")
    adds: frozenset[Extension] = Field(default=frozenset(), description="Extensions.")


class X86Level(Level):
    """A level of the psABI."""

    cpuinfo: frozenset[CpuFlag] = Field(
        default=frozenset(), description="Flags of /proc/cpuinfo that a CPU has to have."
    )
    flags: tuple[CompilerFlag, ...] = Field(
        default=(), description="What it adds, for a compiler that does not know its name."
    )


class Cpu(Keys):
    """What a name allows that a compiler takes for a CPU."""

    like: tuple[str, ...] = Field(default=(), description="Levels, or names of rows above this one.")
    adds: frozenset[Extension] = Field(default=frozenset(), description="Extensions.")


class EmulatedCpu(Cpu):
    """What a CPU has that QEMU emulates under this name."""

    qemu: Version = Field(description="A version of QEMU that has it.")


class EmulatedMarch(Keys):
    """Which CPU QEMU emulates for a ``-march``."""

    cpu: str = Field(description="QEMU's name.")
    qemu: Version = Field(description="A version of QEMU that has it.")


class Possible(Keys):
    """The ``-march`` that an architecture can have, of those that its compilers know."""

    march: frozenset[str] = Field(description="Names, without what may follow them as +NAME.")
    why: str = Field(description="Why no others.")


class Cpus(Keys):
    """The whole file."""

    x86_64_levels: tuple[X86Level, ...] = Field(min_length=4, max_length=4)
    x86_64_before_v2: tuple[Level, ...] = Field(min_length=2, max_length=2)
    x86_64_before_v3: tuple[Level, ...]
    x86_64_cpus: dict[str, Cpu]
    arm64_levels: tuple[Level, ...] = Field(min_length=2)
    arm64_optional: dict[Extension, str]
    arm64_cpus: dict[str, Cpu]
    arm64_emulated: dict[str, EmulatedCpu]
    emulated_march: dict[str, EmulatedMarch]
    possible: dict[Arch, Possible]
    arm64_options: dict[str, frozenset[Extension]]
    cpuinfo: dict[Extension, CpuFlag]
    first_compilers: dict[str, dict[str, Version]]

    @cached_property
    def x86_64(self) -> Mapping[str, frozenset[str]]:
        """All extensions that ``-march=NAME`` allows, by name."""
        return _by_name(self.x86_64_levels, self.x86_64_cpus)

    @cached_property
    def arm64(self) -> Mapping[str, frozenset[str]]:
        """The same of arm64, without what may follow the name as ``+NAME``."""
        return _by_name(self.arm64_levels, self.arm64_cpus)

    @cached_property
    def emulated(self) -> Mapping[str, frozenset[str]]:
        """What each CPU has that QEMU emulates, the weakest first."""
        known = self.arm64
        return {
            name: cpu.adds.union(*(known[each] for each in cpu.like))
            for name, cpu in self.arm64_emulated.items()
        }

    def why_impossible(self, march: str, arch: Arch) -> str | None:
        """Why no code for ``march`` can be linked for ``arch``; None where it can, or nobody knows."""
        possible = self.possible.get(arch)
        return possible.why if possible and march.partition("+")[0] not in possible.march else None

    def x86_64_level(self, features: frozenset[str]) -> int:
        """The highest level (1 to 4) of which a CPU with ``features``, of /proc/cpuinfo, has all."""
        return sum(1 for _ in takewhile(lambda level: level.cpuinfo <= features, self.x86_64_levels))

    def x86_64_features(self, level: int) -> frozenset[str]:
        """What a CPU of ``level`` (1 to 4) has beyond the first one, as named in /proc/cpuinfo."""
        return frozenset[str]().union(*(each.cpuinfo for each in self.x86_64_levels[:level]))

    def spelled_out(self, march: str) -> tuple[str, ...] | None:
        """Flags that mean the level ``march`` to a compiler that does not know its name; None for a CPU's."""
        names = [each.name for each in self.x86_64_levels]
        if march not in names[1:]:
            return None
        reached = self.x86_64_levels[: names.index(march) + 1]
        return (f"-march={names[0]}", *(flag for each in reached for flag in each.flags))


@cache
def load_cpus(root: Path) -> Cpus:
    """The table of the project in ``root``. Raises ConfigError with everything that is wrong in it."""
    document = read_yaml(root / CPUS, str(CPUS))
    found, problems = bind(document, Cpus)
    unknown = (*_unknown(document, "x86_64"), *_unknown(document, "arm64")) if found else ()
    if found is None or document.problems or unknown:
        raise ConfigError((*document.problems, *(() if document.problems else (*problems, *unknown))))
    return found


def _by_name(levels: tuple[Level, ...], cpus: Mapping[str, Cpu]) -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    reached: frozenset[str] = frozenset()
    for level in levels:
        reached |= level.adds
        found[level.name] = reached
    for name, cpu in cpus.items():
        found[name] = cpu.adds.union(*(found[each] for each in cpu.like))
    return found


def _unknown(document: YamlDocument, arch: str) -> Iterator[ConfigProblem]:
    """Names in ``like`` that neither are levels nor stand above: so there is no circle either."""
    levels = document.root.get(f"{arch}_levels")
    rows = levels.value.items if levels and isinstance(levels.value, YamlSequence) else ()
    known = [text for row in rows if isinstance(row, YamlMapping) for text in _texts(row, "name")]
    tables = (document.root.get(f"{arch}_cpus"), document.root.get(f"{arch}_emulated"))
    found = (each.value for each in tables if each)
    for entry in chain(*(table.entries for table in found if isinstance(table, YamlMapping))):
        like = entry.value.get("like") if isinstance(entry.value, YamlMapping) else None
        for item in like.value.items if like and isinstance(like.value, YamlSequence) else ():
            text = item.text if isinstance(item, YamlScalar) else None
            if text and text not in known:
                message = f"there is no level or CPU '{text}' above{did_you_mean(text, known)}"
                yield document.problem(item.origin, message)
        known.append(entry.key)


def _texts(row: YamlMapping, key: str) -> Iterator[str]:
    entry = row.get(key)
    if entry and isinstance(entry.value, YamlScalar) and entry.value.text:
        yield entry.value.text
