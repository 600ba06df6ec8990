"""Files for a container, as the archive in which the engine takes them."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath


def pack_files(files: Mapping[str, Path], mount: str) -> bytes:
    """A tar of ``files`` with names relative to ``mount``, readable by any user in the container."""
    buffer = io.BytesIO()
    folders: set[PurePosixPath] = set()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for target, source in sorted(files.items()):
            name = PurePosixPath(target).relative_to(mount)
            for folder in reversed(name.parents[:-1]):
                if folder not in folders:
                    folders.add(folder)
                    member = tarfile.TarInfo(str(folder))
                    member.type, member.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(member)
            member = tarfile.TarInfo(str(name))
            member.size = source.stat().st_size
            member.mode = 0o755 if os.access(source, os.X_OK) else 0o644
            with source.open("rb") as content:
                archive.addfile(member, content)
    return buffer.getvalue()
