"""``invoke shell``: the builder with the tree of a build, to find out why it failed."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tfbuild.base.documents import dump
from tfbuild.base.errors import BuildError, ExitCode, NothingMatchesError, UsageError
from tfbuild.base.project import PROJECT
from tfbuild.base.text import did_you_mean
from tfbuild.build.buildkit.buildx import bake
from tfbuild.build.buildkit.shell import TARGET, Shell, shell_of
from tfbuild.build.dist import folder
from tfbuild.build.dist.ownership import owner_of, read_manifest
from tfbuild.build.layout import Layout
from tfbuild.cli import wiring
from tfbuild.cli.console import ConsoleReporter
from tfbuild.engine.attended import Attention
from tfbuild.engine.docker_cli import DockerCli, find_docker_cli
from tfbuild.engine.engine import DockerEngine
from tfbuild.engine.facts import RunOptions
from tfbuild.machine.cache import cache_root
from tfbuild.machine.locks import hold
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.machine.terminal import is_terminal, write_json, write_lines

_BASH = "/bin/bash"


@dataclass(frozen=True, kw_only=True)
class ShellDocument:
    """The document of ``shell --command … --json``: what the command printed, and how it ended."""

    version: Literal[1] = 1
    build_id: str
    exit_code: int
    output: tuple[str, ...]


def shell(build: str, command: str, *, as_json: bool) -> int:
    """``invoke shell``"""
    if as_json and not command:
        raise UsageError("--json is of a command: what is typed in a shell has no document", hint="--command")
    if not command and not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        raise UsageError(
            "a shell needs a terminal, and this is none",
            hint="invoke shell BUILD --command 'tail /tree/log/compile.log'",
        )
    layout = layout_of(build, cache_root(os.environ))
    runner, engine = SubprocessRunner(), wiring.engine()
    engine.cleanup_leftovers()
    cli = find_docker_cli(runner)
    tag = f"tfbuild/shell:{layout.build_id}"
    try:
        found = _make(layout, tag, cli, runner)
        if not command:
            return _talk(tag, found, cli, runner)
        lines: list[str] = []
        code = _script(command, tag, found, engine, lines.append if as_json else _print)
    finally:
        engine.remove_image(tag)
    if as_json:
        write_json(dump(ShellDocument(build_id=layout.build_id, exit_code=code, output=tuple(lines))))
        return ExitCode.BUILD_FAILED if code else ExitCode.OK
    if code:
        raise BuildError(f"the command ended with exit code {code}")
    return ExitCode.OK


def layout_of(build: str, cache: Path) -> Layout:
    """Where the build left its definition: the one with this id or folder, or without one the latest.

    :raises NothingMatchesError: there is none on this machine.
    """
    state = cache / "state"
    files = sorted(state.glob("*/bake.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    known = [file.parent.name for file in files]
    wanted = owner_of(read_manifest(Path(build))) or build if build else next(iter(known), "")
    if wanted not in known:
        raise NothingMatchesError(
            f"nothing of a build '{wanted}' is on this machine{did_you_mean(wanted, known)}"
            if wanted
            else "no build has been started on this machine",
            details=(f"there are: {', '.join(known[:10])}",) if known else (),
            hint="start it once: invoke build-tflite",
        )
    return Layout(PROJECT, cache, wanted)


def _make(layout: Layout, tag: str, cli: DockerCli, runner: SubprocessRunner) -> Shell:
    """The image, made of the builder and a copy of the tree."""
    empty = layout.work / "empty"
    empty.mkdir(exist_ok=True)
    try:
        document: Mapping[str, Any] = json.loads(layout.bake_file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise NothingMatchesError(
            f"{layout.bake_file} is damaged", hint="the same build command writes it again"
        ) from error
    found = shell_of(document, tag, PROJECT / "dockerfiles", empty, str(time.time_ns()))
    file, log = layout.work / "shell.json", layout.work / "shell.log"
    with (
        ConsoleReporter() as reporter,
        hold(
            layout.cache / "locks" / f"{layout.build_id}.lock",
            what=f"copying the tree of {layout.build_id}",
            wait_s=0,
            on_wait=reporter.note,
        ),
    ):
        folder.write_json(file, found.definition)
        reporter.step_started(1, 1, f"copy the tree of {layout.build_id}")
        bake(cli, file, (TARGET,), runner=runner, reporter=reporter, log=log)
        reporter.step_finished("ok")
    return found


def _script(
    command: str, tag: str, found: Shell, engine: DockerEngine, on_line: Callable[[str], None]
) -> int:
    options = RunOptions(entrypoint=(_BASH, "-c"), env=found.settings, user="0", read_only=False, tmpfs=())
    return engine.attend(tag, (command,), options, Attention(ports=(), on_start=_quietly, on_line=on_line))


def _print(line: str) -> None:
    write_lines([line])


def _talk(tag: str, found: Shell, cli: DockerCli, runner: SubprocessRunner) -> int:
    write_lines(
        [
            "/tree is a copy of the build's tree, /tree/log has its logs, /tfbuild its scripts",
            "a phase of the compile again: bash /tfbuild/compile.sh PHASE; exit ends the shell",
        ],
        sys.stderr,
    )
    settings = [f"--env={name}={value}" for name, value in found.settings.items()]
    argv = ["run", "--rm", "--interactive", "--tty", "--network=none", *settings, tag, _BASH]
    runner.attach([str(cli.docker or "docker"), *argv])
    return ExitCode.OK  # of the last command that was typed, it says nothing


def _quietly(container: str, ports: Mapping[int, int]) -> None:
    del container, ports
