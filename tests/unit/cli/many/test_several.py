"""``--arch amd64,arm64`` as it is typed: what is printed, and what a failure of one architecture leaves."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.index import StoreEngine
from tests.support.plans import PROJECT
from tfbuild.base.arch import Arch
from tfbuild.base.errors import BuildError, ExitCode
from tfbuild.base.values import Reporter
from tfbuild.build.run import BuildResult
from tfbuild.cli import build as cli_build
from tfbuild.cli import wiring
from tfbuild.cli.run import BuildOptions, run_command
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words
from tfbuild.releases.keys import Release

WORDS = Words(release="2.14.1-debian", sets=("policy=default",), origin="source")


def build(
    arch: str, *, dry_run: bool = False, verbose: bool = False, as_json: bool = False, **words: Any
) -> int:
    every = replace(WORDS, arch=arch, **words)
    options = BuildOptions(dry_run=dry_run, verbose=verbose, json=as_json)
    return run_command(lambda: cli_build.build("tflite", every, options))


def schema(name: str) -> Any:
    return json.loads((PROJECT / "schemas" / f"{name}.schema.json").read_text())


@dataclass
class Machine:
    """Builds that only remember, and an engine that has their images."""

    engine: StoreEngine
    built: list[str] = field(default_factory=list)
    failing: Arch | None = None

    def build(
        self, plan: Plan[Any], release: Release, output: Path, *, offline: bool, reporter: Reporter
    ) -> BuildResult:
        del release, offline, reporter
        if plan.arch is self.failing:
            raise BuildError(f"the compile for {plan.arch} failed")
        self.built.append(plan.build_id)
        image = self.engine.put(plan.arch)
        return BuildResult(True, output, plan.image.tag, image, (), (), 1.0)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFBUILD_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("SOURCE_DATE_EPOCH", "TFBUILD_DEBUG", "TFBUILD_LOCK_WAIT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "engine").mkdir()
    machine = Machine(StoreEngine(tmp_path / "engine", containerd=True))
    monkeypatch.setattr(wiring, "build", machine.build)
    monkeypatch.setattr(wiring, "connect", lambda: machine.engine)
    return machine


def test_the_plans_are_printed_one_after_the_other_and_the_index_last(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build("arm64,amd64", dry_run=True, verbose=True) == ExitCode.OK
    out = capsys.readouterr().out
    places = [
        out.index(text)
        for text in (
            "tflite-2.14.1-debian-opt-amd64\n",
            "tflite-2.14.1-debian-opt-arm64\n",
            "tflite-2.14.1-debian-opt, an image of several platforms\n",
        )
    ]
    assert places == sorted(places)
    assert machine.built == []


def test_the_short_plans_are_one_table(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert build("arm64,amd64", dry_run=True) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tflite-2.14.1-debian-opt, an image of several platforms"
    assert [line.split()[0] for line in lines if "steps:" in line] == ["amd64", "arm64"]
    assert len(lines) <= 15
    assert machine.built == []


def test_the_plans_are_one_document(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert build("amd64,arm64", dry_run=True, as_json=True) == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("index-plan"))
    assert {each["arch"]: each["steps"][-1]["key"] for each in document["plans"]} == {
        each["arch"]: each["key"] for each in document["index"]["images"]
    }
    assert machine.built == []


def test_the_result_is_one_document(
    machine: Machine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert build("amd64,arm64", as_json=True, output="out") == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("index-result"))
    folder = tmp_path / "out" / "tflite" / "2.14.1-debian" / "opt"
    assert document["output"] == str(folder / "index")
    assert (folder / "index" / "image.oci.tar").is_file()
    assert [each["output"] for each in document["builds"]] == [str(folder / "amd64"), str(folder / "arm64")]
    assert build("amd64,arm64", as_json=True, output="out") == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["status"] == "up-to-date"


def test_stdout_has_the_folders_and_the_images(
    machine: Machine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert build("amd64,arm64") == ExitCode.OK
    name = "tfbuild/tflite:2.14.1-debian-opt"
    folder = tmp_path / "dist" / "tflite" / "2.14.1-debian" / "opt"
    assert capsys.readouterr().out.splitlines()[-6:] == [
        *(str(folder / each) for each in ("amd64", "arm64", "index")),
        *(f"{name}{each}" for each in ("-amd64", "-arm64", "")),
    ]
    assert machine.engine.loaded == [name]
    machine.engine.containerd = False
    assert build("amd64,arm64") == ExitCode.OK
    assert capsys.readouterr().out.splitlines()[-2:] == [f"{name}-amd64", f"{name}-arm64"]


@pytest.mark.parametrize("failing", [Arch.AMD64, Arch.ARM64])
def test_a_failure_of_one_is_the_failure_of_all_and_touches_no_index(
    machine: Machine, capsys: pytest.CaptureFixture[str], failing: Arch, tmp_path: Path
) -> None:
    assert build("amd64,arm64") == ExitCode.OK
    archive = tmp_path / "dist" / "tflite" / "2.14.1-debian" / "opt" / "index" / "image.oci.tar"
    before = (archive.read_bytes(), dict(machine.engine.images))
    machine.built.clear()
    machine.failing = failing
    capsys.readouterr()
    assert build("amd64,arm64", as_json=True) == ExitCode.BUILD_FAILED
    ended = capsys.readouterr()
    assert ended.out == ""
    assert f"the compile for {failing} failed" in ended.err
    finished = "opt/amd64" if failing is Arch.ARM64 else "nothing yet"
    assert f"no image of several platforms was made; finished: {finished}" in ended.err.replace(
        f"{archive.parents[2]}/", ""
    )
    assert machine.built == (["tflite-2.14.1-debian-opt-amd64"] if failing is Arch.ARM64 else [])
    assert (archive.read_bytes(), machine.engine.images) == before


def test_what_is_wrong_for_one_is_told_before_the_other_is_built(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build("amd64,riscv64") == ExitCode.NOTHING_MATCHES
    assert build("amd64,arm64", config="haswell") == ExitCode.NOTHING_MATCHES
    assert build("amd64,amd64") == ExitCode.USAGE
    assert machine.built == []
    assert "riscv64" in capsys.readouterr().err
