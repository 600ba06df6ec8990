"""Reads a wheel, or another zip archive with libraries, and judges it: documents, tag, and each library."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfbuild.artifacts.elf.facts import ElfFacts
from tfbuild.artifacts.elf.read import ELF_MAGIC
from tfbuild.artifacts.examine import Beside, examine
from tfbuild.artifacts.foreign import STATIC, ForeignFiles, ForeignKind, count_foreign, kind_of
from tfbuild.artifacts.platforms import load_platforms
from tfbuild.artifacts.wheel import Wheel, WheelFacts, ZipPackage
from tfbuild.base.errors import UsageError, VerificationError
from tfbuild.base.project import PROJECT
from tfbuild.verify.checks.elf import check_elf
from tfbuild.verify.checks.wheel import TagFacts, check_wheel, tag_facts
from tfbuild.verify.findings import Observation
from tfbuild.verify.libraries import check_misplaced, misplaced
from tfbuild.verify.policy import Context, Policy

# The folders of an Android package, by ABI: developer.android.com/ndk/guides/abis
_ANDROID_FOLDER = re.compile(r"(?:^|/)(?:jni|lib)/(arm64-v8a|armeabi-v7a|armeabi|x86_64|x86|riscv64)/[^/]+$")
_ANDROID_MACHINES = {
    "arm64-v8a": "EM_AARCH64", "armeabi-v7a": "EM_ARM", "armeabi": "EM_ARM", "x86_64": "EM_X86_64",
    "x86": "EM_386", "riscv64": "EM_RISCV",
}  # fmt: skip


@dataclass(frozen=True)
class JudgedPackage:
    """What is in a zip archive, and what is wrong with it; the names of the libraries are those in it."""

    elf: tuple[ElfFacts, ...]
    foreign: tuple[ForeignFiles, ...]
    observations: tuple[Observation, ...]


@dataclass(frozen=True)
class JudgedWheel(JudgedPackage):
    """The same of a wheel."""

    facts: WheelFacts
    tag: TagFacts | None


def judge_wheel(path: Path, rules: Policy, context: Context, beside: Beside | None = None) -> JudgedWheel:
    """Raises UsageError for a zip file that is no wheel, VerificationError for a damaged one."""
    with Wheel(path) as wheel:
        facts = wheel.facts()
        inside = _judge(wheel, rules, context, beside)
    bound = any(tag != "any" for tag in facts.tags)
    platforms = load_platforms(PROJECT)
    tag = tag_facts(inside.elf, platforms, facts.tags)
    found = (
        *check_foreign(str(path), inside.foreign, nothing=bound and not inside.elf),
        *check_misplaced(path.name, misplaced({e.path: e for e in inside.elf}, each_alone=False)),
        *check_wheel(facts, tag, platforms),
        *inside.observations,
    )
    return JudgedWheel(inside.elf, inside.foreign, found, facts, tag)


def judge_package(path: Path, rules: Policy, context: Context) -> JudgedPackage:
    """As :func:`judge_wheel`, for any zip archive with libraries in it, such as an Android package.

    Raises UsageError where there is none.
    """
    with ZipPackage(path) as package:
        inside = _judge(package, rules, context, None)
    if not inside.elf and not inside.observations:
        what = "".join(f"; {each.files} files are a {each.kind}" for each in inside.foreign)
        raise UsageError(
            f"{path} is a zip file, but not a wheel: it has no .dist-info folder, and no library for "
            f"Linux or Android{what}",
            hint="unpack it and verify what is in it",
        )
    found = (
        *_misfiled(inside.elf),
        *check_foreign(str(path), inside.foreign, nothing=False),
        *inside.observations,
    )
    return JudgedPackage(inside.elf, inside.foreign, found)


def _misfiled(files: tuple[ElfFacts, ...]) -> Iterator[Observation]:
    for each in files:
        folder = _ANDROID_FOLDER.search(each.path)
        if folder is not None and each.machine != _ANDROID_MACHINES[folder[1]]:
            yield Observation(
                "elf-machine",
                f"{each.path} is for {each.machine.removeprefix('EM_')}, its folder for {folder[1]}",
                fix="put it into the folder of its ABI: Android loads nothing else from there",
            )


def check_foreign(name: str, foreign: tuple[ForeignFiles, ...], *, nothing: bool) -> Iterator[Observation]:
    """``nothing``: none of what a CPU executes in ``name`` is of a kind that is examined here."""
    # A static archive in a wheel is there to be linked with; it is no reason for a warning.
    code = [each for each in foreign if each.code and (nothing or each.kind != STATIC.name)]
    if not code:
        return
    counts = ", ".join(f"{each.files} x {each.kind}" for each in code)
    evidence = tuple(example for each in code for example in each.examples)
    if nothing:
        yield Observation(
            "file-not-examined",
            f"nothing that runs in {name} could be examined: {counts}",
            evidence,
            "only ELF files (Linux, Android) are understood here; use the tools of that system",
        )
    else:
        yield Observation("file-partly-examined", f"not all of {name} could be examined: {counts}", evidence)


def _judge(package: ZipPackage, rules: Policy, context: Context, beside: Beside | None) -> JudgedPackage:
    found: list[Observation] = []
    files: list[ElfFacts] = []
    foreign: list[tuple[str, ForeignKind]] = []
    names: list[str] = []
    for name, head in package.heads():
        if head.startswith(ELF_MAGIC):
            names.append(name)
        elif (kind := kind_of(head, name)) is not None:
            foreign.append((name, kind))
    for name in names:
        try:
            files.append(examine(package.read(name), name, beside))
        except VerificationError as error:
            found.append(Observation("elf-damaged", error.message, error.details, error.hint))
        except UsageError:
            continue  # an object file: nothing that is loaded
    for each in files:
        found += check_elf(each, rules, rules.role_for(posixpath.basename(each.path)), context)
    return JudgedPackage(tuple(files), count_foreign(foreign), tuple(found))
