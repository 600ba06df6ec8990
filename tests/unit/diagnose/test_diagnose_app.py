"""What the image's own command imports is looked for, and what stops the command is named."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.diagnosing import effects
from tests.support.diagnosis import SITE, distribution, library
from tests.support.images import Image, Member, docker_archive, program, symlink
from tests.support.plans import PROJECT
from tfbuild.artifacts.image.archive import ImageArchive
from tfbuild.diagnose.catalog import Weight
from tfbuild.diagnose.diagnose import DiagnoseReport, diagnose
from tfbuild.diagnose.facts import App
from tfbuild.diagnose.read.app import read_app
from tfbuild.diagnose.run import IMPORTS_PROBE, RunCase, outcome
from tfbuild.engine.facts import RunResult

Found = list[tuple[str, str, bool]]
FLASK = "/app/app.py:1"


def image(files: Mapping[str, str], **settings: Any) -> Image:
    members = [
        program("usr/local/bin/python3.11", library("speaker")),
        symlink("usr/local/bin/python3", "python3.11"),
        program("bin/sh", library("speaker")),
        Member(f"{SITE}/tensorflow/__init__.py", b""),
        distribution("tensorflow", "2.18.0"),
        *(program(name, text.encode()) for name, text in files.items()),
    ]
    path = "PATH=/usr/local/bin:/usr/bin:/bin"
    usual = {"User": "65532", "WorkingDir": "/app", **settings}
    return Image([members], {**usual, "Env": [path, *usual.get("Env", [])]}, created="2026-01-15T00:00:00Z")


def app_of(folder: Path, files: Mapping[str, str], **settings: Any) -> App | None:
    with ImageArchive(docker_archive(folder / "image.tar", image(files, **settings))) as archive:
        return read_app(archive)


def imports(folder: Path, files: Mapping[str, str], **settings: Any) -> Found:
    app = app_of(folder, files, **settings)
    assert app is not None
    return [(each.module, each.place, each.late) for each in app.imports]


SOURCE = {"app/app.py": "import flask\n"}


@pytest.mark.parametrize(
    "settings",
    [
        {"Cmd": ["python3", "app.py"]},
        {"Cmd": ["python3", "-u", "-W", "ignore", "/app/app.py", "--port", "80"]},
        {"Entrypoint": ["/usr/local/bin/python3.11"], "Cmd": ["app.py"]},
        {"Cmd": ["python3", "-m", "app"]},
        {"Cmd": ["/bin/sh", "-c", "set -e; exec python3 app.py"]},
        {"Cmd": ["sh", "-c", "export A=1 && TF_CPP_MIN_LOG_LEVEL=2 python3 app.py"]},
        {"Entrypoint": ["env", "A=1", "python3", "app.py"]},
        {"Entrypoint": ["/entry.sh"], "Cmd": ["python3", "app.py"]},
        {"Entrypoint": ["sh", "/entry.sh"], "Cmd": ["python3", "app.py"]},
        {"Entrypoint": ["/tool"], "Cmd": ["--bind", ":80", "app:app"]},
        {"Cmd": ["./app.py"]},
        {"Cmd": ["python3", "main.py"], "WorkingDir": "/other", "Env": ["PYTHONPATH=/app"]},
    ],
)
def test_the_python_program_of_a_command_is_found(settings: dict[str, Any], tmp_path: Path) -> None:
    files = {
        "app/app.py": "#!/usr/bin/env python3\nimport flask\n",
        "entry.sh": '#!/bin/sh\n# python3 other.py\nset -e\nexec "$@"\n',
        "tool": "#!/usr/local/bin/python3\nimport sys\n",
        "other/main.py": "import app\n",
    }
    found = imports(tmp_path, files, **settings)
    assert ("flask", "/app/app.py:2", False) in found


@pytest.mark.parametrize(
    "settings",
    [
        {"Cmd": ["/usr/bin/serve"]},
        {"Cmd": ["python3"]},
        {"Cmd": ["python3", "none.py"]},
        {"Cmd": ["sh", "-c", "echo 'python3 app.py"]},
        {"Cmd": []},
        {"Entrypoint": ["/loop.sh"]},
    ],
)
def test_another_command_is_no_python_program(settings: dict[str, Any], tmp_path: Path) -> None:
    loop = {"loop.sh": "#!/bin/sh\n/loop.sh\n"}
    assert app_of(tmp_path, {**SOURCE, **loop}, **settings) is None


def test_files_of_the_program_are_followed_and_others_are_not(tmp_path: Path) -> None:
    files = {
        "app/app.py": "import tensorflow as tf\nfrom helpers import tool\nimport plain.deep\n",
        "app/helpers/__init__.py": "from .base import Base\nfrom . import more\n",
        "app/helpers/base.py": "import yaml\nfrom ..app import x\n",
        "app/helpers/more.py": "import app, zmq.asyncio\n",
        "app/helpers/tool.py": "import cv2\n",
        "app/helpers/unused.py": "import nobody\n",
        "app/plain/deep.py": "def f():\n    import PIL.Image\n",
    }
    assert imports(tmp_path, files, Cmd=["python3", "app.py"]) == [
        ("PIL.Image", "/app/plain/deep.py:2", True),
        ("cv2", "/app/helpers/tool.py:1", False),
        ("tensorflow", "/app/app.py:1", False),
        ("yaml", "/app/helpers/base.py:1", False),
        ("zmq.asyncio", "/app/helpers/more.py:1", False),
    ]


def test_imports_that_may_fail_do_not_count(tmp_path: Path) -> None:
    text = (
        "try:\n    import ujson\nexcept ImportError:\n    import json as ujson\n"
        "try:\n    import a\nexcept (ModuleNotFoundError, KeyError):\n    a = None\n"
        "try:\n    import needed\nfinally:\n    pass\n"
        "if TYPE_CHECKING:\n    import types_only\n"
        "with contextlib.suppress(ImportError):\n    import b\n"
        "if os.name == 'nt':\n    import winreg\n"
        "class C:\n    import in_class\n    def f(self):\n        import in_function\n"
        "if __name__ == '__main__':\n    import at_the_end\n"
    )
    found = imports(tmp_path, {"app/app.py": text}, Cmd=["python3", "app.py"])
    assert [(module, late) for module, _, late in found] == [
        ("at_the_end", False),
        ("in_class", False),
        ("in_function", True),
        ("needed", False),
        ("winreg", True),
    ]


def test_a_program_that_is_no_python_is_left_to_the_run(tmp_path: Path) -> None:
    app = app_of(tmp_path, {"app/app.py": "import (((\0"}, Cmd=["python3", "app.py"])
    assert app is not None
    assert app.imports == ()


# -- runs ----------------------------------------------------------------------------------------------


def missing(*modules: str) -> RunResult:
    lines = [json.dumps({"step": "module", "ok": False, "detail": module}) for module in modules]
    return RunResult(1 if lines else 0, "".join(f"tfbuild-probe {line}\n" for line in lines), "")


def diagnosed(
    files: Mapping[str, str], imports: RunResult, command: RunResult, **settings: Any
) -> DiagnoseReport:
    """A TensorFlow that works, and the given ends of the look for imports and of the command."""
    ends = {"command's imports": imports, "command": command}

    def save(reference: str, path: Path) -> None:
        docker_archive(path, image(files, **{"Cmd": ["python3", "app.py"], **settings}))

    def run(reference: str, cases: tuple[RunCase, ...]) -> Any:
        return tuple(outcome(case, ends.get(case.name, RunResult(0, "", ""))) for case in cases)

    return diagnose("app:1.0", effects(save_image=save, run=run))


def findings(report: DiagnoseReport) -> list[tuple[str, Weight]]:
    return [(f.id, f.severity) for f in report.findings]


TRACEBACK = (
    'Traceback (most recent call last):\n  File "/app/app.py", line 1, in <module>\n    import flask\n'
    "ModuleNotFoundError: No module named 'flask'\n"
)
RUNS_ON = RunResult(137, "", "serving\n", timed_out=True)


def test_a_missing_module_of_the_command_is_one_finding_with_place_and_package() -> None:
    report = diagnosed(SOURCE, missing("flask"), RunResult(1, "", TRACEBACK))
    assert findings(report) == [("python-module-missing", Weight.ERROR)]
    found = report.findings[0]
    assert found.title == "No module named 'flask'"
    assert found.evidence[0] == f"{FLASK}: No module named 'flask'"
    assert f"at {FLASK}" in found.evidence
    assert found.fix == "pip install flask, when the image is built"
    assert [run.name for run in report.runs] == ["TensorFlow", "command's imports", "command"]


def test_a_module_that_is_imported_later_is_a_warning() -> None:
    files = {"app/app.py": "def f():\n    import flask\n"}
    report = diagnosed(files, missing("flask"), RunResult(0, "", ""))
    assert findings(report) == [("python-module-missing", Weight.WARNING)]
    assert "in a function" in report.findings[0].evidence[0]


def test_a_command_that_starts_all_the_same_is_not_called_broken() -> None:
    report = diagnosed(SOURCE, missing("flask"), RUNS_ON)
    assert findings(report) == [("python-module-missing", Weight.WARNING)]
    assert "did not stop at it" in report.findings[0].evidence[-1]


def test_a_command_that_runs_on_or_ends_well_gives_nothing() -> None:
    for end, said in ((RUNS_ON, "still runs after 20 s"), (RunResult(0, "", ""), "ended with exit code 0")):
        report = diagnosed(SOURCE, missing(), end)
        assert report.findings == ()
        assert report.runs[-1].steps[-1].detail == said


def test_a_command_that_imports_tensorflow_has_more_time() -> None:
    for module in ("tensorflow.keras", "tensorflow_io", "keras"):
        report = diagnosed({"app/app.py": f"import {module}\n"}, missing(), RUNS_ON)
        assert report.runs[-1].steps[-1].detail == "still runs after 45 s"


def test_an_error_of_a_command_that_runs_on_is_a_warning() -> None:
    text = "Traceback (most recent call last):\nKeyError: 'MODEL'\n"
    report = diagnosed(SOURCE, missing(), RunResult(137, "", text, timed_out=True))
    assert findings(report) == [("run-unknown-error", Weight.WARNING)]
    assert report.findings[0].title == "KeyError: 'MODEL'"


def test_a_command_that_fails_is_quoted_with_what_it_lacked_here() -> None:
    report = diagnosed(SOURCE, missing(), RunResult(3, "", "KeyError: 'MODEL'\n"))
    assert findings(report) == [("run-unknown-error", Weight.ERROR)]
    assert "without network" in report.findings[0].evidence[-1]


@pytest.mark.parametrize(
    "text",
    [
        "OSError: [Errno 30] Read-only file system: '/app/cache'",
        "socket.gaierror: [Errno -3] Temporary failure in name resolution",
        "requests.exceptions.ConnectionError: HTTPSConnectionPool: Max retries exceeded with url",
        "psycopg2.OperationalError: could not translate host name: Name or service not known",
    ],
)
def test_what_only_our_run_denies_is_no_error(text: str) -> None:
    report = diagnosed(SOURCE, missing(), RunResult(1, "", f"Traceback (most recent call last):\n{text}\n"))
    assert findings(report) == [("run-restricted", Weight.WARNING)]
    assert report.exit_code == 0


def test_a_shell_or_a_python_without_a_program_is_not_started() -> None:
    for command in (["python3"], ["/bin/sh"]):
        report = diagnosed(SOURCE, missing(), RunResult(1, "", "x"), Cmd=command)
        assert [run.name for run in report.runs] == ["TensorFlow"]


# -- the probe -------------------------------------------------------------------------------------------


def probed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[Any, list[str]]:
    monkeypatch.setattr(sys, "argv", [str(IMPORTS_PROBE), *words])
    monkeypatch.setattr(sys, "path", ["/tfbuild-probe", *sys.path])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(PROJECT / IMPORTS_PROBE), run_name="__main__")
    steps = [json.loads(line.partition(" ")[2]) for line in capsys.readouterr().out.splitlines()]
    return ended.value.code, [step["detail"] for step in steps if step["step"] == "module"]


def test_the_probe_finds_modules_without_importing_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text("raise SystemExit(9)\n")
    (tmp_path / "space" / "inner").mkdir(parents=True)
    (tmp_path / "space" / "inner" / "leaf.py").write_text("raise SystemExit(9)\n")
    (tmp_path / "regular").mkdir()
    (tmp_path / "regular" / "__init__.py").write_text("raise SystemExit(9)\n")
    there = ("json", "sys", "os.path", "own", "space.inner.leaf", "regular", "regular.made_at_import")
    assert probed(capsys, monkeypatch, str(tmp_path), *there) == (0, [])
    gone = ("nowhere_at_all", "space.inner.gone", "space.gone")
    assert probed(capsys, monkeypatch, str(tmp_path), *there, *gone) == (1, [*gone])
