"""What a TFLite runtime image must compute, and the judgement of what it did; pure.

``dockerfiles/tflite/smoke`` has the programs and models. ``add.bin`` and ``add_quantized.bin`` are
upstream's (tensorflow/lite/c/c_api_test.cc has their answers); the others are ours, small enough to be
checked by hand. XNNPACK has to take over the convolutions: a build that loses that is silently several
times slower (https://github.com/tensorflow/tensorflow/issues/61946). Squeeze-and-excite is where a delegate
and an XNNPACK of different years disagree on shapes; a reshape to a computed shape is where many releases
have no delegate at all.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from tfbuild.base.values import Finding, SmokeOutcome
from tfbuild.build.smoke import no_output

# BuiltinOperator in tensorflow/lite/schema/schema.fbs
RESHAPE, STRIDED_SLICE, SHAPE, PACK = 22, 45, 77, 83
# Between types, and so what a delegate may add: DEQUANTIZE and QUANTIZE.
_CONVERSIONS = frozenset({6, 114})

# What becomes of a graph with dynamic tensors: it is delegated; it is not, and the library says so, or does
# not; None: nobody has looked. A release's file has it.
DynamicGraphs: TypeAlias = Literal["delegated", "told", "untold"]
# tensorflow/lite/core/subgraph.cc
NOT_DELEGATED = "Attempting to use a delegate that only supports static-sized tensors"

# What a program goes through.
_API = {"smoke-c": "c", "smoke-cc": "c++", "smoke.py": "python"}


@dataclass(frozen=True)
class SmokeCase:
    """One inference with a known answer."""

    id: str
    program: str  # of _API
    model: str
    inputs: tuple[float, ...]
    outputs: tuple[float, ...]
    with_delegate: bool = False  # the program adds XNNPACK itself, as a user of the C API has to
    must_delegate: bool = False  # XNNPACK takes all nodes but those in 'may_leave'
    may_leave: tuple[int, ...] = ()
    says: str = ""  # what the library has to tell on stderr
    zeros: bool = False  # a model that is not ours: inputs are zero, the answer is the number of its outputs
    interpreter: str = ""  # in the image, where the program is a script
    package: str = ""  # that the script imports
    cpu: str = ""  # that QEMU is, where it emulates; empty: the one with everything
    hides: tuple[str, ...] = ()  # folders that are empty in its container

    @property
    def api(self) -> str:
        return _API[self.program]

    def command(self, folder: str) -> tuple[str, ...]:
        """Argument list of the program, whose files lie in ``folder``."""
        options = (
            *(("--xnnpack",) if self.with_delegate else ()),
            *(("--zeros",) if self.zeros else ()),
        )
        values = tuple(f"{value:g}" for value in self.inputs)
        before = (self.interpreter,) if self.interpreter else ()
        package = (self.package,) if self.package else ()
        return (*before, f"{folder}/{self.program}", *package, f"{folder}/{self.model}", *options, *values)


@dataclass(frozen=True)
class _Model:
    file: str
    inputs: tuple[float, ...]
    outputs: tuple[float, ...]
    kind: str = ""  # float32 or int8, where XNNPACK has to take all of it

    @property
    def name(self) -> str:
        return self.file.partition(".")[0]


def _floats(*numbers: int) -> tuple[float, ...]:
    return tuple(float(number) for number in numbers)


# The kernel's list of CPUs.
CPUS = "/sys/devices/system/cpu"
_CONVOLUTION = "conv_float32.tflite"
# For each 3x3 window of the 4x4 square: the sum of its nine, and its centre plus 3.
_CONVOLVED = (_floats(*range(1, 17)), _floats(54, 9, 63, 10, 90, 13, 99, 14))
# Two channels, of which the means of an image give the factors: 2 * mean of the first; first - second + 2.
_EXCITED_1 = (_floats(1, 2, 3, 4, 5, 6, 7, 8), _floats(8, 2, 24, 4, 40, 6, 56, 8))
_EXCITED_2 = (
    _EXCITED_1[0] + _floats(0, 0, 1, 1, 0, 3, 3, 4),
    _EXCITED_1[1] + _floats(0, 0, 2, 1, 0, 3, 6, 4),
)
_UPSTREAM = tuple(_Model(f"{name}.bin", _floats(1, 3), _floats(3, 9)) for name in ("add", "add_quantized"))
_OURS = tuple(_Model(f"add_{kind}.tflite", _floats(1, 3), _floats(3, 9)) for kind in ("float32", "uint8"))
_DELEGATED = (
    *(_Model(f"conv_{kind}.tflite", *_CONVOLVED, kind) for kind in ("float32", "int8")),
    *(
        _Model(f"squeeze_excite_{kind}_batch{batch}.tflite", *excited, kind)
        for batch, excited in ((1, _EXCITED_1), (2, _EXCITED_2))
        for kind in ("float32", "int8")
    ),
    # Each of two images less its mean, 3 and 25.
    _Model(
        "mean_subtracted_float32_batch2.tflite",
        _floats(1, 2, 3, 6, 10, 20, 30, 40),
        _floats(-2, -1, 0, 3, -15, -5, 5, 15),
        "float32",
    ),
)
# The sum of each row of four, and twice its last plus 1.
_DYNAMIC = _Model("dynamic_reshape_float32.tflite", _floats(1, 2, 3, 4, 5, 6, 7, 8), _floats(10, 9, 26, 17))


def smoke_cases(
    *, xnnpack: bool, dynamic: DynamicGraphs | None = None, needs_cpus: bool = False
) -> tuple[SmokeCase, ...]:
    """The cases for a build with or without XNNPACK.

    ``dynamic`` and ``needs_cpus`` are what the release's file says: what becomes of a dynamic graph, and that
    XNNPACK is not in use where the kernel's list of CPUs is hidden.
    """
    cases: list[SmokeCase] = []
    for program in ("smoke-c", "smoke-cc"):
        from_c = program == "smoke-c"
        api = _API[program]
        cases += [
            SmokeCase(f"{model.name}, {api}", program, model.file, model.inputs, model.outputs)
            for model in _UPSTREAM
        ]
        cases += [
            SmokeCase(
                f"{model.name}, {api}",
                program,
                model.file,
                model.inputs,
                model.outputs,
                with_delegate=from_c and xnnpack,
                must_delegate=xnnpack,
            )
            for model in _DELEGATED
        ]
        cases += _hidden_cases(cases, program, delegates=xnnpack and not needs_cpus)
        cases += _dynamic_cases(program, api, dynamic if xnnpack else None, with_delegate=from_c and xnnpack)
    return tuple(cases)


def _hidden_cases(cases: list[SmokeCase], program: str, *, delegates: bool) -> Iterator[SmokeCase]:
    """A convolution of ``cases`` where the kernel's list of CPUs is hidden, as sandboxes do it.

    XNNPACK asks cpuinfo what the CPU is, which reads that list (https://github.com/pytorch/cpuinfo/issues/143).
    """
    (case,) = (each for each in cases if (each.program, each.model) == (program, _CONVOLUTION))
    yield replace(
        case,
        id=f"{case.id}, CPUs hidden",
        hides=(CPUS,),
        with_delegate=case.with_delegate and delegates,
        must_delegate=case.must_delegate and delegates,
    )


def _dynamic_cases(
    program: str, api: str, dynamic: DynamicGraphs | None, *, with_delegate: bool
) -> Iterator[SmokeCase]:
    """The graph with dynamic tensors: its answer is right in each way that it can be run."""
    model = _DYNAMIC
    plain = SmokeCase(f"{model.name}, {api}", program, model.file, model.inputs, model.outputs)
    if with_delegate:
        yield plain
    yield SmokeCase(
        f"{plain.id}, delegate" if with_delegate else plain.id,
        program,
        model.file,
        model.inputs,
        model.outputs,
        with_delegate=with_delegate,
        must_delegate=dynamic == "delegated",
        may_leave=(RESHAPE, STRIDED_SLICE, SHAPE, PACK) if dynamic == "delegated" else (),
        says=NOT_DELEGATED if dynamic == "told" else "",
    )


def python_cases(
    package: str, *, xnnpack: bool, dynamic: DynamicGraphs | None = None, needs_cpus: bool = False
) -> tuple[SmokeCase, ...]:
    """The cases for a Python package from source; it applies XNNPACK by itself, as the C++ API does."""
    kinds = ("float32", "int8") if xnnpack else ()
    return _python_cases(package, (*_UPSTREAM, *_DELEGATED), kinds, dynamic, needs_cpus)


def wheel_cases(
    package: str, *, xnnpack: Collection[str], dynamic: DynamicGraphs | None = None, needs_cpus: bool = False
) -> tuple[SmokeCase, ...]:
    """The cases for an official wheel: with models of ours alone, since there is no source.

    ``xnnpack`` are the kinds of models that it must take over: float32, int8.
    """
    return _python_cases(package, (*_OURS, *_DELEGATED), xnnpack, dynamic, needs_cpus)


def _python_cases(
    package: str,
    models: tuple[_Model, ...],
    xnnpack: Collection[str],
    dynamic: DynamicGraphs | None,
    needs_cpus: bool,
) -> tuple[SmokeCase, ...]:
    cases = [
        SmokeCase(
            f"{model.name}, python",
            "smoke.py",
            model.file,
            model.inputs,
            model.outputs,
            must_delegate=model.kind in xnnpack,
        )
        for model in models
    ]
    cases += _hidden_cases(cases, "smoke.py", delegates=not needs_cpus)
    cases += _dynamic_cases("smoke.py", "python", dynamic if xnnpack else None, with_delegate=False)
    return tuple(replace(case, interpreter="/usr/bin/python3", package=package) for case in cases)


def parse_outcome(case: SmokeCase, exit_code: int, stdout: str) -> SmokeOutcome:
    """Reads the lines that the smoke programs print; lines that are not theirs are skipped."""
    version = ""
    outputs: tuple[float, ...] = ()
    delegated: int | None = None
    left: list[int] = []
    for line in stdout.splitlines():
        word, _, rest = line.partition(" ")
        try:
            if word == "version":
                version = rest.strip()
            elif word == "delegated":
                delegated = int(rest)
            elif word == "left":
                left.append(int(rest))
            elif word == "output":
                outputs = tuple(float(value) for value in rest.split())
        except ValueError:
            continue
    return SmokeOutcome(case.id, exit_code, version, outputs, delegated, tuple(left))


def crash_of(case: str, exit_code: int, stderr: str) -> Finding | None:
    """Why a program ended as it should not."""
    if exit_code == 0:
        return None
    cause = {132: "an illegal instruction: the CPU is older than -march", 139: "a segmentation fault"}
    why = cause.get(exit_code, f"exit code {exit_code}")
    return Finding("smoke-crash", "error", f"{case}: {why}", tuple(stderr.strip().splitlines()[-10:]))


def wrong_version(case: str, said: str, version: str) -> tuple[Finding, ...]:
    """A finding if a library says another version than its release has."""
    if said == version:
        return ()
    message = f"{case}: the library says version {said!r}, the release is {version}"
    return (Finding("smoke-version", "error", message),)


def judge(case: SmokeCase, outcome: SmokeOutcome, *, version: str, stderr: str) -> tuple[Finding, ...]:
    """What is wrong with ``outcome``; nothing if all is right."""
    crash = crash_of(case.id, outcome.exit_code, stderr)
    if crash:
        return (crash,)
    if not outcome.outputs:
        return (no_output(case.id, stderr),)
    findings = [*wrong_version(case.id, outcome.version, version)]
    matches = len(outcome.outputs) == len(case.outputs) and all(
        math.isclose(got, want, rel_tol=1e-5, abs_tol=1e-6)
        for got, want in zip(outcome.outputs, case.outputs, strict=True)
    )
    if not matches:
        evidence = (f"expected {_numbers(case.outputs)}", f"got      {_numbers(outcome.outputs)}")
        findings.append(Finding("smoke-answer", "error", f"{case.id}: a wrong answer", evidence))
    if case.must_delegate and (
        not outcome.delegated or set(outcome.left) - _CONVERSIONS - set(case.may_leave)
    ):
        findings.append(
            Finding(
                "xnnpack-not-in-use",
                "error",
                f"{case.id}: XNNPACK is built in but does not run the model",
                (f"delegated nodes: {outcome.delegated}", f"left to TFLite: {list(outcome.left)}"),
                f"is the release's patch of cpuinfo still there? it reads {CPUS}"
                if case.hides
                else "check XNNPACK_DELEGATE_ENABLE_QS8 and _QU8 in the release, or set tflite.xnnpack=false",
            )
        )
    if case.says and case.says not in stderr:
        findings.append(
            Finding(
                "smoke-silent",
                "error",
                f"{case.id}: the library does not say that XNNPACK is not in use",
                (f"expected on stderr: {case.says}",),
                "the release's file says 'dynamic_graphs: told': is the patch for that still there?",
            )
        )
    return tuple(findings)


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)
