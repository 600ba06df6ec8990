"""Files that a user names: what is not ours is refused with its name before any work, and stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import bundles
from tests.support.diagnosing import diagnose_case
from tests.support.diagnosis import CASES
from tests.support.images import docker_archive
from tests.support.plans import PROJECT
from tfbuild.base.errors import ExitCode, UsageError
from tfbuild.base.values import Pin
from tfbuild.build.bundle.file import require_bundle_place
from tfbuild.cli import inspect
from tfbuild.cli.lock import copy_to_mirror
from tfbuild.cli.run import run_command
from tfbuild.diagnose.html import STYLE, render_html
from tfbuild.machine.files import hash_file
from tfbuild.machine.user_files import replace_text, require_page_place, require_replaceable_file
from tfbuild.releases.wheels.lock import is_wheel_lock


def _page(path: Path) -> None:
    report = diagnose_case(CASES["clean"], path.parent)
    replace_text(path, render_html(report, (PROJECT / STYLE).read_text()))


def _bundle(path: Path) -> None:
    bundles.write(path.parent, path.name)


def _wheel_lock(path: Path) -> None:
    folder = PROJECT / "build_configs" / "releases" / "keras"
    path.write_bytes(sorted(folder.glob("*.wheels.json"))[0].read_bytes())


def _require_wheel_lock_place(path: Path) -> None:
    require_replaceable_file(path, is_wheel_lock, "a lock", "move it away")


Require = Callable[[Path], None]
KINDS = {
    "page": (require_page_place, _page),
    "bundle": (require_bundle_place, _bundle),
    "lock": (_require_wheel_lock_place, _wheel_lock),
}
every_kind = pytest.mark.parametrize(("require", "make"), KINDS.values(), ids=KINDS)


@every_kind
def test_one_of_ours_may_be_replaced(tmp_path: Path, require: Require, make: Require) -> None:
    require(tmp_path / "file")
    (tmp_path / "file").touch()
    require(tmp_path / "file")  # as mktemp makes it
    (tmp_path / "file").unlink()
    make(tmp_path / "file")
    require(tmp_path / "file")
    (tmp_path / "link").symlink_to("file")
    require(tmp_path / "link")


@every_kind
@pytest.mark.parametrize("content", [b"precious", b"<!doctype html><p>mine", b"\x1f\x8b", b"{}", b"\0" * 600])
def test_anything_else_is_refused_with_its_name(
    tmp_path: Path, require: Require, make: Require, content: bytes
) -> None:
    (tmp_path / "file").write_bytes(content)
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        with pytest.raises(UsageError, match="it is not replaced") as caught:
            require(tmp_path / name)
        assert str(tmp_path / name) in caught.value.message
    assert (tmp_path / "file").read_bytes() == content


@every_kind
def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path, require: Require, make: Require) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "file").touch()
    for name in ("", "none/file", "dangling", "file/below", "x" * 300):
        with pytest.raises(UsageError, match="cannot write"):
            require(tmp_path / name)
    require(Path("/dev/null"))


def test_a_page_is_refused_before_the_image_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.html").write_text("precious")
    words = {"as_json": False, "html": str(tmp_path / "notes.html"), "facts": "", "host_facts": False}
    code = run_command(lambda: inspect.diagnose("no such image", **words))  # type: ignore[arg-type]
    assert code == ExitCode.USAGE
    assert "notes.html exists and is not a page of tfbuild" in capsys.readouterr().err
    assert (tmp_path / "notes.html").read_text() == "precious"
    image = docker_archive(tmp_path / "image.tar", CASES["clean"].image())
    words["html"] = str(tmp_path / "new.html")
    for _ in range(2):
        run_command(lambda: inspect.diagnose(str(image), **words))  # type: ignore[arg-type]
        assert (tmp_path / "new.html").read_text().startswith("<!doctype html>")


def test_a_file_is_replaced_behind_its_link_and_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o600)
    (tmp_path / "link").symlink_to("real")
    replace_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_a_mirror_keeps_what_it_has(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    pins = [
        (
            Pin(name, (f"https://example.org/{name}.tar",), hash_file(tmp_path / name), f"{name}.tar"),
            tmp_path / name,
        )
        for name in ("a", "b")
    ]
    copy_to_mirror(tmp_path / "m", pins)
    copy_to_mirror(tmp_path / "m", pins)
    mirrored = tmp_path / "m" / "example.org"
    (mirrored / "a.tar").unlink()
    (mirrored / "b.tar").write_text("precious")
    with pytest.raises(UsageError, match="nothing is replaced") as caught:
        copy_to_mirror(tmp_path / "m", pins)
    assert caught.value.details == (str(mirrored / "b.tar"),)
    assert [path.name for path in mirrored.iterdir()] == ["b.tar"]
    assert (mirrored / "b.tar").read_text() == "precious"
