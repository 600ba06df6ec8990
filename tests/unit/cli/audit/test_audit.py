"""``invoke outdated`` and ``invoke reproduce`` by their exit codes, documents and sentences."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jsonschema
import pytest

# urllib3 opens a socket when it is imported, which no test may do: before the tests.
import tfbuild.cli.wiring as wiring
from tests.support.builds import Build
from tests.support.commands import run_invoke
from tests.support.plans import PROJECT
from tests.support.reporters import ListReporter
from tests.support.runner import RecordingRunner
from tfbuild.base.errors import ExitCode
from tfbuild.build.again import rebuild
from tfbuild.build.again.first import read_first
from tfbuild.build.again.verdict import Rebuilt
from tfbuild.build.roots import Archive
from tfbuild.cli.audit import outdated, reproduce
from tfbuild.downloads import debian_lists
from tfbuild.downloads.debian_versions import Offered
from tfbuild.downloads.index_pages import IndexFile
from tfbuild.machine import runner
from tfbuild.products.table import parts

MAIN, SECURITY = "http://mirror.example/debian", "http://mirror.example/debian-security"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A finished build, below dist as builds have it."""
    build = Build(tmp_path)
    build.output = tmp_path / "dist" / "tflite" / "2.14.1-debian" / "opt" / "amd64"
    build.run()
    return build.output


class Index:
    """A Python index on which TensorFlow 2.14.1 is the newest of its kind."""

    def project(self, name: str) -> tuple[IndexFile, ...]:
        return (IndexFile(f"{name}-2.14.1-py3-none-any.whl"),)


@pytest.fixture
def mirrors(monkeypatch: pytest.MonkeyPatch) -> list[Offered]:
    """What the archive offers; asked with these sources, by nobody else."""
    offered: list[Offered] = []
    asked: list[Sequence[str]] = []

    def read(folder: Path, arch: object, sources: Sequence[str], *_: object) -> tuple[Offered, ...]:
        asked.append(sources)
        return tuple(offered)

    monkeypatch.setattr(runner, "SubprocessRunner", RecordingRunner)
    monkeypatch.setattr(wiring, "archives_now", lambda *_: (Archive(MAIN, SECURITY), ""))
    monkeypatch.setattr(debian_lists, "read_archive", read)
    monkeypatch.setattr(outdated, "_index", Index)
    return offered


def document(capsys: pytest.CaptureFixture[str], schema: str) -> Any:
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, json.loads((PROJECT / "schemas" / f"{schema}.schema.json").read_text()))
    return found


# -- outdated -----------------------------------------------------------------------------------------------


def test_what_is_newer_is_told_and_fails_only_where_it_shall(
    dist: Path, mirrors: list[Offered], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_invoke("outdated", str(dist), "--fail-on", "any") == ExitCode.OK
    assert "nothing is newer" in capsys.readouterr().out
    mirrors.append(Offered("gcc-14", "14.2.0-20", "amd64", "gcc-14", "14.2.0-20", security=True))
    for words, code in (
        ((), ExitCode.OK),
        (("--fail-on", "security"), ExitCode.OK),  # of the builder alone
        (("--fail-on", "any"), ExitCode.VERIFICATION_FAILED),
    ):
        assert run_invoke("outdated", str(dist), "--json", *words) == code
        (update,) = document(capsys, "outdated")["updates"]
        assert (update["name"], update["newest"], update["security"]) == ("gcc-14:amd64", "14.2.0-20", True)
        assert update["where"] == ["builder"]


def test_a_build_is_found_by_its_id(
    dist: Path, mirrors: list[Offered], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("outdated", "tflite-2.14.1-debian-opt-amd64", "--output", str(dist.parents[3]), "--json")
    assert run_invoke(*words) == ExitCode.OK
    told = document(capsys, "outdated")
    assert told["subject"] == "tflite-2.14.1-debian-opt-amd64"
    assert told["asked"][:2] == [f"{MAIN} trixie", f"{SECURITY} trixie-security"]


def test_a_plan_needs_no_build(mirrors: list[Offered], capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run_invoke("outdated", "--product", "tflite", "--release", "2.14.1-debian", "--json") == ExitCode.OK
    )
    assert document(capsys, "outdated")["checked"] > 5


def test_nobody_can_tell_of_fixes_without_a_security_archive(
    dist: Path, mirrors: list[Offered], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wiring, "archives_now", lambda *_: (Archive(MAIN), ""))
    assert run_invoke("outdated", str(dist), "--fail-on", "security") == ExitCode.HOST_NOT_READY
    assert "no security archive" in capsys.readouterr().err
    assert run_invoke("outdated", str(dist)) == ExitCode.OK
    assert "no security archive: none is configured" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("x", "--product", "tflite"),
        ("--product", "tflite", "--fail-on", "securty"),
        ("tests/data/elf/make.sh",),
    ],
)
def test_words_that_make_no_sense_are_wrong_usage(words: tuple[str, ...]) -> None:
    assert run_invoke("outdated", *words) == ExitCode.USAGE


# -- reproduce ----------------------------------------------------------------------------------------------


def rebuilt(dist: Path, *, equal: bool) -> Rebuilt:
    return Rebuilt(
        build_id="tflite-2.14.1-debian-opt-amd64",
        key="0" * 64,
        output=str(dist),
        sums_sha256="0" * 64,
        image_id="sha256:1",
        equal=equal,
        files=3,
        image="same",
        varied=(),
        other_inputs=(),
        differences=(),
        causes=(),
    )


@pytest.mark.parametrize(("equal", "code"), [(True, ExitCode.OK), (False, ExitCode.VERIFICATION_FAILED)])
def test_the_verdict_is_printed_kept_and_required(
    equal: bool, code: int, dist: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reproduce, "_again", lambda *_, **__: (rebuilt(dist, equal=equal), None))
    (dist / "reproducible.dsse.json").write_text("of an earlier one")
    assert run_invoke("reproduce", str(dist), "--json") == code
    told = document(capsys, "reproduce")
    assert told == json.loads((dist / "reproducible.json").read_text())
    assert not (dist / "reproducible.dsse.json").exists()
    run_invoke("verify", str(dist), "--require", "reproducible", "--json")
    found = {each["id"] for each in json.loads(capsys.readouterr().out)["findings"]}
    assert ("reproducible-differs" in found) is not equal
    assert not found & {"reproducible-missing", "reproducible-mismatch", "dist-unlisted"}


def test_each_build_again_has_another_umask(
    dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def build_again(*_: object) -> tuple[Rebuilt, None]:
        os.umask(found := os.umask(0))
        seen.append(found)
        return rebuilt(dist, equal=True), None

    monkeypatch.setenv("TFBUILD_CACHE_DIR", str(tmp_path / "own-cache"))
    monkeypatch.setattr(rebuild, "build_again", build_again)
    monkeypatch.setattr(wiring, "apart_from", lambda *_, **__: None)
    before = os.umask(0o022)
    try:
        first = read_first(dist, parts())
        for _ in range(2):  # one after the other, as for an image of two platforms
            with ExitStack() as stack:
                reproduce._again(first, None, ListReporter(), stack, offline=False)
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    assert seen == [0o077, 0o077]


def test_a_result_that_was_changed_is_not_built_again(dist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (dist / "manifest.json").write_text((dist / "manifest.json").read_text() + " ")
    assert run_invoke("reproduce", str(dist)) == ExitCode.VERIFICATION_FAILED
    assert "not as it was built" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("README.md",), ("tests", "--jobs", "none"), ("tests",)])
def test_what_is_no_result_is_wrong_usage(words: tuple[str, ...]) -> None:
    assert run_invoke("reproduce", *words) == ExitCode.USAGE
