"""Runs an image as far as that can be done safely: no network, no capabilities, a time limit.

What is run is decided by :func:`run_cases` (pure); :func:`run_image` does it through an engine.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tfbuild.diagnose.facts import COMMAND_RUN, IMPORTS_RUN, SERVER_RUN, TENSORFLOW_RUN, DiagnoseFacts, Proof
from tfbuild.diagnose.host import TargetHost
from tfbuild.diagnose.known import MISSING_MODULE, RunOutcome, Step
from tfbuild.diagnose.rules.binaries import image_arch
from tfbuild.engine.facts import Engine, RunOptions, RunResult

PROBE = Path("dockerfiles", "diagnose", "tensorflow_probe.py")
IMPORTS_PROBE = Path("dockerfiles", "diagnose", "imports_probe.py")
_MOUNT = "/tfbuild-probe"
_MARK = "tfbuild-probe "
_LOADED = "loaded"
# An import of TensorFlow takes 3 to 20 seconds on a warm disk; a first one on a cold disk a minute.
_IMPORT_S = 180.0
_VERSION_S = 60.0
_SERVER_S = 20.0
# A command that runs on after this time is taken for started; one that imports TensorFlow gets longer.
_COMMAND_S = 20.0
_IMPORTING_COMMAND_S = 45.0
_HEAVY = re.compile(r"^(?:keras|tensorflow|tf_keras)")  # tensorflow_io, too
_INTERACTIVE = re.compile(r"^(?:python[0-9.]*|(?:ba|da|a|z)?sh)$")
# qemu-user is slower than the machine itself by about this.
_EMULATED = 10
# What a model server prints once it serves: tensorflow_serving/model_servers/server.cc
_SERVES = ("Running gRPC ModelServer at", "Exporting HTTP/REST API at")
# ... and while it waits for a model that nobody has mounted: file_system_storage_path_source.cc
_WAITS = "Could not find base path"
_MAX_LINES = 400


@dataclass(frozen=True, kw_only=True)
class RunCase:
    """One run to be made. ``serves``: the program does not end by itself; what it prints tells.

    ``starts``: it may end well or run on.
    """

    name: str
    entrypoint: tuple[str, ...] | None
    command: tuple[str, ...]
    timeout_s: float
    files: tuple[tuple[str, Path], ...] = ()
    env: tuple[tuple[str, str], ...] = field(default=())
    serves: bool = False
    starts: bool = False
    platform: str | None = None

    @property
    def shown(self) -> str:
        return " ".join((*(self.entrypoint or ()), *self.command)) or "as the image starts"


def run_cases(facts: DiagnoseFacts, host: TargetHost, root: Path) -> tuple[RunCase, ...]:
    """What can be run of the image; ``root`` is the project, whose probe goes into the container."""
    arch = image_arch(facts)
    if arch is None or arch is host.arch:
        return tuple(_cases(facts, root, 1))
    return tuple(replace(case, platform=arch.platform.oci) for case in _cases(facts, root, _EMULATED))


def _cases(facts: DiagnoseFacts, root: Path, slower: float) -> Iterator[RunCase]:
    for environment in facts.tensorflow_environments[:1]:
        if environment.interpreter:
            yield _probe(TENSORFLOW_RUN, PROBE, environment.interpreter, (), _IMPORT_S * slower, root)
    for server in facts.model_servers[:1]:
        yield RunCase(
            name=SERVER_RUN,
            entrypoint=(server,),
            command=("--version",),
            timeout_s=_VERSION_S * slower,
        )
    words = facts.config.entrypoint + facts.config.cmd
    if not words or not facts.has_tensorflow:
        return
    app = facts.app
    if app and app.imports:
        arguments = (":".join(app.folders), *(each.module for each in app.imports))
        yield _probe(IMPORTS_RUN, IMPORTS_PROBE, app.interpreter, arguments, _VERSION_S * slower, root)
    if facts.model_servers and app is None:
        yield RunCase(
            name="model server's start",
            entrypoint=None,
            command=(),
            timeout_s=_SERVER_S * slower,
            serves=True,
        )
    elif len(words) > 1 or not _INTERACTIVE.match(posixpath.basename(words[0])):
        heavy = app is not None and any(_HEAVY.match(each.module) for each in app.imports)
        seconds = _IMPORTING_COMMAND_S if heavy else _COMMAND_S
        yield RunCase(name=COMMAND_RUN, entrypoint=None, command=(), timeout_s=seconds * slower, starts=True)


def _probe(
    name: str, probe: Path, interpreter: str, arguments: tuple[str, ...], timeout_s: float, root: Path
) -> RunCase:
    """A script of ours, run by a Python of the image."""
    path = posixpath.join(_MOUNT, probe.name)
    return RunCase(
        name=name,
        entrypoint=(interpreter,),
        command=(path, *arguments),
        timeout_s=timeout_s,
        files=((path, root / probe),),
        env=(("HOME", "/tmp"), ("PYTHONDONTWRITEBYTECODE", "1")),  # noqa: S108 - in the container
    )


def why_not(facts: DiagnoseFacts, host: TargetHost, cases: tuple[RunCase, ...]) -> str | None:
    """Why nothing is run, or None."""
    if facts.unknown_users:
        return "no engine starts an image whose user does not exist"
    if not facts.has_tensorflow:
        return "there is nothing of TensorFlow in it"
    if not cases:
        return "there is neither a Python with TensorFlow nor a model server in it, and no command of its own"
    arch = image_arch(facts)
    if arch is not None and arch is not host.arch and arch not in host.emulated:
        return f"it is for {arch}, which this machine cannot execute"
    return None


def run_image(reference: str, cases: tuple[RunCase, ...], engine: Engine) -> tuple[RunOutcome, ...]:
    """Each case in a fresh container. Raises HostError when the engine fails."""
    return tuple(_run(reference, case, engine) for case in cases)


def _run(reference: str, case: RunCase, engine: Engine) -> RunOutcome:
    options = RunOptions(
        platform=case.platform,
        entrypoint=case.entrypoint,
        files=dict(case.files),
        mount=_MOUNT,
        env=dict(case.env),
        timeout_s=case.timeout_s,
    )
    return outcome(case, engine.run_once(reference, case.command, options))


def outcome(case: RunCase, result: RunResult) -> RunOutcome:
    """What ``result`` says of ``case``. Pure."""
    text = f"{result.stdout}\n{result.stderr}"
    lines = tuple(line for line in text.splitlines() if line.strip())
    said = tuple(line for line in lines if not line.startswith(_MARK))
    steps = tuple(step for line in lines if line.startswith(_MARK) and (step := _step(line)))
    loaded = tuple(path for step in steps if step.name == _LOADED for path in step.detail.splitlines())
    steps = tuple(step for step in steps if step.name != _LOADED)
    ok = result.exit_code == 0
    if case.serves:
        serving = any(mark in text for mark in _SERVES)
        waiting = _WAITS in text
        ok = result.timed_out and (serving or waiting)
        steps = (Step(name="start", ok=ok, detail=_server_state(serving, waiting)),)
    elif case.starts:
        ok = ok or result.timed_out
        steps = (Step(name="start", ok=ok, detail=_end(case, result)),)
    elif not case.files and said and ok:
        steps = (Step(name="version", ok=True, detail=said[0][:200]),)
    return RunOutcome(
        name=case.name,
        command=case.shown,
        ok=ok,
        exit_code=result.exit_code,
        steps=steps,
        output=said[-_MAX_LINES:],
        loaded=loaded,
        timed_out=result.timed_out and not ok,
        out_of_memory=result.out_of_memory,
    )


def skipped(reason: str) -> RunOutcome:
    """The outcome of not running."""
    return RunOutcome(name="run", command="", ok=True, exit_code=None, steps=(), output=(), skipped=reason)


def proof(outcomes: tuple[RunOutcome, ...]) -> Proof:
    """What the runs have shown to work."""
    good = tuple(each for each in outcomes if each.ok and each.skipped is None)
    return Proof(
        # To find modules loads nothing.
        worked=frozenset(each.name for each in good) - {IMPORTS_RUN},
        absent=frozenset(s.detail for each in outcomes for s in each.steps if s.name == MISSING_MODULE),
        loaded=frozenset(path for each in good for path in each.loaded),
    )


def measured_shm(outcomes: tuple[RunOutcome, ...]) -> int | None:
    """Size of /dev/shm in bytes, as the probe saw it."""
    for each in outcomes:
        for step in each.steps:
            if step.name == "shared-memory" and step.ok and step.detail.isdecimal():
                return int(step.detail)
    return None


def _end(case: RunCase, result: RunResult) -> str:
    if result.timed_out:
        return f"still runs after {case.timeout_s:.0f} s"
    return f"ended with exit code {result.exit_code}"


def _server_state(serving: bool, waiting: bool) -> str:
    if serving:
        return "serves"
    return "waits for a model: none is in the image" if waiting else "does not say that it serves"


def _step(line: str) -> Step | None:
    """A line of the probe; None where something else wrote into it."""
    try:
        document = json.loads(line[len(_MARK) :])
        return Step(name=str(document["step"]), ok=bool(document["ok"]), detail=str(document["detail"]))
    except (ValueError, KeyError, TypeError):
        return None
