"""Records of packages' files in images without a package manager, as dockerfiles/common writes them."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "dockerfiles" / "common" / "results.sh"


@pytest.mark.real_processes
def test_a_record_has_the_files_that_are_in_the_image_and_no_others(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "usr" / "lib").mkdir(parents=True)
    (root / "var" / "lib" / "dpkg" / "status.d").mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    (root / "usr" / "lib" / "with space.so").write_bytes(b"a")
    (root / "usr" / "lib" / "link.so").symlink_to("with space.so")
    # Until Debian 12 packages name /lib.
    paths = "/lib/with space.so\n/usr/lib/with space.so\n/usr/lib/link.so\n/usr/lib/left-out.so\n"
    subprocess.run(
        ["bash", "-c", f"source {SCRIPT}; record_files {root} zlib1g"], input=paths.encode(), check=True
    )
    record = root / "var" / "lib" / "dpkg" / "status.d" / "zlib1g.md5sums"
    digest = hashlib.md5(b"a", usedforsecurity=False).hexdigest()
    assert record.read_text() == f"{digest}  usr/lib/with space.so\n"
