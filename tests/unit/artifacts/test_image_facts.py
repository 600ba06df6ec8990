"""Facts of saved images: layers, whiteouts, links, packages, and what the loader would find."""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.images import (
    Image,
    Member,
    docker_archive,
    folder,
    hardlink,
    oci_archive,
    program,
    symlink,
    tar_bytes,
)
from tests.support.plans import PROJECT
from tfbuild.artifacts.image.archive import ImageArchive, is_image_archive
from tfbuild.artifacts.image.closure import Closure, Link, UnmetVersion, closure
from tfbuild.artifacts.image.facts import FileType, Package, parse_dpkg_status
from tfbuild.base.documents import dump
from tfbuild.base.errors import TfBuildError, UsageError, VerificationError

ELF = PROJECT / "tests" / "data" / "elf" / "x86_64"
ARM = ELF.parent / "aarch64"
LOADER = "lib64/ld-linux-x86-64.so.2"


def plain(data: bytes) -> bytes:
    return data


def files_of(path: Path) -> dict[str, bytes]:
    with ImageArchive(path) as image:
        return {name: image.read(name) for name, f in image.files.items() if f.type is FileType.FILE}


@pytest.mark.parametrize("write", [docker_archive, oci_archive])
@pytest.mark.parametrize("compress", [plain, gzip.compress])
def test_upper_layers_replace_hide_and_add(tmp_path: Path, write: object, compress: object) -> None:
    base = [
        folder("etc"),
        Member("etc/a", b"old"),
        Member("etc/gone", b"x"),
        Member("var/cache/one", b"1"),
        Member("var/cache/deep/two", b"2"),
        Member("opt/tree/leaf", b"3"),
        Member("was/dir", b"4"),
    ]
    upper = [
        Member("etc/a", b"new"),
        Member("etc/.wh.gone"),
        Member("var/cache/.wh..wh..opq"),
        Member("var/cache/fresh", b"5"),
        Member("opt/.wh.tree"),
        Member("was", b"a file now"),
    ]
    image = Image([base, upper], compress=compress)  # type: ignore[arg-type]
    path = write(tmp_path / "image.tar", image)  # type: ignore[operator]
    assert files_of(path) == {"/etc/a": b"new", "/var/cache/fresh": b"5", "/was": b"a file now"}


@pytest.mark.parametrize("free", [0, 3000, 1 << 40])
def test_a_compressed_layer_is_read_whatever_room_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    """Its copy may take half of what is free; here that is nothing, less than the layer, and enough."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(free, 0, free))
    members = [Member(f"file{number}", bytes([number]) * 1000) for number in range(8)]
    path = docker_archive(tmp_path / "i.tar", Image([members], compress=gzip.compress))
    assert files_of(path) == {f"/file{number}": bytes([number]) * 1000 for number in range(8)}


def test_a_whiteout_hides_lower_layers_only_whatever_the_order(tmp_path: Path) -> None:
    base = [Member("d/old", b"old"), Member("e", b"old")]
    upper = [Member("d/new", b"new"), Member("d/.wh..wh..opq"), Member("e", b"again"), Member(".wh.e")]
    assert files_of(docker_archive(tmp_path / "i.tar", Image([base, upper]))) == {
        "/d/new": b"new",
        "/e": b"again",
    }


def test_a_layer_writes_through_a_linked_folder(tmp_path: Path) -> None:
    base = [folder("usr/bin"), symlink("bin", "usr/bin"), Member("usr/bin/gone", b"x")]
    upper = [Member("bin/tool", b"t"), Member("bin/.wh.gone")]
    assert files_of(docker_archive(tmp_path / "i.tar", Image([base, upper]))) == {"/usr/bin/tool": b"t"}


def test_links_are_followed_inside_the_image_only(tmp_path: Path) -> None:
    layer = [
        Member("data/file", b"here"),
        symlink("absolute", "/data/file"),
        symlink("climbing", "../../../../data/file"),
        symlink("loop", "loop"),
        symlink("dangling", "/nowhere"),
        hardlink("hard", "data/file"),
        Member("../../outside", b"caught"),
    ]
    with ImageArchive(docker_archive(tmp_path / "i.tar", Image([layer]))) as image:
        for name in ("/absolute", "/climbing", "/hard", "data/../data/file"):
            assert image.read(name) == b"here"
        assert image.read("/outside") == b"caught"
        for name in ("/loop", "/dangling", "/missing"):
            assert image.resolve(name) is None
            with pytest.raises(UsageError, match="has no file"):
                image.read(name)


def test_configuration_and_sizes(tmp_path: Path) -> None:
    settings_ = {
        "User": "app:app",
        "Entrypoint": ["/bin/tool"],
        "Cmd": ["--help"],
        "Env": ["PATH=/bin", "A=b=c"],
        "Labels": {"z": "1", "a": "2"},
        "Volumes": {"/data": {}},
        "WorkingDir": "/w",
    }
    passwd = Member("etc/passwd", b"root:x:0:0::/:\napp:x:4711:1::/:\n")
    layers = [[passwd], [Member("big", b"x" * 5000), hardlink("same", "big")]]
    with ImageArchive(oci_archive(tmp_path / "i.tar", Image(layers, settings_, "arm64"))) as image:
        facts = image.facts
    config = facts.config
    assert (config.os, config.architecture, config.created) == ("linux", "arm64", "2023-11-14T22:13:20Z")
    assert config.entrypoint + config.cmd == ("/bin/tool", "--help")
    assert config.variable("A") == "b=c"
    assert list(config.labels) == ["a", "z"]
    assert (config.volumes, config.working_dir) == (("/data",), "/w")
    assert facts.uid == 4711
    assert facts.files_bytes == len(passwd.data) + 5000
    assert facts.layers_bytes == sum(len(tar_bytes(layer)) for layer in layers)
    assert dump(facts)["files"] == {"files": 3, "directories": 0, "symlinks": 0}


@pytest.mark.parametrize(
    ("user", "uid"),
    [("", 0), ("0", 0), ("root", 0), ("0:5", 0), ("1000:0", 1000), ("nobody", None), ("²", None)],
)
def test_who_a_container_runs_as(tmp_path: Path, user: str, uid: int | None) -> None:
    with ImageArchive(docker_archive(tmp_path / "i.tar", Image([[]], {"User": user}))) as image:
        assert image.facts.uid == uid


def test_shells_set_id_programs_and_open_folders(tmp_path: Path) -> None:
    layer = [
        program("usr/bin/dash", b"#"),
        symlink("bin", "usr/bin"),
        symlink("usr/bin/sh", "dash"),
        symlink("usr/bin/zsh", "gone"),
        Member("usr/share/bash", b"no program", 0o644),
        folder("etc/fish"),
        program("usr/bin/su", b"#", 0o4755),
        program("usr/bin/wall", b"#", 0o2755),
        folder("var/mail", 0o2775),
        folder("tmp", 0o1777),
        folder("scratch", 0o777),
    ]
    with ImageArchive(docker_archive(tmp_path / "i.tar", Image([layer]))) as image:
        facts = image.facts
    assert facts.shells == ("/usr/bin/dash", "/usr/bin/sh")
    assert facts.setid == ("/usr/bin/su", "/usr/bin/wall")
    assert facts.open_directories == ("/scratch",)


def test_package_records_of_both_kinds(tmp_path: Path) -> None:
    status = (
        b"Package: libc6\nSource: glibc\nStatus: install ok installed\n"
        b"Architecture: amd64\nVersion: 2.41-12\n"
        b"Description: GNU\n .\n Package: not-me\n\n"
        b"Package: removed\nStatus: deinstall ok config-files\nVersion: 1\n"
    )
    layer = [
        Member("var/lib/dpkg/status", status),
        Member(
            "var/lib/dpkg/status.d/zlib1g",
            b"Package: zlib1g\nVersion: 1:1.3\nArchitecture: amd64\nSource: zlib (1:1.3-1)\n",
        ),
        Member("var/lib/dpkg/status.d/zlib1g.md5sums", b"Package: nonsense\nVersion: 1\n"),
    ]
    with ImageArchive(docker_archive(tmp_path / "i.tar", Image([layer]))) as image:
        assert image.facts.packages == (
            Package("libc6", "2.41-12", "amd64", "glibc", "2.41-12"),
            Package("zlib1g", "1:1.3", "amd64", "zlib", "1:1.3-1"),
        )


@given(st.text(max_size=300))
def test_any_text_is_read_as_package_records(text: str) -> None:
    assert parse_dpkg_status("Package: x\nVersion: 1\n\n" + text)[0] == Package("x", "1", "", "x", "1")


def test_one_of_several_platforms_has_to_be_named(tmp_path: Path) -> None:
    both = (Image([[Member("a", b"1")]]), Image([[Member("b", b"2")]], architecture="arm", variant="v7"))
    path = oci_archive(tmp_path / "i.tar", *both)
    with pytest.raises(UsageError) as caught:
        ImageArchive(path)
    assert caught.value.details == ("linux/amd64", "linux/arm/v7")
    with ImageArchive(path, platform="linux/arm") as image:
        assert set(image.files) == {"/b"}
    with pytest.raises(UsageError, match="no image for linux/s390x"):
        ImageArchive(path, platform="linux/s390x")


def test_platforms_whose_bytes_were_not_saved_do_not_count(tmp_path: Path) -> None:
    both = (Image([[Member("a", b"1")]]), Image([[Member("b", b"2")]], architecture="arm64"))
    path = oci_archive(
        tmp_path / "i.tar", *both, leave_out=lambda data: b'"architecture": "arm64"' in data[:60]
    )
    with ImageArchive(path) as image:
        assert set(image.files) == {"/a"}


def test_an_archive_of_two_images_is_refused_with_their_names(tmp_path: Path) -> None:
    path = docker_archive(tmp_path / "i.tar", Image([[]]), Image([[]]))
    with pytest.raises(UsageError) as caught:
        ImageArchive(path)
    assert caught.value.details == ("test:0", "test:1")


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "root.tar"
    path.write_bytes(tar_bytes([Member("etc/passwd", b"")]))
    assert not is_image_archive(path)
    with pytest.raises(UsageError, match="without an image"):
        ImageArchive(path)
    path.write_bytes(b"no tar at all")
    with pytest.raises(UsageError, match="not an image archive"):
        ImageArchive(path)


def test_zstd_layers_are_named_as_the_reason(tmp_path: Path) -> None:
    path = docker_archive(tmp_path / "i.tar", Image([[]], compress=lambda _: b"\x28\xb5\x2f\xfd rest"))
    with pytest.raises(UsageError, match="zstd") as caught:
        ImageArchive(path)
    assert "gzip" in str(caught.value.hint)


def test_a_changed_layer_is_noticed(tmp_path: Path) -> None:
    path = docker_archive(tmp_path / "i.tar", Image([[Member("a", b"original")]], compress=plain))
    path.write_bytes(path.read_bytes().replace(b"original", b"tampered"))
    with pytest.raises(VerificationError) as caught:
        ImageArchive(path)
    assert "layer 1 has the digest" in caught.value.details[0]


def test_a_member_of_impossible_size_does_not_hang(tmp_path: Path) -> None:
    def inflate(data: bytes) -> bytes:
        header = tarfile.TarInfo("a")
        header.size = 1 << 60
        return header.tobuf(tarfile.GNU_FORMAT) + data

    path = docker_archive(tmp_path / "i.tar", Image([[Member("a", b"x")]], compress=inflate))
    with pytest.raises(VerificationError):
        ImageArchive(path)


def good_image(path: Path, compress: object = gzip.compress) -> Path:
    layers = [
        [symlink("lib", "usr/lib"), program(f"usr/{LOADER}", b"\x7fELF no"), Member("etc/a", b"1")],
        [program("usr/lib/libc.so.6", (ELF / "libc.so.6").read_bytes()), Member("etc/.wh.a")],
    ]
    return oci_archive(path, Image(layers, compress=compress))  # type: ignore[arg-type]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1 << 24), st.integers(0, 255)), min_size=1, max_size=8),
    st.none() | st.integers(0, 1 << 24),
    st.booleans(),
)
def test_a_mutated_archive_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[int, int]],
    length: int | None,
    compressed: bool,
) -> None:
    path = good_image(tmp_path_factory.getbasetemp() / "mutated.tar", gzip.compress if compressed else plain)
    data = bytearray(path.read_bytes())
    for place, value in changes:
        data[place % len(data)] = value
    path.write_bytes(bytes(data[: length % len(data)] if length is not None else data))
    is_image_archive(path)
    try:
        with ImageArchive(path) as image:
            json.dumps(dump(image.facts))
            closure(image, image.files)
    except TfBuildError:
        return


# --- which libraries the loader finds ---------------------------------------------------------


def elf(name: str, target: str, source: Path = ELF) -> Member:
    return program(name, (source / target).read_bytes())


def walk(tmp_path: Path, layer: list[Member], start: str, env: tuple[str, ...] = ()) -> Closure:
    path = docker_archive(tmp_path / "i.tar", Image([layer], {"Env": list(env)}))
    with ImageArchive(path) as image:
        return closure(image, [start])


def test_everything_is_found_through_run_path_and_multiarch_folders(tmp_path: Path) -> None:
    layer = [
        elf("opt/app/bin/tool", "pie"),
        elf("opt/app/lib/libtensorflowlite_c.so", "good.so"),
        elf("usr/lib/x86_64-linux-gnu/libc.so.6", "libc.so.6"),
        elf(LOADER, "static"),
    ]
    found = walk(tmp_path, layer, "/opt/app/bin/tool")
    library = "/opt/app/lib/libtensorflowlite_c.so"
    assert found.links == (
        Link("/opt/app/bin/tool", f"/{LOADER}", f"/{LOADER}"),
        Link("/opt/app/bin/tool", "libtensorflowlite_c.so", library),
        Link(library, "libc.so.6", "/usr/lib/x86_64-linux-gnu/libc.so.6"),
    )
    assert (found.missing, found.unmet) == ((), ())


def test_what_is_missing_is_listed_with_its_owner(tmp_path: Path) -> None:
    layer = [elf("opt/app/bin/tool", "pie"), elf("opt/app/lib/libtensorflowlite_c.so", "good.so")]
    assert {(link.owner, link.needed) for link in walk(tmp_path, layer, "/opt/app/bin/tool").missing} == {
        ("/opt/app/bin/tool", f"/{LOADER}"),
        ("/opt/app/lib/libtensorflowlite_c.so", "libc.so.6"),
    }


def test_a_library_of_another_architecture_is_passed_over(tmp_path: Path) -> None:
    layer = [
        elf("usr/lib/good.so", "good.so"),
        elf("lib/x86_64-linux-gnu/libc.so.6", "libc.so.6", ARM),
        elf("usr/lib/libc.so.6", "libc.so.6"),
    ]
    found = walk(tmp_path, layer, "/usr/lib/good.so")
    assert [link.found for link in found.links] == ["/usr/lib/libc.so.6"]


def test_an_older_library_lacks_a_version(tmp_path: Path) -> None:
    layer = [elf("usr/lib/good.so", "good.so"), elf("usr/lib/libc.so.6", "libc-old.so.6")]
    assert walk(tmp_path, layer, "/usr/lib/good.so").unmet == (
        UnmetVersion("/usr/lib/good.so", "libc.so.6", "GLIBC_2.38", "/usr/lib/libc.so.6"),
    )


def test_ld_so_conf_counts_only_with_a_cache(tmp_path: Path) -> None:
    layer = [
        elf("usr/lib/good.so", "good.so"),
        elf("opt/libs/libc.so.6", "libc.so.6"),
        Member("etc/ld.so.conf", b"include /etc/ld.so.conf.d/*.conf\n"),
        Member("etc/ld.so.conf.d/a.conf", b"# ours\n/opt/libs\n"),
    ]
    assert walk(tmp_path, layer, "/usr/lib/good.so").missing
    cached = [*layer, Member("etc/ld.so.cache", b"")]
    assert walk(tmp_path, cached, "/usr/lib/good.so").links[0].found == "/opt/libs/libc.so.6"


def test_the_images_ld_library_path_counts(tmp_path: Path) -> None:
    layer = [elf("usr/lib/good.so", "good.so"), elf("opt/libs/libc.so.6", "libc.so.6")]
    found = walk(tmp_path, layer, "/usr/lib/good.so", ("LD_LIBRARY_PATH=/nowhere:/opt/libs",))
    assert found.links[0].found == "/opt/libs/libc.so.6"


def test_damaged_libraries_are_kept_apart(tmp_path: Path) -> None:
    layer = [
        program("usr/lib/bad.so", (ELF / "good.so").read_bytes()[:300]),
        Member("usr/lib/text", b"hello"),
    ]
    with ImageArchive(docker_archive(tmp_path / "i.tar", Image([layer]))) as image:
        assert image.elf_facts(["/usr/lib/bad.so", "/usr/lib/text", "/usr/lib/none"]) == {}
        assert list(image.damaged) == ["/usr/lib/bad.so"]
