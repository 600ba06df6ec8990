"""Python modules that are missing: which package brings them, and what is known of them already. Pure."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from tfbuild.diagnose.catalog import CATALOG, Diagnosis, Weight, diagnosis
from tfbuild.diagnose.facts import COMMAND_RUN, App, Proof

MISSING = "python-module-missing"
# Images whose application lacked a module.
_THREADS = (
    "https://github.com/ramon-victor/freegpt-webui/issues/115",
    "https://github.com/xtekky/gpt4free/issues/1216",
)
_NAMED = re.compile(r"No module named '([\w.]+)'")
# Parts of Python's library that Debian has in packages of their own.
_DEBIAN = {"tkinter": "python3-tk", "ensurepip": "python3-venv", "lib2to3": "python3-lib2to3"}


def app_findings(app: App | None, proof: Proof, packages: Mapping[str, str]) -> Iterator[Diagnosis]:
    """Modules that the image's command imports, and that its Python does not find."""
    gone = tuple(each for each in app.imports if each.module in proof.absent) if app else ()
    if not gone:
        return
    needed = tuple(each for each in gone if not each.late)
    late = tuple(each for each in gone if each.late)
    lines = [f"{each.place}: No module named '{each.module}'" for each in needed]
    lines += [
        f"{each.place}: No module named '{each.module}'; imported in a function or under a condition"
        for each in late
    ]
    worked = COMMAND_RUN in proof.worked
    if needed and worked:
        lines.append("the command did not stop at it in the time that it had: it may search in more folders")
    yield diagnosis(
        MISSING,
        Weight.ERROR if needed and not worked else Weight.WARNING,
        *lines,
        title=f"No module named {', '.join(repr(each.module) for each in needed or late)}"[:200],
        cause="the image's command imports what is not installed for the Python that runs it",
        fix=module_fix((each.module for each in gone), packages),
        threads=_THREADS,
    )


def module_fix(modules: Iterable[str], packages: Mapping[str, str]) -> str:
    """How to get ``modules``; ``packages`` has the package that brings a module."""
    names = tuple(dict.fromkeys(modules))
    tops = {name.partition(".")[0] for name in names}
    known = [p for name in names if (p := _package(name, packages))]
    own = sorted(tops & sys.stdlib_module_names)
    if own and not known:
        debian = sorted({_DEBIAN.get(name, "python3") for name in own})
        return (
            f"{', '.join(own)} belongs to Python's own library: apt-get install {' '.join(debian)} "
            "(python3-minimal has a part of it only), or use an image with a whole Python"
        )
    if len(known) < len(names):
        rest = ", ".join(name for name in names if not _package(name, packages))
        found = f"pip install {_words(known)}; " if known else ""
        return f"{found}install the package that has {rest}, when the image is built"
    return f"pip install {_words(known)}, when the image is built"


def join_requirements(findings: Iterable[Diagnosis], packages: Mapping[str, str]) -> tuple[Diagnosis, ...]:
    """``findings`` where a missing module and the requirement that names its package are one finding."""
    result = list(findings)
    for place, each in enumerate(result):
        if each.id != MISSING or each.severity is not Weight.ERROR:
            continue
        text = "\n".join((each.title, *each.evidence))
        wanted = {_distribution(name, packages) for name in _NAMED.findall(text)}
        for other_place, other in enumerate(result):
            if other.id != "python-requirements":
                continue
            mine = tuple(line for line in other.evidence if _wants(line, wanted))
            rest = tuple(line for line in other.evidence if line not in mine)
            result[place] = result[place].with_evidence(*mine)
            result[other_place] = replace(other, evidence=rest)
    return tuple(each for each in result if each.evidence or each.id != "python-requirements")


def same_modules(one: Diagnosis, other: Diagnosis) -> bool:
    """Whether two findings of missing modules have one in common; findings of another kind always do."""
    if one.id != MISSING:
        return True
    names = [{n.partition(".")[0] for n in _NAMED.findall("\n".join(each.evidence))} for each in (one, other)]
    return bool(names[0] & names[1])


def _wants(line: str, wanted: set[str]) -> bool:
    """Whether the evidence line says that one of ``wanted`` is demanded and not there."""
    match = re.match(r"\S+ \S+ needs ([\w.-]+).*; installed: none$", line)
    return match is not None and canonicalize_name(match[1]) in wanted


def _package(module: str, packages: Mapping[str, str]) -> str | None:
    """The entry for the longest part of ``module``: google.cloud.storage.blob, google.cloud.storage, ..."""
    parts = module.split(".")
    return next((p for n in range(len(parts), 0, -1) if (p := packages.get(".".join(parts[:n])))), None)


def _distribution(module: str, packages: Mapping[str, str]) -> str:
    text = _package(module, packages) or module.partition(".")[0]
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement:
        return canonicalize_name(text)


def _words(packages: Iterable[str]) -> str:
    unique = dict.fromkeys(packages)
    return " ".join(f"'{p}'" if set(p) & set("<>=!~") else p for p in unique)


def usual_fix(finding: Diagnosis) -> bool:
    """Whether nothing special is known of how to mend ``finding``."""
    return finding.fix == CATALOG[finding.id].fix
