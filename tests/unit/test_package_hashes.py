"""The hashes of a builder's packages, as dockerfiles/common/package-hashes.awk finds them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "dockerfiles" / "common" / "package-hashes.awk"
# As "apt-cache show" prints it: every version that the index has, and dpkg's own record.
AVAILABLE = """\
Package: zlib1g
Version: 1:1.3-2
Architecture: amd64
Description: compression
 Version: not-a-field
SHA256: new

Package: zlib1g
Status: install ok installed
Version: 1:1.3-1
Architecture: amd64

Package: zlib1g
Version: 1:1.3-1
Architecture: amd64
SHA256: right

Package: zlib1g
Version: 1:1.3-1
Architecture: arm64
SHA256: other
"""


@pytest.mark.real_processes
def test_a_package_gets_the_hash_of_its_own_version_and_architecture(tmp_path: Path) -> None:
    (tmp_path / "available").write_text(AVAILABLE)
    rows = ("zlib1g\t1:1.3-1\tamd64\tzlib\t1:1.3-1\t", "bash\t5.2\tamd64\tbash\t5.2\t")
    (tmp_path / "installed").write_text("".join(f"{row}\n" for row in rows))
    done = subprocess.run(
        ["awk", "-f", str(SCRIPT), str(tmp_path / "available"), str(tmp_path / "installed")],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == [f"{rows[0]}right", rows[1]]
