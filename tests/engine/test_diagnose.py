"""Diagnoses of images in the engine, as a user asks for them: small ones with one fault, and real runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import Invoke
from tests.support.diagnosis import CASES, REPOSITORY, library, speaking
from tests.support.images import Image, Member, docker_archive, program
from tfbuild.base.arch import Arch
from tfbuild.diagnose.host import gather_target, target_json
from tfbuild.engine.engine import DockerEngine
from tfbuild.machine.host import gather
from tfbuild.machine.programs import Captured
from tfbuild.machine.runner import SubprocessRunner

Load = Callable[[Image, str], str]


@pytest.fixture
def load(engine: DockerEngine, runner: SubprocessRunner, tmp_path: Path) -> Iterator[Load]:
    """Puts an image into the engine under a tag; it is removed afterwards."""
    names: list[str] = []

    def put(image: Image, tag: str) -> str:
        file = docker_archive(tmp_path / "load.tar", image, tags=(f"{REPOSITORY}:{tag}",))
        names.append(f"{REPOSITORY}:{tag}")
        loaded = runner.capture(["docker", "load", "-i", str(file)], timeout_s=120)
        assert loaded.ok, loaded.stderr
        return names[-1]

    yield put
    for name in names:
        engine.remove_image(name)


def findings(ran: Captured) -> list[tuple[str, str]]:
    assert ran.stdout, ran.stderr
    return [(f["id"], f["severity"]) for f in json.loads(ran.stdout)["findings"]]


@pytest.mark.parametrize("name", CASES)
def test_each_image_has_exactly_its_fault(name: str, load: Load, invoke: Invoke, tmp_path: Path) -> None:
    case = CASES[name]
    reference = load(case.image(), case.tag)
    facts = tmp_path / "host.json"
    facts.write_text(json.dumps(target_json(case.host)))
    ran = invoke("diagnose", reference, "--json", "--facts", str(facts))
    assert findings(ran) == ([(case.finding, case.severity)] if case.finding else [])
    assert ran.returncode == (7 if case.finding and case.severity == "error" else 0)


# -- runs: a program of two kilobytes stands for Python or the model server -------------------------------

native = pytest.mark.skipif(gather().arch is not Arch.AMD64, reason="the program is for x86-64")


@native
@pytest.mark.parametrize(
    ("said", "act", "finding"),
    [
        ("ImportError: libfoo.so.1: cannot open shared object file: No such file", "1", "library-missing"),
        ("ImportError: /lib/libc.so.6: version `GLIBC_2.99' not found", "1", "library-symbol-version"),
        ("TypeError: Descriptors cannot be created directly.", "1", "python-requirements"),
        ("", "i", "cpu-instructions"),
        ("", "c", "run-crash"),
        ("Error: nobody has ever seen this", "3", "run-unknown-error"),
    ],
)
def test_what_a_run_shows_is_explained(said: str, act: str, finding: str, load: Load, invoke: Invoke) -> None:
    ran = invoke("diagnose", load(speaking(said, act), "1.0"), "--json")
    assert findings(ran) == [(finding, "error")]
    assert ran.returncode == 7
    evidence = json.loads(ran.stdout)["findings"][0]["evidence"]
    assert said in "\n".join(evidence)


@native
def test_a_program_that_ends_well_gives_nothing(load: Load, invoke: Invoke) -> None:
    ran = invoke("diagnose", load(speaking("I am fine\n", "0"), "1.0"))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith("Nothing found.\n")
    assert "TensorFlow: worked" in ran.stdout


@native
def test_a_model_server_that_ends_is_a_fault_with_what_it_said(load: Load, invoke: Invoke) -> None:
    said = "Failed to start server. Error: Not found: Op type not registered 'Foo' in binary running on x"
    ran = invoke("diagnose", load(speaking(said, "1", server=True), "1.0"), "--json")
    assert findings(ran) == [("python-model-newer", "error")]


@native
def test_the_images_own_command_is_tried_and_what_stops_it_is_named(load: Load, invoke: Invoke) -> None:
    said = (
        'Traceback (most recent call last):\n  File "/app/app.py", line 1, in <module>\n    import flask\n'
        "ModuleNotFoundError: No module named 'flask'\n"
    )
    image = speaking(said, "1", command=("python3", "app.py"), add=(Member("app/app.py", b"import flask\n"),))
    ran = invoke("diagnose", load(image, "1.0"), "--json")
    assert findings(ran) == [("python-module-missing", "error")]
    report = json.loads(ran.stdout)
    assert [run["name"] for run in report["runs"]] == ["TensorFlow", "command's imports", "command"]
    assert "at /app/app.py:1" in report["findings"][0]["evidence"]
    assert report["findings"][0]["fix"] == "pip install flask, when the image is built"


@native
def test_a_command_that_runs_on_has_started(load: Load, invoke: Invoke) -> None:
    members = [
        program("usr/bin/serve", library("speaker")),
        Member("said", b"listening\n"),
        Member("act", b"w"),
        Member("usr/lib/libtensorflow-lite.so"),
    ]
    image = Image([members], {"User": "65532", "Cmd": ["/usr/bin/serve"]}, created="2026-01-15T00:00:00Z")
    ran = invoke("diagnose", load(image, "1.0"), "--json")
    assert findings(ran) == []
    steps = json.loads(ran.stdout)["runs"][0]["steps"]
    assert steps == [{"name": "start", "ok": True, "detail": "still runs after 20 s"}]


@native
def test_nothing_remains_of_a_diagnosis(load: Load, invoke: Invoke, runner: SubprocessRunner) -> None:
    invoke("diagnose", load(speaking("", "c"), "1.0"))
    filters = ["--filter", f"ancestor={REPOSITORY}:1.0"]
    assert runner.capture(["docker", "ps", "-aq", *filters], timeout_s=60).stdout == ""


def test_the_page_is_written_and_the_facts_of_this_machine_are_taken_back(
    load: Load, invoke: Invoke, tmp_path: Path
) -> None:
    printed = invoke("diagnose", "--host-facts")
    assert printed.returncode == 0
    document: dict[str, Any] = json.loads(printed.stdout)
    assert document["kernel"] == gather_target().kernel
    facts, page = tmp_path / "host.json", tmp_path / "report.html"
    facts.write_text(printed.stdout)
    ran = invoke(
        "diagnose", load(CASES["Keras 2"].image(), "1.0"), "--facts", str(facts), "--html", str(page)
    )
    assert ran.returncode == 7
    assert "python-keras2" in page.read_text()


def test_an_image_that_is_not_there(invoke: Invoke) -> None:
    ran = invoke("diagnose", f"{REPOSITORY}:none")
    assert ran.returncode == 3
    assert "the engine has no image" in ran.stderr
