"""What a shell is told when somebody presses the tab key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tasks
from tests.support.commands import run_invoke
from tests.support.plans import PROJECT
from tfbuild.base.arch import Arch
from tfbuild.cli.guide.values import values_of
from tfbuild.cli.line.completion import candidates, read_typed
from tfbuild.cli.usage import commands_of
from tfbuild.products import table

COMMANDS = commands_of(tasks.ns)


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)


def completed(text: str) -> tuple[str, ...] | None:
    return candidates(read_typed(f"invoke {text}"), COMMANDS, values_of)


def flags(command: str) -> set[str]:
    return {flag.name for flag in COMMANDS[command].flags}


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("buil", {"build-all", "build-tflite", "build-serving", "build-keras"}),
        ("build-tflite --conf", {"--config"}),
        ("build-tflite --config s", {"size", "skylake-avx512"}),
        ("build-tflite --config=s", {"--config=size", "--config=skylake-avx512"}),
        ("build-tflite --config = s", {"size", "skylake-avx512"}),  # as bash cuts it
        ("build-tflite --arch", set(map(str, Arch))),
        ("build-tflite --from", {"source", "wheel"}),
        ("build-keras --variant g", {"gpu"}),
        ("build-tflite --set compile.lt", {"compile.lto="}),
        ("build-tflite --set compile.lto=", {"compile.lto=true", "compile.lto=false"}),
        ("build-tflite --set compile.lto = t", {"true"}),
        ("build-tflite --set runtime.base=d", {"runtime.base=debian"}),
        ("build-tflite --set compile.march=", set()),
        ("fetch", set(table.names())),
        ("fetch k", {"keras"}),
        ("lock --product t", {"tflite"}),
        ("verify --policy keras-d", {"keras-debian"}),
        ("explain elf-bi", {"elf-bind-now"}),
        ("explain 13", {"130"}),
        ("list-keys compile.c", {"compile.cflags", "compile.compiler", "compile.cxxflags", "compile.ccache"}),
        ("show-config neo", {"neoverse-n1"}),
        ("new-config x --extends ba", {"base"}),
    ],
)
def test_names_are_completed(typed: str, found: set[str]) -> None:
    assert set(completed(typed) or ()) == found


@pytest.mark.parametrize("typed", ["verify", "verify lib", "build-keras --app", "build-tflite --output di"])
def test_where_a_file_can_stand_the_shell_is_left_to_it(typed: str) -> None:
    assert completed(typed) == ()


@pytest.mark.parametrize("product", table.names())
def test_releases_are_those_of_the_product(product: str) -> None:
    own = {each.release for each in table.list_releases(PROJECT) if each.product == product}
    assert set(completed(f"build-{product} --release") or ()) == own
    assert set(completed(f"lock {product} --release") or ()) == own
    assert set(completed(f"bundle --product {product} --release") or ()) == own


def test_what_is_finished_is_followed_by_the_options_that_are_left() -> None:
    assert set(completed("build-tflite") or ()) == flags("build-tflite")
    assert set(completed("build-tflite --json --config size") or ()) == flags("build-tflite") - {
        "--json",
        "--config",
    }
    assert "--set" in (completed("build-tflite --set compile.lto=true --json") or ())


def test_a_name_that_another_one_begins_with_is_not_the_end() -> None:
    found = completed("build-tflite --release 2.14.1") or ()
    assert found[0] == "2.14.1-debian"
    assert "--config" in found


def test_options_of_invoke_itself_are_left_to_it() -> None:
    assert completed("--li") is None


@given(st.text(max_size=30))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_that_is_typed_is_too_odd(text: str) -> None:
    def none(_command: str, _option: str, _typed: Mapping[str, str], _word: str) -> Sequence[str]:
        return ()

    candidates(read_typed(text), COMMANDS, none)
    candidates(read_typed(f"invoke build-tflite {text}"), COMMANDS, none)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["invoke", "build-tflite", "--config", "po"], "portable"),
        (["invoke", "list-k"], "list-keys"),
        (["/usr/bin/inv", "explain", "isa-u"], "isa-unclear"),
    ],
)
def test_the_shells_get_a_word_a_line(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_invoke("--complete", "--", *words) == 0
    assert capsys.readouterr().out.splitlines() == [line]


def test_an_open_quote_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_invoke("--complete", "--", "invoke", "build-tflite", "--set", "'x") == 0
    assert capsys.readouterr().err == ""


def test_a_broken_file_of_the_project_completes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "build_configs" / "releases" / "tflite").mkdir(parents=True)
    (tmp_path / "build_configs" / "releases" / "tflite" / "1.0.yaml").write_text("{")
    monkeypatch.setattr("tfbuild.cli.guide.values.PROJECT", tmp_path)
    assert completed("build-tflite --release") == ()
