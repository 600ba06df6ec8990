"""A build of its own process: the same command that a user would type, with its document on stdout."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tfbuild
from tfbuild.base.errors import ExitCode
from tfbuild.base.program_name import program_name
from tfbuild.base.project import PROJECT
from tfbuild.build.matrix.run import Ended
from tfbuild.build.matrix.schedule import Node, Placed
from tfbuild.machine.programs import Captured
from tfbuild.machine.runner import Grace, SubprocessRunner
from tfbuild.plan.words import Words

# A build ends its own programs within 8 s (see Grace); it gets time for that before it is killed.
GRACE = Grace(interrupt=15.0, terminate=5.0, kill=3.0)
# What stands in the logs of a disk that is full: errno ENOSPC, as C and, in lower case, Go tell it.
_FULL = "no space left on device"

Follow = Callable[..., Captured]


@dataclass(frozen=True)
class Command:
    """The command of one build: product, words, and whether it takes a number of jobs."""

    product: str
    words: Words
    takes_jobs: bool
    takes_from: bool
    offline: bool = False


def command_line(command: Command, jobs: int | None = None, on: str = "") -> tuple[str, ...]:
    """The words behind the program's name."""
    words = command.words
    pairs = (
        ("release", words.release),
        ("config", words.config),
        ("arch", words.arch),
        ("from", words.origin if command.takes_from else ""),
        ("variant", words.variant),
        ("app", words.app),
        ("model", words.model),
        ("name", words.name),
        ("tag", words.tag),
        ("output", words.output),
        ("jobs", words.jobs or (str(jobs) if jobs and command.takes_jobs else "")),
        ("on", on),
        *(("set", text) for text in words.sets),
    )
    # Glued: a value may begin with a dash.
    options = (f"--{name}={value}" for name, value in pairs if value)
    return (f"build-{command.product}", *options, *(("--offline",) if command.offline else ()), "--json")


class Children:
    """Starts builds as processes; ``answers`` asks whether a node's engine still does."""

    def __init__(
        self,
        commands: Mapping[str, Command],
        *,
        tell: Callable[[str], None],
        answers: Callable[[Node], bool],
        follow: Follow | None = None,
    ) -> None:
        self._commands = commands
        self._tell = tell
        self._answers = answers
        self._follow = follow or SubprocessRunner(GRACE).follow
        self._width = max(map(len, commands), default=0)

    def __call__(self, placed: Placed, cancelled: threading.Event) -> Ended:
        """Carry a build out to its end, or until ``cancelled`` is set."""
        name = placed.job.id
        began = time.monotonic()
        captured = self._follow(
            (*program(), *command_line(self._commands[name], placed.jobs, placed.node.name)),
            env=environment(os.environ),
            on_line=lambda line: self._tell(f"{name:<{self._width}} | {line}"),
            cancelled=cancelled.is_set,
        )
        return self._ended(placed.node, captured, time.monotonic() - began)

    def _ended(self, node: Node, captured: Captured, seconds: float) -> Ended:
        document = _document(captured.stdout)
        if captured.ok and document is not None:
            return Ended(0, seconds, document)
        error: Mapping[str, Any] = (document or {}).get("error") or {}
        code = captured.returncode if captured.returncode in set(ExitCode) - {0} else int(ExitCode.BUG)
        lost = not self._answers(node)
        message = str(error.get("message") or f"it ended with exit code {captured.returncode}")
        return Ended(
            code,
            seconds,
            message=message,
            hint=str(error.get("hint") or ""),
            log=str(error.get("log") or ""),
            away=_away(code, message, error, lost=lost),
            lost=lost,
        )


def _away(code: int, message: str, error: Mapping[str, Any], *, lost: bool) -> str:
    """Why the node is to blame; empty: it is not."""
    if lost:
        return "its engine does not answer any more"
    if any(_FULL in text.lower() for text in (message, *map(str, error.get("details") or ()))):
        return "its disk is full"
    return f"it is not ready: {message}" if code == ExitCode.HOST_NOT_READY else ""


def program() -> tuple[str, ...]:
    """The program that is running, by its name: what it tells to type next has that name too."""
    if program_name() == "invoke" and (PROJECT / "tasks.py").is_file():
        return (sys.executable, "-m", "invoke", f"--search-root={PROJECT}")
    return (sys.executable, "-m", "tfbuild")


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """What differs for a build from the variables ``env``: it runs this very program, and plain lines of
    several builds are no log of one job of GitHub's."""
    package = str(Path(tfbuild.__file__).resolve().parents[1])
    paths = [package, *filter(None, [env.get("PYTHONPATH", "")])]
    return {"PYTHONPATH": os.pathsep.join(paths), "GITHUB_ACTIONS": "", "GITHUB_STEP_SUMMARY": ""}


def _document(text: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
