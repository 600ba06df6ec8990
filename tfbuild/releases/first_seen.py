"""Hashes that nobody published: recorded the first time the right content arrived, enforced from then on.

A release whose source has only a git tree id gets an entry in its lock (:mod:`tfbuild.releases.lock`).
Once it is committed, everyone else's download has to prove itself before anything is unpacked. The tree id
stays what decides; a sha256 that changed while the tree did not means that the server compressed the
archive anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tfbuild.artifacts.git_tree import tree_id
from tfbuild.base.errors import ChecksumError, DownloadError
from tfbuild.base.values import Pin, Unhashed
from tfbuild.machine.files import hash_file
from tfbuild.releases.lock import Seen, read_lock, write_lock


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
