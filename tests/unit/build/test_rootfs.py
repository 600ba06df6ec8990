"""Root filesystems: which mirror, which command line, and nothing half-made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.arch import Arch
from tfbuild.base.errors import BuildError, HostError
from tfbuild.base.urls import parse_mirror_rules
from tfbuild.build.roots import (
    KEYRING,
    Archive,
    archive_of,
    archives_of,
    bootstrap,
    mmdebstrap_command,
    read_facts,
)
from tfbuild.plan.roots import Root

ROOT = Root("trixie", Arch.AMD64, (), None, None, 1_700_000_000)
MIRROR = "http://mirror.example/debian"
VERSION = Reply(("mmdebstrap", "--version"), stdout="mmdebstrap 1.2.3\n")


def test_a_root_that_is_only_extracted_runs_nothing_and_keeps_its_records() -> None:
    root = replace(ROOT, include=("python3.13-minimal",), variant="extract")

    def command(of: Root) -> tuple[str, ...]:
        recorder = Path("/project/record.sh")
        return mmdebstrap_command(
            of, Archive(MIRROR), Path("/out"), host=Arch.AMD64, is_root=True, recorder=recorder
        )

    for arch in (Arch.AMD64, Arch.ARM64):
        said = {"--variant=extract", "--mode=root", "--extract-hook=/project/record.sh"}
        assert said <= set(command(replace(root, arch=arch)))
    whole = command(replace(ROOT, arch=Arch.ARM64))
    assert "--mode=chrootless" in whole
    assert not any("hook" in word for word in whole)
    assert root.key != replace(root, variant="minbase").key


def test_the_configured_mirror_wins_then_the_snapshot_then_the_host() -> None:
    snapshot = replace(ROOT, snapshot="20260101T000000Z")
    assert archive_of(replace(snapshot, mirror="http://mine.example"), [MIRROR]) == Archive(
        "http://mine.example"
    )
    assert archive_of(snapshot, [MIRROR]).main.endswith("/archive/debian/20260101T000000Z")
    assert archive_of(ROOT, [MIRROR, "http://second.example"]) == Archive(MIRROR)


def test_security_fixes_come_from_where_the_archive_comes_from() -> None:
    """A mirror of one's own is not mixed with the host's: it may be the only thing that can be reached."""
    security = "http://mirror.example/debian-security"
    assert archive_of(ROOT, [MIRROR], [security]) == Archive(MIRROR, security)
    assert archive_of(replace(ROOT, suite="sid"), [MIRROR], [security]) == Archive(MIRROR)
    mine = replace(ROOT, mirror="http://mine.example")
    assert archive_of(mine, [MIRROR], [security]) == Archive("http://mine.example")
    fixes = replace(mine, security_mirror="http://mine.example/fixes")
    assert archive_of(fixes, [MIRROR], [security]).security == "http://mine.example/fixes"
    snapshot = archive_of(replace(ROOT, snapshot="20260101T000000Z"), [MIRROR], [security])
    assert snapshot.security is not None
    assert snapshot.security.endswith("/archive/debian-security/20260101T000000Z")
    named = replace(ROOT, snapshot="20260101T000000Z", security_mirror="http://mine.example/fixes")
    assert archive_of(named, [MIRROR], [security]).security == "http://mine.example/fixes"
    for root in (ROOT, fixes, replace(ROOT, snapshot="20260101T000000Z")):
        assert archive_of(replace(root, security_updates=False), [MIRROR], [security]).security is None
        assert root.key != replace(root, security_updates=False).key
    assert Archive(MIRROR, security).sources("trixie") == (
        f"deb {MIRROR} trixie main",
        f"deb {security} trixie-security main",
    )


def test_without_any_mirror_both_ways_out_are_told() -> None:
    with pytest.raises(HostError, match="no Debian mirror") as caught:
        archive_of(ROOT, [])
    assert caught.value.hint is not None
    assert "debian.mirror" in caught.value.hint
    assert "debian.snapshot" in caught.value.hint


def test_mirror_rules_come_first_and_fixes_go_the_same_way() -> None:
    rules = parse_mirror_rules("debian:=http://one.example/d debian-security:=http://one.example/s")
    security = "http://mirror.example/debian-security"
    assert archives_of(ROOT, [MIRROR], [security], rules) == (
        Archive("http://one.example/d", "http://one.example/s"),
        Archive(MIRROR, security),
    )
    assert archives_of(ROOT, [], rules=rules) == (Archive("http://one.example/d"),)
    with pytest.raises(HostError, match="no Debian mirror"):
        archives_of(ROOT, [], rules=parse_mirror_rules("https://a.example/=http://b"))


def test_a_rule_for_debian_does_not_replace_a_snapshot_by_another_state() -> None:
    rules = parse_mirror_rules(
        "debian:=http://one.example/d https://snapshot.debian.org/=http://snap.example/"
    )
    frozen = archives_of(replace(ROOT, snapshot="20260101T000000Z"), [MIRROR], rules=rules)
    assert [each.main for each in frozen] == [
        "http://snap.example/archive/debian/20260101T000000Z",
        "https://snapshot.debian.org/archive/debian/20260101T000000Z",
    ]
    assert frozen[0].security == "http://snap.example/archive/debian-security/20260101T000000Z"
    assert archives_of(replace(ROOT, mirror=MIRROR), [], rules=rules) == (Archive(MIRROR),)


def test_a_mirror_that_fails_makes_room_for_the_next(tmp_path: Path) -> None:
    def works_second(argv: tuple[str, ...]) -> None:
        if "two.example" in argv[-1]:
            writes(b"tar")(argv)

    one, two = Archive("http://one.example/d"), Archive("http://two.example/d")
    failing = Reply(("mmdebstrap",), returncode=25, stderr="E: gone\n", times=1)
    runner = RecordingRunner([VERSION, failing, Reply(("mmdebstrap",), effect=works_second)])
    done = bootstrap(
        ROOT, tmp_path, [one, two], runner=runner, log=tmp_path / "log", host=Arch.AMD64, is_root=True
    )
    assert done.mirror == "http://two.example/d"


def test_a_password_is_there_for_apt_and_gone_afterwards(tmp_path: Path) -> None:
    seen: list[str] = []

    def look(argv: tuple[str, ...]) -> None:
        hook = next(word for word in argv if word.startswith("--setup-hook=upload "))
        file = Path(hook.split()[1])
        seen.append(f"{file.stat().st_mode & 0o777:o} {file.read_text()}")
        assert '--customize-hook=rm "$1/etc/apt/auth.conf"' in argv
        writes(b"tar")(argv)

    runner = RecordingRunner([VERSION, Reply(("mmdebstrap",), effect=look)])
    bootstrap(
        ROOT,
        tmp_path / "x",
        [Archive(MIRROR)],
        runner=runner,
        log=tmp_path / "log",
        host=Arch.AMD64,
        is_root=True,
        auth="machine http://mirror.example login u password s3cr3t\n",
    )
    assert seen == ["600 machine http://mirror.example login u password s3cr3t\n"]
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["root.json", "rootfs.tar"]
    assert "s3cr3t" not in "".join(map(str, runner.calls))


@pytest.mark.parametrize(
    ("arch", "is_root", "mode"),
    [
        (Arch.AMD64, True, "root"),
        (Arch.AMD64, False, "unshare"),
        (Arch.ARM64, True, "chrootless"),
        (Arch.ARM64, False, "chrootless"),
    ],
)
def test_the_mode_follows_who_runs_it_for_what(arch: Arch, is_root: bool, mode: str) -> None:
    argv = mmdebstrap_command(
        replace(ROOT, arch=arch), Archive(MIRROR), Path("/t"), host=Arch.AMD64, is_root=is_root
    )
    assert f"--mode={mode}" in argv
    assert f"--architectures={arch}" in argv
    assert argv[-3:] == ("trixie", "/t", f"deb {MIRROR} trixie main")
    assert f"--keyring={KEYRING}" in argv


def test_packages_are_included_in_one_argument() -> None:
    def command(*include: str) -> tuple[str, ...]:
        root = replace(ROOT, include=include)
        return mmdebstrap_command(root, Archive(MIRROR), Path("/t"), host=Arch.AMD64, is_root=True)

    assert "--include=a,b" in command("a", "b")
    assert not any(word.startswith("--include") for word in command())


def writes(data: bytes) -> Callable[[tuple[str, ...]], None]:
    def effect(argv: tuple[str, ...]) -> None:
        Path(argv[-2]).write_bytes(data)

    return effect


def make(folder: Path, runner: RecordingRunner, mirror: str = MIRROR) -> None:
    archive = Archive(mirror)
    bootstrap(
        ROOT, folder, [archive], runner=runner, log=folder.parent / "log", host=Arch.AMD64, is_root=True
    )


def test_a_finished_root_tells_what_it_is_made_of(tmp_path: Path) -> None:
    runner = RecordingRunner([VERSION, Reply(("mmdebstrap",), effect=writes(b"tar"))])
    folder = tmp_path / "bases" / "x"
    make(folder, runner, "http://user:secret@mirror.example/debian")
    facts = read_facts(folder)
    assert facts is not None
    assert (facts.suite, facts.arch, facts.size, facts.maker) == ("trixie", "amd64", 3, "mmdebstrap 1.2.3")
    assert facts.sha256 == hashlib.sha256(b"tar").hexdigest()
    assert "secret" not in (folder / "root.json").read_text()
    assert runner.calls[0].env == {"SOURCE_DATE_EPOCH": "1700000000"}
    assert sorted(path.name for path in folder.iterdir()) == ["root.json", "rootfs.tar"]


def test_a_failure_shows_the_last_lines_and_leaves_nothing(tmp_path: Path) -> None:
    def half(argv: tuple[str, ...]) -> None:
        writes(b"half")(argv)

    told = "E: Unable to fetch packages\n"
    runner = RecordingRunner([Reply(("mmdebstrap",), returncode=25, stderr=told, effect=half)])
    with pytest.raises(BuildError, match="mmdebstrap could not make a trixie root filesystem") as caught:
        make(tmp_path / "x", runner, "http://user:secret@mirror.example/debian")
    assert any("Unable to fetch" in line for line in caught.value.details)
    assert not any("secret" in line for line in caught.value.details)
    assert caught.value.hint
    assert list((tmp_path / "x").iterdir()) == []
    assert read_facts(tmp_path / "x") is None


def test_an_interruption_leaves_nothing_either(tmp_path: Path) -> None:
    def interrupted(argv: tuple[str, ...]) -> None:
        writes(b"half")(argv)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "x", RecordingRunner([Reply(("mmdebstrap",), effect=interrupted)]))
    assert list((tmp_path / "x").iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "rootfs.tar").unlink(),
        lambda folder: (folder / "rootfs.tar").write_bytes(b"other size"),
        lambda folder: (folder / "root.json").write_text("{"),
        lambda folder: (folder / "root.json").write_text(json.dumps({"suite": "trixie"})),
        lambda folder: (folder / "root.json").write_text("[]"),
    ],
)
def test_a_damaged_root_is_made_again(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    make(tmp_path / "x", RecordingRunner([VERSION, Reply(("mmdebstrap",), effect=writes(b"tar"))]))
    assert read_facts(tmp_path / "x") is not None
    damage(tmp_path / "x")
    assert read_facts(tmp_path / "x") is None
