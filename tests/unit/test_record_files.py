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


def scripts(folder: Path, **programs: str) -> dict[str, str]:
    """An environment in which these are the programs of their names."""
    for name, text in programs.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def said(call: str, environment: dict[str, str]) -> str:
    command = f"source {SCRIPT}; {call}"
    ran = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=True)
    return ran.stdout


@pytest.mark.real_processes
@pytest.mark.parametrize("known", ["/usr/bin/env", "/bin/env"])
def test_the_owner_of_a_file_is_found_by_its_old_path_too(tmp_path: Path, known: str) -> None:
    # Until Debian 12 dpkg knows a file in the merged /usr by its path before that.
    real = Path("/usr/bin/env").resolve()
    known = known.replace("/usr/bin/env", str(real)).replace("/bin/env", str(real).removeprefix("/usr"))
    environment = scripts(
        tmp_path,
        dpkg_query=f'[[ $2 == "{known}" ]] || exit 1; echo "coreutils:arm64: $2"; echo "other: $2"',
    )
    assert said("owner_of /usr/bin/env", environment) == "coreutils:arm64\n"
    assert said("package_of /usr/bin/env", environment) == "coreutils\n"


@pytest.mark.real_processes
@pytest.mark.parametrize(
    "lddtree",
    [
        '[[ $1 == --help ]] && { echo "--list --skip-non-elfs"; exit; }; '
        '[[ "$1 $2" == "--list --skip-non-elfs" ]] && printf "%s\\n" /b /a /b',
        # Debian 11's
        '[[ $1 == --help ]] && { echo "-l  Display output in a flat format" >&2; exit 1; }; '
        '[[ $1 == -l ]] && printf "%s\\n" /b /a /b',
    ],
)
def test_either_lddtree_tells_the_libraries(tmp_path: Path, lddtree: str) -> None:
    assert said("closure_of /b", scripts(tmp_path, lddtree=lddtree)) == "/a\n/b\n"
