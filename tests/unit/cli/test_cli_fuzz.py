"""Any words and any variables: an exit code of the contract, no traceback, no build that nobody asked for.

``pytest tests/unit/cli/test_cli_fuzz.py --hypothesis-profile=thorough`` runs thousands of examples.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.support.commands import Acts, run_invoke
from tests.support.plans import PROJECT
from tfbuild.base.errors import ExitCode
from tfbuild.cli.line.environment import VARIABLES, debug_wanted
from tfbuild.doctor import doctor
from tfbuild.products import table

pytestmark = pytest.mark.timeout(3600)

# The thorough profile has more examples than this.
FUZZ = settings(
    max_examples=max(400, settings().max_examples),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
CONTRACT = {int(code) for code in ExitCode} - {ExitCode.BUG}
BUILDS = ("build-tflite", "build-serving", "build-keras")
WITHOUT_VALUE = ("--json", "--offline")
OF_INVOKE = (
    *("-c", "-f", "-R", "-V", "-r", "-T", "-w", "-p", "-d", "-e", "-D", "-F", "-l"),
    *("--collection", "--dry", "--version", "--search-root", "--command-timeout", "--warn-only", "--pty"),
    *("--debug", "--echo", "--hide", "--no-dedupe", "--list", "--write-pyc", "--prompt-for-sudo-password"),
)


@pytest.fixture
def acts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Acts:
    """In the project's folder, with an own cache; nothing that acts gets to act."""
    found = Acts()
    found.refuse(monkeypatch)
    monkeypatch.setattr(doctor, "run_checks", lambda *_, **__: ())
    monkeypatch.chdir(PROJECT)
    monkeypatch.setenv("TFBUILD_CACHE_DIR", str(tmp_path / "cache"))
    return found


# -- places ---------------------------------------------------------------------------------------------

HERE = "@"  # stands for the folder that holds the places below

PLACES = tuple(
    f"{HERE}/{name}"
    for name in (
        *("fifo", "socket", "loop", "dangling", "empty", "text.yaml", "latin.yaml", "deep.yaml", "null.tar"),
        *("folder", "app", "app_pipe", "pipe_inside", "model", "model/1", "model.keras", "empty/below"),
        *("nowhere", "nowhere/below", "loop/below", "fifo/below", "ü", "with space", "new\nline", "\udcff"),
    )
)
ODD = (
    *("", " ", "-", "--", "~", "~nobody-of-this-name/x", "/", "/dev/null", "/dev/zero", "/etc/passwd"),
    *("/proc/self/mem", "x" * 300, "x" * 5000 + ".yaml", "/" + "y/" * 3000, "nul\0byte", "\udcc3(", "日本"),
    *("A:B:C", "a@sha256:0", "\x1b[31m", "%s", "{}", "=", "a=b", "'", "0", "-1", "9" * 40, "null", "[[["),
)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A file of each odd kind."""
    folder = tmp_path / "here"
    for name in ("folder", "app", "app_pipe", "pipe_inside/1", "model/1/variables"):
        (folder / name).mkdir(parents=True)
    for name in ("fifo", "app_pipe/requirements.txt", "pipe_inside/1/saved_model.pb", "pipe_inside/app.yaml"):
        os.mkfifo(folder / name)
    with socket.socket(socket.AF_UNIX) as plug:
        socket.socket.__base__.bind(plug, str(folder / "socket"))  # type: ignore[union-attr]
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("nothing")
    (folder / "empty").touch()
    (folder / "text.yaml").write_text("description: d\nproduct: tflite\n")
    (folder / "latin.yaml").write_bytes(b"description: \xfc\n")
    (folder / "deep.yaml").write_text("a: " + "[" * 3000)
    (folder / "null.tar").write_bytes(bytes(10240))
    (folder / "app" / "requirements.txt").write_text("numpy\n")
    (folder / "app" / "app.yaml").write_text("app: {command: [python3, x.py]}\n")
    (folder / "model" / "1" / "saved_model.pb").write_bytes(b"\x12\x00")
    (folder / "model.keras").write_bytes(b"PK\x03\x04")
    return folder


def placed(word: str, here: Path) -> str:
    return word.replace(HERE, str(here), 1) if word.startswith((HERE, f"--app={HERE}")) else word


# -- words ----------------------------------------------------------------------------------------------

releases = st.sampled_from(
    [
        "2.14.1-debian",
        "2.14.1",
        "2.17.1",
        "2.20.0",
        "2.21.0",
        "2.3.0-litert",
        "2.13.0",
        "9.9",
        "latest",
        "0.0",
    ]
)
configs = st.sampled_from(["opt", "size", "haswell", "native", "base", "optt", "build_configs/opt.yaml"])
arches = st.sampled_from(
    ["amd64", "arm64", "linux/arm64", "x86_64", "armhf", "amd64,arm64", "amd64,", ",", "arm46", "linux/"]
)
places = st.sampled_from([*PLACES, *ODD])
# `verify /` rightly reads every program in this machine's /bin and /lib, which takes minutes.
targets = places.filter(lambda word: word != "/")
references = st.sampled_from(
    ["registry.example/team/image:1.0", "http://localhost:1/x", "team/image", "registry.example/x@sha256:0"]
)
anything = st.one_of(st.text(max_size=20), st.sampled_from(ODD))
sets = st.builds(
    lambda key, mark, value: f"{key}{mark}={value}",
    st.one_of(st.sampled_from(sorted(table.model().keys)), st.text(max_size=8)),
    st.sampled_from(["", "", "", "+"]),
    st.one_of(
        st.sampled_from(["true", "false", "null", "[]", "{}", "[a]", "1", "-1", "x", "[x,", "{a: b}", "a=b"]),
        anything,
    ),
)
VALUES: dict[str, SearchStrategy[str]] = {
    "--release": st.one_of(releases, places, anything),
    "--config": st.one_of(configs, places, anything),
    "--arch": st.one_of(arches, anything),
    "--set": sets,
    "--name": st.one_of(st.sampled_from(["fast", "a-b", "A", "-x"]), configs, anything),
    "--jobs": st.one_of(st.integers().map(str), anything),
    "--on": st.one_of(st.sampled_from(["default", "pi4"]), anything),
    "--at-once": st.one_of(st.integers().map(str), anything),
    "--older": st.one_of(st.integers().map(str), anything),
    "--tag": anything,
    "--output": st.one_of(places, anything),
    "--from": st.one_of(st.sampled_from(["source", "wheel", "whele"]), anything),
    "--model": places,
    "--app": places,
    "--variant": st.one_of(st.sampled_from(["cpu", "gpu", "tpu"]), anything),
    "--product": st.one_of(st.sampled_from(["tflite", "serving", "keras", "tflight"]), anything),
    "--file": places,
    "--load": places,
    "--clone": places,
    "--clones": places,
    "--mirror": places,
    "--policy": st.one_of(st.sampled_from(["default", "defualt"]), places),
    "--html": places,
    "--sarif": places,
    "--junit": places,
    "--facts": places,
    "--target": targets,
    "--key": places,
    "--sign": places,
    "--require": st.one_of(st.sampled_from(["signature", "sbom,provenance", "sbom"]), anything),
    "--fail-on": st.one_of(st.sampled_from(["security", "yanked,any", "securty"]), anything),
    "--image": places,
    "--push": st.one_of(references, anything),
    "--reference": st.one_of(references, anything),
    "--prefix": st.one_of(st.sampled_from(["compile.", "comp", "tflite", "x"]), anything),
    "--word": st.one_of(st.sampled_from(["7", "elf-version", "pinned"]), anything),
    "--extends": st.one_of(configs, anything),
    "--build": places,
    "--threads": st.one_of(st.sampled_from(["1", "1,2", "0", "1,,2", "99999999999"]), anything),
    "--rounds": st.one_of(st.sampled_from(["1", "5", "0", "-1"]), anything),
    "--command": anything,
    "--description": anything,
}
_OF_BUILDS = (
    *("--release", "--config", "--arch", "--set", "--jobs", "--tag", "--output", "--name", "--sign"),
    "--push",
    "--release",
    "--config",
    "--arch",
    "--set",
    "--jobs",
    "--tag",
    "--output",
    "--name",
    "--sign",
    "--on",
)
OPTIONS: dict[str, tuple[str, ...]] = {
    "build-all": ("--output", "--at-once", "--sign", "--junit"),
    "build-tflite": (*_OF_BUILDS, "--from"),
    "build-serving": (*_OF_BUILDS, "--model"),
    "build-keras": (*_OF_BUILDS, "--model", "--app", "--variant"),
    "bundle": (
        "--product",
        "--release",
        "--config",
        "--arch",
        "--set",
        "--variant",
        "--app",
        "--name",
        "--file",
        "--load",
    ),
    "check-upstream": ("--clone", "--release"),
    "clean": ("--older", "--product"),
    "diagnose": ("--html", "--facts"),
    "doctor": ("--product", "--config"),
    "du": ("--output",),
    "explain": (),
    "fetch": ("--release", "--arch", "--config", "--set", "--variant"),
    "list-configs": (),
    "list-keys": (),
    "list-releases": (),
    "lock": ("--release", "--clones", "--mirror", "--app"),
    "new-config": ("--extends", "--description"),
    "outdated": ("--product", "--release", "--config", "--arch", "--set", "--output", "--fail-on"),
    "reproduce": ("--output", "--jobs"),
    "pull": ("--key", "--require", "--output"),
    "push": ("--reference", "--sign", "--config", "--output"),
    "setup": (),
    "show-config": ("--product", "--arch", "--set"),
    "sign": ("--key", "--config"),
    "compare": ("--product", "--release", "--arch", "--model", "--threads", "--rounds", "--html", "--output"),
    "report": ("--html", "--output"),
    "benchmark": ("--model", "--threads", "--rounds", "--output"),
    "run": ("--model", "--output"),
    "shell": ("--command",),
    "verify": ("--policy", "--key", "--require", "--sarif", "--junit"),
    "version": (),
}
POSITIONAL = {
    "build-all": "--file",
    "diagnose": "--image",
    "explain": "--word",
    "fetch": "--product",
    "list-keys": "--prefix",
    "lock": "--product",
    "new-config": "--name",
    "outdated": "--target",
    "reproduce": "--target",
    "pull": "--reference",
    "push": "--target",
    "show-config": "--name",
    "sign": "--target",
    "compare": "--target",
    "report": "--build",
    "benchmark": "--target",
    "run": "--target",
    "shell": "--build",
    "verify": "--target",
}
MISTYPED = (
    "--cofnig",
    "--dryrun",
    "-x",
    "--",
    "-",
    "--json=1",
    "--set",
    "--config=",
    "--help",
    "nope",
    "test",
)


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    """A command with options of its own, now and then with a word that does not belong."""
    name = draw(st.sampled_from(sorted(OPTIONS)))
    words = [name]
    if name in POSITIONAL:
        words.append(draw(VALUES[POSITIONAL[name]]))
    for option in draw(st.lists(st.sampled_from(OPTIONS[name]), max_size=4)) if OPTIONS[name] else ():
        value = draw(VALUES[option])
        words += [f"{option}={value}"] if draw(st.booleans()) else [option, value]
    if draw(st.integers(0, 3)) == 0:
        odd = draw(st.one_of(st.sampled_from([*OF_INVOKE, *MISTYPED]), anything))
        # At the beginning invoke heeds some of its own, before it reads tasks.py.
        words.insert(draw(st.integers(1 if odd.startswith("-") else 0, len(words))), odd)
    if name in BUILDS:
        words.insert(1, "--dry-run")
    return [
        *words,
        *draw(
            st.sampled_from(
                [(), ("--json",), ("--json",), ("--offline",), ("--keyless",), ("--", "--copt=-O2")]
            )
        ),
    ]


environments = st.dictionaries(
    st.sampled_from(
        [
            *(each.name for each in VARIABLES if each.name != "TFBUILD_CACHE_DIR"),
            *("TFBUILD_MIRROR", "TFBUILD_JOBS", "TFBUILD_", "SOURCE_DATE_EPOCH", "TF_REVISION", "HOME"),
            *("INVOKE_RUNTIME_CONFIG", "GITHUB_ACTIONS", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM", "CI"),
            *("XDG_CACHE_HOME", "DOCKER_HOST", "LC_ALL", "PATH"),
        ]
    ),
    st.one_of(
        st.sampled_from(
            ["", "0", "1", "false", "nan", "inf", "-1", "/nope.yaml", "a=b", "debian:=/srv", "https://=/srv/"]
        ),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    ),
    max_size=2,
)


@contextmanager
def variables(values: dict[str, str]) -> Iterator[None]:
    """``values`` in the environment, and streams that can write anything."""
    # As Python has it for stderr; what a stricter stream cannot write is another test's subject.
    for stream in (sys.stdout, sys.stderr):
        assert isinstance(stream, TextIOWrapper)
        stream.reconfigure(errors="backslashreplace")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        yield


def told(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    return f"{out}\n{err}"


@FUZZ
@given(line=lines(), env=environments)
@example(line=["build-tflite", "--dry-run", "--config", "x" * 300], env={})
@example(line=["build-tflite", "--dry-run"], env={"INVOKE_RUNTIME_CONFIG": "/nope"})
@example(line=["diagnose", "--host-facts", "--html", f"{HERE}/fifo"], env={})
def test_every_command_line_ends_with_an_exit_code_of_the_contract_and_no_traceback(
    line: list[str], env: dict[str, str], acts: Acts, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [placed(word, here) for word in line]
    with variables(env):
        code = run_invoke(*argv)
        debugging = debug_wanted(os.environ)
    text = told(capsys)
    event(f"exit code {code}")
    assert code in CONTRACT, (argv, env, text)
    assert debugging or "Traceback" not in text, (argv, env)
    # invoke's own words: what was judged to be right it has to understand.
    assert not re.search("No idea what|needed value|did not receive|is ambiguous", text), (argv, text)


# -- a build that was not asked for ------------------------------------------------------------------------

good_options = st.lists(
    st.sampled_from(
        [
            ("--config", "size"),
            ("--release", "2.20.0"),
            ("--arch", "amd64"),
            ("--jobs", "2"),
            ("--set", "compile.lto=true"),
            ("--set=compile.march=x86-64-v2",),
            ("--json",),
            ("--offline",),
        ]
    ),
    max_size=3,
    unique_by=lambda words: words[0],
)


@st.composite
def spoiled(draw: st.DrawFn) -> Sequence[str]:
    """A build that would start, but for one word too many."""
    name = draw(st.sampled_from(BUILDS))
    options = draw(good_options)
    places = draw(st.integers(0, len(options)))
    before = [word for words in options[:places] for word in words]
    after = [word for words in options[places:] for word in words]
    kind = draw(st.sampled_from(["invoke", "before", "unknown", "word", "empty", "twice", "value", "rest"]))
    if kind == "before":
        useless = [each for each in OF_INVOKE if each not in _BEFORE_A_COMMAND]
        option = draw(st.sampled_from(["--config=size", "-f=size", "--dry-run", *useless]))
        return [option, name, *before, *after] if option not in _WITH_VALUE else [option, "1", name, *before]
    if kind == "rest":
        return [draw(st.sampled_from(["build-tflite", "build-keras"])), *before, *after, "--", "--copt=-O2"]
    spoil = {
        "invoke": st.sampled_from([[each] for each in OF_INVOKE]),
        "unknown": st.sampled_from([["--cofnig", "size"], ["-x"], ["--dryrun"], ["--no-json"]]),
        "word": st.sampled_from([["opt"], ["size"], ["true"], ["."], ["2.20.0"]]),
        "empty": st.sampled_from([["--config", ""], ["--tag="], ["--output", " "], ["--set", ""]]),
        "twice": st.sampled_from([["--tag", "a", "--tag", "b"], ["--output=a", "--output", "b"]]),
        "value": st.sampled_from([["--dry-run=false"], ["--dry-run=true"], ["--json=0"]]),
    }[kind]
    return [name, *before, *draw(spoil), *after]


# What invoke heeds before it reads tasks.py.
_BEFORE_A_COMMAND = frozenset(
    {"-c", "--collection", "-r", "--search-root", "-l", "--list", "-F", "-D", "-V", "--version"}
)
_WITH_VALUE = frozenset({"-T", "--command-timeout", "--hide", "-f"})


@FUZZ
@given(line=spoiled())
def test_no_build_starts_where_a_word_does_not_belong(
    line: list[str], acts: Acts, capsys: pytest.CaptureFixture[str]
) -> None:
    acts.begun.clear()
    code = run_invoke(*line)
    assert (code, acts.begun) == (ExitCode.USAGE, []), (line, told(capsys))
    assert "error: " in told(capsys)


@given(options=good_options, name=st.sampled_from(BUILDS))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_the_same_build_starts_without_such_a_word(
    options: list[tuple[str, ...]], name: str, acts: Acts, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else the test above would prove nothing."""
    acts.begun.clear()
    code = run_invoke(name, *(word for words in options for word in words))
    assert (code, acts.begun) == (ExitCode.HOST_NOT_READY, ["build_plan"]), (options, told(capsys))
