"""The program that leaves operators out of upstream's source, on texts of the form that upstream's have."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.plans import PROJECT

pytestmark = pytest.mark.real_processes
SCRIPT = PROJECT / "dockerfiles" / "tflite" / "select-operators.sh"
OTHERS = "".join(
    f"  AddBuiltin(BuiltinOperator_OTHER_{number}, Register_OTHER());\n" for number in range(120)
)
REGISTER = f"""BuiltinOpResolver::BuiltinOpResolver() {{
  AddBuiltin(BuiltinOperator_CONV_2D, Register_CONV_2D(),
             /* min_version = */ 1,
             /* max_version = */ 8);
  // Why this one is so.
  AddBuiltin(BuiltinOperator_CONV_2D_TRANSPOSE,
             Register_X());
{OTHERS}  AddCustom("Mfcc", tflite::ops::custom::Register_MFCC());
  AddCustom("TFLite_Detection_PostProcess",
            tflite::ops::custom::Register_DETECTION_POSTPROCESS());
  may_directly_contain_user_defined_ops_ = false;
}}
"""
MESSAGE = '    "An older version of this builtin might be supported. "\n'


def tree(folder: Path, register: str = REGISTER, message: str = MESSAGE) -> Path:
    for name, text in (("core/kernels/register.cc", register), ("core/api/op_resolver.cc", message)):
        (folder / "lite" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "lite" / name).write_text(text)
    return folder


def run(folder: Path, *operators: str) -> subprocess.CompletedProcess[str]:
    (folder / "operators").write_text("".join(f"{each}\n" for each in operators))
    return subprocess.run(
        ["bash", str(SCRIPT), str(folder), str(folder / "operators")],
        env={"LITE_FOLDER": "lite", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_wanted_stays_with_its_versions_and_all_else_goes(tmp_path: Path) -> None:
    ran = run(tree(tmp_path), "builtin CONV_2D", "custom TFLite_Detection_PostProcess")
    assert ran.returncode == 0, ran.stderr
    assert "2 of 124 operators are kept" in ran.stdout
    assert (tmp_path / "lite/core/kernels/register.cc").read_text() == (
        "BuiltinOpResolver::BuiltinOpResolver() {\n"
        "  AddBuiltin(BuiltinOperator_CONV_2D, Register_CONV_2D(),\n"
        "             /* min_version = */ 1,\n"
        "             /* max_version = */ 8);\n"
        "  // Why this one is so.\n"
        '  AddCustom("TFLite_Detection_PostProcess",\n'
        "            tflite::ops::custom::Register_DETECTION_POSTPROCESS());\n"
        "  may_directly_contain_user_defined_ops_ = false;\n"
        "}\n"
    )
    assert "tflite.ops=from-models" in (tmp_path / "lite/core/api/op_resolver.cc").read_text()
    assert not [path.name for path in tmp_path.rglob("*") if path.suffix in (".part", ".count")]


def test_a_source_that_registers_in_another_way_is_not_taken(tmp_path: Path) -> None:
    ran = run(tree(tmp_path, register="void Fill(Table& all) { all.add(CONV_2D); }\n"), "builtin CONV_2D")
    assert ran.returncode == 1
    assert "registers operators in a way that is not known here: found 0" in ran.stderr


def test_a_source_without_an_operator_that_a_model_needs_is_not_taken(tmp_path: Path) -> None:
    ran = run(tree(tmp_path), "builtin CONV_2D", "builtin STABLEHLO_CASE")
    assert ran.returncode == 1
    assert "a model needs what this release does not have: STABLEHLO_CASE" in ran.stderr


def test_a_source_with_another_message_is_not_taken(tmp_path: Path) -> None:
    ran = run(tree(tmp_path, message="another text\n"), "builtin CONV_2D")
    assert ran.returncode == 1
    assert "another text for an operator that is not there" in ran.stderr
