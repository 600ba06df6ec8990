"""The small programs in the recipe of an image with Keras: the entry program, and what is left out."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import inspect
import json
import marshal
import os
import pickle
import py_compile
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.plans import PROJECT
from tfbuild.products.keras.keys import LEFT_OUT
from tfbuild.products.keras.part import KerasPart
from tfbuild.products.keras.steps import left_out
from tfbuild.products.keras.steps import settings as settings_of

RECIPE = PROJECT / "dockerfiles" / "keras"


def load(name: str, text: str) -> ModuleType:
    """The functions of a program, without what it does when it is started."""
    module = ModuleType(name)
    exec(compile(text, f"{name}.py", "exec"), module.__dict__)
    return module


@pytest.fixture
def slim() -> ModuleType:
    return load("slim", (RECIPE / "slim.py").read_text().removesuffix("\nmain()\n"))


@pytest.fixture
def entry() -> ModuleType:
    return load("entry", (RECIPE / "entry.py").read_text().removesuffix("\nsys.exit(main())\n"))


# -- what is left out ------------------------------------------------------------------------------


def test_the_recipe_knows_the_groups_of_the_configuration(slim: ModuleType) -> None:
    text = (RECIPE / "leave-out").read_text()
    groups = {line.split()[0] for line in text.splitlines() if line and not line.startswith("#")}
    assert groups | {"symbols"} == set(LEFT_OUT)
    assert len(list(slim.rules(text, groups))) == len(set(slim.rules(text, groups)))


def test_only_the_groups_that_are_asked_for_are_taken_out(
    slim: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("tensorflow/include/a.h", "clang/cindex.py", "numpy/core/include/n.h", "keras/testing/t.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("12345")
    monkeypatch.setattr(
        sys, "argv", ["slim.py", str(tmp_path), str(RECIPE / "leave-out"), "headers", "tests"]
    )
    slim.main()
    report = tmp_path / "left-out.tsv"
    report.write_text(capsys.readouterr().out)
    assert left_out(report) == [("headers", 5, "tensorflow/include"), ("headers", 5, "numpy/core/include")]
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["cindex.py", "left-out.tsv", "t.py"]


# -- the entry program -----------------------------------------------------------------------------


class Started(Exception):
    """In the place of the program that would be started."""


@pytest.fixture
def start(
    entry: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[list[str], dict[str, str]]]:
    """Runs the entry program as any process but the first; gives the command and its environment."""

    def run(document: dict[str, Any] | None, *words: str, devices: tuple[str, ...] = ()) -> Any:
        if document is not None:
            (tmp_path / "app.json").write_text(json.dumps(document))
        environment = {"PATH": "/usr/bin", "SET": "outside"}
        seen: list[list[str]] = []

        def execvp(_program: str, command: list[str]) -> None:
            seen.append(command)
            raise Started

        monkeypatch.setattr(entry, "SETTINGS", str(tmp_path / "app.json"))
        monkeypatch.setattr(os, "environ", environment)
        monkeypatch.setattr(os, "listdir", lambda _folder: ["null", *devices])
        monkeypatch.setattr(os, "execvp", execvp)
        monkeypatch.setattr(sys, "argv", ["keras-entry", *words])
        with pytest.raises(Started):
            entry.main()
        return seen[0], environment

    return run


PART = KerasPart(
    product="keras",
    variant="cpu",
    python="3.11",
    versions=(),
    wheels=(),
    app_wheels=(),
    requirements=(),
    left_out=(),
    app=None,
    model=None,
    command=("python3", "main.py"),
    environment=(("SET", "inside"), ("OWN", "1")),
    healthcheck=("python3", "health.py"),
)


def test_the_words_of_docker_run_win_over_the_command(start: Any) -> None:
    assert start(settings_of(PART))[0] == ["python3", "main.py"]
    assert start(settings_of(PART), "python3", "-c", "1")[0] == ["python3", "-c", "1"]
    assert start({"variant": "cpu"})[0] == ["python3"]
    assert start(None)[0] == ["python3"]


def test_a_variable_from_outside_wins_over_the_settings(start: Any) -> None:
    for words in ((), ("--healthcheck",)):
        _, environment = start(settings_of(PART), *words)
        assert (environment["SET"], environment["OWN"]) == ("outside", "1")
    assert start(settings_of(PART), "--healthcheck")[0] == ["python3", "health.py"]
    assert "no healthcheck" in start({}, "--healthcheck")[0][-1]


def test_where_tmp_cannot_be_written_to_another_place_is_named(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != ("/tmp", os.W_OK))
    assert start(None)[1]["TMPDIR"] == "/dev/shm"
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    assert "TMPDIR" not in start(None)[1]


def test_no_gpu_is_said_in_one_line(
    start: Any, entry: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(entry, "filter_stderr", lambda: 5)
    _, environment = start({"variant": "gpu"}, "python3")
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "no NVIDIA GPU" in said
    assert environment["TF_CPP_MIN_LOG_LEVEL"] == "3"
    for devices in (("nvidia0",), ("nvidiactl", "nvidia7"), ("dxg",)):
        _, environment = start({"variant": "gpu"}, "python3", devices=devices)
        assert capsys.readouterr().err == ""
        assert "TF_CPP_MIN_LOG_LEVEL" not in environment
    start({"variant": "gpu"}, "python3", devices=("nvidiactl",))
    assert capsys.readouterr().err != ""
    start({"variant": "cpu"}, "python3")
    assert capsys.readouterr().err == ""


# As TensorFlow 2.21.0 with CUDA prints them on a machine without a driver.
EARLY = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    b"I0000 00:00:1795178584.850643       7 port.cc:153] oneDNN custom operations are on. You may see\n"
    b"I0000 00:00:1795178584.851513       7 cudart_stub.cc:31] Could not find cuda drivers on your machine\n"
)
LATER = (
    b"Traceback (most recent call last):\n",
    b"E0000 00:00:1795178474.051236       1 cuda_platform.cc:52] failed call\n",
    b"I think so\n",
    b"W\xc3\xa4rme 12\r",
    b"To enable us",
)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=40), st.permutations([EARLY, *LATER[:-1]]))
@settings(max_examples=60)
def test_only_the_early_lines_are_left_out_however_they_arrive(cuts: list[int], lines: list[bytes]) -> None:
    entry = load("entry", (RECIPE / "entry.py").read_text().removesuffix("\nsys.exit(main())\n"))
    text = b"".join(lines) + LATER[-1]
    chunks = []
    for size in cuts:
        chunks.append(text[:size])
        text = text[size:]
    chunks = [chunk for chunk in (*chunks, text) if chunk]
    written: list[bytes] = []
    here = SimpleNamespace(
        read=lambda _source, _size: chunks.pop(0) if chunks else b"",
        write=lambda _, data: written.append(data),
    )
    entry.__dict__["os"] = here
    entry.pump(0, 2)
    assert b"".join(written) == b"".join(line for line in lines if line != EARLY) + LATER[-1]


def test_the_first_process_passes_signals_on_and_ends_as_its_child(
    entry: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[int, int]] = []
    handlers: dict[int, Callable[[int, None], None]] = {}
    ended = iter([(99, 0), (7, 15), (7, 0x0300)])
    monkeypatch.setattr(entry.signal, "signal", lambda number, handler: handlers.update({number: handler}))
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    monkeypatch.setattr(os, "wait", lambda: next(ended))
    assert entry.stay(7, None) == 128 + 15
    handlers[15](15, None)
    assert sent == [(7, 15)]
    assert entry.stay(7, None) == 3


# -- a quick start ---------------------------------------------------------------------------------


def imported() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] in {"pkg", "top", "keras", "tensorflow"}]


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with packages whose bytecode is packed, as it would be in an image with its root at /."""
    tree = tmp_path / "packages"
    for name, text in {
        "pkg/__init__.py": "",
        "pkg/one.py": "import os\nVALUE = 1\n",
        "pkg/sub/__init__.py": "WHERE = __path__\n",
        "pkg/sub/two.py": "from pkg.one import VALUE\nclass Two: pass\n",
        "pkg/loose/three.py": "VALUE = 3\n",
        "top.py": "VALUE = 0\n",
        "tensorflow/__init__.py": "import gc\nRESTED = not gc.isenabled()\n",
        "keras/__init__.py": "import gc, tensorflow\nRESTED = not gc.isenabled()\n",
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
        py_compile.compile(str(tree / name), doraise=True)
    monkeypatch.setattr(sys, "argv", ["pack_modules.py", "/", str(tree)])
    load("pack", (RECIPE / "pack_modules.py").read_text())
    assert capsys.readouterr().out.startswith("packed 3 modules")
    monkeypatch.syspath_prepend(str(tree))
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    for name in [
        name for name in sys.modules if name.partition(".")[0] in {"pkg", "top", "keras", "tensorflow"}
    ]:
        monkeypatch.delitem(sys.modules, name)
    shutil.copyfile(RECIPE / "quick_start.py", tree / "quick_start.py")
    return tree


@pytest.fixture
def quick(packed: Path) -> Iterator[ModuleType]:
    yield importlib.import_module("quick_start")
    for name in [
        name for name in sys.modules if name.partition(".")[0] in {"pkg", "top", "keras", "tensorflow"}
    ]:
        del sys.modules[name]
    sys.modules.pop("quick_start", None)


def test_packed_modules_are_imported_as_others_are(quick: ModuleType, packed: Path) -> None:
    two = importlib.import_module("pkg.sub.two")
    sub = sys.modules["pkg.sub"]
    assert two.__spec__
    assert type(two.__spec__.loader).__name__ == "PackedLoader"
    assert (two.__file__, sub.__file__) == (f"{packed}/pkg/sub/two.py", f"{packed}/pkg/sub/__init__.py")
    assert [f"{packed}/pkg/sub"] == sub.WHERE
    assert (two.VALUE, two.__package__, sub.__package__) == (1, "pkg.sub", "pkg.sub")
    assert inspect.getsource(two.Two) == "class Two: pass\n"
    assert pickle.loads(pickle.dumps(two.Two)) is two.Two
    assert not (packed / "pkg" / "sub" / "__pycache__" / f"two.{sys.implementation.cache_tag}.pyc").exists()


def test_what_is_not_packed_is_found_by_the_others(quick: ModuleType, packed: Path) -> None:
    assert importlib.import_module("top").VALUE == 0
    assert importlib.import_module("pkg.loose.three").VALUE == 3
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("pkg.none")


def test_a_module_in_front_of_a_packed_one_wins(quick: ModuleType, packed: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "one.py").write_text("VALUE = 'mine'\n")
    package = importlib.import_module("pkg")
    package.__path__.insert(0, str(tmp_path / "mine"))
    assert importlib.import_module("pkg.one").VALUE == "mine"
    assert importlib.import_module("pkg.sub.two").VALUE == "mine"


@pytest.mark.parametrize("name", ["tensorflow", "keras"])
def test_the_collector_rests_during_these_imports_and_no_longer(quick: ModuleType, name: str) -> None:
    assert gc.isenabled()
    frozen = gc.get_freeze_count()
    try:
        assert importlib.import_module(name).RESTED
        assert gc.isenabled()
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()


def test_another_python_takes_nothing_of_it(packed: Path) -> None:
    (packed / "modules.index").write_bytes(marshal.dumps((b"other", {"pkg.one": ("", "", False, 0, 0)})))
    module = load_at(packed / "quick_start.py")
    assert module.INDEX == {}
    (packed / "modules.index").write_bytes(b"")
    assert load_at(packed / "quick_start.py").INDEX == {}


def load_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("quick_start_copy", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
