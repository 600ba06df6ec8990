"""What a run shows is mapped to findings; what nobody knows is quoted."""

from __future__ import annotations

import json
import re
import runpy
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.support.diagnosing import KNOWN, PYTHON, diagnosed
from tests.support.diagnosis import (
    AMD64,
    CASES,
    CLEAN,
    ELF,
    SITE,
    SYSTEM,
    distribution,
    library,
    speaking,
)
from tests.support.images import Image, Member, program
from tests.support.plans import PROJECT
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, ExitCode
from tfbuild.diagnose.catalog import Weight
from tfbuild.diagnose.known import TABLE, RunOutcome, load_known_errors
from tfbuild.diagnose.report import render
from tfbuild.diagnose.run import PROBE, RunCase, outcome, proof, skipped
from tfbuild.engine.facts import RunResult

SERVER = speaking("", "0", server=True)

# The line that decides, as the program prints it, and what it means.
TEXTS = {
    "cpu-instructions": "F cpu_feature_guard.cc:35] The TensorFlow library was compiled to "
    "use AVX2 instructions, but these aren't available on your machine.",
    "library-missing": "ImportError: libstdc++.so.6: cannot open shared object file: No such file",
    "gpu-driver-missing": "error while loading shared libraries: libcuda.so.1: cannot open shared "
    "object file: No such file or directory",
    "library-musl": "ImportError: Error loading shared library ld-linux-x86-64.so.2: No such file or "
    "directory (needed by /usr/lib/libtensorflow_framework.so.2)",
    "library-symbol-version": "ImportError: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.33' not "
    "found (required by /usr/lib/libtensorflow_framework.so.2)",
    "library-openmp-twice": "OMP: Error #15: Initializing libiomp5.so, but found libomp.so already",
    "cpu-architecture": "exec /usr/local/bin/python3.11: exec format error",
    "gpu-driver-old": "E0: CUDA driver version is insufficient for CUDA runtime version",
    "gpu-cudnn-major": "E cuda_dnn.cc:362] Loaded runtime CuDNN library: 8.0.4 but "
    "source was compiled with: 8.1.0.  CuDNN library needs to have matching major version",
    "gpu-cudnn-missing": "W dso_loader.cc:64] Could not load dynamic library 'libcudnn.so.8'; dlerror: ...",
    "gpu-missing": "I cuda_cudart.cc] Could not find cuda drivers on your machine, GPU will not be used.",
    "python-requirements": "TypeError: Descriptors cannot be created directly.",
    "python-tensorflow-twice": "AttributeError: module 'tensorflow' has no attribute '__version__'",
    "python-keras2": "AttributeError: module 'tensorflow._api.v2.compat.v2.__internal__' has no attribute "
    "'register_load_context_function'",
    "python-model-newer": "ValueError: Unrecognized keyword arguments: ['batch_shape']",
    "python-module-missing": "ModuleNotFoundError: No module named 'distutils.spawn'",
    "operation-seccomp": "RuntimeError: can't start new thread",
    "operation-kernel": "FATAL: kernel too old",
    "operation-shm": "NCCL WARN Error while creating shared memory segment nccl-shm-recv (size 9637888)",
    "operation-clock": "ValueError: ZIP does not support timestamps before 1980",
    "operation-locale": "locale.Error: unsupported locale setting",
    "operation-install-at-start": "WARNING: Retrying: Temporary failure in name resolution",
    "run-out-of-memory": "terminate called after throwing an instance of 'std::bad_alloc'",
}


@pytest.mark.parametrize("finding", TEXTS)
def test_a_known_text_of_a_failed_run_is_its_finding_with_the_threads(finding: str) -> None:
    report, _ = diagnosed(PYTHON, RunResult(1, "", f"Traceback (most recent call last):\n{TEXTS[finding]}\n"))
    assert [f.id for f in report.findings] == [finding]
    found = report.findings[0]
    assert found.severity is Weight.ERROR
    assert TEXTS[finding][:100] in found.evidence[0]
    assert found.threads
    assert all(url.startswith("https://") for url in found.threads)


def test_every_row_of_the_table_has_a_text_or_shares_its_finding_with_one() -> None:
    assert {row.finding for row in KNOWN.errors} == {*TEXTS, "run-restricted"}


@pytest.mark.parametrize(
    "text",
    [
        "google.protobuf.runtime_version.VersionError: Detected mismatched Protobuf Gencode/Runtime",
        "ImportError: cannot import name 'runtime_version' from 'google.protobuf' (/usr/x/__init__.py)",
        "AttributeError: module 'numpy' has no attribute 'exceptions'",
        "AttributeError: _ARRAY_API not found",
    ],
)
def test_texts_of_packages_that_do_not_go_together(text: str) -> None:
    """As TensorFlow 2.21.0 printed them with an older protobuf and an older NumPy."""
    report, _ = diagnosed(PYTHON, RunResult(1, "", text))
    assert [f.id for f in report.findings] == ["python-requirements"]


def test_a_run_that_works_turns_a_known_text_into_a_warning() -> None:
    report, _ = diagnosed(PYTHON, RunResult(0, "", TEXTS["gpu-missing"]))
    assert [(f.id, f.severity) for f in report.findings] == [("gpu-missing", Weight.WARNING)]


def test_a_run_confirms_what_the_facts_say() -> None:
    """One finding with both, and its severity that of the worse."""
    image = Image(
        [[*PYTHON.layers[0], distribution("protobuf", "3.20"), distribution("keras", "3.0", "protobuf>=4")]],
        PYTHON.settings,
    )
    report, _ = diagnosed(image, RunResult(1, "", TEXTS["python-requirements"]))
    assert [f.id for f in report.findings] == ["python-requirements"]
    evidence = report.findings[0].evidence
    assert evidence[0] == "keras 3.0 needs protobuf>=4; installed: 3.20"
    assert evidence[1].startswith("TensorFlow printed: TypeError")


def test_an_unknown_error_is_quoted() -> None:
    text = "noise\n" * 30 + "  File 'a.py', line 3\nquantum.FluxError: the flux is negative\n"
    report, _ = diagnosed(PYTHON, RunResult(3, "", text))
    found = report.findings[0]
    assert (found.id, found.title) == ("run-unknown-error", "quantum.FluxError: the flux is negative")
    assert found.evidence[0].endswith("exit code 3")
    assert found.evidence[-1] == "quantum.FluxError: the flux is negative"
    assert len(found.evidence) < 20


@pytest.mark.parametrize(
    ("result", "finding"),
    [
        (RunResult(132, "", ""), "cpu-instructions"),
        (RunResult(139, "", "x"), "run-crash"),
        (RunResult(137, "", "", out_of_memory=True), "run-out-of-memory"),
        (RunResult(137, "", "", timed_out=True), "run-timeout"),
        (RunResult(127, "", "no such file or directory"), "run-not-started"),
    ],
)
def test_how_a_process_ends_tells_even_when_it_says_nothing(result: RunResult, finding: str) -> None:
    report, _ = diagnosed(PYTHON, result)
    assert [f.id for f in report.findings] == [finding]


def test_the_probe_travels_into_the_container_and_its_steps_are_read() -> None:
    lines = (
        'tfbuild-probe {"step": "shared-memory", "ok": true, "detail": "1073741824"}',
        'tfbuild-probe {"step": "import", "ok": true, "detail": "2.18.0"}',
        "tfbuild-probe {broken",
    )
    report, engine = diagnosed(PYTHON, RunResult(0, "\n".join(lines), "I0000 noise"))
    assert report.findings == ()
    assert [(s.name, s.detail) for s in report.runs[0].steps] == [
        ("shared-memory", "1073741824"),
        ("import", "2.18.0"),
    ]
    assert report.host.shm_size == 1 << 30
    _, command, options = engine.runs[0]
    assert command == ("/tfbuild-probe/tensorflow_probe.py",)
    assert options.entrypoint == ("/usr/local/bin/python3.11",)
    assert options.files[command[0]].read_text().startswith('"""Runs inside')


def loaded_by_the_probe(*paths: str) -> str:
    return "tfbuild-probe " + json.dumps({"step": "loaded", "ok": True, "detail": "\n".join(paths)})


def with_tensorflow(*changes: Member) -> Image:
    """A Python whose TensorFlow needs a newer libstdc++ than there is, and what ``changes`` add."""
    old = program(f"{SYSTEM}/libstdc++.so.6", library("libstdc++-old.so"))
    members = {m.name: m for m in (*PYTHON.layers[0], *CLEAN.values(), old, *changes)}
    return Image([list(members.values())], PYTHON.settings, created=PYTHON.created)


def test_what_a_run_disproves_will_not_fail() -> None:
    report, _ = diagnosed(with_tensorflow(), RunResult(1, "", ""))
    assert [(f.id, f.severity) for f in report.findings if f.id.startswith("library")] == [
        ("library-symbol-version", Weight.ERROR)
    ]
    report, _ = diagnosed(with_tensorflow(), RunResult(0, "", ""))
    assert [(f.id, f.severity) for f in report.findings] == [("library-optional", Weight.WARNING)]
    assert report.findings[0].evidence[-1] == "without it worked: TensorFlow"
    assert report.exit_code is ExitCode.OK


def test_a_library_that_a_run_has_loaded_lacks_nothing() -> None:
    ours = f"/{SITE}/tensorflow/python/_pywrap_tensorflow_internal.so"
    report, _ = diagnosed(with_tensorflow(), RunResult(0, loaded_by_the_probe(ours, "/lib/x.so"), ""))
    assert report.findings == ()
    assert report.runs[0].loaded == (ours, "/lib/x.so")
    assert "x.so" not in render(report)


def test_packages_that_worked_together_are_a_warning() -> None:
    installed = distribution("numpy", "2.0.2").name
    image = with_tensorflow(Member(installed, distribution("numpy", "9.0").data))
    report, _ = diagnosed(image, RunResult(1, "", ""))
    assert ("python-requirements", Weight.ERROR) in [(f.id, f.severity) for f in report.findings]
    report, _ = diagnosed(image, RunResult(0, "", ""))
    found = next(f for f in report.findings if f.id == "python-requirements")
    assert found.severity is Weight.WARNING
    assert "a Keras layer worked" in found.evidence[-1]


def test_two_openmp_runtimes_that_never_met_are_a_warning() -> None:
    case = CASES["OpenMP of LLVM and of Intel"]
    image = with_tensorflow(*case.add, program(f"{SYSTEM}/libstdc++.so.6", library("libstdc++-new.so")))
    report, _ = diagnosed(image, RunResult(0, "", ""))
    assert [(f.id, f.severity) for f in report.findings] == [("library-openmp-twice", Weight.WARNING)]


def test_to_have_found_the_modules_of_a_command_proves_no_library() -> None:
    outcomes = [
        RunOutcome(name=name, command="", ok=True, exit_code=0, steps=(), output=(), loaded=("/lib/a.so",))
        for name in ("TensorFlow", "command's imports")
    ]
    shown = proof((*outcomes, skipped("no reason")))
    assert shown.worked == {"TensorFlow"}
    assert shown.loaded == {"/lib/a.so"}


def test_an_image_whose_user_does_not_exist_is_not_run() -> None:
    image = Image(PYTHON.layers, {**PYTHON.settings, "User": "nobody-here"}, created=PYTHON.created)
    report, engine = diagnosed(image, RunResult(0, "", ""))
    assert engine.runs == []
    assert [f.id for f in report.findings] == ["operation-user-missing"]


def test_a_model_server_is_asked_for_its_version_and_started() -> None:
    report, engine = diagnosed(SERVER, RunResult(0, "TensorFlow ModelServer: 2.18.0\n", ""))
    assert [command for _, command, _ in engine.runs] == [("--version",), ()]
    assert report.runs[0].steps[0].detail == "TensorFlow ModelServer: 2.18.0"
    # The second run is to go on for ever; one that ends has failed.
    assert [f.id for f in report.findings] == ["run-unknown-error"]


@pytest.mark.parametrize(
    ("said", "works"),
    [
        ("[evhttp_server.cc : 250] Exporting HTTP/REST API at:localhost:8501 ...", True),
        ("Could not find base path /models/model for servable model with error NOT_FOUND", True),
        ("I0000 starting", False),
    ],
)
def test_a_server_works_when_it_says_so_and_runs_on(said: str, works: bool) -> None:
    case = RunCase(name="s", entrypoint=None, command=(), timeout_s=1, serves=True)
    assert outcome(case, RunResult(137, "", said, timed_out=True)).ok is works
    assert outcome(case, RunResult(1, "", said)).ok is False


def test_an_image_of_another_architecture_is_not_run_without_emulation() -> None:
    members = [m for m in PYTHON.layers[0] if m.name != "usr/local/bin/python3.11"]
    python = program("usr/local/bin/python3.11", (ELF / "aarch64" / "static").read_bytes())
    image = Image([[*members, python]], PYTHON.settings, architecture="arm64")
    report, engine = diagnosed(image, RunResult(0, "", ""))
    assert engine.runs == []
    assert "cannot execute" in str(report.runs[0].skipped)
    assert [f.id for f in report.findings] == ["cpu-architecture"]
    emulated = replace(AMD64, emulated=(Arch.ARM64,))
    report, engine = diagnosed(image, RunResult(0, "", ""), host=emulated)
    assert [options.platform for _, _, options in engine.runs] == ["linux/arm64"]
    assert [(f.id, f.severity) for f in report.findings] == [("cpu-architecture", Weight.WARNING)]


def test_nothing_to_run_is_said() -> None:
    report, engine = diagnosed(replace(CASES["clean"], settings={"Cmd": []}).image(), RunResult(1, "", ""))
    assert engine.runs == []
    assert "neither" in str(report.runs[0].skipped)


# -- the table ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("{pattern: 'a((', finding: run-crash, threads: [https://x.example]}", "no regular expression"),
        ("{pattern: 'abc', finding: run-crsh, threads: [https://x.example]}", "did you mean 'run-crash'"),
        ("{pattern: 'abc', finding: run-crash, threads: []}", "at least 1"),
        ("{pattern: 'abc', finding: run-crash}", "missing key 'threads'"),
    ],
)
def test_a_broken_row_is_told_with_its_place(row: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / TABLE
    file.parent.mkdir(parents=True)
    file.write_text(f"errors:\n  - {row}\n")
    with pytest.raises(ConfigError) as caught:
        load_known_errors(tmp_path)
    text = str(caught.value.problems[0])
    assert complaint in text
    assert re.match(r"build_configs/diagnoses/known_errors\.yaml:2:", text)


# -- the probe itself, with something that calls itself TensorFlow -------------------------------------


class Tensor:
    def __init__(self, value: Any) -> None:
        self.value = value

    def numpy(self) -> Any:
        return SimpleNamespace(tolist=lambda: self.value)


def fake_tensorflow(product: Any) -> ModuleType:
    module = ModuleType("tensorflow")
    layers = SimpleNamespace(Dense=lambda *a, **k: lambda x: Tensor([[3.0, 3.0]]))
    vars(module).update(
        __version__="9.9",
        config=SimpleNamespace(list_physical_devices=lambda: [SimpleNamespace(name="CPU:0")]),
        linalg=SimpleNamespace(matmul=lambda a, b: Tensor(product)),
        keras=SimpleNamespace(layers=layers),
        constant=lambda value: value,
    )
    return module


def probed(capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(PROJECT / PROBE), run_name="__main__")
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), re.findall(r'"step": "([\w-]+)", "ok": true', out), err


def test_the_probe_goes_through_all_steps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", fake_tensorflow([[19.0, 22.0], [43.0, 50.0]]))
    code, steps, _ = probed(capsys)
    assert code == 0
    assert steps[-5:] == ["import", "devices", "matmul", "keras", "loaded"]


def test_the_probe_stops_at_a_wrong_product_and_at_a_failing_import(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", fake_tensorflow([[0.0, 0.0], [0.0, 0.0]]))
    code, steps, err = probed(capsys)
    assert (code, steps[-1]) == (1, "devices")
    assert "ArithmeticError: the product" in err
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    code, steps, err = probed(capsys)
    assert code == 1
    assert "import" not in steps
    assert "ModuleNotFoundError" in err
