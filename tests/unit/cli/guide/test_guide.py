"""``list-keys``, ``show-config``, ``new-config``, ``explain``, ``version`` and ``du``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NoReturn, get_args, get_type_hints

import jsonschema
import pytest
import yaml

import tasks
from tests.support.commands import run_invoke
from tests.support.configs import Folder
from tests.support.keys import EXAMPLES, NEEDED
from tests.support.patches import write_patch
from tests.support.plans import PROJECT
from tests.support.results import finished
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ExitCode, HostError, NothingMatchesError, TfBuildError, UsageError
from tfbuild.base.places import UserPlaces
from tfbuild.cli import wiring
from tfbuild.cli.guide.configs import config_text, shown_config, write_config
from tfbuild.cli.guide.explain import (
    CHECK,
    LOCK,
    RELEASE,
    SEVERITY,
    STATES,
    everything,
    explained_lines,
    explanations,
)
from tfbuild.cli.guide.keys import keys
from tfbuild.cli.guide.room import RoomTaken, room_lines, room_taken
from tfbuild.cli.line.command_words import judge
from tfbuild.cli.lists import ReleaseEntry
from tfbuild.cli.usage import commands_of
from tfbuild.doctor.checks import Status
from tfbuild.engine.facts import Held, held_of_ours
from tfbuild.machine.cache import bytes_below, prepare_cache
from tfbuild.products import table
from tfbuild.releases.state import LockStatus
from tfbuild.verify.findings import FINDINGS, Severity


@pytest.fixture(autouse=True)
def _without_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse() -> NoReturn:
        raise HostError("the engine is not running")

    monkeypatch.setattr(wiring, "connect", refuse)
    monkeypatch.chdir(PROJECT)
    monkeypatch.setenv("TFBUILD_CACHE_DIR", str(tmp_path / "cache"))


def told(capsys: pytest.CaptureFixture[str], *argv: str, code: int = ExitCode.OK) -> str:
    assert run_invoke(*argv) == code
    streams = capsys.readouterr()
    return streams.err if code else streams.out


@pytest.mark.parametrize(
    ("argv", "schema"),
    [
        (["list-keys", "--json"], "list-keys"),
        (["list-keys", "compile.", "--json"], "list-keys"),
        (["show-config", "size", "--json", "--set", "compile.defines={A: 1}"], "show-config"),
        (["show-config", "--json"], "show-config"),
        (["explain", "image-root", "--json"], "explain"),
        (["version", "--json"], "version"),
        (["du", "--json"], "du"),
    ],
)
def test_each_has_json_that_its_schema_describes(
    argv: list[str], schema: str, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(told(capsys, *argv))
    jsonschema.validate(document, json.loads((PROJECT / f"schemas/{schema}.schema.json").read_text()))


# -- list-keys -------------------------------------------------------------------------------------------


def test_every_key_is_listed_with_its_default_and_its_readers(capsys: pytest.CaptureFixture[str]) -> None:
    found = {each["key"]: each for each in json.loads(told(capsys, "list-keys", "--json"))["keys"]}
    model = table.model()
    assert set(found) == set(model.keys) | model.file_only
    assert found["tflite.ruy"]["products"] == ["tflite"]
    assert found["compile.march"]["products"] == ["serving", "tflite"]
    # Of the server that is linked with a wheel; Bazel has a cache of its own.
    assert found["compile.ccache"]["products"] == ["serving", "tflite"]
    assert found["app.command"]["products"] == ["keras"]
    assert found["runtime.base"]["products"] == list(table.names())
    assert (found["compile.lto"]["default"], found["compile.lto"]["value"]) == ("false", "true, false")
    assert [name for name, each in found.items() if not each["set"]] == [
        name for name in model.file.model_fields if name in model.file_only
    ]


def test_no_key_is_without_a_reader_and_a_meaning() -> None:
    assert [each.key for each in keys() if not each.products or not each.meaning] == []


def test_a_prefix_leaves_out_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, "list-keys", "serving.batching.").splitlines()
    assert {line.split()[0] for line in lines[::2]} == {
        key for key in table.model().keys if key.startswith("serving.batching.")
    }


def test_a_prefix_that_nothing_has_is_told_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "list-keys", "complie", code=ExitCode.NOTHING_MATCHES)
    assert "no key begins with 'complie'; did you mean 'compile'?" in text


# -- show-config -----------------------------------------------------------------------------------------


def test_a_value_is_shown_with_its_file_and_line(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "show-config", "size", "--set", "compile.lto=true")
    line = (PROJECT / "build_configs/size.yaml").read_text().splitlines().index("  optimisation: s") + 1
    assert re.search(rf"compile\.optimisation = s +build_configs/size\.yaml:{line}$", text, re.MULTILINE)
    assert re.search(r"compile\.lto = true +--set compile\.lto=true$", text, re.MULTILINE)
    assert "resources.jobs" not in text
    assert "built-in defaults: --all" in text
    assert re.search(
        r"resources\.jobs = null +built-in default$", told(capsys, "show-config", "--all"), re.MULTILINE
    )


def test_only_the_keys_of_a_product_are_shown_when_asked() -> None:
    config = table.load_config(PROJECT, "opt", Arch.ARM64)
    of_keras = {each.key for each in shown_config(config, "keras").values}
    assert "keras.variant" in of_keras
    assert not {key for key in of_keras if key.startswith(("compile.", "tflite.", "serving."))}


@pytest.mark.parametrize("key", EXAMPLES)
def test_what_is_shown_is_what_holds(key: str, tmp_path: Path) -> None:
    text, value = EXAMPLES[key]
    folder = Folder(tmp_path).write(mine="description: m")
    write_patch(folder.root / "fix.patch")
    config = folder.load("mine", Arch.AMD64, *NEEDED.get(key, ()), f"{key}={text}")
    found = next(each for each in shown_config(config).values if each.key == key)
    assert found.value == (list(value) if isinstance(value, tuple) else value)
    assert (found.file, found.line) == (f"--set {key}={text}", 0)


@pytest.mark.parametrize(
    ("argv", "code", "text"),
    [
        (["show-config", "szie"], ExitCode.NOTHING_MATCHES, "did you mean 'size'?"),
        (["show-config", "opt", "--product", "tflight"], ExitCode.NOTHING_MATCHES, "did you mean 'tflite'?"),
        (["show-config", "haswell", "--arch", "arm64"], ExitCode.NOTHING_MATCHES, "no meaning for arm64"),
        (["show-config", "opt", "--set", "compile.marhc=x"], ExitCode.USAGE, "compile.march"),
        (["show-config", "../opt"], ExitCode.NOTHING_MATCHES, "unknown config"),
    ],
)
def test_what_cannot_be_shown_is_told(
    argv: list[str], code: ExitCode, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert text in told(capsys, *argv, code=code)


def test_one_that_is_only_there_to_be_extended_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "show-config", "base").startswith("base (")


# -- new-config ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path).write(
        opt="""
            description: d
            compile: {march: haswell, optimisation: 3, cflags: ["-fa", "-Wl,-b"], defines: {A: "1:#"}}
            """,
        arm="description: d\nextends: opt\narches: [arm64]\ncompile: {march: armv8-a+crc}\n",
    )


def uncommented(text: str) -> str:
    return re.sub(r"^#(?! \S)", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize(("base", "arch"), [("opt", Arch.AMD64), ("arm", Arch.ARM64)])
def test_a_new_file_changes_nothing_and_neither_do_its_comments_as_values(
    folder: Folder, base: str, arch: Arch
) -> None:
    assert write_config(folder.root, "mine", base, "") == "build_configs/mine.yaml"
    path = folder.root / "build_configs" / "mine.yaml"
    plain = path.read_text()
    assert folder.load("mine", arch).values == folder.load(base, arch).values
    path.write_text(uncommented(plain))
    assert "compile" in yaml.safe_load(path.read_text())
    assert folder.load("mine", arch).values == folder.load(base, arch).values


@pytest.mark.parametrize("name", [path.stem for path in sorted((PROJECT / "build_configs").glob("*.yaml"))])
def test_every_shipped_configuration_can_be_extended(name: str, tmp_path: Path) -> None:
    arches = yaml.safe_load((PROJECT / f"build_configs/{name}.yaml").read_text()).get("arches") or [None]
    config = table.load_config(PROJECT, name, Arch.parse(arches[0] or "amd64") or Arch.AMD64, to_build=False)
    text = config_text(config, "a: 'b' # c")
    schema = json.loads((PROJECT / "build_configs/schema.json").read_text())
    for each in (text, uncommented(text)):
        document: Any = yaml.safe_load(each)
        assert (document["description"], document["extends"]) == ("a: 'b' # c", name)
        jsonschema.validate(document, schema)


@pytest.mark.parametrize("description", ["null", "yes", "true", "5", "a: b", "- x", "it's", 'say "x"', "ü €"])
def test_the_description_is_what_was_typed(folder: Folder, description: str) -> None:
    write_config(folder.root, "mine", "opt", description)
    assert folder.load("mine").description == description


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_what_is_there_is_never_replaced(folder: Folder, kind: str) -> None:
    path = folder.root / "build_configs" / "mine.yaml"
    if kind == "file":
        path.write_text("precious")
    elif kind == "link":
        path.symlink_to("nowhere.yaml")
    else:
        path.mkdir()
    before = sorted((folder.root / "build_configs").iterdir())
    with pytest.raises(UsageError, match=r"mine\.yaml is there already: nothing written"):
        write_config(folder.root, "mine", "opt", "")
    assert sorted((folder.root / "build_configs").iterdir()) == before
    assert not path.exists() or kind == "folder" or path.read_text() == "precious"


def test_a_name_of_ours_is_not_taken_in_a_folder_of_the_users(tmp_path: Path) -> None:
    """A file of that name would hide ours, and 'edit the file' is no advice for what lies in a package."""
    with pytest.raises(UsageError, match="'size' is a configuration of tfbuild's own") as caught:
        write_config(PROJECT, "size", "opt", "", UserPlaces(current=tmp_path))
    assert caught.value.hint == "another name, as in invoke new-config my-size --extends size"
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "extends", "description", "error"),
    [
        ("../mine", "opt", "", UsageError),
        ("Mine", "opt", "", UsageError),
        ("a b", "opt", "", UsageError),
        ("x" * 300, "opt", "", UsageError),
        (".mine", "opt", "", UsageError),
        ("mine", "optt", "", NothingMatchesError),
        ("mine", "opt", "two\nlines", UsageError),
        ("mine", "opt", "\x1b[31m", UsageError),
    ],
)
def test_what_cannot_be_written_leaves_nothing(
    folder: Folder, name: str, extends: str, description: str, error: type[TfBuildError]
) -> None:
    before = sorted((folder.root / "build_configs").iterdir())
    with pytest.raises(error):
        write_config(folder.root, name, extends, description)
    assert sorted((folder.root / "build_configs").iterdir()) == before


# -- explain ---------------------------------------------------------------------------------------------


def test_every_finding_of_verify_has_something_to_do() -> None:
    assert all(each.remedy and not each.remedy.endswith(".") for each in FINDINGS.values())


def test_a_remedy_names_keys_that_are_there() -> None:
    """``max_size`` would send a reader to a key that no policy has."""
    schema = (PROJECT / "build_configs/policies/schema.json").read_text()
    for text in (each.remedy for each in FINDINGS.values()):
        for key in re.findall(r"\b(?:elf|image)\.([a-z_]+)", text):
            assert f'"{key}"' in schema, key
        for key in re.findall(r"\b(?:compile|runtime)\.[a-z_]+", text):
            assert key in table.model().keys


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (RELEASE, get_args(get_type_hints(ReleaseEntry)["status"])),
        (LOCK, get_args(LockStatus)),
        (SEVERITY, tuple(map(str, Severity))),
        (CHECK, tuple(each.value for each in Status)),
    ],
)
def test_every_state_is_explained(of: str, words: tuple[str, ...]) -> None:
    assert {each.word for each in STATES if each.kind == f"state of a {of}"} == set(words)


def test_every_word_is_found() -> None:
    for each in everything():
        assert each in explanations(each.word)
        assert any(each.means in line for line in explained_lines([each]))


def test_a_word_of_two_reports_is_told_for_both(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "explain", "warning")
    assert "state of a finding" in text
    assert "state of a check of doctor" in text


def test_a_slip_is_told_with_the_nearest_word(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "explain", "elf-verison", code=ExitCode.NOTHING_MATCHES)
    assert "did you mean 'elf-version'?" in text


# -- version, du -----------------------------------------------------------------------------------------


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "version")
    assert text.startswith("tfbuild ")
    assert str(PROJECT) in text


def taken(tmp_path: Path, held: tuple[Held, ...] = ()) -> RoomTaken:
    return room_taken(tmp_path / "dist", tmp_path / "cache", lambda: held)


def test_results_caches_and_what_the_engine_holds_are_told_with_their_commands(tmp_path: Path) -> None:
    result = finished(tmp_path / "dist")
    (tmp_path / "dist" / "mine.txt").write_text("not ours")
    cache = prepare_cache(tmp_path / "cache")
    (cache / "downloads" / "sha256-0").write_bytes(b"x" * 5000)
    image = Held("sha256:1", ("a:1", "a:2"), 2_000_000, is_mount=False)
    tree = Held("abc", ("tfbuild-tree-x",), 3_000_000, is_mount=True)
    found = {each.place: each for each in taken(tmp_path, (tree, image)).entries}
    assert found[str(result)].bytes == bytes_below(result)
    assert found[str(result)].free == f"invoke clean --output {tmp_path / 'dist'}"
    assert (found[str(cache / "downloads")].bytes, found[str(cache / "downloads")].free) == (
        5000,
        "invoke clean --cache",
    )
    assert found["a:1"].free == "docker image rm a:1 a:2"
    assert found["tfbuild-tree-x"].free == "docker builder prune --force --filter id=abc"
    assert not any("mine.txt" in place for place in found)
    assert any(
        line.split()[:2] == ["3.0", "MB"] and "build trees" in line
        for line in room_lines(taken(tmp_path, (tree,)))
    )


def test_a_folder_with_a_space_can_be_pasted(tmp_path: Path) -> None:
    finished(tmp_path / "my dist")
    (entry,) = room_taken(tmp_path / "my dist", tmp_path / "none", lambda: ()).entries
    assert entry.free == f"invoke clean --output '{tmp_path / 'my dist'}'"


def test_an_engine_that_does_not_answer_is_told_and_the_rest_is_shown(tmp_path: Path) -> None:
    prepare_cache(tmp_path / "cache")

    def refuse() -> tuple[Held, ...]:
        raise HostError("the engine is not running")

    found = room_taken(tmp_path / "dist", tmp_path / "cache", refuse)
    assert found.engine == "the engine is not running"
    assert found.entries
    assert list(room_lines(found))[-1] == "the engine was not asked: the engine is not running"


def test_only_what_is_ours_in_the_engine_counts() -> None:
    mount = "cached mount /tree from exec /bin/sh -c bash /compile.sh with id "
    usage = {
        "Images": [
            {"Id": "1", "RepoTags": ["a:1"], "Size": 5, "Labels": {"tfbuild.key": "k"}},
            {"Id": "2", "RepoTags": ["b:1"], "Size": 6, "Labels": {"other": "k"}},
            {"Id": "3", "RepoTags": None, "Size": 7, "Labels": None},
        ],
        "BuildCache": [
            {"ID": "4", "Size": 8, "Description": f'{mount}"/tfbuild-tree-x"'},
            {"ID": "5", "Size": 9, "Description": f'{mount}"/root/.cache"'},
            {"ID": "6", "Size": 9, "Description": "mount / from exec bash /tfbuild/compile.sh"},
        ],
    }
    assert held_of_ours(usage) == (
        Held("4", ("tfbuild-tree-x",), 8, is_mount=True),
        Held("1", ("a:1",), 5, is_mount=False),
    )
    assert held_of_ours({"Images": None, "BuildCache": None}) == ()


# -- the list of commands --------------------------------------------------------------------------------


@pytest.mark.parametrize("argv", [["--list"], []])
def test_the_list_has_every_command_in_one_group(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, *argv)
    assert text.startswith("Start here:\n")
    assert sorted(re.findall(r"^  ([a-z-]+)  ", text, re.MULTILINE)) == sorted(commands_of(tasks.ns))
    assert text.index("doctor") < text.index("\nBuild:\n") < text.index("build-tflite")


def test_the_lists_of_invoke_for_programs_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(told(capsys, "--list", "--list-format=json"))
    assert {each["name"] for each in document["tasks"]} == set(commands_of(tasks.ns))


@pytest.mark.parametrize(
    ("words", "left_out"),
    [
        ("list-keys", [(0, "prefix")]),
        ("list-keys --json", [(0, "prefix")]),
        ("list-keys compile. --json", []),
        ("show-config --arch arm64", [(0, "name")]),
        ("show-config --name opt", []),
        ("diagnose --host-facts", [(0, "image")]),
        ("verify x list-keys", [(2, "prefix")]),
        ("list-keys compile. show-config opt diagnose --host-facts", [(4, "image")]),
    ],
)
def test_an_argument_may_be_left_out_where_the_command_is_complete_without(
    words: str, left_out: list[tuple[int, str]]
) -> None:
    assert list(judge(words.split(), commands_of(tasks.ns), ()).left_out) == left_out
