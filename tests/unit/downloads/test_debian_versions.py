"""Versions of Debian as dpkg orders them, package indexes, and apt in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.arch import Arch
from tfbuild.base.errors import DownloadError, HostError
from tfbuild.downloads.debian_lists import apt_configuration, read_archive, signed_sources
from tfbuild.downloads.debian_versions import DebianVersion, Offered, parse_index

# Ascending; what deb-version(7) and the tests of dpkg say.
ASCENDING = (
    "0~~",
    "0~~a",
    "0~",
    "0",
    "0.1",
    "0.a",
    "1.0~rc1-1",
    "1.0-1~bpo12+1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1+deb12u1",
    "1.0-1.1",
    "1.0-2",
    "1.0-10",
    "1.0a-1",
    "1.0+dfsg-1",
    "1.2",
    "1.10",
    "3.5.7-1~deb13u3",
    "3.5.9-1~deb13u1",
    "1:0.1",
)
EQUAL = (("0:1.0-0", "1.0"), ("1.0", "1.00"), ("1.0-1", "1.0-01"), ("1.2", "0:1.2-0"))


@pytest.mark.parametrize("number", range(len(ASCENDING) - 1))
def test_versions_are_ordered_as_dpkg_orders_them(number: int) -> None:
    lower, higher = DebianVersion(ASCENDING[number]), DebianVersion(ASCENDING[number + 1])
    assert lower < higher
    assert not higher < lower
    assert lower != higher


@pytest.mark.parametrize(("one", "two"), EQUAL)
def test_versions_that_only_look_different_are_equal(one: str, two: str) -> None:
    assert DebianVersion(one) == DebianVersion(two)
    assert hash(DebianVersion(one)) == hash(DebianVersion(two))
    assert not DebianVersion(one) < DebianVersion(two)


versions = st.text("019ab.+~-:", min_size=1, max_size=8).map(DebianVersion)


@given(versions, versions, versions)
def test_the_order_is_total(a: DebianVersion, b: DebianVersion, c: DebianVersion) -> None:
    assert (a < b) + (b < a) + (a == b) == 1
    if a < b and b < c:
        assert a < c


INDEX = """Package: libssl3t64
Source: openssl (3.5.7-1)
Version: 3.5.7-1~deb13u3
Description: text
 Version: not a field
Architecture: amd64

Package: tzdata
Version: 2025b-4
Architecture: all

Broken: yes
"""


def test_an_index_gives_names_versions_and_sources() -> None:
    assert list(parse_index(INDEX.splitlines(keepends=True), security=True)) == [
        Offered("libssl3t64", "3.5.7-1~deb13u3", "amd64", "openssl", "3.5.7-1", True),
        Offered("tzdata", "2025b-4", "all", "tzdata", "2025b-4", True),
    ]


@given(st.text(alphabet="Packge:Version \n\t()1", max_size=200))
def test_any_text_is_an_index_of_something(text: str) -> None:
    for each in parse_index(text.splitlines(keepends=True), security=False):
        assert each.name
        assert each.version


# -- apt ----------------------------------------------------------------------------------------------------

SOURCES = ("deb http://mirror.example/debian trixie main", "deb http://mirror.example/s trixie-security main")


def apt(folder: Path, **update: object) -> RecordingRunner:
    for name in ("main", "security"):
        (folder / name).write_text(INDEX if name == "main" else INDEX.replace("13u3", "13u4"))
    listed = f"{folder}/main|Debian\n{folder}/security|Debian-Security\n{folder}/empty|Debian\n"
    return RecordingRunner(
        [
            Reply(("apt-get", "update"), **update),  # type: ignore[arg-type]
            Reply(("apt-get", "indextargets"), stdout=listed),
        ]
    )


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    path = tmp_path / "keyring.gpg"
    path.touch()
    return path


def test_apt_works_in_a_folder_of_its_own_and_checks_signatures(tmp_path: Path, keyring: Path) -> None:
    runner = apt(tmp_path)
    found = read_archive(tmp_path, Arch.ARM64, SOURCES, keyring, runner, "machine x")
    assert [(each.version, each.security) for each in found if each.name == "libssl3t64"] == [
        ("3.5.7-1~deb13u3", False),
        ("3.5.7-1~deb13u4", True),
    ]
    configuration = (tmp_path / "apt.conf").read_text()
    assert 'APT::Architecture "arm64";' in configuration
    assert 'Dir::Etc::Parts "/dev/null";' in configuration
    assert all(call.env["APT_CONFIG"] == str(tmp_path / "apt.conf") for call in runner.calls)
    assert (tmp_path / "sources.list").read_text() == signed_sources(SOURCES, keyring)
    assert f"deb [signed-by={keyring}] http://mirror.example/debian trixie main\n" in signed_sources(
        SOURCES, keyring
    )
    assert (tmp_path / "auth.conf").read_text() == ""  # the password does not stay
    assert apt_configuration(tmp_path, Arch.ARM64) == configuration


def test_an_index_that_cannot_be_had_or_is_not_signed_is_an_error(tmp_path: Path, keyring: Path) -> None:
    runner = apt(tmp_path, returncode=100, stderr="E: The repository is not signed.\n")
    with pytest.raises(DownloadError) as caught:
        read_archive(tmp_path, Arch.AMD64, SOURCES, keyring, runner)
    assert "not signed" in "".join(caught.value.details)
    with pytest.raises(HostError, match="there is no"):
        read_archive(tmp_path, Arch.AMD64, SOURCES, tmp_path / "nothing", runner)
