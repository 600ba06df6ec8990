"""Builds with the operators of given models alone: what is read, planned, asked for, and judged."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import flatbuffers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builds import Build
from tests.support.plans import PROJECT
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ChecksumError, ConfigError, NothingMatchesError
from tfbuild.build.layout import Layout
from tfbuild.build.run import Run
from tfbuild.build.steps import copy_planned
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words
from tfbuild.products.table import plan_of, recipe_of
from tfbuild.products.tflite.selection.model import ModelNeeds, NotAModel, read_needs
from tfbuild.products.tflite.selection.names import load_operator_names
from tfbuild.products.tflite.selection.select import flex_refusal, settings
from tfbuild.products.tflite.smoke.operators import OperatorCase, judge_operators, parse_operators

MODELS = PROJECT / "dockerfiles" / "tflite" / "smoke" / "models"
NAMES = load_operator_names(PROJECT).builtin


def plan_for(*models: Path, sets: tuple[str, ...] = (), origin: str = "") -> Plan[Any]:
    asked = Words(arch="amd64", origin=origin, sets=(*sets, *settings([str(each) for each in models])))
    return plan_of(PROJECT, "tflite", asked, env={}, build_arch=Arch.AMD64)


def write_model(path: Path, *operators: tuple[int, str, int]) -> Path:
    """A model with a graph and its table of operators alone: (number, name of a custom one, version)."""
    builder = flatbuffers.Builder(0)
    names = [builder.CreateString(name) if name else None for _, name, _ in operators]
    codes = []
    for (number, _, version), name in zip(operators, names, strict=True):
        builder.StartObject(4)
        builder.PrependInt8Slot(0, min(number, 127), 0)
        if name is not None:
            builder.PrependUOffsetTRelativeSlot(1, name, 0)
        builder.PrependInt32Slot(2, version, 1)
        builder.PrependInt32Slot(3, number, 0)
        codes.append(builder.EndObject())
    builder.StartObject(1)
    graph = builder.EndObject()
    vectors = []
    for tables in (codes, [graph]):
        builder.StartVector(4, len(tables), 4)
        for table in reversed(tables):
            builder.PrependUOffsetTRelative(table)
        vectors.append(builder.EndVector())
    builder.StartObject(3)
    builder.PrependUOffsetTRelativeSlot(1, vectors[0], 0)
    builder.PrependUOffsetTRelativeSlot(2, vectors[1], 0)
    builder.Finish(builder.EndObject(), file_identifier=b"TFL3")
    path.write_bytes(builder.Output())
    return path


def test_the_operators_of_a_model_are_read_with_their_versions() -> None:
    assert read_needs(MODELS / "squeeze_excite_int8_batch1.tflite", NAMES) == ModelNeeds(
        builtin=(("CONV_2D", 3), ("MEAN", 2), ("MUL", 2)), custom=(), outputs=1
    )


def test_numbers_beyond_a_byte_and_names_of_ones_own_are_read(tmp_path: Path) -> None:
    """127 stands in the old field for all that are larger: PLACEHOLDER_FOR_GREATER_OP_CODES."""
    model = write_model(tmp_path / "m.tflite", (150, "", 1), (32, "Mfcc", 1), (32, "FlexErf", 1))
    needs = read_needs(model, NAMES)
    assert needs.builtin == ((NAMES[150], 1),)
    assert (needs.custom, needs.flex) == (("FlexErf", "Mfcc"), ("FlexErf",))


def test_an_operator_that_nobody_has_heard_of_is_told(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m.tflite", (len(NAMES), "", 1))
    with pytest.raises(NotAModel, match=f"operator number {len(NAMES)} is newer"):
        read_needs(model, NAMES)


@given(st.binary(max_size=200))
def test_no_bytes_are_too_strange(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    model = tmp_path_factory.getbasetemp() / "strange.tflite"
    model.write_bytes(data[:4] + b"TFL3" + data[4:])
    with contextlib.suppress(NotAModel):
        assert read_needs(model, NAMES).outputs >= 0


@given(st.integers(min_value=8, max_value=400), st.integers(min_value=0, max_value=255))
def test_a_damaged_model_is_no_traceback(
    tmp_path_factory: pytest.TempPathFactory, where: int, byte: int
) -> None:
    data = bytearray((MODELS / "conv_int8.tflite").read_bytes())
    data[where] = byte
    model = tmp_path_factory.getbasetemp() / "damaged.tflite"
    model.write_bytes(data)
    with contextlib.suppress(NotAModel):
        assert read_needs(model, NAMES).outputs >= 0


def test_the_plan_has_the_operators_of_all_models() -> None:
    plan = plan_for(MODELS / "conv_int8.tflite", MODELS / "mean_subtracted_float32_batch2.tflite")
    selection = plan.part.selection
    assert selection.linked == ("CONV_2D", "MEAN", "SUB")
    assert selection.request == "builtin CONV_2D\nbuiltin MEAN\nbuiltin SUB\n"
    plain = plan_of(PROJECT, "tflite", Words(arch="amd64"), env={}, build_arch=Arch.AMD64)
    assert {flag.text for flag in plan.flags} ^ {flag.text for flag in plain.flags} == {
        "TFBUILD_SELECTED_OPERATORS=ON"
    }
    assert any(
        "operators that are linked (3;" in note and "CONV_2D, MEAN, SUB" in note for note in plan.notes
    )


def test_a_plan_without_models_has_all_operators() -> None:
    plan = plan_of(PROJECT, "tflite", Words(arch="amd64"), env={}, build_arch=Arch.AMD64)
    assert plan.part.selection is None


def test_models_are_told_by_their_content_in_names(tmp_path: Path) -> None:
    first = shutil.copyfile(MODELS / "conv_int8.tflite", tmp_path / "a.tflite")
    same = shutil.copyfile(MODELS / "conv_int8.tflite", tmp_path / "b.tflite")
    one, two = plan_for(first), plan_for(same)
    other = plan_for(MODELS / "add_float32.tflite")
    assert one.build_id == two.build_id
    assert one.build_id not in (other.build_id, "tflite-2.14.1-debian-opt-amd64")
    assert one.key != other.key


def test_the_smoke_test_has_what_can_run_and_each_given_model() -> None:
    plan = plan_for(MODELS / "squeeze_excite_float32_batch1.tflite")
    models = {case.model for case in plan.part.smoke}
    assert "conv_int8.tflite" in models
    assert not models & {"add.bin", "add_float32.tflite", "dynamic_reshape_float32.tflite"}
    given_ones = {case.id: case for case in plan.part.smoke if case.zeros}
    assert set(given_ones) == {"squeeze_excite_float32_batch1, c", "squeeze_excite_float32_batch1, c++"}
    with_delegate = given_ones["squeeze_excite_float32_batch1, c"]
    assert with_delegate.command("/smoke") == (
        "/smoke/smoke-c",
        "/smoke/given-1.tflite",
        "--xnnpack",
        "--zeros",
    )
    assert with_delegate.outputs == (1.0,)
    assert {case.linked for case in plan.part.operators} == {("CONV_2D", "MEAN", "MUL")}


def test_a_given_model_runs_through_the_python_package_too() -> None:
    plan = plan_for(MODELS / "squeeze_excite_float32_batch1.tflite", sets=("runtime.flavour=python",))
    (case,) = (each for each in plan.part.smoke if each.zeros)
    assert case.id == "squeeze_excite_float32_batch1, python"
    assert case.command("/smoke") == (
        "/usr/bin/python3",
        "/smoke/smoke.py",
        "tflite_runtime",
        "/smoke/given-1.tflite",
        "--zeros",
    )
    assert case.outputs == (1.0,)


def test_a_model_for_the_flex_delegate_is_refused_with_what_to_do(tmp_path: Path) -> None:
    model = write_model(tmp_path / "flex.tflite", (32, "FlexErf", 1))
    with pytest.raises(ConfigError) as error:
        plan_for(model)
    (problem,) = error.value.problems
    assert flex_refusal(("FlexErf",)) in str(problem)
    assert "SELECT_TF_OPS" in str(problem)


def test_operators_of_ones_own_are_for_the_program_to_register(tmp_path: Path) -> None:
    plan = plan_for(write_model(tmp_path / "own.tflite", (32, "Mine", 1), (32, "Mfcc", 1), (0, "", 1)))
    assert plan.part.selection.linked == ("ADD", "Mfcc")
    assert any("register itself: Mine" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("sets", "text"),
    [
        (("tflite.ops=from-models",), "needs models"),
        ((f"tflite.models={MODELS / 'conv_int8.tflite'}",), "nothing reads the models"),
        (settings([str(MODELS / "conv_int8.json")]), "no TensorFlow Lite model"),
        (settings(["nowhere.tflite"]), "there is no file 'nowhere.tflite'"),
    ],
)
def test_what_does_not_go_together_is_told(sets: tuple[str, ...], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        plan_for(sets=sets)
    assert text in str(error.value.problems[0])


def test_an_official_wheel_has_all_operators() -> None:
    with pytest.raises((ConfigError, NothingMatchesError)) as error:
        plan_for(MODELS / "conv_int8.tflite", origin="wheel")
    assert "tflite.ops" in str(getattr(error.value, "problems", "")) + error.value.message


CASE = OperatorCase("operators, c", "operators-c", "", (), linked=("CONV_2D",))
RAN = "version 2.14.1\noperators reference 3 1 0\n"
REFUSED = "operator add reference failed Didn't find op for builtin opcode 'ADD' version '1'. This library"


def _judged(stdout: str) -> list[str]:
    outcome, faults = parse_operators(CASE, 0, stdout)
    return [each.id for each in judge_operators(CASE, outcome, faults, version="2.14.1", stderr="")]


def test_a_model_with_another_operator_is_refused_and_that_is_right() -> None:
    custom = "operator ssd reference failed Encountered unresolved custom op: TFLite_Detection_PostProcess.\n"
    assert _judged(f"{RAN}{REFUSED}\n{custom}") == []


def test_an_operator_that_was_to_be_left_out_and_is_there_is_a_finding() -> None:
    assert _judged(RAN) == ["smoke-operators"]


def test_a_selected_operator_that_is_missing_is_a_finding() -> None:
    missing = "operator conv reference failed Didn't find op for builtin opcode 'CONV_2D' version '1'."
    assert _judged(f"{RAN}{REFUSED}\n{missing}\n") == ["smoke-operator-failed"]


@pytest.mark.parametrize(
    ("change", "text"), [("write", "was changed while"), ("remove", "cannot be read now")]
)
def test_a_model_that_is_not_as_it_was_planned_is_told(tmp_path: Path, change: str, text: str) -> None:
    model = shutil.copyfile(MODELS / "conv_int8.tflite", tmp_path / "mine.tflite")
    plan = plan_for(model)
    (given_one,) = plan.part.selection.models
    build = Build(tmp_path / "work")
    layout = Layout(PROJECT, tmp_path / "cache", "build")
    run = Run(plan, recipe_of(plan), layout, build.effects(), tmp_path / "dist")
    if change == "write":
        model.write_bytes(b"another one")
    else:
        model.unlink()
    with pytest.raises(ChecksumError, match=text):
        copy_planned(run, given_one.path, tmp_path / "copy", given_one.sha256, "model")
