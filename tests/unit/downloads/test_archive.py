"""Extraction: what arrives, and what must not."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tfbuild.base.errors import ArchiveError, HostError
from tfbuild.downloads.archive.extract import extract
from tfbuild.downloads.archive.readers import Limits
from tfbuild.downloads.archive.rules import name_problem, resolve_link

MTIME = 1_600_000_000


def entry(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(content), MTIME, 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=kind, linkname=target)


def folder(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.DIRTYPE, mode=0o2777)


def tar_bytes(*entries: tuple[tarfile.TarInfo, bytes], errors: str = "strict") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", encoding="utf-8", errors=errors) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


SOURCE = tar_bytes(
    folder("src-1.0"),
    folder("src-1.0/lib"),
    entry("src-1.0/lib/a.c", b"int a;"),
    entry("src-1.0/lib/run.sh", b"#!/bin/sh", mode=0o4775),
    entry("src-1.0/LICENSE", b"free"),
    entry("src-1.0/docs/deep/x.md", b"docs", mode=0o600),
    link("src-1.0/lib/current", "../docs/deep"),
    link("src-1.0/lib/same.c", "src-1.0/lib/a.c", tarfile.LNKTYPE),
)


def tree(root: Path) -> dict[str, str]:
    """What is below ``root``: contents, targets of links, ``/`` for folders."""
    found: dict[str, str] = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = "/" if path.is_dir() else path.read_text()
    return found


def make(tmp_path: Path, content: bytes, name: str = "a.tar") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def refused(tmp_path: Path, content: bytes, match: str, limits: Limits | None = None) -> ArchiveError:
    """Extract ``content``; it must fail as ``match`` says, and leave nothing, here or elsewhere."""
    archive = make(tmp_path, content)
    place = tmp_path / "work"
    place.mkdir(exist_ok=True)
    with pytest.raises(ArchiveError, match=match) as failure:
        extract(archive, place / "out", strip_prefix=None, limits=limits or Limits())
    assert failure.value.exit_code == 5
    assert {path.name for path in place.iterdir()} <= {".out.lock"}
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar", "work"}
    return failure.value


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, lzma.compress, bz2.compress], ids=["tar", "gz", "xz", "bz2"]
)
def test_everything_arrives_whatever_the_compression(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    extract(make(tmp_path, pack(SOURCE)), tmp_path / "out", strip_prefix="src-1.0")
    assert tree(tmp_path / "out") == {
        "lib": "/",
        "lib/a.c": "int a;",
        "lib/run.sh": "#!/bin/sh",
        "lib/current": "-> ../docs/deep",
        "lib/same.c": "int a;",
        "LICENSE": "free",
        "docs": "/",
        "docs/deep": "/",
        "docs/deep/x.md": "docs",
    }


def test_modes_are_made_plain_and_times_are_kept(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        extract(make(tmp_path, SOURCE), tmp_path / "out", strip_prefix="src-1.0")
    finally:
        os.umask(before)
    modes = {
        path.relative_to(tmp_path / "out").as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in [tmp_path / "out", *(tmp_path / "out").rglob("*")]
    }
    assert modes["lib/run.sh"] == 0o755
    assert modes["lib/a.c"] == modes["docs/deep/x.md"] == 0o644
    assert modes["."] == modes["lib"] == modes["docs"] == 0o755
    for name in ("lib", "lib/a.c", "LICENSE"):
        assert int((tmp_path / "out" / name).stat().st_mtime) == MTIME


def test_files_that_differ_have_other_times_even_where_the_archive_says_the_same(tmp_path: Path) -> None:
    # BuildKit would take the second for the first, which it has got.
    seen = []
    for number, content in enumerate((b"1.0", b"1.1", b"1.0")):
        out = tmp_path / str(number)
        archive = tar_bytes(entry("src/VERSION", content))
        extract(make(tmp_path, archive, f"{number}.tar"), out, strip_prefix="src")
        seen.append((out / "VERSION").stat().st_mtime_ns)
    assert seen[0] == seen[2] != seen[1]


def test_only_the_wanted_subtrees_are_written(tmp_path: Path) -> None:
    archive = make(tmp_path, SOURCE)
    extract(archive, tmp_path / "out", strip_prefix="src-1.0/", subtrees=("docs/deep", "LICENSE"))
    assert set(tree(tmp_path / "out")) == {"docs", "docs/deep", "docs/deep/x.md", "LICENSE"}


def test_without_a_prefix_names_stay(tmp_path: Path) -> None:
    extract(make(tmp_path, SOURCE), tmp_path / "out", strip_prefix=None, subtrees=("src-1.0/LICENSE",))
    assert tree(tmp_path / "out") == {"src-1.0": "/", "src-1.0/LICENSE": "free"}


def test_names_with_a_leading_dot_are_the_same_names(tmp_path: Path) -> None:
    content = tar_bytes(folder("."), folder("./src"), entry("./src/a", b"1"), entry("./b", b"2"))
    extract(make(tmp_path, content), tmp_path / "out", strip_prefix="./src")
    assert tree(tmp_path / "out") == {"a": "1"}


def test_what_is_not_wanted_is_judged_all_the_same(tmp_path: Path) -> None:
    archive = make(tmp_path, tar_bytes(entry("src/a", b"1"), entry("other/../../x", b"2")))
    with pytest.raises(ArchiveError, match=r"other/\.\./\.\./x"):
        extract(archive, tmp_path / "out", strip_prefix="src")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [(("src-2.0", ()), "src-2.0"), (("src-1.0", ("lib", "lib64")), "lib64"), (("src", ()), "src")],
)
def test_what_was_asked_for_and_is_not_there_is_told(
    tmp_path: Path, arguments: tuple[str, tuple[str, ...]], missing: str
) -> None:
    prefix, subtrees = arguments
    with pytest.raises(ArchiveError, match=f"{missing}'?$"):
        extract(make(tmp_path, SOURCE), tmp_path / "out", strip_prefix=prefix, subtrees=subtrees)


HOSTILE: Mapping[str, tuple[bytes, str]] = {
    "climbing": (tar_bytes(entry("a/../../evil", b"x")), r"a/\.\./\.\./evil.*leads out"),
    "absolute": (tar_bytes(entry("/tmp/evil", b"x")), "/tmp/evil.*absolute"),
    "not UTF-8": (tar_bytes(entry("ev\udcffil", b"x"), errors="surrogateescape"), "not UTF-8"),
    "new line": (tar_bytes(entry("a\nb", b"x")), "control characters"),
    "overlong": (tar_bytes(entry("x" * 300, b"x")), "too long"),
    "case": (tar_bytes(entry("a/README", b"x"), entry("a/readme", b"y")), "a/readme.*case"),
    "case of a folder": (tar_bytes(entry("A/x", b"x"), entry("a/y", b"y")), "a/y.*case"),
    "two forms": (tar_bytes(entry("\u00e9", b"x"), entry("e\u0301", b"y")), "case"),
    "twice": (tar_bytes(entry("a", b"x"), entry("./a", b"y")), "twice"),
    "below a file": (tar_bytes(entry("a", b"x"), entry("a/b", b"y")), "a/b.*not a folder"),
    "file over folder": (tar_bytes(entry("a/b", b"x"), entry("a", b"y")), "folder as well"),
    "link over folder": (tar_bytes(entry("a/b", b"x"), link("a", "b")), "folder as well"),
    "through a link": (tar_bytes(link("a", "."), entry("a/b", b"y")), "a/b.*not a folder"),
    "through an outer link": (tar_bytes(link("a", "/tmp"), entry("a/evil", b"y")), "a/evil.*not a folder"),
    "link outside": (tar_bytes(link("a/b", "../../evil")), "a/b.*outside"),
    "link to root": (tar_bytes(link("a", "/etc/passwd")), "'a'.*absolute"),
    "links together outside": (
        tar_bytes(folder("d"), link("x", "d/y"), link("d/y", ".."), link("z", "x/../evil")),
        "'z'.*outside",
    ),
    "link to itself": (tar_bytes(link("a", "b"), link("b", "a")), "itself"),
    "empty link": (tar_bytes(link("a", "")), "empty"),
    "hard link outside": (tar_bytes(link("a", "../../etc/passwd", tarfile.LNKTYPE)), "'a'.*leads out"),
    "hard link to root": (tar_bytes(link("a", "/etc/passwd", tarfile.LNKTYPE)), "'a'.*absolute"),
    "hard link to nothing": (tar_bytes(link("a", "gone", tarfile.LNKTYPE)), "not a file in the archive"),
    "hard link to a link": (
        tar_bytes(entry("f", b"x"), link("s", "f"), link("h", "s", tarfile.LNKTYPE)),
        "'h'.*not a file",
    ),
    "device": (tar_bytes(entry("dev", type=tarfile.BLKTYPE, devmajor=8)), "'dev'.*device"),
    "character device": (tar_bytes(entry("dev", type=tarfile.CHRTYPE)), "'dev'.*device"),
    "pipe": (tar_bytes(entry("pipe", type=tarfile.FIFOTYPE)), "'pipe'.*named pipe"),
    "extended name": (
        tar_bytes(entry("fine", b"x", pax_headers={"path": "../evil"})),
        r"\.\./evil.*leads out",
    ),
    "extended link": (
        tar_bytes(entry("l", type=tarfile.SYMTYPE, pax_headers={"linkpath": "/etc/passwd"})),
        "'l'.*absolute",
    ),
    "unknown type": (tar_bytes(entry("odd", type=b"Z")), "'odd'.*unknown type"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_member_is_named_and_nothing_is_written(tmp_path: Path, case: str) -> None:
    content, match = HOSTILE[case]
    error = refused(tmp_path, content, match)
    assert str(tmp_path / "a.tar") in error.details[0]


def test_a_link_must_stay_below_the_stripped_prefix(tmp_path: Path) -> None:
    archive = make(
        tmp_path, tar_bytes(entry("src/a", b"1"), link("src/up", "../other"), entry("other", b"2"))
    )
    extract(archive, tmp_path / "whole", strip_prefix=None)
    with pytest.raises(ArchiveError, match=r"src/up.*outside"):
        extract(archive, tmp_path / "stripped", strip_prefix="src")


def test_links_upwards_and_over_other_links_are_fine_inside(tmp_path: Path) -> None:
    content = tar_bytes(
        entry("d/e/f", b"1"),
        link("d/up", "../d/e"),
        link("top", "d/up"),
        link("g", "top/f"),
        link("gone", "x"),
    )
    extract(make(tmp_path, content), tmp_path / "out", strip_prefix=None)
    assert (tmp_path / "out" / "g").read_text() == "1"


def test_a_hard_link_to_what_is_not_wanted_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"same\.c.*a\.c.*not selected") as failure:
        extract(make(tmp_path, SOURCE), tmp_path / "out", strip_prefix="src-1.0", subtrees=("lib/same.c",))
    assert "as well" in str(failure.value.hint)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress, bytes])
def test_bombs_are_noticed_while_they_unpack(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    zeros = pack(tar_bytes(entry("zeros", bytes(8 << 20))))
    refused(tmp_path, zeros, "unpacks to more than", Limits(total_bytes=4 << 20))
    if pack is not bytes:
        refused(tmp_path, zeros, "unpacks to more than", Limits(ratio=100, ratio_floor=1 << 20))
    many = pack(tar_bytes(*(entry(f"f{number}") for number in range(50))))
    refused(tmp_path, many, "more than 49 members", Limits(members=49))


def test_a_header_that_claims_gigabytes_is_not_read_into_memory(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 4 << 30
    refused(tmp_path, info.tobuf(tarfile.GNU_FORMAT) + bytes(4096), "header of .* bytes")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, bz2.compress])
def test_a_cut_archive_is_noticed_wherever_it_is_cut(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    whole = pack(SOURCE)
    # The end mark is two blocks, of which one is enough; the rest is padding to the record size.
    end = SOURCE.rstrip(b"\0")
    last = len(whole) - 1 if pack is not bytes else (len(end) + 511) // 512 * 512
    for length in range(0, last, max(1, last // 40)):
        refused(tmp_path, whole[:length], "damaged|cut off|unknown|ends in|end of|cannot|not a|no end")


def test_damaged_compressed_data_is_noticed(tmp_path: Path) -> None:
    packed = bytearray(lzma.compress(tar_bytes(entry("a", os.urandom(100_000)))))
    packed[50_000] ^= 1
    refused(tmp_path, bytes(packed), "damaged")


def test_something_else_than_an_archive_is_told(tmp_path: Path) -> None:
    refused(tmp_path, b"<!DOCTYPE html><title>Sign in</title>" * 100, "damaged|not")


def zip_bytes(*entries: tuple[zipfile.ZipInfo | str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as archive:
        for info, content in entries:
            archive.writestr(info, content)
    return out.getvalue()


def zip_entry(name: str, mode: int, when: tuple[int, int, int, int, int, int]) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, when)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


WHEN = (2020, 9, 13, 12, 26, 40)  # MTIME


def test_a_zip_arrives_with_modes_links_and_times(tmp_path: Path) -> None:
    content = zip_bytes(
        (zip_entry("pkg/", stat.S_IFDIR | 0o700, WHEN), b""),
        (zip_entry("pkg/run", stat.S_IFREG | 0o4711, WHEN), b"run"),
        (zip_entry("pkg/plain", 0, WHEN), b"plain"),
        (zip_entry("pkg/link", stat.S_IFLNK | 0o777, WHEN), b"run"),
        (zip_entry("pkg/\u00e9", 0o600, WHEN), b"e"),
    )
    extract(make(tmp_path, content, "p.whl"), tmp_path / "out", strip_prefix="pkg")
    assert tree(tmp_path / "out") == {"run": "run", "plain": "plain", "link": "-> run", "\u00e9": "e"}
    assert stat.S_IMODE((tmp_path / "out" / "run").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "out" / "\u00e9").stat().st_mode) == 0o644
    assert int((tmp_path / "out" / "plain").stat().st_mtime) == MTIME


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (zip_bytes(("../evil", b"x")), r"\.\./evil.*leads out"),
        (zip_bytes(("/evil", b"x")), "/evil.*absolute"),
        (zip_bytes(("aXb", b"x")).replace(b"aXb", b"\0Xb"), "NUL"),
        (zip_bytes(("a", b"x"), ("A", b"y")), "'A'.*case"),
        (zip_bytes((zip_entry("l", stat.S_IFLNK, WHEN), b"../../evil")), "'l'.*outside"),
        (zip_bytes((zip_entry("l", stat.S_IFLNK, WHEN), b"x" * 5000)), "overlong target"),
        (zip_bytes((zip_entry("p", stat.S_IFIFO, WHEN), b"")), "'p'.*special file"),
        (zip_bytes((zip_entry("d", stat.S_IFBLK, WHEN), b"")), "'d'.*special file"),
        (zip_bytes(("aXb", b"x")).replace(b"aXb", b"a\xffb"), "not marked as UTF-8"),
        (zip_bytes(("aXb", b"x")).replace(b"aXb", b"a\0b"), "NUL"),
        (
            zip_bytes(("a", b"x" * 1000), packing=zipfile.ZIP_STORED).replace(b"x" * 1000, b"y" * 1000),
            "damaged",
        ),
        (zip_bytes(("a", b"x"))[:-10], "damaged"),
    ],
    ids=[
        "climb",
        "absolute",
        "empty",
        "case",
        "link",
        "overlong",
        "pipe",
        "device",
        "cp437",
        "nul",
        "crc",
        "cut",
    ],
)
def test_a_hostile_or_damaged_zip_is_refused(tmp_path: Path, content: bytes, match: str) -> None:
    refused(tmp_path, content, match)


def test_a_zip_bomb_is_refused_by_what_it_promises(tmp_path: Path) -> None:
    bomb = zip_bytes(("zeros", bytes(8 << 20)))
    refused(tmp_path, bomb, "unpacks to 8388608 bytes", Limits(total_bytes=4 << 20))
    refused(tmp_path, bomb, "unpacks to 8388608 bytes", Limits(ratio=100, ratio_floor=1 << 20))


def test_a_complete_destination_is_left_as_it_is(tmp_path: Path) -> None:
    archive = make(tmp_path, SOURCE)
    extract(archive, tmp_path / "out", strip_prefix="src-1.0")
    before = (tmp_path / "out").stat()
    extract(archive, tmp_path / "out", strip_prefix="src-1.0")
    assert (tmp_path / "out").stat().st_ino == before.st_ino
    assert (tmp_path / "out").stat().st_ctime_ns == before.st_ctime_ns


def test_a_destination_made_otherwise_is_replaced(tmp_path: Path) -> None:
    archive = make(tmp_path, SOURCE)
    extract(archive, tmp_path / "out", strip_prefix="src-1.0")
    extract(archive, tmp_path / "out", strip_prefix="src-1.0", subtrees=("LICENSE",))
    assert tree(tmp_path / "out") == {"LICENSE": "free"}
    make(tmp_path, tar_bytes(entry("src-1.0/LICENSE", b"changed")))
    extract(archive, tmp_path / "out", strip_prefix="src-1.0", subtrees=("LICENSE",))
    assert tree(tmp_path / "out") == {"LICENSE": "changed"}


def test_a_failing_archive_leaves_the_old_destination_alone(tmp_path: Path) -> None:
    archive = make(tmp_path, SOURCE)
    extract(archive, tmp_path / "out", strip_prefix="src-1.0", subtrees=("LICENSE",))
    make(tmp_path, SOURCE[:2048])
    with pytest.raises(ArchiveError):
        extract(archive, tmp_path / "out", strip_prefix="src-1.0", subtrees=("LICENSE",))
    assert tree(tmp_path / "out") == {"LICENSE": "free"}


def test_a_folder_that_is_not_ours_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("precious")
    with pytest.raises(HostError, match="was not extracted by tfbuild"):
        extract(make(tmp_path, SOURCE), tmp_path / "out", strip_prefix="src-1.0")
    assert tree(tmp_path / "out") == {"thesis.tex": "precious"}


def test_leftovers_of_a_killed_process_do_not_matter(tmp_path: Path) -> None:
    for name in (".out.partial", ".out.old"):
        (tmp_path / name / "lib").mkdir(parents=True)
        (tmp_path / name / "lib" / "stale").write_text("stale")
    (tmp_path / ".out.complete").write_text("not a marker")
    extract(make(tmp_path, SOURCE), tmp_path / "out", strip_prefix="src-1.0", subtrees=("LICENSE",))
    assert tree(tmp_path / "out") == {"LICENSE": "free"}
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar", "out", ".out.complete", ".out.lock"}


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    archive = make(tmp_path, SOURCE)
    monkeypatch.setattr(os, "fchmod", interrupt)
    with pytest.raises(KeyboardInterrupt):
        extract(archive, tmp_path / "out", strip_prefix="src-1.0")
    assert {path.name for path in tmp_path.iterdir()} <= {"a.tar", ".out.lock"}


def test_an_archive_that_is_not_there_is_a_matter_of_the_host(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="No such file"):
        extract(tmp_path / "gone.tar", tmp_path / "out", strip_prefix=None)


_PARTS = st.sampled_from(["a", "b", "..", ".", "", "c"])
_RELATIVE = st.lists(_PARTS, min_size=1, max_size=5).map("/".join)
_PLAIN = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)


@given(st.text(max_size=40))
@example("a/../../b")
@example("..")
def test_a_name_that_passes_cannot_leave_the_folder(name: str) -> None:
    if name_problem(name) is None:
        inside = os.path.normpath(os.path.join("/root/of/tree", name))  # noqa: PTH118
        assert inside == "/root/of/tree" or inside.startswith("/root/of/tree/")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(links=st.dictionaries(_PLAIN, _RELATIVE, max_size=5))
def test_a_link_that_passes_ends_inside_by_the_kernels_rules(
    tmp_path_factory: pytest.TempPathFactory, links: dict[str, str]
) -> None:
    # Only trees that can exist: no link below another one.
    links = {p: t for p, t in links.items() if not any(p.startswith(q + "/") for q in links) and t}
    root = tmp_path_factory.mktemp("links") / "root"
    root.mkdir()
    for path, target in links.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(target)
    for path, target in links.items():
        end = resolve_link(path, target, links)
        if end is not None:
            # realpath follows as the kernel does, but goes on where a part of the path is missing.
            assert (
                os.path.realpath(root / path) == os.path.realpath(root / end) == str(root / end).rstrip("/")
            )


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_damage_to_a_tar_is_an_archive_error_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(SOURCE.rstrip(b"\0").ljust(len(SOURCE.rstrip(b"\0")) // 512 * 512 + 1536, b"\0"))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    place = tmp_path_factory.mktemp("fuzz")
    archive = make(place, bytes(content))
    try:
        extract(archive, place / "out", strip_prefix=None)
    except ArchiveError:
        assert not (place / "out").exists()
    assert {path.name for path in place.iterdir()} <= {"a.tar", "out", ".out.complete", ".out.lock"}


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_damage_to_a_zip_is_an_archive_error_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(zip_bytes(("a/b", b"text" * 20), (zip_entry("l", stat.S_IFLNK, WHEN), b"a/b")))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    place = tmp_path_factory.mktemp("fuzz")
    archive = make(place, bytes(content))
    try:
        extract(archive, place / "out", strip_prefix=None)
    except ArchiveError:
        assert not (place / "out").exists()
    assert {path.name for path in place.iterdir()} <= {"a.tar", "out", ".out.complete", ".out.lock"}
