"""What a TFLite runtime image must compute, and the judgement of what it did; pure.

``dockerfiles/tflite/smoke`` has the programs and models. ``add.bin`` and ``add_quantized.bin`` are
upstream's (tensorflow/lite/c/c_api_test.cc has their answers); the two convolutions are ours, small
enough to be checked by hand, and XNNPACK has to take them over: a build that loses that is silently
several times slower (https://github.com/tensorflow/tensorflow/issues/61946).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

from tfbuild.model import Finding

# BuiltinOperator in tensorflow/lite/schema/schema.fbs
CONV_2D = 3


@dataclass(frozen=True)
class SmokeCase:
    """One inference with a known answer."""

    id: str
    program: str  # smoke-c, smoke-cc or smoke.py
    model: str
    inputs: tuple[float, ...]
    outputs: tuple[float, ...]
    with_delegate: bool = False  # the program adds XNNPACK itself, as a user of the C API has to
    must_delegate: bool = False
    interpreter: str = ""  # in the image, where the program is a script
    package: str = ""  # that the script imports

    def command(self, folder: str) -> tuple[str, ...]:
        """Argument list of the program, whose files lie in ``folder``."""
        options = ("--xnnpack",) if self.with_delegate else ()
        values = tuple(f"{value:g}" for value in self.inputs)
        before = (self.interpreter,) if self.interpreter else ()
        package = (self.package,) if self.package else ()
        return (*before, f"{folder}/{self.program}", *package, f"{folder}/{self.model}", *options, *values)


@dataclass(frozen=True)
class OperatorCount:
    """How many of the models of one operator were right in one way; ``delegated``: XNNPACK ran them whole."""

    way: str  # reference, xnnpack
    models: int
    right: int
    delegated: int


@dataclass(frozen=True)
class SmokeOutcome:
    """What one case did; stored in the manifest. ``operators`` is for the suite of single operators alone."""

    case: str
    exit_code: int
    version: str
    outputs: tuple[float, ...]
    delegated: int | None
    left: tuple[int, ...]
    operators: tuple[OperatorCount, ...] = ()


_SQUARE = tuple(float(n) for n in range(1, 17))
# For each 3x3 window of the 4x4 square: the sum of its nine, and its centre plus 3.
_CONVOLVED = (54.0, 9.0, 63.0, 10.0, 90.0, 13.0, 99.0, 14.0)


def smoke_cases(*, xnnpack: bool) -> tuple[SmokeCase, ...]:
    """The cases for a build with or without XNNPACK."""
    cases = []
    for program in ("smoke-c", "smoke-cc"):
        from_c = program == "smoke-c"
        api = "c" if from_c else "c++"
        cases += [
            SmokeCase(f"add, {api}", program, "add.bin", (1, 3), (3, 9)),
            SmokeCase(f"add_quantized, {api}", program, "add_quantized.bin", (1, 3), (3, 9)),
        ]
        cases += [
            SmokeCase(
                f"{name}, {api}",
                program,
                f"{name}.tflite",
                _SQUARE,
                _CONVOLVED,
                with_delegate=from_c and xnnpack,
                must_delegate=xnnpack,
            )
            for name in ("conv_float32", "conv_int8")
        ]
    return tuple(cases)


Model: TypeAlias = tuple[str, tuple[float, ...], tuple[float, ...]]
_CONVOLUTIONS: tuple[Model, ...] = tuple(
    (f"{name}.tflite", _SQUARE, _CONVOLVED) for name in ("conv_float32", "conv_int8")
)


def python_cases(package: str, *, xnnpack: bool) -> tuple[SmokeCase, ...]:
    """The cases for a Python package from source; it applies XNNPACK by itself, as the C++ API does."""
    models = tuple((f"{name}.bin", (1.0, 3.0), (3.0, 9.0)) for name in ("add", "add_quantized"))
    return _python_cases(package, (*models, *_CONVOLUTIONS), ("float32", "int8") if xnnpack else ())


def wheel_cases(package: str, *, xnnpack: Collection[str]) -> tuple[SmokeCase, ...]:
    """The cases for an official wheel: with models of ours alone, since there is no source.

    ``xnnpack`` are the kinds of models that it must take over: float32, int8.
    """
    models = tuple((f"add_{kind}.tflite", (1.0, 3.0), (3.0, 9.0)) for kind in ("float32", "uint8"))
    return _python_cases(package, (*models, *_CONVOLUTIONS), xnnpack)


def _python_cases(package: str, models: tuple[Model, ...], xnnpack: Collection[str]) -> tuple[SmokeCase, ...]:
    return tuple(
        SmokeCase(
            f"{model.partition('.')[0]}, python",
            "smoke.py",
            model,
            inputs,
            outputs,
            must_delegate=model in {f"conv_{kind}.tflite" for kind in xnnpack},
            interpreter="/usr/bin/python3",
            package=package,
        )
        for model, inputs, outputs in models
    )


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
    findings = [*wrong_version(case.id, outcome.version, version)]
    matches = len(outcome.outputs) == len(case.outputs) and all(
        math.isclose(got, want, rel_tol=1e-5, abs_tol=1e-6)
        for got, want in zip(outcome.outputs, case.outputs, strict=True)
    )
    if not matches:
        evidence = (f"expected {_numbers(case.outputs)}", f"got      {_numbers(outcome.outputs)}")
        findings.append(Finding("smoke-answer", "error", f"{case.id}: a wrong answer", evidence))
    if case.must_delegate and (not outcome.delegated or CONV_2D in outcome.left):
        findings.append(
            Finding(
                "xnnpack-not-in-use",
                "error",
                f"{case.id}: XNNPACK is built in but does not run the convolution",
                (f"delegated nodes: {outcome.delegated}", f"left to TFLite: {list(outcome.left)}"),
                "check XNNPACK_DELEGATE_ENABLE_QS8 and _QU8 in the release, or set tflite.xnnpack=false",
            )
        )
    return tuple(findings)


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)
