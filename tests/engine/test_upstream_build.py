"""Upstream's own dependencies: a miniature of its CMake tree through lock, mirror, offline and compile.

The last test builds TFLite 2.14.1 itself. It needs the archives of its lock, which CI does not have:
TFBUILD_TEST_MIRROR is a folder of them, as ``invoke lock --mirror`` writes it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.engine.conftest import PROJECT, Invoke
from tests.support.keys import PROFILE
from tests.support.patches import diff_of, write_patch
from tests.support.products import Product, load_release
from tests.support.reporters import SilentReporter
from tests.support.tflite_mini import Miniature, make_litert_miniature
from tfbuild.artifacts.elf.read import parse_elf, read_elf
from tfbuild.base.errors import BuildError, DownloadError, PackagingError
from tfbuild.build.again.compare import DistFolder, compare
from tfbuild.build.builders import make_builder
from tfbuild.build.layout import Layout
from tfbuild.build.run import Run
from tfbuild.build.steps import bake_targets, empty_folders, make_roots
from tfbuild.cli.wiring import apart_from, build_effects
from tfbuild.engine.engine import DockerEngine
from tfbuild.machine.cache import cache_root, prepare_cache
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words, host_arch
from tfbuild.products import table
from tfbuild.products.table import recipe_of
from tfbuild.products.tflite import steps
from tfbuild.releases.lock import read_lock
from tfbuild.releases.state import made_from, unconfirmed

MACHINES = {"amd64": "EM_X86_64", "arm64": "EM_AARCH64", "armhf": "EM_ARM", "riscv64": "EM_RISCV"}
# What every C++ library needs.
RUNTIME = ("libc.", "libm.", "libstdc++.", "libgcc_s.", "ld-linux")
ONLY = {
    "amd64": (b"neon2sse-locked", b"no-kleidiai"),
    "arm64": (b"kleidiai-locked", b"no-neon2sse"),
    "armhf": (b"no-kleidiai", b"no-neon2sse"),
    "riscv64": (b"no-kleidiai", b"no-neon2sse"),
}
DOWNLOADS = re.compile(r"Cloning into|Downloading|[Dd]ownloading https?:|Performing (download|git)")
MINI = PROJECT / "tests" / "data" / "tflite-mini"
SOURCE = MINI / "source"
REAL_MIRROR = os.environ.get("TFBUILD_TEST_MIRROR", "")


@pytest.fixture
def plan_of(mini: Miniature, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plan[Any]]:
    monkeypatch.setenv("TFBUILD_MIRRORS", mini.mirrors)

    def plan(arch: str, *sets: str) -> Plan[Any]:
        words = Words(release=str(mini.release), arch=arch, sets=sets)
        return table.plan_of(PROJECT, "tflite", words, env=os.environ, build_arch=host_arch())

    return plan


def compile_only(plan: Plan[Any], mini: Miniature, output: Path, apart: str = "") -> Run[Any]:
    """The steps up to the compile. The miniature runs no model, so there is no smoke test of it.

    ``apart`` names caches of its own, in the engine and below ``output``.
    """
    release = load_release(PROJECT, Product.TFLITE, str(mini.release))
    effects = build_effects(plan, release, output, offline=False, reporter=SilentReporter())
    effects = replace(effects, apart=apart)
    cache = prepare_cache(output / "cache") if apart else cache_root(os.environ)
    run = Run(plan, recipe_of(plan), Layout(PROJECT, cache, plan.build_id), effects, output)
    run.logs.mkdir(parents=True, exist_ok=True)
    for step in (steps.fetch, make_roots, make_builder, steps.compile_):
        run.number += 1
        step(run)
    return run


def test_the_lock_is_as_it_would_be_made_again(mini: Miniature, invoke: Invoke) -> None:
    words = ("--product", "tflite", "--release", str(mini.release), "--clones", str(mini.clones))
    again = invoke(
        "lock", *words, "--mirror", str(mini.mirror), "--check", env={"TFBUILD_MIRRORS": mini.mirrors}
    )
    assert again.ok, again.stderr


def test_the_lock_names_what_each_architecture_needs(mini: Miniature) -> None:
    lock = json.loads(mini.lock.read_text())
    arches = {each["name"]: each["arches"] for each in lock["sources"]}
    assert lock["missing"] == []
    assert {name for name, wanted in arches.items() if wanted == list(MACHINES)} == {
        "eigen",
        "flatbuffers",
        "fxdiv",
        "pthreadpool",
        "xnnpack",
    }
    assert (arches["neon2sse"], arches["kleidiai"]) == (["amd64"], ["arm64"])


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_what_is_locked_is_fetched_from_the_mirror_offline(
    mini: Miniature, invoke: Invoke, arch: str, tmp_path: Path
) -> None:
    env = {"TFBUILD_MIRRORS": mini.mirrors, "TFBUILD_CACHE_DIR": str(tmp_path / "cache")}
    words = ("--product", "tflite", "--release", str(mini.release), "--arch", arch, "--offline", "--json")
    ran = invoke("fetch", *words, env=env)
    assert ran.ok, ran.stderr
    names = {each["name"] for each in json.loads(ran.stdout)["files"]}
    assert names == {"tensorflow-mini", "eigen", "flatbuffers", "fxdiv", "pthreadpool", "xnnpack"} | (
        {"neon2sse"} if arch == "amd64" else {"kleidiai"}
    )


@pytest.mark.parametrize("arch", list(MACHINES))
def test_the_build_is_made_of_the_locked_sources_and_asks_for_no_others(
    mini: Miniature, plan_of: Callable[[str], Plan[Any]], engine: DockerEngine, tmp_path: Path, arch: str
) -> None:
    # Of these the security archive of some mirrors has an index that does not fit its hash.
    sets = ("debian.security_updates=false",) if arch in {"armhf", "riscv64"} else ()
    run = compile_only(plan_of(arch, *sets), mini, tmp_path / "dist")
    dist = run.layout.out / "dist"
    library = dist / "lib" / "libtensorflowlite.so"
    facts = read_elf(library)
    assert (facts.machine, facts.soname) == (MACHINES[arch], "libtensorflowlite.so")
    # Self-contained: the dependencies are inside.
    assert {
        name for name in facts.needed if not name.startswith(("libc.", "libm.", "libstdc++", "libgcc"))
    } == set()
    text = library.read_bytes() + (dist / "bin" / "benchmark_model").read_bytes()
    # Upstream has rewritten a file of its dependency, in the copy; a program made for the build has run.
    for word in (b"eigen-rewritten", b"flatbuffers-locked", b"fxdiv-locked", b"xnnpack-locked", *ONLY[arch]):
        assert word in text, word
    assert b"generated-by-flatc" in text
    assert b"pthreadpool-locked" in text
    assert {"tensorflow", "xnnpack", "eigen"} <= {
        each.name for each in (dist / "share" / "licenses").iterdir()
    }
    configure = run.log("compile-configure").read_text()
    assert not DOWNLOADS.search(configure), configure
    assert "-- Configuring done" in configure


def test_a_dependency_is_patched_as_the_source_is(
    mini: Miniature, plan_of: Callable[..., Plan[Any]], engine: DockerEngine, tmp_path: Path
) -> None:
    patch = tmp_path / "fix.patch"
    patch.write_text(diff_of(MINI, "dependencies/fxdiv/fxdiv.h", "fxdiv-locked", "fxdiv-patched"))
    planned = replace(plan_of("amd64", f"source.patches={patch}"), build_id="tflite-mini-patched")
    run = compile_only(planned, mini, tmp_path / "dist")
    library = (run.layout.out / "dist" / "lib" / "libtensorflowlite.so").read_bytes()
    assert b"fxdiv-patched" in library
    assert b"fxdiv-locked" not in library
    assert b"xnnpack-locked" in library
    assert "1 of 1 patches applied" in run.log("compile-prepare").read_text()
    # Taken back, it is compiled as it was.
    plain = replace(plan_of("amd64"), build_id="tflite-mini-patched")
    again = compile_only(plain, mini, tmp_path / "dist").layout.out / "dist" / "lib" / "libtensorflowlite.so"
    assert b"fxdiv-locked" in again.read_bytes()
    write_patch(patch, "dependencies/fxdiv/fxdiv.h", before="no such line")
    with pytest.raises(BuildError, match="the prepare phase of the build failed") as caught:
        compile_only(plan_of("amd64", f"source.patches={patch}"), mini, tmp_path / "dist")
    assert caught.value.log is not None
    assert f"the patch {patch} does not apply" in caught.value.log.read_text()


def test_building_it_again_with_empty_caches_gives_the_same_bytes(
    mini: Miniature, plan_of: Callable[[str], Plan[Any]], engine: DockerEngine, tmp_path: Path
) -> None:
    plan = plan_of("amd64")
    first = compile_only(plan, mini, tmp_path / "first")
    kept = shutil.copytree(first.layout.out / "dist", tmp_path / "kept", symlinks=True)
    apart = apart_from(plan, tmp_path / "second", None, SilentReporter())
    umask = os.umask(0o077)  # another user's
    try:
        second = compile_only(replace(plan, jobs=3), mini, tmp_path / "second", apart.word)
    finally:
        os.umask(umask)
        apart.forget(apart.word)
    assert apart.word not in str([each.names for each in engine.holds_of_ours()])
    before, after = DistFolder(kept), DistFolder(second.layout.out / "dist")
    assert len(before.entries) > 5
    assert compare(before, after) == ()
    assert first.layout.root(plan.root) != second.layout.root(plan.root)


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_xnnpack_is_compiled_by_clang_and_the_rest_by_gcc(
    mini: Miniature, plan_of: Callable[..., Plan[Any]], engine: DockerEngine, tmp_path: Path, arch: str
) -> None:
    run = compile_only(plan_of(arch, "tflite.xnnpack_compiler=clang"), mini, tmp_path / "dist")
    library = run.layout.out / "dist" / "lib" / "libtensorflowlite.so"
    assert b"xnnpack-locked" in library.read_bytes()
    facts = read_elf(library)
    assert facts.machine == MACHINES[arch]
    families = {"clang" if "clang version 19" in each else each[:4] for each in facts.compilers}
    assert families == {"clang", "GCC:"}
    assert b"lite-by-gcc" in library.read_bytes()


def test_link_time_optimisation_takes_what_gcc_compiled_and_leaves_xnnpack_to_clang(
    mini: Miniature, plan_of: Callable[..., Plan[Any]], engine: DockerEngine, tmp_path: Path
) -> None:
    sets = ("tflite.xnnpack_compiler=clang", "compile.lto=true")
    run = compile_only(plan_of("amd64", *sets), mini, tmp_path / "dist")
    library = run.layout.out / "dist" / "lib" / "libtensorflowlite.so"
    assert b"lite-by-gcc" in library.read_bytes()
    assert b"xnnpack-locked" in library.read_bytes()
    assert any("clang version 19" in each for each in read_elf(library).compilers)


@pytest.mark.parametrize(
    "sets", [("compile.lto=true",), (f"tflite.profile={PROFILE}",)], ids=["lto", "profile"]
)
def test_clang_compiles_all_of_it_for_another_machine(
    mini: Miniature, plan_of: Callable[..., Plan[Any]], engine: DockerEngine, tmp_path: Path, sets: tuple[str]
) -> None:
    run = compile_only(plan_of("arm64", "compile.compiler=clang", *sets), mini, tmp_path / "dist")
    library = run.layout.out / "dist" / "lib" / "libtensorflowlite.so"
    assert b"lite-by-clang" in library.read_bytes()
    facts = read_elf(library)
    assert facts.machine == "EM_AARCH64"
    assert any("clang version 19" in each for each in facts.compilers)
    assert any("LLD" in each for each in facts.compilers) == ("compile.lto=true" in sets)


@pytest.mark.parametrize(
    ("suite", "gcc", "glibc"), [("bookworm", "12.2.0", (2, 36)), ("bullseye", "10.2.1", (2, 28))]
)
def test_an_older_debian_gives_a_library_for_its_glibc(
    mini: Miniature,
    plan_of: Callable[..., Plan[Any]],
    engine: DockerEngine,
    tmp_path: Path,
    suite: str,
    gcc: str,
    glibc: tuple[int, int],
) -> None:
    # Of the oldest, mirrors lack what their security archive's index names for arm64.
    sets = (f"debian.suite={suite}", "debian.security_updates=false")
    run = compile_only(plan_of("arm64", *sets), mini, tmp_path / "dist")
    assert gcc in (run.layout.out / "tools.txt").read_text().splitlines()[0]
    packages = (run.layout.out / "packages.tsv").read_text()
    assert "\nqemu-user-static\t" in packages
    for name in ("lib/libtensorflowlite.so", "lib/libtensorflowlite_c.so", "bin/benchmark_model"):
        facts = read_elf(run.layout.out / "dist" / name)
        floor = facts.floor("GLIBC")
        assert facts.machine == "EM_AARCH64"
        assert floor is None or floor.key <= glibc
        assert facts.alignment == 65536
    # An image has the loader and the libraries of that Debian, each with its package's record.
    empty_folders(run.layout.runtime)
    bake_targets(run, ("runtime-files",), run.log("runtime-files"), PackagingError)
    with tarfile.open(run.layout.runtime / "runtime.tar") as runtime:
        names = {each.name.removeprefix("./") for each in runtime}
    assert {"usr/lib/aarch64-linux-gnu/libc.so.6", "var/lib/dpkg/status.d/libc6.md5sums"} <= names


def test_a_source_that_is_not_handed_over_ends_the_build_with_its_name(
    mini: Miniature, plan_of: Callable[[str], Plan[Any]], engine: DockerEngine, tmp_path: Path
) -> None:
    plan = plan_of("amd64")
    part = plan.part
    cache = tuple(entry for entry in part.cmake_cache if entry[0] != "FXDIV_SOURCE_DIR")
    lacking = replace(plan, part=replace(part, cmake_cache=cache))
    with pytest.raises(BuildError, match="the configure phase of the build failed") as caught:
        compile_only(lacking, mini, tmp_path / "dist")
    assert caught.value.log is not None
    log = caught.value.log.read_text()
    assert "Downloading FXDIV" in log
    assert "the lock does not cover it" in log


@pytest.fixture(scope="module")
def litert(tmp_path_factory: pytest.TempPathFactory, invoke: Invoke) -> Miniature:
    """LiteRT's miniature, locked by the command; its mirror is the one that the command made."""
    folder = tmp_path_factory.mktemp("litert-mini")
    made, copied = make_litert_miniature(folder), folder / "copied"
    words = ("--product", "tflite", "--release", str(made.release), "--clones", str(made.clones))
    ran = invoke("lock", *words, "--mirror", str(copied), env={"TFBUILD_MIRRORS": made.mirrors})
    assert ran.ok, ran.stderr
    return replace(made, mirror=copied)


def test_litert_is_built_of_its_own_folder_and_the_files_of_tensorflow(
    litert: Miniature, engine: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (litert.mirror / "mini.invalid/tensorflow/third_party/mini/mini.h").is_file()
    assert '"declared": "tflite/tools/cmake/modules/eigen.cmake"' in litert.lock.read_text()
    monkeypatch.setenv("TFBUILD_MIRRORS", litert.mirrors)
    plan = table.plan_of(
        PROJECT, "tflite", Words(release=str(litert.release)), env=os.environ, build_arch=host_arch()
    )
    dist = compile_only(plan, litert, tmp_path / "dist").layout.out / "dist"
    assert b"tensorflow-file" in (dist / "lib" / "libtensorflowlite.so").read_bytes()
    assert (dist / "include" / "tflite" / "c" / "c_api.h").is_file()
    forwarding = dist / "include" / "tensorflow" / "lite" / "c" / "c_api.h"
    assert forwarding.read_text() == '#include "tflite/c/c_api.h"\n'
    assert {"litert", "tensorflow", "eigen"} <= {
        each.name for each in (dist / "share" / "licenses").iterdir()
    }
    own = read_elf(dist / "lib" / "libLiteRt.so")
    assert (own.soname, set(own.exports)) == ("libLiteRt.so", {"LiteRtMiniature", "LrtMiniature"})
    assert "DISABLE_GPU 1" in (dist / "include/litert/build_common/build_config.h").read_text()
    assert (dist / "include" / "litert" / "c" / "litert_common.h").is_file()
    packages = sorted(str(each.relative_to(dist / "lib")) for each in (dist / "lib").rglob("*.[pc][cm]*"))
    assert [each for each in packages if "litert" in each] == [
        "cmake/litert/litert-config-version.cmake",
        "cmake/litert/litert-config.cmake",
        "pkgconfig/litert.pc",
    ]


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_litert_for_python_is_the_package_that_upstream_publishes(
    litert: Miniature, engine: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arch: str
) -> None:
    monkeypatch.setenv("TFBUILD_MIRRORS", litert.mirrors)
    words = Words(release=str(litert.release), arch=arch, sets=("runtime.flavour=python",))
    plan = table.plan_of(PROJECT, "tflite", words, env=os.environ, build_arch=host_arch())
    (made,) = (compile_only(plan, litert, tmp_path / "dist").layout.out / "python").iterdir()
    assert made.name.startswith("ai_edge_litert-2.14.1-cp313-cp313-linux_")
    module = "_pywrap_litert_interpreter_wrapper"
    with ZipFile(made) as wheel:
        code = {Path(name).name: wheel.read(name) for name in wheel.namelist()}
    facts = parse_elf(code[f"{module}.so"], module)
    assert (facts.machine, facts.soname) == (MACHINES[arch], f"{module}.so")
    assert facts.exports == (f"PyInit_{module}",)
    text = code["interpreter.py"].decode()
    assert f"from ai_edge_litert import {module} as" in text
    assert "tflite_runtime" not in text
    assert {"LICENSE.litert", "LICENSE.tensorflow", "LICENSE.eigen", "LICENSE.xnnpack"} <= set(code)


def test_a_lock_that_was_read_elsewhere_is_compared_with_the_source(
    mini: Miniature, plan_of: Callable[[str], Plan[Any]], engine: DockerEngine, tmp_path: Path
) -> None:
    plan, lock = plan_of("amd64"), read_lock(mini.lock, str(mini.lock))
    release = load_release(PROJECT, Product.TFLITE, str(mini.release))
    assert plan.part.unconfirmed == ()  # it was read from the source
    elsewhere = made_from(release, "https://github.com/o/mirror/tree/1/lite")
    right = unconfirmed(release, replace(lock, made_from=elsewhere), plan.arch)
    assert {each.name for each in right} == {"eigen", "flatbuffers", "neon2sse", "pthreadpool", "xnnpack"}
    wrong = tuple(replace(each, ref="1" * 40) if each.name == "eigen" else each for each in right)
    effects = build_effects(plan, release, tmp_path, offline=True, reporter=SilentReporter())
    layout = Layout(PROJECT, cache_root(os.environ), plan.build_id)
    for expected in (right, wrong):
        part = replace(plan.part, unconfirmed=expected)
        run = Run(replace(plan, part=part), recipe_of(plan), layout, effects, tmp_path)
        run.logs.mkdir(parents=True, exist_ok=True)
        if expected is right:
            steps.fetch(run)
            continue
        with pytest.raises(DownloadError, match="is not what the source asks for") as caught:
            steps.fetch(run)
        assert [each.partition(":")[0] for each in caught.value.details] == ["eigen", "eigen"]


def test_a_patch_changes_the_library_whatever_it_is_called_and_unused_entries_are_told(
    mini: Miniature, plan_of: Callable[..., Plan[Any]], engine: DockerEngine, tmp_path: Path
) -> None:
    library = ("tensorflow/lite/miniature.cc", "return EIGEN_WORD", 'return "by-a-diff " EIGEN_WORD')
    licence = ("LICENSE", "January 2004", "January 2004, by no suffix")
    (tmp_path / "keep-dims.diff").write_text(diff_of(SOURCE, *library))
    (tmp_path / "no suffix").write_text(diff_of(SOURCE, *licence))
    sets = (
        f"source.patches=[{tmp_path}/keep-dims.diff, '{tmp_path}/no suffix']",
        "tflite.cmake_definitions.MINI_TYPO=ON",
    )
    plan = plan_of("amd64", *sets)
    run = compile_only(plan, mini, tmp_path / "dist")
    dist = run.layout.out / "dist"
    assert b"by-a-diff " in (dist / "lib" / "libtensorflowlite.so").read_bytes()
    assert "by no suffix" in (dist / "share" / "licenses" / "tensorflow").read_text()
    prepared = run.log("compile-prepare").read_text()
    assert f"applying {tmp_path}/keep-dims.diff\n" in prepared
    assert prepared.endswith("2 of 2 patches applied\n")
    told = ["tflite.cmake_definitions.MINI_TYPO changes nothing: no CMake file of the release asks for it"]
    assert [each.message for each in run.findings] == told
    # CMake itself tells of it only once; the build does so each time.
    again = compile_only(plan, mini, tmp_path / "dist")
    assert [each.message for each in again.findings] == told


def test_a_patch_that_does_not_apply_ends_the_build_with_its_name(
    mini: Miniature, plan_of: Callable[..., Plan[Any]], engine: DockerEngine, tmp_path: Path
) -> None:
    patch = write_patch(tmp_path / "other.diff", "LICENSE", "Not the first line.", "Another one.")
    with pytest.raises(BuildError, match="the prepare phase of the build failed") as caught:
        compile_only(plan_of("amd64", f"source.patches={patch}"), mini, tmp_path / "dist")
    assert any(f"error: the patch {patch} does not apply" in each for each in caught.value.details)


@pytest.mark.archives
@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_tflite_itself_with_upstreams_dependencies(
    engine: DockerEngine, invoke: Invoke, arch: str, tmp_path: Path
) -> None:
    words = ("--release", "2.14.1", "--arch", arch, "--output", str(tmp_path), "--json")
    ran = invoke("build-tflite", *words, env={"TFBUILD_MIRRORS": f"https://={REAL_MIRROR}/"}, timeout_s=5400)
    assert ran.ok, ran.stderr[-8000:]
    folder = Path(json.loads(ran.stdout)["output"])
    manifest = json.loads((folder / "manifest.json").read_text())
    lock = json.loads((PROJECT / "build_configs/releases/tflite/2.14.1.lock.json").read_text())
    locked = {each["sha256"] for each in lock["sources"] if arch in each["arches"] and not each["only_with"]}
    assert locked <= {pin["sha256"] for pin in manifest["plan"]["pins"]}
    (configure,) = (folder / "logs").glob("*-compile-configure.log")
    assert not DOWNLOADS.search(configure.read_text())
    facts = read_elf(folder / "lib" / "libtensorflowlite.so")
    assert (facts.machine, facts.soname) == (MACHINES[arch], "libtensorflowlite.so")
    assert not {name for name in facts.needed if "XNNPACK" in name or "absl" in name}
