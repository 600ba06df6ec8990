from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.runner import RecordingRunner, Reply
from tfbuild.machine.apt import (
    AptSource,
    debian_archive_mirrors,
    debian_security_mirrors,
    expand_mirrors,
    main_archive_sources,
    parse_deb822,
    parse_indextargets,
    parse_one_line,
    read_sources,
)

MIRROR = "http://mirror.example/debian"
APT = ("apt-get", "indextargets")


def test_one_line_with_options_and_comment() -> None:
    entry = f"deb [arch=amd64 signed-by=/k.gpg] {MIRROR} bookworm main contrib # why"
    text = f"# a comment\n{entry}\ndeb-src {MIRROR} x y\n"
    assert parse_one_line(text, "f") == (
        AptSource((MIRROR,), ("bookworm",), ("main", "contrib"), "/k.gpg", "f"),
    )


def test_deb822_with_comments_disabled_and_source_entries() -> None:
    text = f"""Types: deb
# between fields
URIs: {MIRROR}
Suites: bookworm bookworm-updates
Components: main
Signed-By: /k.gpg

Enabled: no
Types: deb
URIs: http://other.example/debian
Suites: bookworm

Types: deb-src
URIs: {MIRROR}
Suites: bookworm
"""
    assert parse_deb822(text) == (
        AptSource((MIRROR,), ("bookworm", "bookworm-updates"), ("main",), "/k.gpg"),
    )


def test_an_embedded_key_is_not_taken_for_a_file_name() -> None:
    key = "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n"
    (source,) = parse_deb822(f"Types: deb\nURIs: {MIRROR}\nSuites: sid\nComponents: main\n{key}")
    assert source.signed_by == ""


words = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)


@given(st.lists(words, min_size=1, max_size=3), st.lists(words, min_size=1, max_size=3))
def test_both_formats_say_the_same(suites: list[str], components: list[str]) -> None:
    lines = "".join(f"deb {MIRROR} {suite} {' '.join(components)}\n" for suite in suites)
    stanzas = "\n".join(
        f"types: deb\nURIS: {MIRROR}\nSuites: {suite}\nComponents:\n {' '.join(components)}\n"
        for suite in suites
    )
    assert parse_one_line(lines) == parse_deb822(stanzas)
    assert len(parse_one_line(lines)) == len(suites)


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    for source in (*parse_one_line(text), *parse_deb822(text)):
        assert source.uris
        assert source.suites


def test_security_and_foreign_origins_are_not_the_main_archive() -> None:
    text = "\n".join(
        (
            "Docker|Docker CE|bookworm|bookworm|stable|http://docker.example/",
            "Debian|Debian-Security|bookworm-security|oldstable-security|main|http://security.example/",
            "Debian|Debian Backports|bookworm-backports|oldstable-backports|main|http://backports.example/",
            "Debian|Debian|trixie|stable|main|http://second.example/debian/",
            f"Debian|Debian|bookworm|oldstable|main|{MIRROR}/",
            f"Debian|Debian|bookworm-updates|oldstable-updates|main|{MIRROR}/",
        )
    )
    assert parse_indextargets(text, "bookworm") == (f"{MIRROR}/", "http://second.example/debian/")
    runner = RecordingRunner([Reply(("apt-get", "indextargets"), stdout=text)])
    assert debian_security_mirrors(runner) == ("http://security.example",)


def test_a_host_without_apt_has_no_security_mirror() -> None:
    assert debian_security_mirrors(RecordingRunner(missing=["apt-get"])) == ()


def test_a_mirror_list_of_a_cloud_image_is_read() -> None:
    files = {"/etc/apt/mirrors/debian.list": f"# list\n{MIRROR}/ priority:1\nhttps://b.example/debian\n"}
    found = expand_mirrors(("mirror+file:///etc/apt/mirrors/debian.list", "cdrom:[x]/"), files.__getitem__)
    assert found == (MIRROR, "https://b.example/debian")


def _host(root: Path, name: str, text: str) -> None:
    folder = root / "etc/apt/sources.list.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def test_without_lists_the_sources_of_a_debian_host_are_read(tmp_path: Path) -> None:
    _host(tmp_path, "debian.sources", f"Types: deb\nURIs: {MIRROR}/\nSuites: bookworm\nComponents: main\n")
    _host(tmp_path, "other.list", "deb http://other.example/apt any-suite main\n")
    runner = RecordingRunner([Reply(APT, stdout="")])
    found = debian_archive_mirrors(runner, os_id="debian", codename="bookworm", root=tmp_path)
    assert found == (MIRROR,)


def test_apt_is_asked_whose_an_archive_is_without_its_packages(tmp_path: Path) -> None:
    lists = tmp_path / "var/lib/apt/lists"
    (lists / "partial").mkdir(parents=True)
    for name in ("m_dists_trixie_InRelease", "m_dists_trixie_main_binary-amd64_Packages.lz4"):
        (lists / name).write_text("much")
    seen: dict[str, int] = {}

    def look(argv: tuple[str, ...]) -> None:
        if argv[2] == "-o":
            folder = Path(argv[3].removeprefix("Dir::State::lists="))
            seen.update({each.name: each.stat().st_size for each in folder.iterdir()})

    text = f"Debian|Debian|trixie|stable|main|{MIRROR}/\n"
    runner = RecordingRunner([Reply(APT, stdout=text, effect=look)])
    assert debian_archive_mirrors(runner, os_id="debian", codename="trixie", root=tmp_path) == (MIRROR,)
    assert seen == {"m_dists_trixie_InRelease": 4, "m_dists_trixie_main_binary-amd64_Packages": 0}
    assert len(runner.calls) == 1


def test_an_apt_that_keeps_its_lists_elsewhere_is_asked_as_it_is(tmp_path: Path) -> None:
    text = f"Debian|Debian|trixie|stable|main|{MIRROR}/\n"
    runner = RecordingRunner([Reply((*APT, "-o"), stdout=""), Reply(APT, stdout=text)])
    assert debian_archive_mirrors(runner, os_id="debian", codename="trixie", root=tmp_path) == (MIRROR,)


def test_ubuntu_has_no_debian_mirror(tmp_path: Path) -> None:
    _host(
        tmp_path,
        "ubuntu.sources",
        "Types: deb\nURIs: http://u.example/ubuntu\nSuites: noble\nComponents: main\n",
    )
    runner = RecordingRunner([Reply(APT, stdout="Ubuntu|Ubuntu|noble|noble|main|http://u.example/ubuntu/\n")])
    assert debian_archive_mirrors(runner, os_id="ubuntu", codename="noble", root=tmp_path) == ()


@pytest.mark.parametrize("missing", [("apt-get",), ()])
def test_no_apt_or_a_failing_one_is_no_mirror(missing: tuple[str, ...], tmp_path: Path) -> None:
    runner = RecordingRunner([Reply(APT, returncode=100)], missing=missing)
    assert debian_archive_mirrors(runner, os_id="fedora", codename="", root=tmp_path) == ()


def test_the_security_suite_alone_is_not_the_main_archive() -> None:
    sources = (AptSource(("u",), ("bookworm-security",), ("main",)),)
    assert main_archive_sources(sources, "bookworm") == ()


def test_files_are_told_apart_by_their_ending(tmp_path: Path) -> None:
    _host(tmp_path, "a.sources", f"Types: deb\nURIs: {MIRROR}\nSuites: a\nComponents: main\n")
    _host(tmp_path, "b.list", f"deb {MIRROR} b main\n")
    _host(tmp_path, "c.sources.disabled", f"Types: deb\nURIs: {MIRROR}\nSuites: c\n")
    assert [s.suites for s in read_sources(tmp_path)] == [("b",), ("a",)]
