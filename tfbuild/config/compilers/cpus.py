"""Which CPUs a pinned compiler knows by name: what it says itself, in ``build_configs/compilers/``. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError
from tfbuild.base.project import PROJECT
from tfbuild.base.text import did_you_mean
from tfbuild.config.binding import bind
from tfbuild.config.types import FileStem, Keys, Prose
from tfbuild.config.yaml_source import read_yaml

COMPILERS = Path("build_configs", "compilers")
# Whatever the CPU of the machine that compiles has: every native compiler takes it, and no list of a cross
# compiler has it. Who may ask for it is decided elsewhere.
NATIVE = "native"

CpuName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]


class TargetCpus(Keys):
    """The names for one architecture."""

    march: tuple[CpuName, ...] = Field(min_length=1, description="Names that -march takes.")
    extensions: tuple[CpuName, ...] = Field(
        default=(), description="What may follow them as +NAME, or +noNAME; empty: nothing may."
    )
    mtune: tuple[CpuName, ...] = Field(min_length=1, description="Names that -mtune takes.")


class CompilerCpus(Keys):
    """A file in ``build_configs/compilers/``."""

    compiler: Literal["gcc", "clang"] = Field(description="Family.")
    version: Annotated[str, Field(pattern=r"^[0-9]+$")] = Field(description="Major version, quoted.")
    suite: FileStem | None = Field(
        default=None, description="Debian suite whose default compiler it is; null: of none."
    )
    origin: Prose = Field(description="Whose compiler was asked, with its whole version.")
    targets: Mapping[Arch, TargetCpus] = Field(
        description="What it compiles for; an architecture that is missing was not asked."
    )

    @property
    def title(self) -> str:
        return f"{'GCC' if self.compiler == 'gcc' else 'clang'} {self.version}"

    def problem(self, option: Literal["march", "mtune"], name: str, arch: Arch) -> str | None:
        """Why this compiler takes no ``-march=name`` (or ``-mtune``) for ``arch``.

        None where it does, or where nobody has asked it.
        """
        target = self.targets.get(arch)
        if target is None or name == NATIVE:
            return None
        known = target.march if option == "march" else target.mtune
        base, *extensions = name.split("+") if option == "march" else [name]
        if base not in known:
            return f"{self.title} knows no -{option}={base} for {arch}{self._instead(option, base, arch)}"
        for each in extensions:
            if each not in target.extensions and each.removeprefix("no") not in target.extensions:
                meant = did_you_mean(each, target.extensions)
                return f"{self.title} knows no '+{each}' in -march={name} for {arch}{meant}"
        return None

    def _instead(self, option: Literal["march", "mtune"], name: str, arch: Arch) -> str:
        for other, target in self.targets.items():
            if name in (target.march if option == "march" else target.mtune):
                return f": it is one of {other}"
        target = self.targets[arch]
        known = target.march if option == "march" else target.mtune
        return did_you_mean(name, known) or f"; it knows {', '.join(known[:3])} … ({self.file})"

    @property
    def file(self) -> str:
        return f"{COMPILERS}/{self.compiler}-{self.version}.yaml"


@cache
def known_compilers() -> tuple[CompilerCpus, ...]:
    """Every compiler that was asked.

    :raises ConfigError: a file is broken.
    """
    return tuple(_read_all())


def compiler_cpus(kind: str, version: str) -> CompilerCpus | None:
    """What the compiler knows; None where nobody has asked one of this version."""
    major = version.partition(".")[0]
    return next((each for each in known_compilers() if (each.compiler, each.version) == (kind, major)), None)


def default_compiler_cpus(suite: str) -> CompilerCpus | None:
    """The same of the default compiler of a Debian suite."""
    return next((each for each in known_compilers() if each.suite == suite), None)


def _read_all() -> Iterator[CompilerCpus]:
    for path in sorted((PROJECT / COMPILERS).glob("*.yaml")):
        document = read_yaml(path, str(COMPILERS / path.name))
        found, problems = bind(document, CompilerCpus)
        if found is None or document.problems:
            raise ConfigError((*document.problems, *problems))
        yield found
