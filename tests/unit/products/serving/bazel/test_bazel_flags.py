"""Bazel's options: what each key gives, what never reaches what, and what is refused before Bazel starts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.plans import PROJECT, all_server_plans, make_server_plan
from tests.support.products import Product, list_releases
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, NothingMatchesError, TfBuildError, UsageError
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words
from tfbuild.products.serving.bazel.flags import limits
from tfbuild.products.table import plan_of

PLANS = all_server_plans()


def options(
    *sets: str, release: str = "2.20.0", config: str = "opt", arch: Arch = Arch.AMD64, **more: object
) -> list[str]:
    return list(make_server_plan(release, config, arch, *sets, **more).part.arguments)  # type: ignore[arg-type]


def test_opt_is_explicit_and_no_config_of_bazel() -> None:
    found = options()
    assert "--copt=-march=x86-64-v3" in found
    assert "--copt=-O3" in found
    assert not [option for option in found if option.startswith("--config")]


def test_a_compiler_without_the_name_gets_the_instructions() -> None:
    """GCC 10 knows no x86-64-v3: https://gcc.gnu.org/gcc-11/changes.html"""
    found = options(release="2.19.1")
    assert "--copt=-march=x86-64-v3" not in found
    assert {"--copt=-march=x86-64", "--copt=-mavx2", "--copt=-mfma", "--copt=-mbmi2"} <= set(found)
    assert "--copt=-mavx2" not in options(release="2.19.1", config="portable")
    assert "--copt=-msse4.2" in options(release="2.19.1", config="portable")
    assert "--copt=-march=haswell" in options(release="2.19.1", config="haswell")


def test_a_cpu_that_no_flag_can_spell_out_is_refused_with_the_compilers() -> None:
    assert "--copt=-march=znver4" in options(config="znver4")
    with pytest.raises(NothingMatchesError) as caught:
        options(release="2.19.1", config="znver4")
    assert caught.value.message == ("-march=znver4 needs gcc 12.3, and serving 2.19.1 is built with 10.2.1")
    assert caught.value.details == ("compile.march is znver4 at build_configs/znver4.yaml:8",)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.build_id)
def test_the_cpu_of_the_target_never_reaches_the_tools_of_the_build(plan: Plan[Any]) -> None:
    host = [option for option in plan.part.arguments if option.startswith("--host_")]
    assert host == []
    x86 = [option for option in plan.part.arguments if "avx" in option and option.startswith("--copt")]
    assert not x86 or plan.arch is Arch.AMD64
    assert "--config=release" not in plan.part.arguments


def test_host_options_come_only_from_their_own_key() -> None:
    found = options("serving.host_copts=-O1", "serving.copts=-fno-plt", "serving.linkopts=-Wl,-z,now")
    assert [option for option in found if option.startswith("--host_")] == ["--host_copt=-O1"]
    assert found[-2:] == ["--host_copt=-O1", "--linkopt=-Wl,-z,now"]
    assert "--copt=-fno-plt" in found


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("compile.mtune=haswell", ["--copt=-mtune=haswell"]),
        ("compile.optimisation=s", ["--copt=-Os"]),
        ("compile.optimisation=g", ["--copt=-Og", "--copt=-UNDEBUG"]),
        ("compile.defines={A: 1, B: }", ["--copt=-DA=1", "--copt=-DB"]),
        ("compile.cflags=-fc", ["--conlyopt=-fc"]),
        ("compile.cxxflags=-fx", ["--cxxopt=-fx"]),
        ("compile.ldflags=-Wl,-z,now", ["--linkopt=-Wl,-z,now"]),
        ("compile.lto=true", ["--copt=-flto=thin", "--linkopt=-flto=thin"]),
        ("compile.strip=false", ["--strip=never"]),
        ("compile.debug_info=separate", ["--copt=-g", "--strip=never"]),
        ("serving.bazel_defines={no_aws_support: 'true'}", ["--define=no_aws_support=true"]),
        ("serving.bazel_configs=mkl,cuda_clang", ["--config=mkl", "--config=cuda_clang"]),
    ],
)
def test_each_key_gives_its_options(setting: str, expected: list[str]) -> None:
    new = [option for option in options(setting) if option not in options()]
    assert new == expected


def test_gcc_takes_the_other_form_of_link_time_optimisation() -> None:
    assert "--linkopt=-flto=auto" in options("compile.lto=true", release="2.18.1")


def test_the_cpu_of_the_configuration_wins_over_that_of_an_upstream_config() -> None:
    """mkl_aarch64 brings -march=armv8.2-a: what comes later on Bazel's line counts."""
    found = options("serving.bazel_configs=mkl_aarch64", config="neoverse-n1", arch=Arch.ARM64)
    march = "--copt=-march=armv8.2-a+fp16+dotprod+rcpc"
    assert found.index("--config=mkl_aarch64") < found.index(march)


def test_what_the_user_adds_comes_last_and_as_it_is() -> None:
    found = options(raw=("--copt=-O1", "--config=mkl", "-k"))
    assert found[-3:] == ["--copt=-O1", "--config=mkl", "-k"]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("//other:target", "'//other:target' after --: only options of Bazel are allowed there"),
        ("--repo_env=TF_REVISION=abc", "TF_REVISION is set ('--repo_env=TF_REVISION=abc' after --)"),
        ("--action_env=TF_REVISION", "TF_REVISION is set"),
        ("--jobs=4", "use --jobs of invoke"),
        ("--output_base=/x", "the builder has its place"),
        ("-j=4", "use --jobs of invoke"),
        ("--local_ram_resources=100", "use --jobs of invoke"),
        ("--copt", "'--copt' after --: it has no value; write --copt=VALUE as one word"),
        ("--copt=", "it has no value"),
        ("--", "what follows it would be targets"),
        ("--remote_cache=http://x", "use remote.cache, which gives it the network"),
        ("--remote_executor=grpc://x", "use remote.executor"),
        ("--bes_backend=grpc://x", "the compile does not have"),
        ("--disk_cache=/x", "the builder has its place"),
        ("--experimental_downloader_config=x", "use the key mirrors"),
        ("--nofetch", "fetches everything first"),
        ("--cpu=aarch64", "the architecture is --arch"),
        ("--strip=never", "use compile.strip"),
        ("--host_jvm_args=-Xmx1g", "a startup option of Bazel"),
        ("--override_repository=org_boost=/x", "is set by build_configs/releases/serving/2.20.0.yaml:"),
        ("--copt=-march=znver44", "clang 18 knows no -march=znver44"),
        ("--cxxopt=-mtune=foo", "clang 18 knows no -mtune=foo"),
        ("--copt=-ffunctoin-sections", "clang 18 knows no option -ffunctoin-sections; did you mean"),
        ("--linkopt=-fuse-lt=lld", "clang 18 knows no option -fuse-lt"),
        ("--host_copt=-mavx513", "clang 18 knows no option -mavx513"),
        ("--per_file_copt=//a.*@-O1,-fno-fast-maht", "clang 18 knows no option -fno-fast-maht"),
    ],
)
def test_words_after_the_dashes_that_cannot_stand_there(raw: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        options(raw=(raw,))
    assert message in caught.value.message


@pytest.mark.parametrize(
    "raw",
    ["--per_file_copt=//a,b@-fno-plt,-Wl\\,-z", "--copt=-Wno-own", "--linkopt=-Wl,-zx", "--host_cxxopt=-O1"],
)
def test_flags_that_the_compiler_knows_reach_it(raw: str) -> None:
    assert options(raw=(raw,))[-1] == raw


@pytest.mark.parametrize("key", ["serving.copts", "serving.host_copts", "serving.linkopts"])
@pytest.mark.parametrize("release", ["2.20.0", "2.19.1", "2.20.0-wheel"])
def test_a_flag_of_the_servers_own_keys_has_to_be_known(key: str, release: str) -> None:
    """A typo costs hours otherwise: Bazel meets it when it compiles."""
    words = Words(release=release, sets=(f"{key}=-ffunctoin-sections",))
    if key == "serving.host_copts" and release == "2.20.0-wheel":
        plan_of(PROJECT, Product.SERVING, words, env={}, build_arch=Arch.AMD64)  # nothing reads it: a note
        return
    with pytest.raises(ConfigError) as caught:
        plan_of(PROJECT, Product.SERVING, words, env={}, build_arch=Arch.AMD64)
    (told,) = caught.value.details
    assert told.startswith(f"--set {key}=-ffunctoin-sections: ")
    assert "did you mean '-ffunction-sections'?" in told


def test_a_build_can_go_without_the_disk_cache() -> None:
    assert options(raw=("--disk_cache=",))[-1] == "--disk_cache="


def test_all_wrong_words_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        options(raw=("--copt", "-k", "target", "--jobs=3"))
    told = (caught.value.message, *caught.value.details)
    assert [each.partition(" ")[0] for each in told] == ["'--copt'", "'target'", "'--jobs=3'"]


def test_build_events_pass_where_the_compile_has_the_network() -> None:
    events = "--bes_backend=grpc://events.example"
    assert options("remote.cache=grpcs://cache.example", raw=(events,))[-1] == events


def test_other_words_pass() -> None:
    words = ("--copt=-march=znver4", "--define=x=y", "-s", "--features=-foo", "--repo_env=OWN=1")
    assert options(raw=words)[-5:] == list(words)


@pytest.mark.parametrize(
    ("name", "arch", "message", "detail"),
    [
        ("opt", Arch.AMD64, "--config=opt cannot be used", "use this project's --config opt"),
        ("nativeopt", Arch.AMD64, "--config=nativeopt cannot be used", "use this project's --config native"),
        (
            "release",
            Arch.ARM64,
            "--config=release is for amd64, this build is for arm64",
            "-mavx and -msse4.2",
        ),
        ("mkl", Arch.ARM64, "--config=mkl is for amd64", "mkl_aarch64"),
        ("mkl_aarch64", Arch.AMD64, "--config=mkl_aarch64 is for arm64", "Arm"),
        (
            "cuda_clan",
            Arch.AMD64,
            "has no config 'cuda_clan'; did you mean 'cuda_clang'?",
            "it has: clang_local",
        ),
    ],
)
def test_names_that_bazel_or_the_compiler_would_refuse_hours_later(
    name: str, arch: Arch, message: str, detail: str
) -> None:
    for sets, raw in (((f"serving.bazel_configs={name}",), ()), ((), (f"--config={name}",))):
        with pytest.raises(NothingMatchesError) as caught:
            options(*sets, arch=arch, raw=raw)
        assert message in caught.value.message
        assert any(detail in each for each in caught.value.details), caught.value.details


def test_a_config_that_only_later_releases_have() -> None:
    assert "--config=clang_local" in options("serving.bazel_configs=clang_local")
    with pytest.raises(NothingMatchesError, match=r"serving 2\.16\.1 has no config 'clang_local'"):
        options("serving.bazel_configs=clang_local", release="2.16.1")
    with pytest.raises(NothingMatchesError, match="has no config 'cuda_clang'"):
        options("serving.bazel_configs=cuda_clang", release="2.14.1")


def test_release_is_for_amd64() -> None:
    assert "--config=release" in options("serving.bazel_configs=release")


def test_the_newest_instructions_of_xnnpack_are_left_out_where_gcc_is_old() -> None:
    for release in ("2.14.1", "2.15.1", "2.16.1", "2.17.1", "2.18.1", "2.19.1"):
        assert "--define=xnn_enable_avx512fp16=false" in options(release=release)
        assert not [each for each in options(release=release, arch=Arch.ARM64) if "xnn_enable" in each]
    assert not [each for each in options() if "xnn_enable" in each]


def test_the_clone_of_boost_is_overridden_in_every_release() -> None:
    servers = (each for each in list_releases(PROJECT) if each.product == Product.SERVING)
    for release in (each for each in servers if each.origin == "source"):
        plan = make_server_plan(release.release)
        assert "--override_repository=org_boost=/overrides/org_boost" in plan.part.arguments
        (override,) = plan.part.overrides
        assert override.pin in {pin.name for pin in plan.pins}
        assert (PROJECT / "toolchains" / "bazel" / "overrides" / override.build_file).is_file()


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("6.5.0", ("--jobs=4", "--local_cpu_resources=4", "--local_ram_resources=9000")),
        ("7.0.2", ("--jobs=4", "--local_cpu_resources=4", "--local_ram_resources=9000")),
        ("7.1.0", ("--jobs=4", "--local_resources=cpu=4", "--local_resources=memory=9000")),
        ("10.0", ("--jobs=4", "--local_resources=cpu=4", "--local_resources=memory=9000")),
    ],
)
def test_limits_in_the_words_of_the_bazel_that_is_pinned(version: str, expected: tuple[str, ...]) -> None:
    assert limits(version, 4, 9000) == expected


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.build_id)
def test_every_option_is_one_word_on_one_line(plan: Plan[Any]) -> None:
    """The request has one option a line, and the builder passes lines on as they are."""
    for option in plan.part.arguments:
        assert option.startswith("--")
        assert "\n" not in option
    for flag in plan.flags:
        assert flag.origin.startswith(("build_configs/", "built-in"))


def test_an_error_is_for_people() -> None:
    with pytest.raises(TfBuildError) as caught:
        options("serving.bazel_configs=opt")
    assert caught.value.details[1] == "named at --set serving.bazel_configs=opt"
