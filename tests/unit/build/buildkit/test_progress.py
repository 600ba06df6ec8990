"""Parsers of build output: real lines, and any cut of them."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.plans import PROJECT
from tfbuild.build.buildkit.progress import (
    BuildKitProgress,
    Event,
    LogLine,
    OtherLine,
    Progress,
    VertexFinished,
    VertexStarted,
    parse_bazel,
    parse_ninja,
)
from tfbuild.machine.logfile import LineSplitter, strip_ansi

DATA = PROJECT / "tests" / "data"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "[12/345] Building CXX object CMakeFiles/tensorflow-lite.dir/kernels/conv.cc.o",
            Progress(12, 345, "kernels/conv.cc"),
        ),
        ("[1/2] Building C object CMakeFiles/x.dir/foo.c.o", Progress(1, 2, "foo.c")),
        (
            "[1/9] Building CXX object _deps/flatbuffers-build/CMakeFiles/flatc.dir/src/idl_parser.cpp.o",
            Progress(1, 9, "src/idl_parser.cpp"),
        ),
        (
            "[345/345] Linking CXX shared library libtensorflowlite.so",
            Progress(345, 345, "libtensorflowlite.so"),
        ),
        ("\x1b[1m[2/3]\x1b[0m Generating schema.h", Progress(2, 3, "Generating schema.h")),
        ("[ 42%] Building CXX object foo.o", None),
        ("[7/3] Building CXX object foo.o", None),
        ("[0/0] Re-checking globbed directories...", None),
        ("[1/2]", None),
        ("see a[1/2] here", None),
        ("", None),
    ],
)
def test_ninja(line: str, expected: Progress | None) -> None:
    assert parse_ninja(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "[1,234 / 9,876] Compiling tensorflow/core/kernels/conv_ops.cc; 3s linux-sandbox ... (4 actions)",
            Progress(1234, 9876, "kernels/conv_ops.cc"),
        ),
        ("(12:03:04) [5 / 10] checking cached actions", Progress(5, 10, "checking cached actions")),
        (
            "[8 / 10] Linking tensorflow_serving/model_servers/server; 9s local",
            Progress(8, 10, "Linking model_servers/server"),
        ),
        ("[2 / 3] 4 actions, 2 running", Progress(2, 3, "4 actions, 2 running")),
        ("[0 / 1] ", Progress(0, 1, "")),
        ("INFO: Analyzed target //x:y (1 packages loaded)", None),
        ("[5/10] Building CXX object x.o", None),
    ],
)
def test_bazel(line: str, expected: Progress | None) -> None:
    assert parse_bazel(line) == expected


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.text())
def test_progress_stays_within_its_bounds_and_one_status_line(n: int, m: int, text: str) -> None:
    for found in (parse_ninja(f"[{n}/{m}] {text}"), parse_bazel(f"[{n:,} / {m:,}] {text}")):
        if found is not None:
            assert (found.done, found.total) == (n, m)
            assert n <= m
            assert len(found.current) <= 60


@given(st.text())
def test_parsers_take_any_line(text: str) -> None:
    parse_ninja(text)
    parse_bazel(text)
    BuildKitProgress().feed(text)


def test_strip_ansi() -> None:
    text = "\x1b[1;31merror\x1b[0m \x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ \x1b(Bplain\x1b[K"
    assert strip_ansi(text) == "error link plain"


class TestLineSplitter:
    @given(st.lists(st.text(st.characters(exclude_characters="\r\n\x1b"), min_size=1)), st.data())
    def test_lines_survive_any_cut(self, lines: list[str], data: st.DataObject) -> None:
        ends = [data.draw(st.sampled_from(["\n", "\r\n", "\r"])) for _ in lines]
        raw = "".join(line + end for line, end in zip(lines, ends, strict=True)).encode("utf-8", "replace")
        splitter = LineSplitter()
        out: list[str] = []
        while raw:
            size = data.draw(st.integers(1, len(raw)))
            out += splitter.feed(raw[:size])
            raw = raw[size:]
        out += splitter.close()
        assert out == [line.encode("utf-8", "replace").decode() for line in lines]

    @given(st.lists(st.binary()))
    def test_how_bytes_are_cut_does_not_matter(self, pieces: list[bytes]) -> None:
        cut, whole = LineSplitter(), LineSplitter()
        lines = [line for piece in pieces for line in cut.feed(piece)] + cut.close()
        assert lines == whole.feed(b"".join(pieces)) + whole.close()

    def test_progress_that_redraws_itself_is_seen_at_once(self) -> None:
        splitter = LineSplitter()
        assert splitter.feed(b"\r10%") == []
        assert splitter.feed(b"\r20%\r") == ["10%", "20%"]
        assert splitter.feed(b"\n\n") == [""]

    def test_line_without_end_does_not_fill_the_memory(self) -> None:
        splitter = LineSplitter(limit=10)
        assert splitter.feed(b"x" * 25) == ["x" * 10, "x" * 10]
        assert splitter.close() == ["x" * 5]


def feed_all(text: str) -> list[Event]:
    progress = BuildKitProgress()
    return [event for line in text.splitlines() for event in progress.feed(line)] + progress.close()


class TestBuildKit:
    """The samples were printed by buildx 0.13.1; that of the cached build is in the form of later ones."""

    def test_failing_build(self) -> None:
        events = feed_all((DATA / "buildkit-failed.rawjson").read_text())
        run = "[build 3/4] RUN sh /gen.sh"
        assert [e for e in events if getattr(e, "vertex", getattr(e, "name", "")) == run] == [
            VertexStarted(run),
            LogLine(run, "[1/3] Building CXX object tensorflow-lite.dir/kernels/conv.cc.o"),
            # This one came in three pieces, the last cut inside the u umlaut.
            LogLine(run, "[2/3] Building CXX object tensorflow-lite.dir/kernels/gr\u00fcn.cc.o"),
            LogLine(run, "Downloading  10%"),
            LogLine(run, "Downloading 100%"),
            LogLine(run, "no newline at the end"),
            VertexFinished(run),
        ]
        (failed,) = [e for e in events if isinstance(e, VertexFinished) and e.error]
        assert failed.name.startswith("[build 4/4] RUN")
        assert (failed.error or "").endswith("exit code: 7")
        (error,) = [e for e in events if isinstance(e, LogLine) and e.stream == 2]
        assert error.text == "src/a.cc:3:1: error: no such thing"
        others = [e.text for e in events if isinstance(e, OtherLine)]
        assert others[0] == "Dockerfile:4"
        assert others[-1].startswith("ERROR: failed to solve: process")

    def test_cached_steps(self) -> None:
        events = feed_all((DATA / "buildkit-cached.rawjson").read_text())
        cached = {e.name for e in events if isinstance(e, VertexFinished) and e.cached}
        assert {"[build 2/4] COPY gen.sh /gen.sh", "[build 3/4] RUN sh /gen.sh"} <= cached
        assert not any(isinstance(e, OtherLine) and e.text.startswith("{") for e in events)

    def test_indented_and_compact_form_mean_the_same(self) -> None:
        text = (DATA / "buildkit-cached.rawjson").read_text()
        indented = "\n".join(
            json.dumps(json.loads(line), indent=2) if line.startswith("{") else line
            for line in text.splitlines()
        )
        assert feed_all(indented) == feed_all(text)

    @given(
        st.lists(st.text(st.characters(exclude_characters="\r\n\x1b", codec="utf-8"), min_size=1)), st.data()
    )
    def test_log_lines_survive_any_cut(self, lines: list[str], data: st.DataObject) -> None:
        raw = "".join(f"{line}\n" for line in lines).encode()
        progress = BuildKitProgress()
        progress.feed('{"vertexes":[{"digest":"d","name":"compile","started":"t0"}]}')
        events: list[Event] = []
        while raw:
            size = data.draw(st.integers(1, len(raw)))
            log = {"vertex": "d", "stream": 1, "data": base64.b64encode(raw[:size]).decode()}
            events += progress.feed(json.dumps({"logs": [log]}))
            raw = raw[size:]
        assert events == [LogLine("compile", line) for line in lines]

    def test_two_steps_at_once_do_not_mix(self) -> None:
        progress = BuildKitProgress()
        progress.feed('{"vertexes":[{"digest":"a","name":"A"},{"digest":"b","name":"B"}]}')

        def log(vertex: str, text: str) -> list[Event]:
            data = base64.b64encode(text.encode()).decode()
            return progress.feed(json.dumps({"logs": [{"vertex": vertex, "stream": 1, "data": data}]}))

        assert log("a", "one ") == []
        assert log("b", "two\n") == [LogLine("B", "two")]
        assert log("a", "three\n") == [LogLine("A", "one three")]

    def test_interrupted_in_the_middle(self) -> None:
        progress = BuildKitProgress()
        data = base64.b64encode(b"last words").decode()
        progress.feed(json.dumps({"logs": [{"vertex": "d", "stream": 1, "data": data}]}))
        assert progress.feed("{") == []
        assert progress.close() == [OtherLine("{"), LogLine("d", "last words")]

    def test_text_between_documents_does_not_derail(self) -> None:
        progress = BuildKitProgress()
        assert progress.feed("WARN: something") == [OtherLine("WARN: something")]
        assert progress.feed("{") == []
        started = progress.feed('{"vertexes":[{"digest":"d","name":"x","started":"t0"}]}')
        assert started == [OtherLine("{"), VertexStarted("x")]
        assert progress.feed('{"vertexes": 5, "logs": [3, {"data": "!"}]}') == []
