"""Configurations: layers, origins, and all problems at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.configs import Folder
from tests.support.patches import patch_of, write_patch
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, ExitCode, NothingMatchesError
from tfbuild.base.values import Origin
from tfbuild.products.table import list_configs
from tfbuild.products.tflite.keys import TfliteKeys

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


# -- layers and origins ----------------------------------------------------------------------------


def test_layers_replace_in_their_order_and_tell_where_each_value_came_from(folder: Folder) -> None:
    folder.write(
        ground="""
            description: ground
            compile:
              march: x86-64
              optimisation: 2
              cflags: [-fbase]
            """,
        mine="""
            description: mine
            extends: ground
            compile:
              optimisation: 3
            arch:
              amd64:
                compile:
                  march: x86-64-v3
              arm64:
                compile:
                  march: armv8-a
            """,
    )
    config = folder.load("mine", Arch.AMD64, "compile.mtune=haswell")
    assert config.values.compile.march == "x86-64-v3"
    assert config.origins["compile.march"] == Origin("build_configs/mine.yaml", 8, 14)
    assert str(config.origins["compile.optimisation"]) == "build_configs/mine.yaml:4"
    assert str(config.origins["compile.cflags.0"]) == "build_configs/ground.yaml:5"
    assert str(config.origins["compile.mtune"]) == "--set compile.mtune=haswell"
    assert str(config.origins["compile.lto"]) == "built-in default"
    assert config.files == ("build_configs/ground.yaml", "build_configs/mine.yaml")
    assert folder.load("mine", Arch.ARM64).values.compile.march == "armv8-a"
    assert folder.load("mine", Arch.RISCV64).values.compile.march == "x86-64"


def test_what_extends_wins_over_the_arch_section_of_its_base(folder: Folder) -> None:
    folder.write(
        ground="description: g\narch: {amd64: {compile: {march: x86-64-v3}}}\n",
        mine="description: m\nextends: ground\ncompile: {march: haswell}\n",
    )
    assert folder.load().values.compile.march == "haswell"


def test_a_list_replaces_and_a_plus_appends(folder: Folder) -> None:
    folder.write(
        ground="description: g\ncompile: {cflags: [-fa], cxxflags: [-fa]}\n",
        mine="description: m\nextends: ground\ncompile:\n  cflags: [-fb]\n  cxxflags+: [-fb]\n",
    )
    config = folder.load("mine", Arch.AMD64, "compile.cxxflags+=-fc,-fd", "compile.ldflags=-Wl,--as-needed")
    assert config.values.compile.cflags == ("-fb",)
    assert config.values.compile.cxxflags == ("-fa", "-fb", "-fc", "-fd")
    assert config.values.compile.ldflags == ("-Wl,--as-needed",)
    origins = [str(config.origins[f"compile.cxxflags.{n}"]) for n in range(3)]
    assert origins == [
        "build_configs/ground.yaml:2",
        "build_configs/mine.yaml:5",
        "--set compile.cxxflags+=-fc,-fd",
    ]
    assert "compile.cflags.1" not in config.origins


def test_a_shorter_list_leaves_no_origin_of_the_longer_one(folder: Folder) -> None:
    folder.write(mine="description: m\ncompile: {cflags: [-fa, -fb]}\n")
    config = folder.load("mine", Arch.AMD64, "compile.cflags=-fc")
    assert [at for at in config.origins if at.startswith("compile.cflags.")] == ["compile.cflags.0"]


def test_maps_merge_by_entry(folder: Folder) -> None:
    folder.write(
        ground="description: g\ncompile: {defines: {A: 1, B: 2}}\n",
        mine="description: m\nextends: ground\ncompile: {defines: {B: 3, C: }}\n",
    )
    config = folder.load("mine", Arch.AMD64, "compile.defines.D=4", "runtime.labels.org.example.team=ml")
    assert config.values.compile.defines == {"A": "1", "B": "3", "C": None, "D": "4"}
    assert str(config.origins["compile.defines.A"]) == "build_configs/ground.yaml:2"
    assert str(config.origins["compile.defines.D"]) == "--set compile.defines.D=4"
    assert config.values.runtime.labels == {"org.example.team": "ml"}


def test_text_is_read_as_the_type_of_its_key(folder: Folder) -> None:
    folder.write(
        mine="""
            description: m
            compile: {lto: on, ccache: "no", optimisation: s}
            tflite: {cmake_definitions: {VERSION: 2.20, SWITCH: on}}
            resources: {jobs: "8"}
            """
    )
    values = folder.load().values
    assert (values.compile.lto, values.compile.ccache, values.resources.jobs) == (True, False, 8)
    assert values.of(TfliteKeys).cmake_definitions == {"VERSION": "2.20", "SWITCH": "on"}


def test_every_leaf_has_an_origin(folder: Folder) -> None:
    folder.write(mine="description: m\ncompile: {cflags: [-fa], defines: {A: 1}}\n")
    config = folder.load()

    def leaves(value: object, path: str) -> list[str]:
        if isinstance(value, dict):
            return [
                leaf for key, each in value.items() for leaf in leaves(each, f"{path}.{key}".lstrip("."))
            ] or [path]
        if isinstance(value, (list, tuple)):
            return [leaf for index, each in enumerate(value) for leaf in leaves(each, f"{path}.{index}")] or [
                path
            ]
        return [path]

    assert set(leaves(config.values.model_dump(), "")) <= set(config.origins)


# -- problems --------------------------------------------------------------------------------------


def test_all_problems_of_all_files_and_sets_at_once_with_their_places(folder: Folder) -> None:
    folder.write(
        ground="""
            description: g
            compile:
              lto: perhaps
              optimisation: 7
            """,
        mine="""
            extends: ground
            compile:
              mrach: x86-64-v3
              cflags: -fa
              cxxflags: [-fa, "", [x]]
              march: x
              march: y
            runtime:
              base: debain
              user: 0
            resources: {jobs: many}
            distributabel: true
            march: haswell
            arch:
              x86: {}
              amd64: {compile: {lot: on}}
            tflite:
            """,
    )
    assert folder.problems("mine", Arch.AMD64, "compile.ltoo=on", "resources.jobs=0") == [
        "--set compile.ltoo=on: unknown key 'compile.ltoo'; did you mean 'compile.lto'?",
        "--set resources.jobs=0: expected greater than 0, found '0'",
        "build_configs/ground.yaml:3:8: expected true or false, found 'perhaps'",
        "build_configs/ground.yaml:4:17: expected '0', '1', '2', '3', 's', 'z' or 'g', found '7'",
        "build_configs/mine.yaml:1:1: missing key 'description'",
        "build_configs/mine.yaml:3:3: unknown key 'mrach'; did you mean 'march'?",
        "build_configs/mine.yaml:4:11: expected a list, found '-fa'",
        "build_configs/mine.yaml:5:19: an empty flag, found ''",
        "build_configs/mine.yaml:5:23: expected text, found a list",
        "build_configs/mine.yaml:7:3: duplicate key 'march' (first at line 6)",
        "build_configs/mine.yaml:9:9: expected 'scratch' or 'debian', found 'debain'; did you mean 'debian'?",
        "build_configs/mine.yaml:10:9: expected greater than 0, found '0'",
        "build_configs/mine.yaml:11:19: expected a whole number, found 'many'",
        "build_configs/mine.yaml:12:1: unknown key 'distributabel'; did you mean 'distributable'?",
        "build_configs/mine.yaml:13:1: unknown key 'march'; did you mean 'arch'?",
        "build_configs/mine.yaml:15:3: expected 'amd64', 'arm64', 'armhf' or 'riscv64', found 'x86'",
        "build_configs/mine.yaml:16:21: unknown key 'lot'; did you mean 'lto'?",
        "build_configs/mine.yaml:17:1: expected keys, found nothing",
    ]


def test_a_problem_is_shown_with_its_line_and_a_caret(folder: Folder) -> None:
    folder.write(mine="description: m\ncompile:\n  mrach: x86-64-v3\n")
    with pytest.raises(ConfigError) as caught:
        folder.load()
    assert caught.value.message == "1 problem in the configuration"
    assert caught.value.details == (
        "build_configs/mine.yaml:3:3: unknown key 'mrach'; did you mean 'march'?\n"
        "  3 |   mrach: x86-64-v3\n"
        "        ^",
    )


def test_broken_yaml_is_one_problem(folder: Folder) -> None:
    folder.write(mine="description: m\ncompile: [\n")
    (problem,) = folder.problems()
    assert problem.startswith("build_configs/mine.yaml:3:1: not YAML: ")


@pytest.mark.parametrize(
    ("flags", "place", "what"),
    [
        ("cflags: [-march=haswell]", "2:20", "use compile.march"),
        ("cxxflags: [-fa, -mtune=haswell]", "2:27", "use compile.mtune"),
        ("cxxflags: [-mcpu=cortex-a72]", "2:22", "XNNPACK issues 1884, 1559"),
        ("cflags: [-O3]", "2:20", "use compile.optimisation"),
        ("cflags: [-Ofast]", "2:20", "use compile.optimisation"),
        ("ldflags: [-flto=auto]", "2:21", "use compile.lto"),
        ("lto: on, optimisation: 0", "2:16", "lto does nothing at optimisation 0"),
        ("march: native", "2:18", "set distributable false"),
    ],
)
def test_contradictions_are_refused_where_they_stand(
    folder: Folder, flags: str, place: str, what: str
) -> None:
    folder.write(mine=f"description: m\ncompile: {{{flags}}}\n")
    (problem,) = folder.problems()
    assert problem.startswith(f"build_configs/mine.yaml:{place}: ")
    assert what in problem


@pytest.mark.parametrize("flag", ["-Wl,-O1", "-fno-lto", "-mno-avx512f", "-Wno-error", "-mfpu=neon"])
def test_other_flags_pass(folder: Folder, flag: str) -> None:
    folder.write(mine=f"description: m\ncompile: {{cflags: ['{flag}'], ldflags: ['{flag}']}}\n")
    assert folder.load().values.compile.ldflags == (flag,)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('cflags: ["-fa\\n-fb"]', "line break"),
        ("ldflags: [-Wl,--gc-sections]", "a comma ends a list item"),
        ("march: -march=haswell", "write only the name, as in 'haswell'"),
        ("march+: x86-64", "'march' is not a list: write it without '+'"),
        ("cflags: [-fa], cflags+: [-fb]", "'cflags' and 'cflags+' in one place"),
        ("defines: {1A: x}", "does not match"),
        ("markh+: [x]", "unknown key 'markh+'; did you mean 'march'?"),
    ],
)
def test_values_that_no_tool_would_understand(folder: Folder, text: str, what: str) -> None:
    folder.write(mine=f"description: m\ncompile: {{{text}}}\n")
    assert what in folder.problems()[0]


def test_a_definition_that_a_key_owns_is_refused(folder: Folder) -> None:
    folder.write(mine="description: m\ntflite:\n  cmake_definitions:\n    TFLITE_ENABLE_GPU: ON\n")
    (problem,) = folder.problems()
    assert problem == (
        "build_configs/mine.yaml:4:5: 'TFLITE_ENABLE_GPU' is set by the build: use tflite.gpu_delegate"
    )


# -- extends, arches, unknown ----------------------------------------------------------------------


def test_extends_in_a_circle(folder: Folder) -> None:
    folder.write(
        a="description: a\nextends: b\n", b="description: b\nextends: c\n", c="description: c\nextends: a\n"
    )
    assert folder.problems("a") == ["build_configs/c.yaml:2:10: 'extends' goes in a circle: a -> b -> c -> a"]
    folder.write(own="description: o\nextends: own\n")
    assert folder.problems("own") == ["build_configs/own.yaml:2:10: 'extends' goes in a circle: own -> own"]


def test_a_missing_base_suggests_the_nearest(folder: Folder) -> None:
    folder.write(ground="description: g\n", mine="description: m\nextends: gruond\n")
    (problem,) = folder.problems()
    assert problem.endswith("mine.yaml:2:10: there is no config 'gruond' to extend; did you mean 'ground'?")


def test_extends_cannot_leave_the_folder(folder: Folder) -> None:
    (folder.root / "evil.yaml").write_text("description: e\n")
    folder.write(mine="description: m\nextends: ../evil\n")
    assert any("there is no config '../evil'" in each for each in folder.problems())


@pytest.mark.parametrize("name", ["../x", "", "mine.yaml", "/etc/passwd", "otp"])
def test_an_unknown_config_is_exit_3_with_the_list(folder: Folder, name: str) -> None:
    folder.write(opt="description: o\n", ground="description: g\nabstract: true\n")
    with pytest.raises(NothingMatchesError) as caught:
        folder.load(name)
    looked = (f"looked for {folder.root / name}",) if name.endswith(".yaml") else ()
    assert caught.value.details == (*looked, "there are: opt")
    assert caught.value.hint == "invoke list-configs"
    assert caught.value.exit_code is ExitCode.NOTHING_MATCHES
    assert ("did you mean 'opt'?" in caught.value.message) == (name == "otp")


def test_an_abstract_config_can_only_be_extended(folder: Folder) -> None:
    folder.write(ground="description: g\nabstract: on\n", mine="description: m\nextends: ground\n")
    with pytest.raises(NothingMatchesError, match="only there to be extended"):
        folder.load("ground")
    assert folder.load().name == "mine"
    assert [each.name for each in list_configs(folder.root)] == ["mine"]


def test_a_config_without_meaning_for_the_arch_is_exit_3_also_when_inherited(folder: Folder) -> None:
    folder.write(zen="description: z\narches: [amd64]\n", mine="description: m\nextends: zen\n")
    with pytest.raises(NothingMatchesError) as caught:
        folder.load("mine", Arch.ARM64)
    assert caught.value.message == "the config 'mine' has no meaning for arm64"
    assert "--arch amd64" in (caught.value.hint or "")
    assert folder.load("mine", Arch.AMD64).arch is Arch.AMD64


def test_a_broken_file_does_not_hide_the_others_in_the_list(folder: Folder) -> None:
    folder.write(bad="description: [\n", good="description: fine\n")
    assert [(each.name, each.description.split(":")[0]) for each in list_configs(folder.root)] == [
        ("bad", "broken"),
        ("good", "fine"),
    ]


# -- patches ---------------------------------------------------------------------------------------


def test_patches_are_relative_to_the_file_that_names_them(folder: Folder) -> None:
    (folder.root / "build_configs" / "patches").mkdir()
    write_patch(folder.root / "build_configs" / "patches" / "a.patch")
    write_patch(folder.root / "b.patch")
    folder.write(mine="description: m\nsource: {patches: [patches/a.patch, ../b.patch]}\n")
    assert folder.load().values.source.patches == ("build_configs/patches/a.patch", "b.patch")
    # On the command line they are relative to the project.
    assert folder.load("mine", Arch.AMD64, "source.patches=b.patch").values.source.patches == ("b.patch",)


def test_a_patch_outside_the_project_is_absolute(tmp_path: Path) -> None:
    outside = write_patch(tmp_path / "outside.patch")
    (tmp_path / "project").mkdir()
    folder = Folder(tmp_path / "project").write(
        mine="description: m\nsource: {patches: [../../outside.patch]}\n"
    )
    assert folder.load().values.source.patches == (outside.as_posix(),)


def test_a_missing_patch_is_reported_for_every_arch(folder: Folder) -> None:
    folder.write(
        mine="""
            description: m
            source: {patches: [no.patch]}
            arch: {arm64: {source: {patches: [x.patch]}}}
            """
    )
    assert folder.problems("mine", Arch.AMD64, "source.patches=gone.patch") == [
        "--set source.patches=gone.patch: there is no patch file 'gone.patch' (looked for gone.patch)",
        "build_configs/mine.yaml:2:20: there is no patch file 'no.patch' (looked for build_configs/no.patch)",
        "build_configs/mine.yaml:3:35: there is no patch file 'x.patch' (looked for build_configs/x.patch)",
    ]


def test_a_patch_of_the_source_and_of_a_dependency_is_two_patches(folder: Folder) -> None:
    folder.write(mine="description: m\n")
    (folder.root / "both.patch").write_text(patch_of() + patch_of("dependencies/eigen/x"))
    assert folder.problems("mine", Arch.AMD64, "source.patches=both.patch") == [
        "--set source.patches=both.patch: the patch 'both.patch' changes the source, dependencies/eigen: "
        "make a patch for each"
    ]


def test_a_patch_that_would_change_nothing_is_reported_where_it_is_named(folder: Folder) -> None:
    """Whatever it is called: the suffix says nothing about what is in a file."""
    (folder.root / "build_configs" / "empty.patch").touch()
    (folder.root / "README.md").write_text("# Not a patch\n")
    write_patch(folder.root / "build_configs" / "good.diff")
    folder.write(mine="description: m\nsource: {patches: [good.diff, empty.patch, ../README.md]}\n")
    how = "it has no hunk, so there is nothing to apply; make it with 'git diff' or 'diff -ru'"
    assert folder.problems("mine", Arch.AMD64, "source.patches=/etc/passwd") == [
        f"--set source.patches=/etc/passwd: the patch '/etc/passwd' would change nothing: {how}",
        "build_configs/mine.yaml:2:31: the patch 'empty.patch' would change nothing: it is empty",
        f"build_configs/mine.yaml:2:44: the patch '../README.md' would change nothing: {how}",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "debian: {mirror: http://m.example/d, snapshot: 20260101T000000Z}",
            "mine.yaml:2:48: a mirror has the state that it has (build_configs/mine.yaml:2): choose one",
        ),
        (
            "debian: {security_mirror: http://m.example/s, security_updates: false}",
            "mine.yaml:2:27: debian.security_updates is off (build_configs/mine.yaml:2): choose one",
        ),
        ("distributable_note: x", "mine.yaml:2:21: distributable is true: the note would never be shown"),
        (
            "serving: {monitoring: {path: /x}}",
            "mine.yaml:2:30: nothing answers there: set serving.monitoring.prometheus to true",
        ),
    ],
)
def test_a_value_that_another_one_makes_idle_is_refused(folder: Folder, text: str, message: str) -> None:
    folder.write(mine=f"description: m\n{text}\n")
    assert folder.problems() == [f"build_configs/{message}"]
