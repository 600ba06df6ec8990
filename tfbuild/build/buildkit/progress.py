"""Parsers of what build tools print while they work; no effect, no decision.

Understood are ninja, Bazel without cursor control, and BuildKit's ``--progress=rawjson``.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from tfbuild.machine.logfile import LineSplitter, strip_ansi

# ninja's default status is "[%f/%t] ", https://ninja-build.org/manual.html#_environment_variables
_NINJA = re.compile(r"^\s*\[(\d+)/(\d+)\]\s+(\S.*)$")
# With --show_timestamps Bazel puts "(12:34:56) " in front.
_BAZEL = re.compile(r"^(?:\([0-9:.]+\)\s*)?\[(\d[\d,]*) / (\d[\d,]*)\](?:\s*(.*))?$")

_SOURCE = re.compile(r"\.(?:c|cc|cpp|cxx|S|s|asm|cu|m|mm)$")
_MAX_CURRENT = 60  # characters: fits beside the bar on an 80 column terminal after rich's cropping


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` units, and what is worked on, shortened for one status line."""

    done: int
    total: int
    current: str = ""


def parse_ninja(line: str) -> Progress | None:
    """The progress in a line like ``[12/345] Building CXX object a/b.dir/c/foo.cc.o``, else None."""
    found = _NINJA.match(strip_ansi(line).rstrip())
    return _progress(found[1], found[2], _ninja_subject(found[3])) if found else None


def parse_bazel(line: str) -> Progress | None:
    """The progress in a line like ``[1,234 / 9,876] Compiling a/b.cc; 3s local``, else None.

    Bazel finds more actions while it works, so ``total`` grows.
    """
    found = _BAZEL.match(strip_ansi(line).rstrip())
    return _progress(found[1], found[2], _bazel_subject(found[3] or "")) if found else None


def _progress(done: str, total: str, current: str) -> Progress | None:
    n, m = int(done.replace(",", "")), int(total.replace(",", ""))
    return Progress(n, m, current) if 0 <= n <= m and m > 0 else None


def _ninja_subject(text: str) -> str:
    words = text.split()
    if len(words) > 1 and words[0] in {"Building", "Linking"}:
        # CMake names objects after their source: CMakeFiles/<target>.dir/<source>.o
        path = re.sub(r"\.(?:o|obj)$", "", words[-1]).rpartition(".dir/")[2]
        return _clip(_short_path(path))
    return _clip(text)


def _bazel_subject(text: str) -> str:
    # "Compiling a/b.cc; 3s processwrapper-sandbox ... (4 actions running)"
    action = text.split(";", 1)[0].split(" ... (", 1)[0].strip()
    head, _, last = action.rpartition(" ")
    if head and "/" in last:
        return _clip(_short_path(last) if _SOURCE.search(last) else f"{head} {_short_path(last)}")
    return _clip(action)


def _short_path(path: str) -> str:
    """The last two components: enough to recognise a file, short enough for a status line."""
    return "/".join(path.split("/")[-2:])


def _clip(text: str) -> str:
    return text if len(text) <= _MAX_CURRENT else text[: _MAX_CURRENT - 1] + "…"


@dataclass(frozen=True)
class VertexStarted:
    """BuildKit began to work on a build step (or to look it up in its cache)."""

    name: str


@dataclass(frozen=True)
class VertexFinished:
    """A build step is over; ``error`` is BuildKit's text when it failed.

    BuildKit may work on one vertex in several intervals, so this can come more than once for a name.
    """

    name: str
    cached: bool = False
    error: str | None = None


@dataclass(frozen=True)
class LogLine:
    """One complete line that a build step printed; ``stream`` is 1 for stdout and 2 for stderr."""

    vertex: str
    text: str
    stream: int = 1


@dataclass(frozen=True)
class OtherLine:
    """A line that is not part of the JSON: what buildx itself says, for example why the build failed."""

    text: str


Event = VertexStarted | VertexFinished | LogLine | OtherLine


@dataclass
class _Vertex:
    name: str
    started: str | None = None
    completed: str | None = None


class BuildKitProgress:
    """State between the lines of ``docker buildx build --progress=rawjson`` (they come on stderr).

    The documents are BuildKit's ``SolveStatus``,
    https://pkg.go.dev/github.com/moby/buildkit/client#SolveStatus. BuildKit before 0.14 prints each one
    indented over many lines, later ones print one per line
    (https://github.com/moby/buildkit/pull/4770); both are understood. Log data is cut at any byte.
    """

    # A status with a thousand vertices has about 10000 lines; more than this is not a status.
    _MAX_DOCUMENT_LINES = 200_000

    def __init__(self) -> None:
        self._document: list[str] = []
        self._vertices: dict[str, _Vertex] = {}
        self._streams: dict[tuple[str, int], LineSplitter] = {}

    def feed(self, line: str) -> list[Event]:
        """The events that ``line`` (without its end) completes."""
        line = line.rstrip("\r\n")
        if not self._document:
            if not line.startswith("{"):
                return [OtherLine(line)]
            status = _parse(line)
            if status is not None:
                return self._events(status)
            self._document.append(line)
            return []
        if line.startswith("{"):
            # The document before was never finished.
            return [*self._give_up(), *self.feed(line)]
        self._document.append(line)
        if line == "}":
            status = _parse("\n".join(self._document))
            if status is None:
                return self._give_up()
            self._document.clear()
            return self._events(status)
        return self._give_up() if len(self._document) > self._MAX_DOCUMENT_LINES else []

    def close(self) -> list[Event]:
        """What is left at the end: unfinished lines of build steps, an unfinished document."""
        events = self._give_up()
        for vertex in list(self._vertices):
            events += self._close_streams(vertex)
        return events

    def _give_up(self) -> list[Event]:
        lines: list[Event] = [OtherLine(text) for text in self._document]
        self._document.clear()
        return lines

    def _events(self, status: dict[str, Any]) -> list[Event]:
        changes = [(raw, self._vertex(raw)) for raw in _objects(status, "vertexes")]
        events: list[Event] = []
        for raw, vertex in changes:
            started = raw.get("started")
            if started and vertex.started is None:
                events.append(VertexStarted(vertex.name))
            vertex.started = started or vertex.started
        for raw in _objects(status, "logs"):
            events += self._log(raw)
        # Last, so that what a step printed comes before its end when both are in one status.
        for raw, vertex in changes:
            completed = raw.get("completed")
            if completed and completed != vertex.completed:
                vertex.completed = str(completed)
                events += self._close_streams(str(raw.get("digest")))
                error = raw.get("error") or None
                events.append(VertexFinished(vertex.name, raw.get("cached") is True, error))
        return events

    def _vertex(self, raw: dict[str, Any]) -> _Vertex:
        digest = str(raw.get("digest", ""))
        vertex = self._vertices.setdefault(digest, _Vertex(digest))
        vertex.name = str(raw.get("name") or vertex.name)
        return vertex

    def _log(self, raw: dict[str, Any]) -> list[Event]:
        digest, stream = str(raw.get("vertex", "")), raw.get("stream")
        number = stream if isinstance(stream, int) else 1
        try:
            data = base64.b64decode(str(raw.get("data") or ""), validate=True)
        except binascii.Error:
            return []
        splitter = self._streams.setdefault((digest, number), LineSplitter())
        name = self._vertices.setdefault(digest, _Vertex(digest)).name
        return [LogLine(name, text, number) for text in splitter.feed(data)]

    def _close_streams(self, digest: str) -> list[Event]:
        events: list[Event] = []
        for key in sorted(k for k in self._streams if k[0] == digest):
            name = self._vertices[digest].name
            events += [LogLine(name, text, key[1]) for text in self._streams.pop(key).close()]
        return events


def _parse(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _objects(status: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = status.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
