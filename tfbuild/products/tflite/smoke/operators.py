"""What packs of models must compute in a TFLite runtime image, and the judgement; pure.

``dockerfiles/tflite/smoke/operators.h`` says how they are run: twice each, without and with XNNPACK. The
models and their answers are in files beside it: ``operators.pack.gz`` has models of one operator each
(``python -m tests.operators``), ``zoo.pack.gz`` small whole models as TensorFlow converts them (``python -m
tests.zoo``). Answers, and how much XNNPACK runs, are what published wheels give. A delegate that does not fit
its XNNPACK (Debian's is newer than the one that 2.14.1 was written for) is seen here and not by users.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from packaging.version import Version

from tfbuild.base.values import Finding, OperatorCount, SmokeOutcome
from tfbuild.products.tflite.smoke.cases import crash_of, wrong_version

OPERATORS, ZOO = PACKS = ("operators.pack", "zoo.pack")
# The published packages whose delegation is recorded in the pack: tensorflow-cpu, and small ones by name.
_TENSORFLOW = ("2.14.1", "2.17.1", "2.18.1", "2.19.1", "2.20.0", "2.21.0")
_PACKAGES = {
    "tflite_runtime": ("tflite-runtime", ("2.14.0",)),
    "ai_edge_litert": ("litert", ("2.1.5", "2.2.0", "2.3.0")),
}

_STATES = {
    "wrong": ("smoke-answer", "a wrong answer"),
    "failed": ("smoke-operator-failed", "it cannot be run"),
    "crashed": ("smoke-crash", "it ends the process"),
    "left": ("xnnpack-not-in-use", "XNNPACK is built in but does not run it"),
}
# tensorflow/lite/core/api/op_resolver.cc
_UNKNOWN = re.compile(r"Didn't find op for builtin opcode '(?P<operator>\w+)' version '(?P<version>\d+)'")
# tensorflow/lite/core/subgraph.cc
_UNRESOLVED = re.compile(r"Encountered unresolved custom op: (?P<operator>[^\s]+?)\.?(?:\s|$)")
_SUCH = "models with such operators"
_VALUES = re.compile(r"(?P<where>.*?):? (?P<got>got .*?) (?P<expected>expected .*)")


@dataclass(frozen=True)
class OperatorLimit:
    """Models (patterns) that the release itself gets wrong, or operators ('NAME VERSION') that it is too old
    for, by the quirk that its file describes."""

    quirk: str
    models: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    api: str | None = None  # litert: through this one alone


@dataclass(frozen=True)
class OperatorCase:
    """All models of a pack through one API."""

    id: str
    program: str  # operators-c, operators-cc, operators-litert or operators.py
    column: str  # the package whose delegation it is compared with; empty where XNNPACK is not built in
    limits: tuple[OperatorLimit, ...]
    interpreter: str = ""  # in the image, where the program is a script
    package: str = ""  # that the script imports
    cpu: str = ""  # that QEMU is, where it emulates; empty: the one with everything
    has_version: bool = True  # the library can tell its version
    pack: str = OPERATORS
    linked: tuple[str, ...] | None = None  # the only operators there are; None: all of the release

    @property
    def ways(self) -> tuple[str, ...]:
        return ("reference", "xnnpack") if self.column else ("reference",)

    def command(self, folder: str) -> tuple[str, ...]:
        """Argument list of the program, whose files lie in ``folder``."""
        before = (self.interpreter,) if self.interpreter else ()
        package = (self.package,) if self.package else ()
        options = ("--column", self.column) if self.column else ("--no-xnnpack",)
        return (*before, f"{folder}/{self.program}", *package, f"{folder}/{self.pack}", *options)


@dataclass(frozen=True)
class OperatorFault:
    """One model that is not right, in one way."""

    model: str
    way: str  # reference, xnnpack
    state: str
    text: str


def columns() -> tuple[str, ...]:
    """All columns that a plan can name."""
    named = (f"{name}-{version}" for name, versions in _PACKAGES.values() for version in versions)
    return (*_TENSORFLOW, *named)


def column_for(version: str, package: str = "") -> str:
    """The recorded package that comes closest to a release, from below: XNNPACK takes over more with each."""
    name, versions = _PACKAGES.get(package, ("", _TENSORFLOW))
    wanted = Version(version)
    recorded = sorted(versions, key=Version)
    nearest = max((each for each in recorded if Version(each) <= wanted), key=Version, default=recorded[0])
    return f"{name}-{nearest}" if name else nearest


def native_cases(
    version: str,
    limits: tuple[OperatorLimit, ...],
    *,
    xnnpack: bool,
    package: str = "",
    litert: bool = False,
) -> tuple[OperatorCase, ...]:
    """Through the C API and the C++ API; compared with ``package``, else with TensorFlow's.

    ``litert``: through LiteRT's own C API too, whose library does not tell its version.
    """
    column = column_for(version, package) if xnnpack else ""
    everywhere = tuple(limit for limit in limits if limit.api is None)
    cases = [
        OperatorCase(f"operators, {api}", program, column, everywhere)
        for program, api in (("operators-c", "c"), ("operators-cc", "c++"))
    ]
    if litert:
        cases.append(OperatorCase("operators, litert", "operators-litert", column, limits, has_version=False))
    return _with_zoo(tuple(cases))


def _with_zoo(cases: tuple[OperatorCase, ...]) -> tuple[OperatorCase, ...]:
    zoo = (replace(case, id=case.id.replace("operators", "zoo", 1), pack=ZOO) for case in cases)
    return (*cases, *zoo)


def script_cases(
    version: str, limits: tuple[OperatorLimit, ...], package: str, *, xnnpack: bool, like: str = ""
) -> tuple[OperatorCase, ...]:
    """Through the Python ``package``; compared with the published one ``like``, else with TensorFlow's."""
    column = column_for(version, like) if xnnpack else ""
    everywhere = tuple(limit for limit in limits if limit.api is None)
    case = OperatorCase(
        "operators, python",
        "operators.py",
        column,
        everywhere,
        interpreter="/usr/bin/python3",
        package=package,
    )
    return _with_zoo((case,))


def on_emulated_cpus(cases: tuple[OperatorCase, ...], cpu: str) -> tuple[OperatorCase, ...]:
    """The suite on ``cpu``, which the configuration promises, and on QEMU's 'max', where other kernels run.

    An empty ``cpu``: nothing is emulated, or no such CPU is known.
    """
    if not cpu:
        return cases
    promised = tuple(replace(case, cpu=cpu) for case in cases)
    return (*promised, *(replace(case, id=f"{case.id}, every extension") for case in cases))


def parse_operators(
    case: OperatorCase, exit_code: int, stdout: str
) -> tuple[SmokeOutcome, tuple[OperatorFault, ...]]:
    """Reads the lines that the programs print; lines that are not theirs are skipped."""
    version = ""
    counts: list[OperatorCount] = []
    faults: list[OperatorFault] = []
    for line in stdout.splitlines():
        match line.split(" ", 4):
            case ["version", words]:
                version = words.strip()
            case ["operators", way, *numbers] if len(numbers) == 3 and all(map(str.isdecimal, numbers)):
                models, right, delegated = map(int, numbers)
                counts.append(OperatorCount(way, models, right, delegated))
            case ["operator", model, way, state, *text] if state in _STATES:
                faults.append(OperatorFault(model, way, state, "".join(text)))
    outcome = SmokeOutcome(case.id, exit_code, version, (), None, (), tuple(counts))
    return outcome, tuple(faults)


def judge_operators(
    case: OperatorCase, outcome: SmokeOutcome, faults: tuple[OperatorFault, ...], *, version: str, stderr: str
) -> tuple[Finding, ...]:
    """A finding for each model that is not right; one warning for each limit of the release that was met."""
    crash = crash_of(case.id, outcome.exit_code, stderr)
    if crash:
        return (crash,)
    refused = tuple(fault for fault in faults if _is_left_out(case, fault))
    faults = tuple(fault for fault in faults if fault not in refused)
    return (
        *(wrong_version(case.id, outcome.version, version) if case.has_version else ()),
        *_incomplete(case, outcome),
        *_all_there(case, refused),
        *(_finding(case, fault) for fault in faults if _limit(case, fault) is None),
        *_met(case, faults),
    )


def _incomplete(case: OperatorCase, outcome: SmokeOutcome) -> Iterator[Finding]:
    told = {count.way: count for count in outcome.operators}
    for way in case.ways:
        if way not in told or not told[way].models:
            message = f"{case.id}: the models were not all run ({way})"
            yield Finding("smoke-incomplete", "error", message, (f"told: {sorted(told)}",))


def _is_left_out(case: OperatorCase, fault: OperatorFault) -> bool:
    """Whether a model is refused for an operator that the build was to leave out."""
    if case.linked is None:
        return False
    found = _UNKNOWN.search(fault.text) or _UNRESOLVED.search(fault.text)
    return found is not None and found["operator"] not in case.linked


def _all_there(case: OperatorCase, refused: tuple[OperatorFault, ...]) -> Iterator[Finding]:
    if case.linked is not None and not refused:
        message = f"{case.id}: operators of no given model are there all the same"
        yield Finding("smoke-operators", "error", message, (f"selected: {', '.join(case.linked)}",))


def _finding(case: OperatorCase, fault: OperatorFault) -> Finding:
    identifier, words = _STATES[fault.state]
    values = _VALUES.fullmatch(fault.text)
    evidence = tuple(values.groups()) if values else (fault.text,)
    return Finding(identifier, "error", f"{case.id}: {fault.model} ({fault.way}): {words}", evidence)


def _limit(case: OperatorCase, fault: OperatorFault) -> OperatorLimit | None:
    """A limit is about answers and crashes; what XNNPACK has to run, it has to run all the same."""
    if fault.state == "left":
        return None
    needed = unknown_operator(fault.text)
    for limit in case.limits:
        if needed in limit.unknown or any(fnmatchcase(fault.model, pattern) for pattern in limit.models):
            return limit
    return None


def unknown_operator(text: str) -> str:
    """The operator, with its version, that a release says it is too old for; empty: it says no such thing."""
    found = _UNKNOWN.search(text)
    return f"{found['operator']} {found['version']}" if found else ""


def _met(case: OperatorCase, faults: tuple[OperatorFault, ...]) -> Iterator[Finding]:
    for limit in case.limits:
        met = [fault for fault in faults if _limit(case, fault) == limit]
        if met:
            models = sorted({fault.model for fault in met})
            needed = sorted(filter(None, {unknown_operator(fault.text) for fault in met}))
            what = f"models with {', '.join(needed)}, as newer converters write them," if needed else _SUCH
            yield Finding(
                "operator-limit",
                "warning",
                f"{case.id}: {limit.quirk}: a limit of this release, which its file describes",
                tuple(f"{fault.model} ({fault.way}): {fault.state} {fault.text}" for fault in met),
                f"{what} need another release: {', '.join(models)}",
            )
