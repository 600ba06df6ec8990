"""``invoke run``: an image started as it is meant to be used."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tfbuild.base.documents import dump
from tfbuild.base.errors import BuildError, ExitCode, UsageError
from tfbuild.build.trial import Start
from tfbuild.cli.trying.targets import ImageTarget, dist_folder, image_of
from tfbuild.engine.attended import LOOPBACK, Attention
from tfbuild.machine.path_words import input_path
from tfbuild.machine.terminal import write_json, write_lines
from tfbuild.products.table import trial_of

# What a shell says of a program that Ctrl-C or SIGTERM ended: 128 and the signal's number.
_STOPPED = (130, 143)


@dataclass(frozen=True, kw_only=True)
class RunningPort:
    """A port of the container, and the one of this machine that leads to it."""

    container: int
    host: int
    speaks: str


@dataclass(frozen=True, kw_only=True)
class RunDocument:
    """The document of ``run --json``, printed when the container has started. It prints to stderr then.

    One that has ended before anybody could reach it has neither a name nor ports.
    """

    version: Literal[1] = 1
    image: str
    container: str
    host: str
    ports: tuple[RunningPort, ...]
    calls: tuple[str, ...]


def run(target: str, model: str, output: str, *, as_json: bool) -> int:
    """``invoke run``"""
    if not target:
        raise UsageError("nothing to run", hint="invoke run BUILD-OR-IMAGE --model MODEL")
    given = input_path(model, "--model") if model else None
    if given is not None and not given.exists():
        raise UsageError(f"--model: there is nothing at {given}", hint="--model MODEL")
    found, engine = image_of(target, dist_folder(output))
    known = trial_of(found.facts)
    if known is None:
        raise UsageError(
            f"{target} is no image that this program knows how to start",
            details=(f"its entrypoint: {' '.join(found.facts.entrypoint) or 'none'}",),
            hint=f"docker run --rm {found.name}",
        )
    start = known[1].start(found.facts, found.name, given)
    engine.cleanup_leftovers()
    out = sys.stderr if as_json else sys.stdout

    told: list[str] = []

    def started(container: str, ports: Mapping[int, int]) -> None:
        if not start.ports.keys() <= ports.keys():
            return  # it has ended already: what it says follows, and its exit code
        told.append(container)
        if as_json:
            write_json(dump(_document(found, container, ports, start)))
        else:
            write_lines(_told(start, ports), sys.stderr)

    attention = Attention(
        ports=tuple(start.ports), on_start=started, on_line=lambda line: write_lines([line], out)
    )
    code = engine.attend(found.facts.id, start.command, start.options, attention)
    if code not in (0, *_STOPPED):
        raise BuildError(f"{found.name} ended with exit code {code}", hint=f"invoke diagnose {found.name}")
    if as_json and not told:
        write_json(dump(_document(found, "", {}, start)))
    return ExitCode.OK


def _document(target: ImageTarget, container: str, ports: Mapping[int, int], start: Start) -> RunDocument:
    return RunDocument(
        image=target.name,
        container=container,
        host=LOOPBACK,
        ports=tuple(
            RunningPort(container=inner, host=outer, speaks=start.ports.get(inner, ""))
            for inner, outer in ports.items()
        ),
        calls=start.calls(ports) if start.ports.keys() <= ports.keys() else (),
    )


def _told(start: Start, ports: Mapping[int, int]) -> list[str]:
    """How to use what was started, before what it prints itself."""
    lines = [f"  {start.ports.get(inner, '')}: {LOOPBACK}:{outer}" for inner, outer in ports.items()]
    lines += [f"  {call}" for call in start.calls(ports)]
    if start.docker:
        lines.append(f"the same without this program: {start.docker}")
    if start.ports:
        lines.append("Ctrl-C ends it")
    return lines
