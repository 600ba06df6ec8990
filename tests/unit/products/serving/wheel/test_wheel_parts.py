"""A server linked with a wheel: parts that are left out, and libraries of operators that are added."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.plans import LINKED_RELEASE, PROJECT, make_linked_server_plan
from tests.support.products import Product, load_release
from tfbuild.artifacts.elf.facts import ElfFacts
from tfbuild.artifacts.elf.read import read_elf
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words
from tfbuild.products.serving.materials import wheel_materials
from tfbuild.products.serving.wheel import operators
from tfbuild.products.serving.wheel.release import ServingWheelRelease, disagreements
from tfbuild.products.serving.wheel.request import request_files
from tfbuild.products.serving.wheel.sources import read_list
from tfbuild.products.table import plan_of, plan_text

LINKED = [path.stem for path in (PROJECT / "build_configs/releases/serving").glob("*-wheel.yaml")]
LIBRARY = PROJECT / "tests" / "data" / "elf" / "x86_64" / "good.so"
FRAMEWORK = "libtensorflow_framework.so.2"
SESSION = "tensorflow_serving/servables/tensorflow/tflite_session.cc"


def plan(*sets: str, release: str = LINKED_RELEASE, config: str = "") -> Plan[Any]:
    words = Words(release=release, arch="amd64", sets=sets, config=config)
    return plan_of(PROJECT, Product.SERVING, words, env={}, build_arch=Arch.AMD64)


def problems(*sets: str, **more: str) -> str:
    with pytest.raises(ConfigError) as caught:
        plan(*sets, **more)
    return "\n".join(map(str, caught.value.problems))


# -- serving.without -------------------------------------------------------------------------------


@pytest.mark.parametrize("release", ["2.14.1-wheel", "2.16.1-wheel", "2.20.0-wheel"])
def test_without_tflite_nothing_of_it_is_extracted_compiled_or_asked(release: str) -> None:
    whole, less = plan(release=release), plan("serving.without=tflite", release=release)
    assert less.build_id != whole.build_id
    files = request_files(less.part)
    assert SESSION in request_files(whole.part)["sources"]
    assert SESSION not in files["sources"]
    assert "tensorflow/lite" not in files["tensorflow-sources"] + files["further-roots"]
    assert "tensorflow/lite" not in less.part.tree.subtrees
    assert files["without"] == "tflite\n"
    assert set(whole.part.smoke_models) - set(less.part.smoke_models) == {"tflite"}
    # The list itself stays what it is compared with in the source.
    assert whole.part.sources.sources == less.part.sources.sources


def test_what_is_left_out_is_in_the_plan() -> None:
    less = plan("serving.without=[tflite, reflection]")
    assert [each.name for each in less.part.without] == ["tflite", "reflection"]
    assert "without   tflite: models of TensorFlow Lite are refused" in plan_text(less)
    assert any(note.startswith("left out: reflection") for note in less.notes)
    assert less.part.smoke_services == ("health", "tls")
    assert request_files(less.part)["whole-archives"] == ""
    assert less.steps[3].key != plan().steps[3].key


@pytest.mark.parametrize("release", LINKED)
def test_what_a_part_leaves_out_is_there(release: str) -> None:
    found = load_release(PROJECT, Product.SERVING, release)
    assert isinstance(found, ServingWheelRelease)
    stored = read_list(PROJECT / found.sources_path, found.sources_path)
    for part in found.wheel.parts:
        assert set(part.sources) <= set(stored.sources)
    assert list(disagreements(found)) == []


def test_a_part_that_leaves_out_what_is_not_there_is_told() -> None:
    found = load_release(PROJECT, Product.SERVING, LINKED_RELEASE)
    assert isinstance(found, ServingWheelRelease)
    part = found.wheel.parts[0]
    wrong = part.model_copy(update={"tensorflow_sources": ("tensorflow/lite/core/c/comon.cc",)})
    build = found.wheel.model_copy(update={"parts": (part, wrong)})
    said = [text for _, text in disagreements(found.model_copy(update={"wheel": build}))]
    assert said[0] == "two parts have the same name"
    assert "leaves out tensorflow/lite/core/c/comon.cc (tensorflow_sources)" in said[1]


def test_each_header_that_stands_in_belongs_to_a_part() -> None:
    folder = PROJECT / "dockerfiles" / "serving" / "wheel" / "without"
    assert {each.name for each in folder.iterdir()} <= {"tflite", "reflection"}


def test_a_part_that_is_none_is_refused_where_it_is_named(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text("description: small\nextends: opt\nserving:\n  without: [tflite, tflight]\n")
    said = problems(config=str(file))
    assert f"{file}:4:21: 2.16.1-wheel has no part 'tflight'" in said
    assert "did you mean 'tflite'" in said
    assert "it can be built without: tflite, reflection" in said


def test_a_build_with_bazel_refuses_both_keys() -> None:
    for text in ("serving.without=tflite", f"serving.op_libraries={LIBRARY}"):
        assert "--from wheel" in problems(text, release="2.19.1")


# -- serving.op_libraries --------------------------------------------------------------------------


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What each library says of itself from then on."""

    def say(**changes: Any) -> None:
        found = replace(read_elf(LIBRARY), needed=(FRAMEWORK, "libc.so.6"), **changes)

        def told(*_: object) -> ElfFacts:
            return found

        monkeypatch.setattr(operators, "read_elf", told)
        monkeypatch.setattr(operators, "parse_elf", told)

    return say


def wheel_of(folder: Path, *members: str, requires: str = "tensorflow<2.17,>=2.16.1") -> Path:
    path = folder / "tensorflow_text-2.16.1-cp311-cp311-manylinux_2_17_x86_64.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in members:
            archive.writestr(name, LIBRARY.read_bytes())
        metadata = (
            f"Metadata-Version: 2.1\nName: tensorflow-text\nVersion: 2.16.1\nRequires-Dist: {requires}\n"
        )
        archive.writestr("tensorflow_text-2.16.1.dist-info/METADATA", metadata)
        archive.writestr("tensorflow_text-2.16.1.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        archive.writestr("tensorflow_text-2.16.1.dist-info/RECORD", "")
    return path


def test_a_library_and_those_of_a_wheel_are_loaded_by_name(facts: Any, tmp_path: Path) -> None:
    facts()
    wheel = wheel_of(tmp_path, "text/_b_op.so", "text/_a_op.so")
    made = plan(f"serving.op_libraries=[{LIBRARY}, {wheel}]")
    assert request_files(made.part)["operators"] == "good.so\n_a_op.so\n_b_op.so\n"
    first, second = made.part.operators
    assert (first.members, second.members) == ((), ("text/_a_op.so", "text/_b_op.so"))
    assert not any("operators that upstream's server has" in note for note in made.notes)
    told = {each.name: each for each in wheel_materials(made.part).known if not each.pin}
    assert told["good.so"].sha256 == first.sha256
    assert told[wheel.name].note == "serving.op_libraries"
    assert "_a_op.so, _b_op.so" in plan_text(made)
    assert made.build_id != plan().build_id


def test_a_program_in_a_wheel_is_no_library_whatever_it_looks_like(tmp_path: Path) -> None:
    wheel = wheel_of(tmp_path, "text/library.so")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("text/worker", b"\x7fELF and nothing more")
    # The library, a real one that needs no TensorFlow, is what is told of.
    assert "text/library.so: it does not need" in problems(f"serving.op_libraries={wheel}")


def test_another_content_is_another_build(facts: Any, tmp_path: Path) -> None:
    facts()
    library = tmp_path / "mine.so"
    keys = []
    for content in (b"one", b"other"):
        library.write_bytes(content)
        keys.append(plan(f"serving.op_libraries={library}").key)
    assert keys[0] != keys[1]


def test_what_is_no_library_of_operators_is_refused_where_it_is_named(facts: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.so").write_bytes(LIBRARY.read_bytes())
    file = tmp_path / "ops.yaml"
    file.write_text("description: ops\nextends: opt\nserving:\n  op_libraries:\n    - mine.so\n")
    place = f"{file}:5:7:"
    assert f"{place} '{tmp_path}/mine.so': it does not need {FRAMEWORK}" in problems(config=str(file))
    facts(machine="EM_AARCH64")
    assert "it is for EM_AARCH64, not for EM_X86_64 (amd64)" in problems(config=str(file))
    facts(exports=("PyInit_mine",))
    assert "it is a module for Python" in problems(config=str(file))
    (tmp_path / "mine.so").unlink()
    assert f"{place} there is no file 'mine.so'" in problems(config=str(file))


def test_a_wheel_for_another_tensorflow_or_without_operators_is_refused(facts: Any, tmp_path: Path) -> None:
    facts()
    other = wheel_of(tmp_path, "text/_a_op.so", requires="tensorflow<2.21,>=2.20.0")
    said = problems(f"serving.op_libraries={other}")
    assert "it wants tensorflow<2.21,>=2.20.0, and this server has TensorFlow 2.16.1" in said
    facts(exports=("PyInit_registrar",))
    said = problems(f"serving.op_libraries={wheel_of(tmp_path, 'text/registrar.so')}")
    assert "no library of operators in it; text/registrar.so: it is a module for Python" in said


def test_what_a_wheel_wants_for_an_extra_or_on_another_system_does_not_count(
    facts: Any, tmp_path: Path
) -> None:
    facts()
    more = (
        "tensorflow-cpu <2.16,>=2.15.0 ; extra == 'tensorflow_cpu'",
        "tensorflow-macos <2.9 ; platform_machine == 'arm64' and platform_system == 'Darwin'",
    )
    wheel = wheel_of(
        tmp_path, "text/_a_op.so", requires="\nRequires-Dist: ".join(("tensorflow ~=2.16.1", *more))
    )
    assert plan(f"serving.op_libraries={wheel}").part.operators


def test_two_libraries_of_one_name_are_refused(facts: Any, tmp_path: Path) -> None:
    facts()
    copy = tmp_path / LIBRARY.name
    copy.write_bytes(LIBRARY.read_bytes())
    assert f"two of the libraries are called {copy.name}" in problems(
        f"serving.op_libraries=[{LIBRARY}, {copy}]"
    )


def test_the_plan_of_a_server_with_everything_has_no_operators() -> None:
    assert make_linked_server_plan().part.operators == ()
