"""The zoo that is stored: whole models of every kind that people run, with answers, and small."""

from __future__ import annotations

import gzip

import pytest

from tests.operators.pack import NOT_DELEGATED, pack, unpack_file
from tests.support.plans import PROJECT
from tests.support.products import list_releases
from tests.zoo.cases import FILE, cases_of, settled
from tfbuild.products.tflite.smoke.operators import ZOO, columns

CONTENT = gzip.decompress(FILE.read_bytes())
ANSWERS, COLUMNS = unpack_file(FILE)


def test_it_is_the_file_that_builds_run() -> None:
    assert PROJECT / "dockerfiles" / "tflite" / "smoke" / f"{ZOO}.gz" == FILE


@pytest.mark.parametrize(
    "kind",
    [
        "mobilenet", "efficientnet", "resnet", "depthwise", "transformer", "lstm", "gru", "sequence_rnn",
        "resize", "transpose_conv", "strided_slices", "dynamic_shapes", "signatures", "control_flow",
        "hash_table", "ssd_post_process",
    ],
)  # fmt: skip
def test_every_kind_of_model_is_there(kind: str) -> None:
    assert f"{kind}-float32" in ANSWERS


@pytest.mark.parametrize("form", ["float32", "float16", "dynamic", "int8", "uint8", "int16x8"])
def test_every_form_of_weights_is_there(form: str) -> None:
    assert sum(name.endswith(f"-{form}") for name in ANSWERS) >= 2


def test_each_has_an_answer_that_is_not_all_the_same() -> None:
    for name, answer in ANSWERS.items():
        assert len(set(answer.data)) > 4, name


def test_most_run_whole_in_xnnpack_and_nearly_all_in_part() -> None:
    last = COLUMNS.index("litert-2.3.0")
    left = [answer.left[last] for answer in ANSWERS.values()]
    assert left.count(0) >= 18
    assert left.count(NOT_DELEGATED) <= 3


def test_it_has_the_columns_that_plans_name() -> None:
    assert set(COLUMNS) == set(columns())


def test_the_stored_pack_is_what_the_descriptions_make_of_its_models() -> None:
    """After a change in tests/zoo/cases.py: python -m tests.zoo merge."""
    cases = cases_of(CONTENT)
    assert [case.name for case in cases] == list(ANSWERS)
    assert pack([settled(case, ANSWERS[case.name].data) for case in cases], ANSWERS, COLUMNS) == CONTENT


def test_it_stays_small() -> None:
    assert len(CONTENT) < 1_000_000
    assert FILE.stat().st_size < 600_000


def test_operators_that_a_release_is_too_old_for_are_told_of_each_release_before_2_18() -> None:
    told = {
        release.release
        for release in list_releases(PROJECT)
        for quirk in release.quirks
        if "FULLY_CONNECTED 12" in getattr(quirk, "unknown_operators", ())
    }
    assert "2.14.1-debian" in told
    assert not {"2.20.0", "2.2.0-litert", "2.3.0-litert"} & told
