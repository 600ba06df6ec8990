"""One of the things that are compared: what is known of it, as plain values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tfbuild.artifacts.elf.facts import ElfFacts, ElfKind, version_key
from tfbuild.artifacts.isa.facts import Verdict
from tfbuild.base.documents import Bytes
from tfbuild.base.values import Finding
from tfbuild.compare.figures import Figures
from tfbuild.verify.report import VerifyFacts, VerifyReport

# What a section is for, by the beginning of its name: https://refspecs.linuxbase.org/elf/gabi4+/ch4.sheader.html
# and the sections that GCC adds. The first that fits counts.
_PURPOSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("code", (".text", ".init", ".fini", ".plt")),
    ("constants", (".rodata",)),
    ("unwinding", (".eh_frame", ".gcc_except_table")),
    ("symbols", (".dynsym", ".dynstr", ".symtab", ".strtab", ".gnu.version", ".gnu.hash", ".hash")),
    ("relocations", (".rela", ".rel.", ".relr")),
    ("debug", (".debug", ".zdebug")),
    ("data", (".data", ".got", ".tdata", ".dynamic", ".init_array", ".fini_array")),
)
OTHER = "other"
PURPOSES = (*(name for name, _ in _PURPOSES), OTHER)
# They take memory and no place in the file.
_IN_MEMORY = (".bss", ".tbss")


@dataclass(frozen=True, kw_only=True)
class ComparedFile:
    """A file with code. ``sizes`` are bytes by purpose and sum up to ``size``, ``bss`` is memory only."""

    path: str
    size: Bytes
    sizes: Mapping[str, Bytes]
    bss: Bytes
    exports: int
    needed: tuple[str, ...]
    level: str | None
    always: tuple[str, ...]
    chosen: tuple[str, ...]
    stripped: bool

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class ComparedFlag:
    """A flag of the build, with the line that gave it."""

    target: str
    text: str
    origin: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """A step of the build and the seconds that it took."""

    id: str
    title: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class SmokeResult:
    """An inference of the build's own test: what it was about, and whether its program ended well."""

    case: str
    exit_code: int
    version: str
    delegated: int | None


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is known of one of the things that are compared; empty or None where it does not tell.

    ``floors`` are the highest versions of each family of symbols that it needs from elsewhere,
    ``dependencies`` the libraries that are not part of it. ``image`` and ``image_id`` name the runtime image
    that was, or can be, measured.
    """

    name: str
    word: str
    kind: str
    arch: str | None
    size: Bytes  # of all files with code
    image_size: Bytes | None
    files: tuple[ComparedFile, ...]
    march: str | None
    flags: tuple[ComparedFlag, ...]
    cpus: str
    floors: Mapping[str, str]
    dependencies: tuple[str, ...]
    packages: int | None
    findings: tuple[Finding, ...]
    steps: tuple[StepTime, ...]
    smoke: tuple[SmokeResult, ...]
    product: str
    image: str
    image_id: str
    figures: Figures | None

    def file(self, name: str) -> ComparedFile | None:
        return next((each for each in self.files if each.name == name), None)

    @property
    def sizes(self) -> Mapping[str, int]:
        """Bytes by purpose, over all files."""
        return {
            purpose: sum(each.sizes.get(purpose, 0) for each in self.files)
            for purpose in PURPOSES
            if any(each.sizes.get(purpose) for each in self.files)
        }

    @property
    def always(self) -> tuple[str, ...]:
        """Instruction sets that a CPU must have."""
        return tuple(sorted({each for file in self.files for each in file.always}))

    @property
    def exports(self) -> int:
        return sum(each.exports for each in self.files)


def subject_of(
    name: str,
    word: str,
    report: VerifyReport,
    manifest: Mapping[str, Any] | None = None,
    figures: Figures | None = None,
    image_id: str = "",
) -> Subject:
    """What the files say (``report``), and what the build's own document says of how they came to be.

    ``manifest`` may be of any version of this program: what it lacks is left out.
    """
    told = manifest or {}
    facts = report.facts
    loaded = [each for each in facts.elf if each.kind is not ElfKind.DEBUG]
    files = tuple(sorted((_file(each, report.subject) for each in loaded), key=lambda f: (-f.size, f.path)))
    flags = tuple(_flags(_mapping(told, "plan")))
    return Subject(
        name=name,
        word=word,
        kind=str(report.kind),
        arch=str(facts.runs_on.arch) if facts.runs_on and facts.runs_on.arch else None,
        size=sum(each.size for each in files),
        image_size=sum(layer.size for layer in facts.image.layers) if facts.image else None,
        files=files,
        march=_march(flags),
        flags=flags,
        cpus=facts.runs_on.cpus if facts.runs_on else "",
        floors=_floors(loaded),
        dependencies=_dependencies(loaded, facts),
        packages=len(facts.image.packages) if facts.image else _count(_mapping(told, "image"), "packages"),
        findings=report.findings,
        steps=tuple(_steps(told)),
        smoke=tuple(_smoke(told)),
        product=str(_mapping(told, "plan").get("product", "")),
        image=str(_mapping(told, "image").get("name", "")),
        image_id=image_id or str(_mapping(told, "image").get("id", "")),
        figures=figures,
    )


def _file(facts: ElfFacts, folder: str) -> ComparedFile:
    sizes = dict.fromkeys(PURPOSES, 0)
    for each in facts.sections:
        if not each.name.startswith(_IN_MEMORY):
            sizes[_purpose(each.name)] += each.size
    # Headers, padding between segments, and what no section covers.
    sizes[OTHER] += facts.size - sum(sizes.values())
    isa = facts.isa
    return ComparedFile(
        path=facts.path.removeprefix(f"{folder}/"),
        size=facts.size,
        sizes={name: max(0, size) for name, size in sizes.items() if size > 0},
        bss=sum(each.size for each in facts.sections if each.name.startswith(_IN_MEMORY)),
        exports=len(facts.exports),
        needed=facts.needed,
        level=isa.level if isa else None,
        always=isa.names(Verdict.ALWAYS) if isa else (),
        chosen=isa.names(Verdict.CHOSEN) if isa else (),
        stripped=facts.stripped,
    )


def _purpose(section: str) -> str:
    return next((name for name, starts in _PURPOSES if section.startswith(starts)), OTHER)


def _floors(files: Iterable[ElfFacts]) -> dict[str, str]:
    """Of glibc and the C++ runtime, whoever brings them."""
    top: dict[str, str] = {}
    for floor in (floor for each in files for floor in each.floors):
        known = top.get(floor.family)
        if known is None or floor.key > version_key(known):
            top[floor.family] = floor.version
    return dict(sorted(top.items()))


def _dependencies(files: Iterable[ElfFacts], facts: VerifyFacts) -> tuple[str, ...]:
    own = {name for each in facts.elf for name in (each.soname, each.path.rpartition("/")[2]) if name}
    return tuple(sorted({name for each in files for name in each.needed} - own))


def _flags(plan: Mapping[str, Any]) -> Iterable[ComparedFlag]:
    for each in _list(plan, "flags"):
        yield ComparedFlag(
            target=str(each.get("target", "")),
            text=str(each.get("text", "")),
            origin=str(each.get("origin", "")),
            reason=str(each.get("reason", "")),
        )


def _march(flags: Iterable[ComparedFlag]) -> str | None:
    """The last one counts, as for the compiler."""
    found = [each.text.partition("-march=")[2] for each in flags if "-march=" in each.text]
    return found[-1] if found else None


def _steps(told: Mapping[str, Any]) -> Iterable[StepTime]:
    titles = {str(each.get("id")): str(each.get("title")) for each in _list(_mapping(told, "plan"), "steps")}
    for step, seconds in _mapping(told, "seconds").items():
        if isinstance(seconds, int | float):
            yield StepTime(id=step, title=titles.get(step, step), seconds=float(seconds))


def _smoke(told: Mapping[str, Any]) -> Iterable[SmokeResult]:
    for each in _list(told, "smoke"):
        code, delegated = each.get("exit_code"), each.get("delegated")
        yield SmokeResult(
            case=str(each.get("case", "")),
            exit_code=code if isinstance(code, int) else -1,
            version=str(each.get("version", "")),
            delegated=delegated if isinstance(delegated, int) else None,
        )


def _mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _list(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = document.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _count(document: Mapping[str, Any], name: str) -> int | None:
    found = document.get(name)
    return len(found) if isinstance(found, list) else None
