"""The commands as they are typed: exit codes, what goes to stdout and what to stderr, and every bad input."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any, NoReturn
from xml.etree import ElementTree

import jsonschema
import pytest
from invoke.main import program

from tests.support.builds import Build
from tests.support.diagnosis import CASES
from tests.support.images import docker_archive
from tests.support.plans import PROJECT
from tests.support.results import finished, size_of
from tfbuild.base.errors import ConfigError, ConfigProblem, ExitCode, Interrupted, TfBuildError
from tfbuild.base.places import UserPlaces
from tfbuild.base.values import Reporter
from tfbuild.build.dist.folder import is_intact
from tfbuild.build.run import BuildResult
from tfbuild.cli import wiring
from tfbuild.cli.line import environment
from tfbuild.cli.run import run_command
from tfbuild.diagnose.host import target_json
from tfbuild.machine.cache import prepare_cache
from tfbuild.machine.locks import hold
from tfbuild.products.serving import upstream
from tfbuild.products.serving.upstream import Check, UpstreamReport
from tfbuild.releases.keys import Release


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        return json.loads(self.stdout)


Invoke = Callable[..., Ended]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Invoke:
    """``invoke ...`` in this process, from the project's root, with a cache of its own."""
    monkeypatch.chdir(PROJECT)
    monkeypatch.setenv("TFBUILD_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("SOURCE_DATE_EPOCH", "TFBUILD_DEBUG", "TFBUILD_LOCK_WAIT", "GITHUB_ACTIONS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(*argv: str) -> Ended:
        code: Any = 0
        try:
            program.run(["invoke", *argv])
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        return Ended(int(code), out, err)

    return run


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of the configurations, which the commands use."""
    root = tmp_path / "project"
    shutil.copytree(PROJECT / "build_configs", root / "build_configs")
    shutil.copytree(PROJECT / "dockerfiles" / "debian", root / "dockerfiles" / "debian")
    for name in ("build", "supply", "lock", "inspect", "lists", "machine"):
        monkeypatch.setattr(f"tfbuild.cli.{name}.PROJECT", root)
    monkeypatch.setattr("tfbuild.cli.line.own_files.user_places", UserPlaces)
    return root


def schema(name: str) -> Any:
    return json.loads((PROJECT / "schemas" / f"{name}.schema.json").read_text())


# -- what invoke itself refuses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["build-tflite", "--cofnig", "opt"],
            "unknown option '--cofnig' of invoke build-tflite; did you mean '--config'?",
        ),
        (["build-tflite", "--frobnicate"], "unknown option '--frobnicate' of invoke build-tflite\n"),
        (["--bogus"], "unknown option '--bogus'\n"),
        (["biuld-tflite"], "unknown command 'biuld-tflite'; did you mean 'build-tflite'?"),
        (["build-tflite", "opt"], "unknown command 'opt'"),
        (["build-tflite", "--jobs"], "--jobs needs a value"),
        (["build-tflite", "--dry-run", "--config"], "--config needs a value"),
        (["fetch"], "invoke fetch needs 'product'"),
        (["verify"], "invoke verify needs 'target'"),
    ],
)
def test_a_command_line_that_invoke_refuses_is_a_usage_error(
    invoke: Invoke, argv: list[str], message: str
) -> None:
    """invoke would answer 1, which stands for a bug of this program; tfbuild.cli.usage says 2."""
    ended = invoke(*argv)
    assert (ended.code, ended.stdout) == (ExitCode.USAGE, "")
    assert f"error: {message}" in ended.stderr
    assert "hint: invoke --" in ended.stderr


# -- words that match nothing, or are wrong -----------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        ("--release 2.19.2", 3, "there is no tflite release '2.19.2'; did you mean '2.19.1'?"),
        ("--release latest", 3, "there is no tflite release 'latest'"),
        ("--config opr", 3, "unknown config 'opr'; did you mean 'opt'?"),
        ("--config base", 3, "the config 'base' is only there to be extended"),
        ("--arch arm46", 3, "unknown arch 'arm46'; did you mean 'arm64'?"),
        ("--arch riscv64", 3, "tflite 2.14.1-debian cannot be built for riscv64"),
        ("--config haswell --arch arm64", 3, "the config 'haswell' has no meaning for arm64"),
        ("--config native --arch arm64", 3, "-march=native cannot be cross-compiled from amd64 to arm64"),
        (
            "--set policy=tflite-scrach",
            3,
            "there is no policy 'tflite-scrach'; did you mean 'tflite-scratch'?",
        ),
        ("--set compile.mrach=x", 2, "unknown key 'compile.mrach'; did you mean 'compile.march'?"),
        ("--set compile.lto=maybe", 2, "expected true or false, found 'maybe'"),
        ("--set march", 2, "expected KEY=VALUE"),
        ("--set source.patches=[nowhere.patch]", 2, "there is no patch file 'nowhere.patch'"),
        ("--jobs abc", 2, "--jobs takes a positive whole number, not 'abc'"),
        ("--jobs 0", 2, "--jobs takes a positive whole number, not '0'"),
        ("--from wheel --release 2.14.1-debian", 2, "is built from source, not from wheel"),
        ("--release 2.14.0-wheel", 2, "is built from wheel, not from source"),
        ("--from wheel --arch armhf", 3, "tflite 2.3.0-litert cannot be built for armhf"),
        ("--from whele", 2, "--from takes 'source' or 'wheel', not 'whele'"),
        ("--tag Bad/Tag", 2, "'Bad/Tag' is not an image name"),
    ],
)
def test_a_wrong_word_is_told_with_its_exit_code(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, argv: str, code: int, message: str
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    for more in ([], ["--dry-run"]):
        ended = invoke("build-tflite", *argv.split(), *more)
        assert (ended.code, ended.stdout) == (code, "")
        assert message in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_date_that_is_none_is_told(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "abc")
    ended = invoke("build-tflite", "--dry-run")
    assert ended.code == ExitCode.USAGE
    assert "SOURCE_DATE_EPOCH is 'abc'" in ended.stderr


def test_a_lock_wait_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TfBuildError, match="TFBUILD_LOCK_WAIT is 'long'") as caught:
        environment.lock_wait({"TFBUILD_LOCK_WAIT": "long"})
    assert caught.value.exit_code is ExitCode.USAGE
    assert environment.lock_wait({"TFBUILD_LOCK_WAIT": "-1"}) == 0
    assert environment.lock_wait({}) > 0


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["fetch", "--product", "tflight"], 3, "unknown product 'tflight'; did you mean 'tflite'?"),
        (["fetch", "--product", "keras", "--variant", "tpu"], 3, "no wheels for Python 3.11, amd64, tpu"),
        (["fetch", "--product", "serving", "--arch", "armhf"], 3, "cannot be built for armhf"),
        (["check-upstream"], 2, "where is the clone of tensorflow/serving?"),
        (["check-upstream", "--clone", "/nowhere", "--release", "2.19.2"], 3, "did you mean '2.19.1'?"),
        (["fetch", "--product", "tflite", "--arch", "riscv64"], 3, "cannot be built for riscv64"),
        (["verify", "/nowhere/at/all"], 2, "there is no file or folder /nowhere/at/all"),
        (["verify", "tasks.py"], 2, "tasks.py cannot be verified"),
        (
            ["verify", "tasks.py", "--policy", "defualt"],
            3,
            "there is no policy 'defualt'; did you mean 'default'?",
        ),
    ],
)
def test_the_other_commands_tell_too(invoke: Invoke, argv: list[str], code: int, message: str) -> None:
    ended = invoke(*argv)
    assert (ended.code, ended.stdout) == (code, "")
    assert message in ended.stderr


# -- broken configurations ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("description: d\ncompile: {march: [}\n", ["build_configs/mine.yaml:2:"]),
        ("description: d\ncompile:\n\tmarch: x\n", ["build_configs/mine.yaml:3:1"]),
        ("description: d\ncompile:\n  mrach: x\n", ["build_configs/mine.yaml:3:3", "unknown key", "march"]),
        (
            "description: d\ncompile:\n  march: a\n  march: b\n",
            ["build_configs/mine.yaml:4:3", "duplicate key", "first at line 3"],
        ),
        (
            "description: d\ncompile:\n  lto: maybe\n",
            ["build_configs/mine.yaml:3:8", "expected true or false"],
        ),
        ("description: d\nextends: opr\n", ["build_configs/mine.yaml:2:10", "did you mean 'opt'?"]),
        ("description: d\nsource:\n  patches: [no.patch]\n", ["build_configs/mine.yaml:3:13", "no.patch"]),
    ],
    ids=["syntax", "tab", "unknown key", "duplicate key", "wrong type", "unknown base", "no patch"],
)
def test_a_broken_configuration_is_shown_at_its_place(
    invoke: Invoke, project: Path, text: str, messages: list[str]
) -> None:
    (project / "build_configs" / "mine.yaml").write_text(text)
    ended = invoke("build-tflite", "--config", "mine", "--dry-run")
    assert (ended.code, ended.stdout) == (ExitCode.USAGE, "")
    for message in messages:
        assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_all_problems_are_told_at_once(invoke: Invoke, project: Path) -> None:
    text = """
        description: d
        extends: opt
        compile:
          lto: maybe
          optimisation: 7
        resources:
          jobs: many
        """
    (project / "build_configs" / "mine.yaml").write_text(dedent(text).lstrip())
    ended = invoke("build-tflite", "--config", "mine", "--set", "runtime.user=root", "--dry-run")
    assert ended.code == ExitCode.USAGE
    for place in ("mine.yaml:4:8", "mine.yaml:5:17", "mine.yaml:7:9", "--set runtime.user=root"):
        assert place in ended.stderr
    assert "4 problems in the configuration" in ended.stderr


def test_a_broken_release_is_told_by_every_command_that_reads_it(invoke: Invoke, project: Path) -> None:
    file = project / "build_configs" / "releases" / "tflite" / "2.20.0.yaml"
    file.write_text(file.read_text().replace("status: pinned", "status: done"))
    for argv in (["list-releases"], ["build-tflite", "--release", "2.20.0", "--dry-run"]):
        ended = invoke(*argv)
        assert ended.code == ExitCode.USAGE
        assert "releases/tflite/2.20.0.yaml:6:9" in ended.stderr


# -- what is printed ----------------------------------------------------------------------------------


def test_a_dry_run_touches_nothing(invoke: Invoke, tmp_path: Path) -> None:
    """The guard of unit tests forbids processes, sockets and the engine."""
    ended = invoke("build-tflite", "--arch", "aarch64", "--dry-run")
    assert ended.code == 0
    assert ended.stdout.startswith("tflite-2.14.1-debian-opt-arm64\n")
    assert "-march=armv8-a" in ended.stdout
    assert ended.stderr == ""
    assert not (tmp_path / "cache").exists()


def test_a_dry_run_in_json_is_the_plan_and_a_bake_file(invoke: Invoke) -> None:
    document = invoke(
        "build-tflite", "--dry-run", "--json", "--set", "compile.lto=true", "--jobs", "3"
    ).json()
    jsonschema.validate(document, schema("plan"))
    assert (document["version"], document["jobs"], document["library_version"]) == (1, 3, "2.14.1")
    assert document["bake"]["target"]["compile"]["args"]["JOBS"] == "3"
    assert {
        "target": "cmake",
        "text": "CMAKE_INTERPROCEDURAL_OPTIMIZATION=ON",
        "origin": "--set compile.lto=true",
        "reason": "",
    } in document["flags"]


def test_repeated_sets_all_count_and_the_last_wins(invoke: Invoke) -> None:
    sets = ("compile.march=haswell", "compile.mtune=znver4", "compile.march=znver4")
    text = invoke(
        "build-tflite", "--arch", "amd64", "--dry-run", *(w for s in sets for w in ("--set", s))
    ).stdout
    assert "-march=znver4" in text
    assert "-mtune=znver4" in text
    assert "-march=haswell" not in text


def test_the_configs(invoke: Invoke) -> None:
    document = invoke("list-configs", "--json").json()
    jsonschema.validate(document, schema("list-configs"))
    entries = {entry["name"]: entry for entry in document["configs"]}
    assert [name for name, entry in entries.items() if entry["default"]] == ["opt"]
    assert entries["haswell"]["arches"] == ["amd64"]
    assert "base" not in entries
    lines = invoke("list-configs").stdout.splitlines()
    assert len(lines) == len(entries)
    assert [line.split()[1] for line in lines if line.startswith("*")] == ["opt"]


def test_the_releases_tell_what_was_built_from_what_is_only_pinned(invoke: Invoke) -> None:
    document = invoke("list-releases", "--json").json()
    jsonschema.validate(document, schema("list-releases"))
    releases = document["releases"]
    built = {(entry["product"], entry["release"]) for entry in releases if entry["status"] == "built"}
    assert built == {
        *(
            ("tflite", name)
            for name in ("2.14.1", "2.14.1-debian", "2.15.1", "2.16.1", "2.14.0-wheel", "2.3.0-litert")
        ),
        *(("keras", name) for name in ("2.18.1", "2.19.1", "2.20.0", "2.21.0")),
    }
    sources = [entry["source"] for entry in document["releases"] if entry["product"] == "serving"]
    assert len(sources) == 14
    assert all(source["sha256"] is None and len(source["tree"]) == 40 for source in sources)
    lines = invoke("list-releases").stdout.splitlines()
    assert [line.split()[1:3] for line in lines if line.startswith("*")] == [
        ["serving", "2.20.0"],
        ["tflite", "2.14.1-debian"],
        ["keras", "2.21.0"],
    ]
    assert not any("not built here" in line for line in lines)
    assert sum("not compiled here as it is" in line for line in lines) == 7 + 14


def test_a_dry_run_of_the_model_server_touches_nothing(invoke: Invoke, tmp_path: Path) -> None:
    """The guard of unit tests forbids processes, sockets and the engine."""
    raw = ("--", "--copt=-fno-plt", "-k")
    ended = invoke("build-serving", "--arch", "aarch64", "--dry-run", "--verbose", *raw)
    assert ended.code == 0
    lines = ended.stdout.splitlines()
    assert re.fullmatch(r"serving-2\.20\.0-opt-set\.[0-9a-f]{6}-arm64", lines[0])
    assert """              -- ["--copt=-fno-plt", "-k"]""" in lines
    assert [line.split()[0] for line in lines if "command line, after --" in line] == [
        "--copt=-fno-plt",
        "-k",
    ]
    assert not (tmp_path / "cache").exists()
    document = invoke("build-serving", "--release", "2.16.1", "--dry-run", "--json").json()
    jsonschema.validate(document, schema("plan"))
    assert document["part"]["tensorflow"]["version"] == "2.16.1"


def test_a_dry_run_says_what_it_would_take_the_place_of(invoke: Invoke, tmp_path: Path) -> None:
    words = ("build-tflite", "--arch", "amd64", "--name", "fast", "--output", str(tmp_path), "--dry-run")
    first = invoke(*words, "--json").json()
    assert first["build_id"] == "tflite-2.14.1-debian-opt-fast-amd64"
    assert first["replaces"] is None
    folder = Path(first["output"])
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(
        json.dumps({"version": 1, "build_id": first["build_id"], "key": "7" * 64, "plan": first})
    )
    second = invoke(*words, "--json").json()
    jsonschema.validate(second, schema("plan"))
    assert (second["replaces"]["build_id"], second["replaces"]["key"]) == (first["build_id"], "7" * 64)
    (place,) = (line for line in invoke(*words).stdout.splitlines() if line.startswith("  place "))
    assert place.split(maxsplit=1)[1].startswith(f"replaces the build {first['build_id']} of ")
    assert f"  place     replaces the build {first['build_id']} of " in invoke(*words, "--verbose").stdout


def test_a_dry_run_of_another_build_of_the_same_name_is_refused(invoke: Invoke, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "train").mkdir(parents=True)
        (tmp_path / name / "train" / "main.py").write_text(f"print('{name}')\n")
    words = ("build-keras", "--arch", "amd64", "--output", str(tmp_path), "--dry-run")
    first = invoke(*words, "--json", "--app", str(tmp_path / "a" / "train")).json()
    folder = Path(first["output"])
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(
        json.dumps({"version": 1, "build_id": first["build_id"], "key": "7" * 64, "plan": first})
    )
    ended = invoke(*words, "--app", str(tmp_path / "b" / "train"))
    assert ended.code == 2
    assert "already has the result of another build with the same name" in ended.stderr
    assert "--name WORD" in ended.stderr
    assert invoke(*words, "--app", str(tmp_path / "b" / "train"), "--name", "other").code == 0


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["--name", "Fast"], 2, "--name 'Fast' cannot be part of an image's name"),
        (["--release", "2.20.1"], 3, "there is no serving release '2.20.1'; did you mean '2.20.0'?"),
        (["--release", "no/such.yaml"], 3, "there is no release file 'no/such.yaml'"),
        (["--arch", "riscv64"], 3, "serving 2.20.0 cannot be built for riscv64"),
        (["--model", "/nowhere"], 2, "--model takes a folder, and there is none at /nowhere"),
        (["--", "//a:b"], 2, "'//a:b' after --: only options of Bazel are allowed there"),
        (["--", "'--copt=-DA"], 2, "the words after -- cannot be split"),
        (["--", "--config=opt"], 3, "Bazel's --config=opt cannot be used"),
        (["--set", "serving.batching.max_batch_size=2"], 2, "batching is off"),
        (["--set", "serving.bazel_config=mkl"], 2, "did you mean 'serving.bazel_configs'?"),
        (["--release", "2.14.1", "--config", "znver4"], 3, "-march=znver4 needs gcc 12.3"),
    ],
)
def test_what_cannot_be_a_model_server(invoke: Invoke, argv: list[str], code: int, message: str) -> None:
    ended = invoke("build-serving", "--dry-run", *argv)
    assert (ended.code, ended.stdout) == (code, "")
    assert message in ended.stderr


def test_another_tensorflow_by_the_back_door_is_refused(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_REVISION", "0" * 40)
    ended = invoke("build-serving", "--dry-run")
    assert (ended.code, ended.stdout) == (ExitCode.USAGE, "")
    assert "TF_REVISION is set (in the environment)" in ended.stderr
    assert "hint: unset TF_REVISION" in ended.stderr
    assert invoke("build-tflite", "--dry-run").code == 0


def test_the_check_of_a_release_file_ends_with_what_is_wrong(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    checks = [Check("label", "//a:b", "a target", ok=True), Check("file", "WORKSPACE", "not there", ok=False)]

    def report(release: Release, clone: Path, runner: object) -> UpstreamReport:
        del clone, runner
        return UpstreamReport(release.release, "c" * 40, tuple(checks))

    monkeypatch.setattr(upstream, "check_upstream", report)
    words = ("check-upstream", "--clone", str(tmp_path), "--release", "2.19.1")
    ended = invoke(*words)
    assert ended.code == ExitCode.VERIFICATION_FAILED
    assert "WRONG file" in ended.stdout
    assert "1 of 2 as the release file says" in ended.stdout
    jsonschema.validate(invoke(*words, "--json").json(), schema("check-upstream"))
    del checks[1]
    assert invoke(*words).code == 0


def test_mirrors_are_shown_with_their_origin_the_environments_first(
    invoke: Invoke, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = project / "build_configs" / "base.yaml"
    base.write_text(base.read_text() + "\nmirrors:\n  - https://github.com/=https://mirror.example/gh/\n")
    monkeypatch.setenv("TFBUILD_MIRRORS", "debian:=https://me:s3cr3t@here.example/debian")
    ended = invoke("build-tflite", "--dry-run", "--verbose", "--set", "mirrors+=https://a.example/=/srv/a")
    shown = [line.split() for line in ended.stdout.splitlines() if line.startswith("  mirror ")]
    line = len(base.read_text().splitlines())
    assert [words[1:] for words in shown] == [
        ["debian:", "->", "https://here.example/debian", "(TFBUILD_MIRRORS)"],
        ["https://github.com/", "->", "https://mirror.example/gh/", f"(build_configs/base.yaml:{line})"],
        ["https://a.example/", "->", "/srv/a", "(--set", "mirrors+=https://a.example/=/srv/a)"],
    ]
    document = invoke("build-tflite", "--dry-run", "--json").stdout
    assert "s3cr3t" not in ended.stdout + ended.stderr + document
    key = json.loads(document)["steps"][-1]["key"]
    monkeypatch.delenv("TFBUILD_MIRRORS")
    plain = invoke("build-tflite", "--dry-run", "--json", "--set", "mirrors=[]").json()
    assert (plain["mirrors"], plain["steps"][-1]["key"]) == ([], key)


@pytest.mark.parametrize(
    "line",
    [
        "mirrors: [https://github.com/=https://me:s3cr3t@mirror.example/]",
        "debian: {mirror: 'https://me:s3cr3t@mirror.example/debian'}",
        "debian: {security_mirror: 'https://me:s3cr3t@mirror.example/debian'}",
        "remote: {cache: 'https://me:s3cr3t@cache.example'}",
        "mirrors: [github.com=https://me:s3cr3t@mirror.example/]",
    ],
)
def test_a_password_in_a_configuration_is_refused_and_not_shown(
    invoke: Invoke, project: Path, line: str
) -> None:
    (project / "build_configs" / "mine.yaml").write_text(f"description: d\nextends: opt\n{line}\n")
    ended = invoke("build-serving", "--config", "mine", "--dry-run")
    assert ended.code == ExitCode.USAGE
    assert "mine.yaml:3:" in ended.stderr
    assert "~/.netrc" in ended.stderr or "not the beginning of a URL" in ended.stderr
    assert "s3cr3t" not in ended.stderr
    key, _, value = line.partition(": ")
    if key == "mirrors":
        ended = invoke("build-serving", "--set", f"mirrors={value}", "--dry-run")
        assert ended.code == ExitCode.USAGE
        assert "s3cr3t" not in ended.stdout + ended.stderr


def test_fetch_takes_the_mirrors_of_a_configuration(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def fetch(*_: Any, mirrors: Any, **__: Any) -> tuple[()]:
        seen.extend(mirrors)
        return ()

    monkeypatch.setattr(wiring, "fetch_release", fetch)
    assert invoke("fetch", "--product", "tflite", "--set", "mirrors=https://a.example/=/srv/a").code == 0
    assert [each.replacement for each in seen] == ["/srv/a"]


def test_fetched_files_are_named_one_to_a_line_or_in_json(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        wiring, "fetch_release", lambda _, pins, *__, **___: tuple((p, Path("/c", p.filename)) for p in pins)
    )
    words = ("fetch", "--product", "tflite", "--arch", "arm64")
    assert invoke(*words).stdout.splitlines() == [
        "/c/tensorflow_2.14.1+dfsg.orig.tar.xz",
        "/c/libfft2d-dev_1.0-3+b1_arm64.deb",
        "/c/libpthreadpool-dev_0.0~git20251020.0e6ca13-1.1_arm64.deb",
        "/c/libpthreadpool0_0.0~git20251020.0e6ca13-1.1_arm64.deb",
    ]
    document = invoke(*words, "--json").json()
    jsonschema.validate(document, schema("fetch"))
    assert [each["path"] for each in document["files"]] == invoke(*words).stdout.splitlines()


def test_a_report_leaves_out_the_code_that_the_builds_own_policy_does_not_measure(
    invoke: Invoke, tmp_path: Path
) -> None:
    folder = tmp_path / "serving" / "2.16.1-wheel" / "opt" / "amd64"
    (folder / "lib").mkdir(parents=True)
    shutil.copyfile(PROJECT / "tests/data/elf/x86_64/isa-new.so", folder / "lib" / "libtensorflow_cc.so.2")
    plan = {
        "product": "serving",
        "release": "2.16.1-wheel",
        "arch": "amd64",
        "policy": "serving-wheel-scratch",
    }
    for policy, measured in (("serving-wheel-scratch", False), ("serving-scratch", True)):
        manifest = {"version": 1, "tfbuild": "1.0", "key": "0" * 64, "plan": plan | {"policy": policy}}
        (folder / "manifest.json").write_text(json.dumps(manifest | {"build_id": "serving-2.16.1-wheel"}))
        said = invoke("report", str(folder)).stdout
        assert ("not measured" in said) is not measured, said


def test_a_report_about_a_library_and_the_exit_code_of_one_that_is_not_right(invoke: Invoke) -> None:
    library = "tests/data/elf/x86_64/good.so"
    ended = invoke("verify", library, "--json")
    assert ended.code == 0
    jsonschema.validate(ended.json(), schema("verify"))
    ended = invoke("verify", library, "--policy", "tests/data/no-such.yaml")
    assert ended.code == ExitCode.NOTHING_MATCHES
    ended = invoke("verify", "tests/data/elf/x86_64/bad.so", "--policy", "tflite-scratch")
    assert ended.code == ExitCode.VERIFICATION_FAILED
    assert "elf-executable-stack" in ended.stdout


def test_findings_are_written_for_code_scanning_and_for_pages_of_a_ci_service(
    invoke: Invoke, tmp_path: Path
) -> None:
    sarif, junit = tmp_path / "found.sarif", tmp_path / "found.xml"
    words = ("verify", "tests/data/elf/x86_64/bad.so", "--policy", "tflite-scratch")
    ended = invoke(*words, "--sarif", str(sarif), "--junit", str(junit), "--json")
    assert ended.code == ExitCode.VERIFICATION_FAILED
    found = ended.json()["findings"]
    (run,) = json.loads(sarif.read_text())["runs"]
    assert [each["ruleId"] for each in run["results"]] == [each["id"] for each in found]
    cases = ElementTree.parse(junit).getroot().findall(".//testcase")
    assert len(cases) == 1 + len(found)
    # Ours is replaced; what is another's stays.
    assert invoke("verify", "tests/data/elf/x86_64/good.so", "--sarif", str(sarif)).code == 0
    assert json.loads(sarif.read_text())["runs"][0]["results"] == []
    junit.write_text("mine")
    ended = invoke(*words, "--junit", str(junit))
    assert (ended.code, junit.read_text()) == (ExitCode.USAGE, "mine")
    assert "is not a report (--junit) of tfbuild" in ended.stderr


# -- a build ------------------------------------------------------------------------------------------


@pytest.fixture
def fake_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Build:
    """What ``build-tflite`` carries out, with an engine that only remembers."""
    build = Build(tmp_path / "build")

    def run(*_: object, reporter: Reporter, **__: object) -> BuildResult:
        return build.run(reporter)

    monkeypatch.setattr(wiring, "build", run)
    return build


def test_a_build_prints_its_files_folder_and_image_and_tells_the_rest_on_stderr(
    invoke: Invoke, fake_build: Build
) -> None:
    ended = invoke("build-tflite")
    assert ended.code == 0
    *table, folder, image = ended.stdout.splitlines()
    assert (folder, image) == (str(fake_build.output), fake_build.plan.image.tag)
    assert len(table) == 4
    assert "compile TFLite 2.14.1" in ended.stderr
    ended = invoke("build-tflite")
    assert ended.code == 0
    assert "is up to date" in ended.stderr


def test_a_build_in_json_prints_nothing_else_on_stdout(invoke: Invoke, fake_build: Build) -> None:
    for status in ("built", "up-to-date"):
        document = invoke("build-tflite", "--json").json()
        jsonschema.validate(document, schema("build-result"))
        assert document["status"] == status


def test_a_failed_build_has_no_result_and_names_the_log(invoke: Invoke, fake_build: Build) -> None:
    fake_build.engine.libc = "libc-old.so.6"
    ended = invoke("build-tflite")
    assert (ended.code, ended.stdout) == (ExitCode.VERIFICATION_FAILED, "")
    ended = invoke("build-tflite", "--json")
    assert ended.code == ExitCode.VERIFICATION_FAILED
    assert ended.json()["error"]["log"].endswith("verify.json")
    jsonschema.validate(ended.json(), schema("error"))
    assert "image-version-missing" in ended.stderr
    assert "verify.json" in ended.stderr


# -- clean --------------------------------------------------------------------------------------------


def test_clean_removes_results_and_only_when_asked_the_cache(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    cache = prepare_cache(tmp_path / "cache")
    (cache / "downloads" / "sha256-0").mkdir()
    (cache / "downloads" / "sha256-0" / "file").write_bytes(b"x" * 2000)
    result = finished(tmp_path / "dist")
    search = f"--search-root={PROJECT}"
    ended = invoke(search, "clean", "--list")
    assert (ended.code, ended.stdout) == (0, f"would remove {result} ({size_of(result)})\n")
    ended = invoke(search, "clean")
    assert ended.code == 0
    assert ended.stdout.startswith(f"removed {result} (")
    assert cache.exists()
    assert not (tmp_path / "dist").exists()
    ended = invoke(search, "clean", "--cache")
    assert ended.code == 0
    assert ended.stdout.startswith(f"no dist/ to remove\nremoved 2.0 kB from {cache}\n")
    assert not cache.exists()


def test_clean_leaves_a_cache_that_a_build_uses(invoke: Invoke, project: Path, tmp_path: Path) -> None:
    cache = prepare_cache(tmp_path / "cache")
    with hold(cache / "locks" / "a.lock", what="building something", wait_s=0, on_wait=lambda _: None):
        ended = invoke("clean", "--cache")
    assert ended.code == ExitCode.LOCKED
    assert "building something" in ended.stderr
    assert cache.exists()


def test_clean_does_not_follow_a_link(invoke: Invoke, tmp_path: Path) -> None:
    result = finished(tmp_path / "precious")
    (tmp_path / "dist").symlink_to(tmp_path / "precious")
    assert invoke("clean", f"--output={tmp_path / 'dist'}").code == ExitCode.USAGE
    assert is_intact(result)


# -- errors to exit codes -----------------------------------------------------------------------------


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def command() -> NoReturn:
        raise error

    return command


def subclasses(base: type[TfBuildError]) -> list[type[TfBuildError]]:
    return [base, *(each for sub in base.__subclasses__() for each in subclasses(sub))]


@pytest.mark.parametrize(
    "error",
    [
        each
        for each in subclasses(TfBuildError)
        if each.__module__ == "tfbuild.base.errors" and each is not ConfigError
    ],
)
def test_each_error_has_its_exit_code_and_no_traceback(
    error: type[TfBuildError], capsys: pytest.CaptureFixture[str]
) -> None:
    code = run_command(raising(error("it happened", details=("here",), hint="do this", log=Path("/x.log"))))
    err = capsys.readouterr().err
    assert code == error.exit_code
    assert [word in err for word in ("it happened", "here", "do this", "/x.log", "Traceback")] == [
        True
    ] * 4 + [False]


def test_problems_of_a_configuration_are_shown_in_their_lines(capsys: pytest.CaptureFixture[str]) -> None:
    problem = ConfigProblem("a.yaml", 3, 5, "unknown key 'x'", "    x: 1")
    assert run_command(raising(ConfigError((problem,)))) == ExitCode.USAGE
    assert "a.yaml:3:5: unknown key 'x'" in capsys.readouterr().err


def test_the_keyboard_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(raising(KeyboardInterrupt())) == ExitCode.INTERRUPTED
    assert "the same command continues" in capsys.readouterr().err
    assert run_command(raising(Interrupted("interrupted during step 2/7"))) == ExitCode.INTERRUPTED


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_what_the_disk_refuses_is_no_bug(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    error = OSError(number, os.strerror(number), "/somewhere/file")
    assert run_command(raising(error)) == ExitCode.HOST_NOT_READY
    err = capsys.readouterr().err
    assert os.strerror(number) in err
    assert "/somewhere/file" in err


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), FileNotFoundError(2, "No such file"), AssertionError()]
)
def test_a_bug_stays_one_with_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)):
        run_command(raising(error))


@pytest.mark.parametrize(
    ("value", "shows"),
    [("1", True), ("yes", True), ("", False), ("0", False), ("false", False), ("No", False), ("off", False)],
)
def test_a_traceback_can_be_asked_for_and_the_exit_code_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str, shows: bool
) -> None:
    monkeypatch.setenv("TFBUILD_DEBUG", value)
    assert run_command(raising(Interrupted("it was stopped"))) == ExitCode.INTERRUPTED
    err = capsys.readouterr().err
    assert ("Traceback" in err) == shows
    assert "error: it was stopped" in err


# -- diagnose -----------------------------------------------------------------------------------------


def test_diagnose_of_an_archive_for_another_machine(invoke: Invoke, tmp_path: Path) -> None:
    case = CASES["old driver"]
    archive, host, page = tmp_path / "image.tar", tmp_path / "host.json", tmp_path / "report.html"
    docker_archive(archive, case.image())
    host.write_text(json.dumps(target_json(case.host)))
    ended = invoke("diagnose", str(archive), "--facts", str(host), "--json", "--html", str(page))
    assert ended.code == ExitCode.VERIFICATION_FAILED, ended.stderr
    jsonschema.validate(ended.json(), schema("diagnose"))
    assert [f["id"] for f in ended.json()["findings"]] == ["gpu-driver-old"]
    assert "gpu-driver-old" in page.read_text()
    sound = docker_archive(archive, CASES["clean"].image())
    ended = invoke("diagnose", str(sound), "--facts", str(host))
    assert ended.code == ExitCode.OK
    assert ended.stdout.endswith("Nothing found.\n")


@pytest.mark.parametrize("others", [("nope:1",), ("--facts", "x.json"), ("--html", "x.html")])
def test_diagnose_ignores_nothing_beside_the_facts_of_this_machine(
    others: tuple[str, ...], invoke: Invoke
) -> None:
    ended = invoke("diagnose", *others, "--host-facts")
    assert ended.code == ExitCode.USAGE
    assert "would be ignored" in ended.stderr
    assert ended.stdout == ""


def test_diagnose_prints_the_facts_of_this_machine(invoke: Invoke) -> None:
    ended = invoke("diagnose", "--host-facts")
    assert ended.code == ExitCode.OK
    jsonschema.validate(ended.json(), schema("host-facts"))


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ((), "needs 'image'"),
        (("none.tar",), "there is no image archive none.tar"),
        (("pyproject.toml",), "not an image archive"),
        (("app:1", "--facts", "none.json"), "cannot read none.json"),
        (("app:1", "--facts"), "--facts needs a value"),
    ],
)
def test_diagnose_refuses_what_it_cannot_use(argv: tuple[str, ...], says: str, invoke: Invoke) -> None:
    ended = invoke("diagnose", *argv)
    assert ended.code == ExitCode.USAGE
    assert says in ended.stderr


def test_a_page_that_cannot_be_written_is_no_traceback(invoke: Invoke, tmp_path: Path) -> None:
    archive = docker_archive(tmp_path / "image.tar", CASES["clean"].image())
    ended = invoke("diagnose", str(archive), "--html", str(tmp_path / "none" / "report.html"))
    assert ended.code == ExitCode.USAGE
    assert "cannot write" in ended.stderr


# -- locks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["--product", "tflite", "--release", "2.14.1-debian"], 2, "tflite 2.14.1-debian needs no lock"),
        (
            ["--product", "keras", "--release", "2.21.0", "--check"],
            2,
            "--check, --clones, --mirror and --without-source are for",
        ),
        (
            ["--product", "tflite", "--release", "2.14.1", "--without-source"],
            2,
            "the release file of tflite 2.14.1 names no build files besides its source's",
        ),
        (["--product", "tflite", "--release", "2.14.2"], 3, "there is no tflite release '2.14.2'"),
        (["--product", "serving", "--release", "2.19.1", "--check"], 7, "has no sha256 of"),
    ],
)
def test_a_lock_that_cannot_be_made_is_told_with_the_right_exit_code(
    invoke: Invoke, argv: list[str], code: int, message: str
) -> None:
    ended = invoke("lock", *argv)
    assert (ended.code, ended.stdout) == (code, "")
    assert message in ended.stderr


def test_a_release_that_is_not_locked_is_not_built_and_told_so_everywhere(invoke: Invoke) -> None:
    ended = invoke("build-tflite", "--release", "2.17.1", "--dry-run")
    assert ended.code == ExitCode.DOWNLOAD
    first, second = ended.stdout.splitlines()[:2]
    assert first.startswith("cannot be built: ")
    assert "invoke lock --product tflite --release 2.17.1" in first
    assert second.startswith("tflite-2.17.1-opt-")
    ended = invoke("build-tflite", "--release", "2.17.1", "--dry-run", "--json")
    assert ended.code == ExitCode.DOWNLOAD
    document = ended.json()
    jsonschema.validate(document, schema("plan"))
    assert document["unlocked"]
    (line,) = [each for each in invoke("list-releases").stdout.splitlines() if "tflite   2.17.1" in each]
    assert line.endswith("not locked: invoke lock")
    releases = invoke("list-releases", "--json").json()["releases"]
    locks = {(each["product"], each["release"]): each["lock"] for each in releases}
    assert locks["tflite", "2.17.1"] == "none"
    assert locks["tflite", "2.14.1-debian"] == "not-needed"


def test_a_damaged_lock_is_told_with_its_file_and_the_way_out(invoke: Invoke, project: Path) -> None:
    lock = project / "build_configs/releases/tflite/2.14.1.lock.json"
    lock.write_text(lock.read_text().replace('"sha256": "', '"sha256": "x', 1))
    for argv in (["list-releases"], ["build-tflite", "--release", "2.14.1", "--dry-run"]):
        ended = invoke(*argv)
        assert ended.code == ExitCode.USAGE
        assert (
            "build_configs/releases/tflite/2.14.1.lock.json:1:1: not a lock file: sources.0.sha256"
            in ended.stderr
        )
        assert "git checkout" in ended.stderr
