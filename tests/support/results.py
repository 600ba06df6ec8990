"""Small results of builds, as they lie in dist/."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tfbuild.base.text import human_size
from tfbuild.build.dist.folder import write_checksums, write_json
from tfbuild.machine.cache import bytes_below

PLACE = ("tflite", "2.14.1-debian", "opt", "amd64")
OWNER = "-".join(PLACE)


def finished(dist: Path, place: tuple[str, ...] = PLACE, text: str = "old") -> Path:
    """The folder of a result in ``dist``, with a library, its log, manifest and checksums."""
    folder = dist.joinpath(*place)
    for name in ("lib/a.so.1", "logs/01-fetch.log", "verify.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "lib" / "a.so").symlink_to("a.so.1")
    write_json(folder / "manifest.json", manifest(place, text))
    write_checksums(folder)
    return folder


def manifest(place: tuple[str, ...], text: str = "old") -> dict[str, object]:
    key = hashlib.sha256(text.encode()).hexdigest()
    common = {"version": 1, "tfbuild": "1.0", "key": key}
    if place[-1] == "index":
        return {**common, "id": "-".join(place[:-1])}
    return {**common, "build_id": "-".join(place), "plan": {"output": f"dist/{'/'.join(place)}"}}


def size_of(folder: Path) -> str:
    return human_size(bytes_below(folder))
