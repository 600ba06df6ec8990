"""What a user adds to an image of Keras, before anything is built with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.keras import make_plan
from tests.support.plans import PROJECT
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, TfBuildError, UsageError
from tfbuild.plan.words import Words
from tfbuild.products import table
from tfbuild.products.keras.app import read_app, read_keras_model, script_of


def test_a_folder_is_known_by_its_bytes(tmp_path: Path) -> None:
    app = tmp_path / "Train_1"
    app.mkdir()
    (app / "main.py").write_text("print(1)\n")
    first = read_app(app)
    assert (first.folder.name, first.folder.requirements, first.asked) == ("train-1", (), ())
    (app / "main.py").write_text("print(2)\n")
    assert read_app(app).folder.tree != first.folder.tree


def test_every_bad_line_of_the_requirements_is_told(tmp_path: Path) -> None:
    text = "numpy\n-r other.txt\nx @ https://example.org/x.whl\n# fine\n==3\nrich>=1 ; python_version > '3'\n"
    (tmp_path / "requirements.txt").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_app(tmp_path)
    assert [problem.line for problem in caught.value.problems] == [2, 3, 5]


def test_no_folder_and_a_name_that_no_image_can_have(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="takes a folder"):
        read_app(tmp_path / "none")
    strange = tmp_path / "für uns"
    strange.mkdir()
    with pytest.raises(UsageError, match="part of an image's name"):
        read_app(strange)


@given(st.text(max_size=80).filter(lambda text: "\x00" not in text))
def test_any_requirements_file_is_read_or_refused(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="app") as folder:
        app = Path(folder) / "app"
        app.mkdir()
        (app / "requirements.txt").write_text(text, encoding="utf-8", errors="replace")
        try:
            asked = read_app(app).asked
        except TfBuildError:
            return
        assert all(each.origin.line >= 1 and each.requirement.strip() for each in asked)


def test_the_program_says_how_it_runs_and_the_command_line_has_the_last_word(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    app = tmp_path / "app"
    (app / "app.yaml").write_text("app:\n  command: [python3, main.py]\n  environment: {A: one, B: two}\n")
    assert make_plan(app=app).part.command == ("python3", "main.py")
    assert make_plan(app=app).part.environment == (("A", "one"), ("B", "two"))
    sets = ("app.command=python3,other.py", "app.environment.B=2", "app.environment.C=3")
    plan = make_plan("2.21.0", Arch.AMD64, *sets, app=app)
    assert plan.part.command == ("python3", "other.py")
    assert plan.part.environment == (("A", "one"), ("B", "2"), ("C", "3"))


def test_a_wrong_app_file_is_refused_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "app.yaml").write_text("app:\n  comand: [python3]\n")
    with pytest.raises(ConfigError) as caught:
        read_app(tmp_path)
    (problem,) = caught.value.problems
    assert (problem.line, "did you mean 'command'?" in problem.message) == (2, True)


def model_file(folder: Path, name: str, head: bytes) -> Path:
    path = folder / name
    path.write_bytes(head + b"\0" * 64)
    return path


def test_models_are_told_apart_by_name_and_bytes(tmp_path: Path) -> None:
    assert read_keras_model(model_file(tmp_path, "a.keras", b"PK\x03\x04")).kind == "keras"
    assert read_keras_model(model_file(tmp_path, "a.h5", b"\x89HDF\r\n\x1a\n")).kind == "h5"
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "saved_model.pb").write_bytes(b"\x08\x01\x12\x04")
    found = read_keras_model(saved)
    assert (found.kind, found.name, len(found.id)) == ("saved_model", "saved", 40)


@pytest.mark.parametrize(
    ("name", "head", "why"),
    [
        ("a.keras", b"\x89HDF\r\n\x1a\n", "a .keras file is a zip archive"),
        ("a.h5", b"PK\x03\x04", "an .h5 file is HDF5"),
        ("a.tflite", b"\x1c\x00\x00\x00TFL3", "does not say what kind of model"),
        ("a.h5", b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path: Path, name: str, head: bytes, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read_keras_model(model_file(tmp_path, name, head))


def test_a_folder_or_path_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no saved_model"):
        read_keras_model(tmp_path)
    with pytest.raises(UsageError, match="there is no model"):
        read_keras_model(tmp_path / "x.keras")
    (tmp_path / "saved_model.pb").write_bytes(b"hello")
    with pytest.raises(UsageError, match="is not a SavedModel"):
        read_keras_model(tmp_path)


@pytest.mark.parametrize(
    ("command", "script"),
    [
        (("python3", "train.py", "--epochs", "3"), "train.py"),
        (("python3.11", "-u", "-X", "utf8", "sub/train.py"), "sub/train.py"),
        (("/usr/bin/python3", "/app/train.py"), "train.py"),
        (("./run.sh",), "run.sh"),
        (("/app/run.sh",), "run.sh"),
        (("python3", "-m", "train"), None),
        (("python3", "-um", "train"), None),
        (("python3", "-c", "print(1)"), None),
        (("python3", "-"), None),
        (("python3",), None),
        (("/opt/tool", "x.py"), None),
        (("tool", "x.py"), None),
        ((), None),
    ],
)
def test_the_file_that_a_command_starts(command: tuple[str, ...], script: str | None) -> None:
    assert script_of(command) == script


def test_a_command_that_names_a_missing_file_is_refused_at_its_place(tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "train.py").touch()
    env: dict[str, str] = {}

    def refused(*sets: str, app: Path | None = app) -> str:
        words = Words(app=str(app) if app else "", sets=sets)
        with pytest.raises(ConfigError) as caught:
            table.plan_of(PROJECT, "keras", words, env=env, build_arch=Arch.AMD64)
        (problem,) = caught.value.problems
        return str(problem)

    gone = "--set app.command=python3,nothere.py"
    assert refused("app.command=python3,nothere.py") == (
        f"{gone}: app.command starts 'nothere.py', and there is no such file in {app}"
    )
    assert "without --app DIR" in refused("app.command=python3,train.py", app=None)
    assert "app.healthcheck starts 'h.py'" in refused("app.healthcheck=python3,h.py")
    words = Words(app=str(app), sets=("app.command=python3,train.py",))
    plan = table.plan_of(PROJECT, "keras", words, env=env, build_arch=Arch.AMD64)
    assert plan.part.command == ("python3", "train.py")
    (app / "app.yaml").write_text("app: {command: [python3, own.py]}\n")
    assert refused().startswith(f"{app}/app.yaml: app.command starts 'own.py'")


def test_a_command_without_an_application_is_told() -> None:
    words = Words(sets=("app.command=[python3, -c, 'print(1)']",))
    notes = table.plan_of(PROJECT, "keras", words, env={}, build_arch=Arch.AMD64).notes
    assert any(each.startswith("app.command is set without --app") for each in notes)
