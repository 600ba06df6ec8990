"""Small wheels for tests."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

INFO = "tflite_runtime-2.14.0.dist-info"


def make_wheel(
    folder: Path,
    files: Mapping[str, bytes],
    *,
    platform: str = "manylinux2014_x86_64",
    altered: Mapping[str, bytes] | None = None,
) -> Path:
    """A wheel with ``files``; ``altered`` replaces files after RECORD was written."""
    path = folder / f"tflite_runtime-2.14.0-cp311-cp311-{platform}.whl"
    members = {
        **files,
        f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: tflite-runtime\nVersion: 2.14.0\n"
        b"Requires-Python: >=3.9\nRequires-Dist: numpy>=1.23.2\n",
        f"{INFO}/WHEEL": f"Wheel-Version: 1.0\nTag: cp311-cp311-{platform}\n".encode(),
    }
    rows = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in members.items()]
    members[f"{INFO}/RECORD"] = "\n".join([*rows, f"{INFO}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**members, **(altered or {})}.items():
            archive.writestr(name, data)
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
