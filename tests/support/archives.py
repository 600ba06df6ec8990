"""Archives made of folders of this project; the same files give the same bytes on every machine."""

from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data"

# Archive: its top folder, and the folder of this project that is packed.
MINIATURES = {
    "serving-mini.tar": ("serving-mini", "serving-mini"),
    "tensorflow-mini.tar": ("tensorflow-mini", "serving-mini-tensorflow"),
    "boost-mini.tar": ("boost_1_75_0", "serving-mini-boost"),
}


def pack(folder: Path, top: str, path: Path) -> str:
    """Write the files of ``folder`` to the tar ``path``, below ``top``; its sha256."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for source in sorted(each for each in folder.rglob("*") if each.is_file()):
            member = tarfile.TarInfo(f"{top}/{source.relative_to(folder)}")
            member.size = source.stat().st_size
            member.mode = 0o755 if os.access(source, os.X_OK) else 0o644
            with source.open("rb") as content:
                archive.addfile(member, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pack_miniatures(folder: Path) -> dict[str, str]:
    """The archives of the miniature upstream in ``folder``; their hashes by name."""
    return {name: pack(DATA / data, top, folder / name) for name, (top, data) in MINIATURES.items()}
