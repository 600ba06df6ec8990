"""Options that a compiler knows, and those that it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.configs import Folder
from tfbuild.base.arch import Arch
from tfbuild.base.errors import UsageError
from tfbuild.config.compilers.cpus import compiler_cpus
from tfbuild.config.compilers.options import CompilerOptions, compiler_options, read_options


@pytest.fixture(scope="module", params=["10", "14"])
def gcc(request: pytest.FixtureRequest) -> CompilerOptions:
    found = compiler_options(compiler_cpus("gcc", request.param))
    assert found
    return found


@pytest.mark.parametrize(
    "flag",
    [
        *("-fno-plt", "-ffunction-sections", "-fdata-sections", "-fno-exceptions", "-fvisibility=hidden"),
        *("-fvisibility-inlines-hidden", "-ffp-contract=off", "-fuse-ld=lld", "-fsanitize=address", "-fPIC"),
        *("-fstack-protector-strong", "-fno-dump-noaddr", "-fdump-tree-all=x", "-ftemplate-depth=900"),
        *("-fno-builtin-memcpy", "-fmacro-prefix-map=/a=b", "-fprofile-use=/a", "-fopenmp"),
        *("-Wall", "-Wextra", "-Werror=format", "-Wno-what-nobody-knows", "-Wl,--gc-sections", "-Wa,-x"),
        *("-mavx2", "-mno-avx512f", "-mprefer-vector-width=256", "-mfpmath=sse"),
        *("-DX=1", "-I/x", "-g", "-pthread", "-static-libgcc", "-s", "--param=x=1", "/x", "-f", "-m", "-W"),
        *("-pipe", "-no-pie", "-static-pie", "-shared-libgcc", "-nostdlib", "-save-temps=obj", "-std=c++20"),
    ],
)
def test_what_it_knows_or_is_not_asked_by_name_passes(gcc: CompilerOptions, flag: str) -> None:
    assert gcc.problem(flag, Arch.AMD64) is None


@pytest.mark.parametrize(
    ("flag", "problem"),
    [
        ("-ffunctoin-sections", "knows no option -ffunctoin-sections; did you mean '-ffunction-sections'?"),
        ("-fno-fast-maht", "knows no option -fno-fast-maht"),
        ("-mavx513=1", "knows no option -mavx513"),
        ("-Wextar", "knows no option -Wextar; did you mean '-Wextra'?"),
        ("-fno-pltt", "knows no option -fno-pltt; did you mean '-fno-plt'?"),
        ("-static-libgc", "knows no option -static-libgc; did you mean '-static-libgcc'?"),
        ("-pthred", "knows no option -pthred; did you mean '-pthread'?"),
        ("-nostlib", "knows no option -nostlib; did you mean '-nostdlib'?"),
        ("-fvisibility", "takes -fvisibility with a value only"),
        ("-moutline-atomics", "knows no -moutline-atomics for amd64: it is an option of arm64"),
    ],
)
def test_what_it_does_not_know_is_told(gcc: CompilerOptions, flag: str, problem: str) -> None:
    assert (gcc.problem(flag, Arch.AMD64) or "").startswith(f"{gcc.title} {problem}")


@pytest.mark.parametrize("word", ["foo", "@foo", "O2", ""])
def test_a_word_without_a_dash_is_a_path_or_a_value(gcc: CompilerOptions, word: str) -> None:
    assert "does not begin with '-'" in (gcc.problem(word, Arch.AMD64) or "")
    assert gcc.problem(word, Arch.AMD64, before="-include") is None
    assert gcc.problem(f"/usr/lib/{word}.a", Arch.AMD64) is None


def test_an_option_of_the_cpu_is_judged_where_the_compiler_was_asked(gcc: CompilerOptions) -> None:
    assert "it is an option of amd64" in (gcc.problem("-mavx2", Arch.ARM64) or "")
    assert gcc.problem("-mfloat-abi=hard", Arch.ARMHF) is None
    assert gcc.problem("-ffunctoin-sections", Arch.ARMHF)


def test_one_that_nobody_has_asked_judges_nothing() -> None:
    assert compiler_options(None) is None
    known = compiler_cpus("clang", "18")
    assert known
    assert compiler_options(known.model_copy(update={"version": "99"})) is None


@pytest.mark.parametrize(
    ("flag", "arch", "problem"),
    [
        ("-fno-plt", Arch.AMD64, None),
        ("-finline-limit=100", Arch.AMD64, None),  # of GCC: taken without a word
        ("-Wwhat-nobody-knows", Arch.AMD64, None),  # a warning of its own
        ("-mavx2", Arch.AMD64, None),
        ("-mavx2", Arch.ARM64, "clang 18 knows no -mavx2 for arm64: it is an option of amd64"),
        ("-moutline-atomics", Arch.ARM64, None),
        ("-ffixed-x10", Arch.AMD64, "clang 18 knows no -ffixed-x10 for amd64: it is an option of arm64"),
        ("-ffixed-x10", Arch.ARMHF, None),
        ("-ffunctoin-sections", Arch.AMD64, "clang 18 knows no option -ffunctoin-sections; did you mean"),
    ],
)
def test_clang_was_asked_for_each_target(flag: str, arch: Arch, problem: str | None) -> None:
    options = compiler_options(compiler_cpus("clang", "18"))
    assert options
    found = options.problem(flag, arch)
    assert found is None if problem is None else (found or "").startswith(problem)


@pytest.mark.parametrize("text", ["-fx\n", "[amd64]\n-mx\n", "[all]\n-fx\n[amd46]\n-mx\n", "[all\n"])
def test_a_damaged_file_is_told(text: str) -> None:
    with pytest.raises(UsageError, match=r"x\.options is damaged"):
        read_options(text, "GCC 1", Path("x.options"))


@pytest.mark.parametrize("key", ["cflags", "cxxflags", "ldflags"])
def test_a_plan_refuses_it_at_its_place(tmp_path: Path, key: str) -> None:
    from tfbuild.plan.effect import KeyRules, require_possible
    from tfbuild.products.table import list_releases

    project = Path(__file__).resolve().parents[3]
    folder = Folder(tmp_path).write(mine=f"description: m\ncompile:\n  {key}: [-fPIC, -ffunctoin-sections]\n")
    release = next(each for each in list_releases(project) if each.is_compiled)
    options = compiler_options(compiler_cpus("gcc", "14"))
    rules = KeyRules(sections=())
    with pytest.raises(UsageError) as caught:
        require_possible(folder.load(), release, rules, Arch.AMD64, None, options)
    (problem,) = caught.value.details
    assert problem.startswith("build_configs/mine.yaml:3:")
    assert "-ffunction-sections" in problem
