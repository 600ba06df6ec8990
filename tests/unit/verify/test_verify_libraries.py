"""A library counts as found only where the loader would find it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.images import Image, Member, docker_archive, program
from tests.support.wheels import make_wheel
from tfbuild.artifacts.elf.facts import ElfFacts
from tfbuild.artifacts.elf.read import read_elf
from tfbuild.artifacts.image.archive import ImageArchive
from tfbuild.artifacts.image.closure import Closure, closure
from tfbuild.base.project import PROJECT
from tfbuild.verify.libraries import misplaced
from tfbuild.verify.report import NamedPolicy, VerifyReport
from tfbuild.verify.text import render
from tfbuild.verify.verify import load_policy, verify_path

ELF = PROJECT / "tests" / "data" / "elf" / "x86_64"
DEFAULT = load_policy(PROJECT)
LIBRARY = "libtensorflowlite_c.so"
LOST = "elf-library-not-found"

RunPath = tuple[str, str] | None


def facts(needed: tuple[str, ...], path: RunPath, *, start: bool = False) -> ElfFacts:
    base = replace(read_elf(ELF / ("pie" if start else "good.so")), needed=needed, rpath=(), runpath=())
    base = replace(base, interpreter=None, soname=None)
    if path is None:
        return base
    parts = tuple(path[1].split(":"))
    return replace(base, rpath=parts) if path[0] == "RPATH" else replace(base, runpath=parts)


# What ldd of glibc 2.36 called "not found", for a program m that needs liba.so, which needs libb.so; both
# were linked by GCC with -rpath and --enable-new-dtags (RUNPATH) or --disable-new-dtags (RPATH).
LDD: tuple[tuple[RunPath, RunPath, str, set[str]], ...] = (
    (None, ("RPATH", "$ORIGIN"), "lib", {"liba.so"}),
    (None, ("RUNPATH", "$ORIGIN"), "lib", {"liba.so"}),
    (("RUNPATH", "$ORIGIN/../lib"), None, "lib", {"libb.so"}),
    (("RUNPATH", "$ORIGIN/../lib"), ("RPATH", "$ORIGIN"), "lib", set()),
    (("RUNPATH", "$ORIGIN/../lib"), ("RUNPATH", "$ORIGIN"), "lib", set()),
    (("RUNPATH", "$ORIGIN/../lib"), ("RUNPATH", "/nowhere"), "lib", {"libb.so"}),
    (("RPATH", "$ORIGIN/../lib"), None, "lib", set()),
    (("RPATH", "$ORIGIN/../lib"), ("RPATH", "$ORIGIN"), "lib", set()),
    (("RPATH", "$ORIGIN/../lib"), ("RUNPATH", "/nowhere"), "lib", {"libb.so"}),
    (("RPATH", "/nowhere:$ORIGIN/../lib"), None, "lib", set()),
    (("RUNPATH", "${ORIGIN}/../$LIB"), ("RPATH", "$ORIGIN"), "lib/x86_64-linux-gnu", set()),
    (("RUNPATH", "$ORIGIN/../lib/$PLATFORM"), ("RPATH", "$ORIGIN"), "lib/x86_64", set()),
    (("RUNPATH", "$ORIGIN/../lib/${PLATFORM}"), None, "lib/x86_64", {"libb.so"}),
)


@pytest.mark.parametrize(("program_path", "library_path", "folder", "not_found"), LDD)
def test_what_is_not_found_is_what_ldd_does_not_find(
    program_path: RunPath, library_path: RunPath, folder: str, not_found: set[str]
) -> None:
    files = {
        "bin/m": facts(("liba.so",), program_path, start=True),
        f"{folder}/liba.so": facts(("libb.so",), library_path),
        f"{folder}/libb.so": facts((), None),
    }
    assert {link.needed for link, _ in misplaced(files, each_alone=False)} == not_found


def test_what_is_nowhere_is_not_called_misplaced() -> None:
    files = {"bin/m": facts(("libc.so.6", "libfoo.so.1"), None, start=True)}
    assert misplaced(files, each_alone=True) == ()


def test_a_library_of_another_machine_is_no_answer() -> None:
    other = replace(facts((), None), machine="EM_AARCH64")
    files = {"bin/m": facts(("liba.so",), None, start=True), "lib/liba.so": other}
    assert misplaced(files, each_alone=True) == ()


def test_a_symbolic_link_is_where_it_lies_not_where_it_ends() -> None:
    files = {
        "bin/m": facts(("liba.so.1",), ("RUNPATH", "$ORIGIN/../lib"), start=True),
        "lib/real/liba.so.1.2": facts((), None),
    }
    links = {"lib/liba.so.1": "lib/real/liba.so.1.2"}
    assert misplaced(files, links, each_alone=True) == ()
    assert [
        place for _, place in misplaced(files, {"x/liba.so.1": links["lib/liba.so.1"]}, each_alone=True)
    ] == ["x/liba.so.1"]


# -- dist folders ------------------------------------------------------------------------------------------


def without_run_path(data: bytes) -> bytes:
    """The program with another run path of the same length, which leads nowhere."""
    assert data.count(b"$ORIGIN/../lib\0") == 1
    return data.replace(b"$ORIGIN/../lib\0", b"$ORIGIN/../sub\0")


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "tflite" / "2.14.1-debian" / "opt" / "amd64"
    for part in ("lib", "bin"):
        (folder / part).mkdir(parents=True)
    shutil.copy(ELF / "good.so", folder / "lib" / LIBRARY)
    (folder / "bin" / "benchmark_model").write_bytes(without_run_path((ELF / "pie").read_bytes()))
    return folder


def lost(report: VerifyReport) -> list[str]:
    return [each.message for each in report.findings if each.id == LOST]


def test_a_program_that_does_not_find_the_librarys_folder_is_an_error(dist: Path) -> None:
    report = verify_path(dist, DEFAULT, checksums=False)
    (finding,) = (each for each in report.findings if each.id == LOST)
    assert finding.severity == "error"
    assert "bin/benchmark_model" in finding.message
    assert LIBRARY in finding.message
    assert finding.evidence == (f"{LIBRARY} is lib/{LIBRARY}",)
    assert finding.fix == "link it with -Wl,-rpath,'$ORIGIN/../lib'"
    assert report.exit_code == 7


def test_the_same_program_with_its_run_path_is_in_order(dist: Path) -> None:
    shutil.copy(ELF / "pie", dist / "bin" / "benchmark_model")
    assert lost(verify_path(dist, DEFAULT, checksums=False)) == []


def test_a_single_file_of_a_dist_folder_tells_as_much(dist: Path) -> None:
    path = dist / "bin" / "benchmark_model"
    assert lost(verify_path(path, DEFAULT)) == []
    (dist / "manifest.json").write_text("{}")
    assert len(lost(verify_path(path, DEFAULT))) == 1
    shutil.copy(ELF / "pie", path)
    assert lost(verify_path(path, DEFAULT)) == []


def test_a_plugin_needs_no_run_path_to_what_its_program_has_loaded(dist: Path) -> None:
    plugin = dist / "lib" / "plugins" / "ops.so"
    plugin.parent.mkdir()
    (dist / "bin" / "benchmark_model").rename(plugin)

    def with_plugins(**plugins: tuple[str, ...]) -> NamedPolicy:
        elf = DEFAULT.policy.elf.model_copy(update={"plugins": {f"lib/{k}/*": v for k, v in plugins.items()}})
        return NamedPolicy("own", DEFAULT.policy.model_copy(update={"elf": elf}))

    assert len(lost(verify_path(dist, DEFAULT, checksums=False))) == 1
    assert lost(verify_path(dist, with_plugins(plugins=(LIBRARY,)), checksums=False)) == []
    for other in (with_plugins(plugins=("libother.so",)), with_plugins(elsewhere=(LIBRARY,))):
        assert len(lost(verify_path(dist, other, checksums=False))) == 1


def test_many_libraries_that_are_not_found_are_one_finding(dist: Path) -> None:
    source = read_elf(ELF / "pie")
    needed = tuple(f"libabsl_{number}.so.20240722" for number in range(20))
    files = {"bin/m": replace(source, needed=needed, runpath=())} | {
        f"lib/{n}": facts((), None) for n in needed
    }
    assert len(misplaced(files, each_alone=True)) == 20


# -- wheels ------------------------------------------------------------------------------------------------


def test_grafted_libraries_are_found_by_the_modules_run_path(tmp_path: Path) -> None:
    good = (ELF / "good.so").read_bytes()
    pie = (ELF / "pie").read_bytes()
    tag = "manylinux_2_38_x86_64"
    for folder in ("right", "wrong"):
        (tmp_path / folder).mkdir()
    # $ORIGIN/../lib from pkg/bin is pkg/lib.
    right = {"pkg/bin/_module.so": pie, f"pkg/lib/{LIBRARY}": good}
    wrong = {"pkg/bin/_module.so": pie, f"pkg.libs/{LIBRARY}": good}
    assert lost(verify_path(make_wheel(tmp_path / "right", right, platform=tag), DEFAULT)) == []
    report = verify_path(make_wheel(tmp_path / "wrong", wrong, platform=tag), DEFAULT)
    (finding,) = (each for each in report.findings if each.id == LOST)
    assert finding.fix == "link it with -Wl,-rpath,'$ORIGIN/../../pkg.libs'"
    assert "pkg/bin/_module.so" in render(report)


def test_copies_that_auditwheel_made_find_each_other_through_the_module() -> None:
    """As in NumPy's wheel: the module has an RPATH, libopenblas none, and needs libgfortran beside it."""
    files = {
        "numpy/core/_m.so": facts(("libopenblas.so",), ("RPATH", "$ORIGIN/../../numpy.libs")),
        "numpy.libs/libopenblas.so": facts(("libgfortran.so",), None),
        "numpy.libs/libgfortran.so": facts((), None),
    }
    assert misplaced(files, each_alone=False) == ()
    assert [link.needed for link, _ in misplaced(files, each_alone=True)] == ["libgfortran.so"]


def test_a_version_that_nobody_links_with_is_found_by_who_needs_it_and_what_it_needs() -> None:
    """As libXNNPACK.so.0 of a dist folder: whoever loads it has loaded libcpuinfo already."""
    files = {
        "lib/libtensorflowlite.so": facts(("libXNNPACK.so.0", "libcpuinfo.so.0"), ("RUNPATH", "$ORIGIN")),
        "lib/libXNNPACK.so.0": facts(("libcpuinfo.so.0",), None),
        "lib/libcpuinfo.so.0": facts((), None),
    }
    assert misplaced(files, each_alone=True) == ()


def test_libraries_that_only_load_each_other_are_looked_at_too() -> None:
    files = {"a/liba.so": facts(("libb.so",), None), "b/libb.so": facts(("liba.so",), None)}
    assert {link.needed for link, _ in misplaced(files, each_alone=False)} == {"liba.so", "libb.so"}


# -- images for musl ---------------------------------------------------------------------------------------


def musl_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layer: list[Member]) -> Closure:
    musl = "/lib/ld-musl-x86_64.so.1"

    def as_musl(self: ImageArchive, paths: object) -> dict[str, ElfFacts]:
        found = original(self, paths)  # type: ignore[arg-type]
        return {p: replace(f, interpreter=musl) if f.interpreter else f for p, f in found.items()}

    original = ImageArchive.elf_facts
    monkeypatch.setattr(ImageArchive, "elf_facts", as_musl)
    with ImageArchive(docker_archive(tmp_path / "i.tar", Image([layer]))) as image:
        return closure(image, ["/app/bin/tool"])


def test_musl_looks_into_its_own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = program("app/bin/tool", (ELF / "pie").read_bytes())
    good = (ELF / "good.so").read_bytes()
    found = musl_walk(tmp_path, monkeypatch, [tool, program(f"usr/local/lib/{LIBRARY}", good)])
    assert {link.found for link in found.links if link.needed == LIBRARY} == {f"/usr/local/lib/{LIBRARY}"}
    path = Member("etc/ld-musl-x86_64.path", b"/opt/libs\n")
    layer = [tool, path, program(f"usr/local/lib/{LIBRARY}", good), program(f"opt/libs/{LIBRARY}", good)]
    found = musl_walk(tmp_path, monkeypatch, layer)
    assert {link.found for link in found.links if link.needed == LIBRARY} == {f"/opt/libs/{LIBRARY}"}
