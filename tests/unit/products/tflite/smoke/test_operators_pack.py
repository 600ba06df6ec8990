"""The pack of operators that is stored: made of the descriptions beside it, complete, and small."""

from __future__ import annotations

import gzip
from dataclasses import replace
from fnmatch import fnmatchcase

import pytest

from tests.operators.cases import all_cases
from tests.operators.pack import FILE, NOT_DELEGATED, pack, unpack_file
from tests.operators.recording import KNOWN, Recorded, close, disagreements, merged
from tests.support.plans import PROJECT
from tests.support.products import list_releases
from tests.zoo.cases import FILE as ZOO_FILE
from tfbuild.products.tflite.smoke.operators import columns

CASES = all_cases()
NAMES = [case.name for case in CASES]
ZOO = tuple(unpack_file(ZOO_FILE)[0])

# tensorflow/lite/delegates/xnnpack/README.md of 2.14.1, and what newer ones add
DELEGATED = [
    "abs", "add", "average_pool_2d", "batch_matmul", "ceil", "concatenation", "conv_2d", "depth_to_space",
    "depthwise_conv_2d", "dequantize", "div", "elu", "floor", "fully_connected", "gelu",
    "hard_swish", "leaky_relu", "logistic", "max_pool_2d", "maximum", "mean", "minimum", "mul", "neg",
    "pad", "prelu", "quantize", "relu", "relu6", "relu_n1_to_1", "reshape", "resize_bilinear", "round",
    "rsqrt", "slice", "softmax", "space_to_depth", "split", "sqrt", "square", "squared_difference",
    "strided_slice", "sub", "sum", "tanh", "transpose", "transpose_conv",
]  # fmt: skip


def test_the_stored_pack_is_what_the_descriptions_make() -> None:
    """After a change here: python -m tests.operators, which says how answers are recorded."""
    answers, named = unpack_file()
    assert list(answers) == NAMES
    assert gzip.decompress(FILE.read_bytes()) == pack(CASES, answers, named)


def test_it_has_the_columns_that_plans_name() -> None:
    _, named = unpack_file()
    assert set(named) == set(columns())


def test_every_model_has_an_answer_and_some_release_delegates_most() -> None:
    answers, named = unpack_file()
    assert {case.name for case in CASES if case.answered} == {
        name for name, answer in answers.items() if answer.data
    }
    last = named.index("litert-2.3.0")
    assert sum(answer.left[last] == 0 for answer in answers.values()) > len(answers) * 0.9


def test_it_stays_small() -> None:
    assert FILE.stat().st_size < 600_000


@pytest.mark.parametrize("operator", DELEGATED)
def test_every_operator_that_the_delegate_takes_has_models_and_is_taken(operator: str) -> None:
    answers, _ = unpack_file()
    mine = [answer for name, answer in answers.items() if name.startswith(f"{operator}-")]
    assert mine
    assert any(0 in answer.left for answer in mine)


@pytest.mark.parametrize("code", ["mean", "sum"])
@pytest.mark.parametrize("kind", ["float32", "int8", "uint8"])
@pytest.mark.parametrize("batch", [1, 2, 4])
def test_reductions_are_asked_with_and_without_their_axes_and_used_again(
    code: str, kind: str, batch: int
) -> None:
    plain = f"{code}-{kind}-{batch}x3x4x5-axes1,2"
    assert {plain, f"{plain}-keep"} <= set(NAMES)
    assert f"mean_sub-{kind}-{batch}x3x4x5-axes1,2" in NAMES
    assert f"squeeze_excite-{kind}-{batch}x3x4x5" in NAMES


def is_about_a_model(pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in (*NAMES, *ZOO))


def test_every_pattern_of_a_quirk_is_about_a_model() -> None:
    assert is_about_a_model("*")
    assert not is_about_a_model("no-such-operator*")
    wrong = [
        (release.release, pattern)
        for release in list_releases(PROJECT)
        for quirk in release.quirks
        for pattern in getattr(quirk, "operator_models", ())
        if not is_about_a_model(pattern)
    ]
    assert wrong == []


LEFT = {"reference": NOT_DELEGATED, "xnnpack": 3}


def recording(**changes: bytes) -> dict[tuple[str, str], Recorded]:
    return {
        (case.name, way): Recorded("right", "", changes.get(way, b"\0\0\x80?"), LEFT[way])
        for case in CASES[:3]
        for way in ("reference", "xnnpack")
    }


def test_wheels_that_agree_become_answers_and_what_each_leaves() -> None:
    recordings = {"2.14.1": recording(), "litert-2.3.0": recording(xnnpack=b"\1\0\x80?")}
    assert disagreements(CASES[:3], recordings) == []
    answers = merged(CASES[:3], recordings)
    assert answers[CASES[0].name].data == b"\0\0\x80?"
    assert answers[CASES[0].name].left == (3, 3)


@pytest.mark.parametrize(
    "other", [b"\0\0\0@", b"\0\0\x80?" * 2, b"\0\0\xc0\x7f"], ids=["value", "size", "NaN"]
)
def test_a_wheel_with_another_answer_is_named(other: bytes) -> None:
    recordings = {"2.14.1": recording(xnnpack=other), "litert-2.3.0": recording()}
    assert disagreements(CASES[:1], recordings) == [f"2.14.1: {CASES[0].name}: xnnpack: another answer"]


def test_a_fault_that_is_known_and_not_there_is_told() -> None:
    (name,) = (each.models for each in KNOWN if each.models in NAMES and not each.by_chance)
    (known,) = (case for case in CASES if case.name == name)
    right = {(known.name, way): Recorded("right", "", b"\0\0\0\0", 0) for way in ("reference", "xnnpack")}
    said = disagreements([known], {"2.14.1": right, "litert-2.3.0": right})
    assert said == [f"2.14.1: {known.name} is right, and known as wrong"]


def test_eight_bit_answers_may_be_one_step_away_and_no_more() -> None:
    case = replace(CASES[0], output="int8", absolute=1.0, relative=0.0)
    assert close(case, b"\x05", b"\x06")
    assert not close(case, b"\x05", b"\x07")
