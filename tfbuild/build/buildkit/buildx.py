"""Carries out targets of a bake definition with ``docker buildx bake``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfbuild.base.errors import BuildError, HostError, TfBuildError
from tfbuild.base.values import Reporter
from tfbuild.build.buildkit.progress import (
    BuildKitProgress,
    Event,
    LogLine,
    OtherLine,
    VertexFinished,
    VertexStarted,
    parse_bazel,
    parse_ninja,
)
from tfbuild.build.hints import Cause, failure_summary
from tfbuild.engine.docker_cli import DockerCli
from tfbuild.machine.programs import Runner

# bake of buildx >= 0.19 asks before it reads folders outside the working directory; ours come from our own
# plan (https://docs.docker.com/build/bake/reference/#targetentitlements).
_ENVIRONMENT = {
    "BUILDX_BAKE_ENTITLEMENTS_FS": "0",
    # Without it every linked target ends as an image without a name in the engine.
    "BUILDX_NO_DEFAULT_LOAD": "1",
    "DOCKER_CLI_HINTS": "false",
}
# Apt and our own scripts announce what they do.
_ACTIVITY = re.compile(r"tfbuild: (.+)|(?:Get:\d+ \S+ \S+ \S+ \S+ (\S+))|Setting up (\S+) ")


@dataclass
class _Watcher:
    """Turns BuildKit's JSON into log lines, and tells the reporter what goes on."""

    reporter: Reporter
    buildkit: BuildKitProgress = field(default_factory=BuildKitProgress)
    errors: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)

    def translate(self, line: str) -> Iterable[str]:
        return self._lines(self.buildkit.feed(line))

    def _lines(self, events: Sequence[Event]) -> Iterable[str]:
        for event in events:
            if isinstance(event, LogLine):
                self.output.append(event.text)
                self._report(event.text)
                yield event.text
            elif isinstance(event, VertexStarted):
                yield f"=> {event.name}"
            elif isinstance(event, VertexFinished):
                if event.error:
                    self.errors.append(event.error)
                outcome = f"failed: {event.error}" if event.error else "cached" if event.cached else "done"
                yield f"<= {event.name}: {outcome}"
            elif isinstance(event, OtherLine) and event.text.strip():
                if event.text.startswith("ERROR: "):
                    self.errors.append(event.text.removeprefix("ERROR: "))
                yield event.text

    def _report(self, text: str) -> None:
        edge = parse_ninja(text) or parse_bazel(text)
        if edge:
            self.reporter.progress(edge.done, edge.total, edge.current)
            return
        activity = _ACTIVITY.match(text)
        if activity:
            self.reporter.progress(0, 0, next(group for group in activity.groups() if group))


def bake(
    cli: DockerCli,
    definition: Path,
    targets: Sequence[str],
    *,
    runner: Runner,
    reporter: Reporter,
    log: Path,
    failure: type[TfBuildError] = BuildError,
    secrets: Mapping[str, str] | None = None,
    causes: Sequence[Cause] = (),
) -> None:
    """Build ``targets`` of the bake file ``definition``; ``log`` gets all that the build steps print.

    ``secrets`` are variables that the definition's secrets name, ``causes`` those of a
    failure that only the product knows.

    Raises ``failure`` with the first error and a known cause where there is one; :class:`HostError` when
    buildx itself cannot reach the engine.
    """
    watcher = _Watcher(reporter)
    argv = [*cli.buildx, "bake", f"--file={definition}", "--progress=rawjson", *targets]
    done = runner.run(argv, log=log, env={**_ENVIRONMENT, **(secrets or {})}, translate=watcher.translate)
    if done.ok:
        return
    lines = [*watcher.output, *watcher.errors]
    summary = failure_summary(lines, returncode=done.returncode, own=causes)
    first = watcher.errors[-1] if watcher.errors else "\n".join(done.tail[-3:])
    if "Cannot connect to the Docker daemon" in first or "failed to connect to the docker API" in first:
        raise HostError(
            "the engine went away during the build", details=(first,), hint="invoke doctor", log=log
        )
    raise failure(
        f"building {', '.join(targets)} failed",
        details=(*_details(summary.first_error, summary.tail), first),
        hint=summary.hint,
        log=log,
    )


def _details(first_error: str | None, tail: Sequence[str]) -> tuple[str, ...]:
    opening = (f"first error: {first_error}",) if first_error else ()
    return (*opening, *tail[-10:])
