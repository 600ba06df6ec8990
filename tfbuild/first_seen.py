"""Hashes that nobody published: recorded the first time the right content arrived, enforced from then on.

A release whose source has only a git tree id gets a lock file beside it,
``build_configs/releases/<product>/<release>.lock.json``. It is text for version control: whoever commits it
makes everyone else's download prove itself before anything is unpacked. The tree id stays what decides; a
sha256 that changed while the tree did not means that the server compressed the archive anew.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tfbuild.errors import ChecksumError, ConfigError, ConfigProblem, DownloadError
from tfbuild.git_tree import tree_id
from tfbuild.model import Pin, Unhashed
from tfbuild.store import hash_file

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Seen:
    """What is recorded of one download."""

    filename: str
    sha256: str
    tree: str
    size: int  # bytes
    url: str


@dataclass(frozen=True)
class Lock:
    """The content of a lock file."""

    version: int = 1
    seen: tuple[Seen, ...] = ()

    def sha256_of(self, filename: str, tree: str | None) -> str | None:
        """The recorded hash; an entry for another tree is about another source and does not count."""
        found = (each.sha256 for each in self.seen if (each.filename, each.tree) == (filename, tree))
        return next(found, None)

    def recorded(self, new: Seen) -> Lock:
        """This lock with ``new`` in the place of what was said about the same file."""
        kept = (each for each in self.seen if each.filename != new.filename)
        return Lock(seen=tuple(sorted((*kept, new), key=lambda each: each.filename)))

    def text(self) -> str:
        return (
            json.dumps({"version": self.version, "seen": [asdict(each) for each in self.seen]}, indent=2)
            + "\n"
        )


def lock_path(release_file: str) -> str:
    """The lock of ``.../2.20.0.yaml``."""
    return f"{release_file.removesuffix('.yaml')}.lock.json"


def read_lock(path: Path, shown: str) -> Lock:
    """The lock at ``path``, empty where there is none.

    :raises ConfigError: it cannot be understood. It is not taken for empty: that would accept anything.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Lock()
    try:
        return _parse(text)
    except (ValueError, KeyError, TypeError) as error:
        problem = ConfigProblem(shown, 1, 1, f"not a lock file: {error or type(error).__name__}")
        hint = f"git checkout {shown}, or delete it to have the source checked by its tree id once more"
        raise ConfigError((problem,), hint=hint) from None


def write_lock(path: Path, lock: Lock) -> None:
    """Replace the lock file in one step; one that is cut off never has half of it."""
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    staging.write_text(lock.text(), encoding="utf-8")
    staging.replace(path)


def prove(folder: Path, expected: str | None, what: str) -> None:
    """Raises :class:`ChecksumError` where what lies in ``folder`` is not the tree ``expected``, if any."""
    actual = tree_id(folder) if expected else None
    if actual != expected:
        raise ChecksumError(
            f"{what} is not the source that is pinned",
            details=(f"git tree expected {expected}", f"git tree actual   {actual}"),
            hint="nothing was built; is the mirror right, has the archive been patched?",
        )


def obtain(
    source: Unhashed,
    project: Path,
    *,
    download: Callable[[Unhashed], tuple[Path, str]],
    unpack: Callable[[Path, Unhashed], Path],
    keep: Callable[[Path, Pin], Path],
    warn: Callable[[str], None],
) -> tuple[Path, Pin]:
    """The archive of ``source``, proven by its git tree, and the pin that it has from now on.

    ``download`` gives a file and the URL that it came from, ``unpack`` extracts it to a folder,
    ``keep`` moves it to where a pinned download lies. What is not the pinned tree is deleted.

    :raises ChecksumError: the content is another.
    :raises DownloadError: no URL gave it.
    """
    path, url = download(source)
    try:
        prove(unpack(path, source), source.tree, source.filename)
    except DownloadError:
        path.unlink(missing_ok=True)
        raise
    seen = Seen(source.filename, hash_file(path), source.tree, path.stat().st_size, url)
    pin = Pin(source.name, source.urls, seen.sha256, source.filename, seen.size)
    kept = keep(path, pin)
    lock = project / source.lock
    try:
        write_lock(lock, read_lock(lock, source.lock).recorded(seen))
    except OSError as error:
        warn(f"{source.lock} cannot be written, the sha256 of the source is not recorded: {error.strerror}")
    return kept, pin


def _parse(text: str) -> Lock:
    data = json.loads(text)
    if data["version"] != 1:
        raise ValueError(f"version {data['version']}, this program knows version 1")
    seen = tuple(Seen(**each) for each in data["seen"])
    for each in seen:
        if not _SHA256.fullmatch(each.sha256):
            raise ValueError(f"{each.filename} has no sha256: {each.sha256!r}")
    return Lock(seen=seen)
