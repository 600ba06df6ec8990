"""Makes a release's lock: reads what its source wants, resolves every ref, then hashes every archive.

Effects come in as :class:`LockEffects`. Nothing is hashed before every ref that is known is resolved:
upstream has shipped a pin that was another project's commit,
https://github.com/tensorflow/tensorflow/issues/98662.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tfbuild.base.errors import ArchiveError, BuildError, ChecksumError, DownloadError
from tfbuild.base.values import Pin, Unhashed
from tfbuild.downloads.git import GitSources, RefError, Resolved
from tfbuild.machine.files import hash_file
from tfbuild.products.tflite.lock.declared import (
    NESTED_DOWNLOADS,
    UpstreamSourceError,
    Wanted,
    hashed_by,
    nested_sources,
    not_given,
    wanted_sources,
)
from tfbuild.products.tflite.lock.license_text import LICENSE_FILES, find_license, in_license_folder
from tfbuild.products.tflite.lock.texts import texts_in
from tfbuild.products.tflite.release import lite_folder
from tfbuild.releases.keys import SourceRelease
from tfbuild.releases.lock import HashMethod, HashOrigin, Lock, LockedSource, MissingSource
from tfbuild.releases.state import made_from

_RANK: dict[HashMethod, int] = {"published": 0, "git-archive": 1, "download": 2}


@dataclass(frozen=True)
class LockEffects:
    """What making a lock asks of the world. ``fetch`` and ``fetch_unhashed`` download, ``adopt`` moves a file
    to where pinned downloads lie, ``scratch`` is a folder of this run alone."""

    git: GitSources
    fetch: Callable[[Pin], Path]
    fetch_unhashed: Callable[[Unhashed], tuple[Path, str]]
    adopt: Callable[[Path, Pin], Path]
    scratch: Path
    note: Callable[[str], None]


@dataclass(frozen=True)
class MadeLock:
    """A lock, and the archive of each of its sources."""

    lock: Lock
    files: dict[str, Path]


@dataclass(frozen=True)
class _Archive:
    path: Path
    sha256: str
    origin: HashOrigin


def make_lock(
    release: SourceRelease,
    texts: Mapping[str, str],
    old: Lock,
    effects: LockEffects,
    *,
    declared_in: str | None = None,
) -> MadeLock:
    """The lock of ``release``, whose source has the build files ``texts``; ``old`` is the lock so far.

    A source that is out of reach keeps what ``old`` says of the same archive, else it is missing.
    ``declared_in`` says where ``texts`` come from, if not from the source.

    :raises RefError: upstream pins what does not exist; all such pins at once.
    :raises ChecksumError: an archive is not what was published.
    :raises BuildError: upstream's files are not understood.
    """
    repins = dict(release.repinned)
    run = _Run(release, {each.name: each for each in old.sources}, effects)
    folder = lite_folder(release)
    run.ask(run.understood(partial(wanted_sources, texts, release.arches, repins, folder)))
    run.work_off()
    if strange := sorted(set(repins) - {*run.locked, *run.lost}):
        raise BuildError(
            f"{release.product} {release.release} has no dependency {', '.join(strange)} to pin",
            hint=f"see upstream.repins in {release.path}",
        )
    lock = replace(
        old,
        made_from=made_from(release, declared_in),
        sources=tuple(sorted(run.locked.values(), key=lambda each: each.name)),
        missing=tuple(sorted(run.lost.values(), key=lambda each: each.name)),
    )
    return MadeLock(lock, run.files)


class _Run:
    """What is asked for, what is locked, and what is lost, while a lock is made."""

    def __init__(self, release: SourceRelease, known: dict[str, LockedSource], effects: LockEffects) -> None:
        self._release = release
        self._known = known
        self._effects = effects
        self._asked: list[Wanted] = []
        self._commits: dict[str, str] = {}
        self.locked: dict[str, LockedSource] = {}
        self.lost: dict[str, MissingSource] = {}
        self.files: dict[str, Path] = {}

    def understood(self, read: Callable[[], tuple[Wanted, ...]]) -> tuple[Wanted, ...]:
        try:
            return read()
        except UpstreamSourceError as error:
            what = f"{self._release.product} {self._release.release}"
            raise BuildError(
                f"the way the source of {what} declares its dependencies is not understood",
                details=(str(error),),
            ) from error

    def ask(self, wanted: Iterable[Wanted]) -> None:
        """Resolve the refs of ``wanted``. Raises :class:`RefError` with all that do not exist."""
        wrong: list[RefError] = []
        for each in wanted:
            try:
                self._asked.append(self._resolved(each))
            except RefError as error:
                message = f"{each.name}: {error.message}, which {each.declared} asks for"
                wrong.append(RefError(message, details=error.details, hint=error.hint))
            except DownloadError as error:
                self._asked.append(each)
                self.lost[each.name] = _missing(each, error)
        if wrong:
            details = tuple(line for error in wrong for line in (error.message, *error.details))
            count = f"{len(wrong)} of upstream's pins do" if len(wrong) > 1 else "one of upstream's pins does"
            otherwise = "the pin is wrong: another one goes under upstream.repins of the release file"
            raise RefError(f"{count} not exist", details=details, hint=wrong[0].hint or otherwise)

    def work_off(self) -> None:
        """Hash everything that was asked for, and what that asks for besides."""
        while rest := [each for each in self._asked if each.name not in {*self.locked, *self.lost}]:
            # XNNPACK says first what else there is; what only some builds need says it last.
            self._lock(min(rest, key=lambda each: (each.name != "xnnpack", str(each.only_with), each.name)))

    def _lock(self, wanted: Wanted) -> None:
        try:
            commit = self._commits[wanted.name]
            entry, path = _lock_one(wanted, commit, self._known.get(wanted.name), self._effects)
        except (RefError, ChecksumError, ArchiveError):
            raise
        except DownloadError as error:
            self.lost[wanted.name] = _missing(wanted, error)
            return
        self.locked[wanted.name], self.files[wanted.name] = entry, path
        inner = texts_in(path, entry.strip_prefix, lambda name: name.startswith(NESTED_DOWNLOADS))
        nested = self.understood(partial(nested_sources, wanted, inner, self._release.repinned))
        self._asked = [hashed_by(each, nested) for each in self._asked]
        self.ask(not_given(nested, self._asked))

    def _resolved(self, wanted: Wanted) -> Wanted:
        """``wanted`` as the archive of something that stays what it is; its commit is remembered."""
        old = self._known.get(wanted.name)
        if old and (old.repository, old.ref) != (wanted.repository, wanted.ref):
            old = None
        try:
            found = self._effects.git.resolve(wanted.repository, wanted.ref)
        except RefError:
            raise
        except DownloadError:
            if old is None or old.commit is None:
                raise
            found = Resolved(old.commit, fixed=old.urls == wanted.urls)
        # A branch that is locked stays where it was.
        kept = old.commit if old and old.commit and not found.fixed else found.commit
        self._commits[wanted.name] = kept
        return wanted if found.fixed else wanted.at(kept)


def _missing(wanted: Wanted, error: DownloadError) -> MissingSource:
    return MissingSource(
        name=wanted.name,
        repository=wanted.repository,
        ref=wanted.ref,
        arches=wanted.arches,
        only_with=wanted.only_with,
        declared=wanted.declared,
        reason=error.message,
    )


def _lock_one(
    wanted: Wanted, commit: str, old: LockedSource | None, effects: LockEffects
) -> tuple[LockedSource, Path]:
    effects.note(f"{wanted.name} {wanted.ref}")
    got = _from_clone(wanted, commit, effects) or _from_host(wanted, commit, old, effects)
    names = (wanted.license_file,) if wanted.license_file else LICENSE_FILES
    texts = texts_in(got.path, wanted.strip_prefix, lambda name: name in names or in_license_folder(name))
    license_, license_file = find_license(texts, names)
    new = LockedSource(
        name=wanted.name,
        repository=wanted.repository,
        ref=wanted.ref,
        commit=commit,
        urls=wanted.urls,
        filename=wanted.filename,
        sha256=got.sha256,
        size=got.path.stat().st_size,
        hash_from=got.origin,
        strip_prefix=wanted.strip_prefix,
        license=license_,
        license_file=license_file,
        variables=wanted.variables,
        arches=wanted.arches,
        only_with=wanted.only_with,
        declared=wanted.declared,
    )
    return _settled(new, old), got.path


def _settled(new: LockedSource, old: LockedSource | None) -> LockedSource:
    """The old entry where the new one only says that the same bytes came in another, no better way."""
    if old is None or replace(new, hash_from=old.hash_from) != old:
        return new
    return old if _RANK[old.hash_from.method] <= _RANK[new.hash_from.method] else new


def _from_clone(wanted: Wanted, commit: str, effects: LockEffects) -> _Archive | None:
    folder = effects.scratch / wanted.name
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / wanted.filename
    if not effects.git.archive(wanted.repository, commit, wanted.strip_prefix, made):
        return None
    actual = hash_file(made)
    if wanted.sha256 and actual != wanted.sha256:
        raise ChecksumError(
            f"{wanted.name}: the archive of {commit} is not the one that was published",
            details=(
                f"sha256 published {wanted.sha256}, in {wanted.evidence}",
                f"sha256 made      {actual}, from the clone {effects.git.clone_of(wanted.repository)}",
            ),
            hint="another version of git or gzip may compress otherwise: without the clone it is downloaded",
        )
    origin = (
        HashOrigin(method="published", evidence=wanted.evidence)
        if wanted.sha256
        else HashOrigin(method="git-archive", evidence=f"git archive of {commit}, as the host compresses it")
    )
    return _Archive(effects.adopt(made, _pin(wanted, actual, made.stat().st_size)), actual, origin)


def _from_host(wanted: Wanted, commit: str, old: LockedSource | None, effects: LockEffects) -> _Archive:
    if wanted.sha256:
        path = effects.fetch(_pin(wanted, wanted.sha256, None))
        return _Archive(path, wanted.sha256, HashOrigin(method="published", evidence=wanted.evidence))
    if old and (old.commit, old.urls) == (commit, wanted.urls):
        # What is locked is asked for by its hash: a host that serves other bytes now is found out.
        return _Archive(effects.fetch(old.pin()), old.sha256, old.hash_from)
    unhashed = Unhashed(wanted.name, wanted.urls, wanted.filename, wanted.strip_prefix, commit, "")
    path, url = effects.fetch_unhashed(unhashed)
    actual = hash_file(path)
    kept = effects.adopt(path, _pin(wanted, actual, path.stat().st_size))
    return _Archive(kept, actual, HashOrigin(method="download", evidence=url))


def _pin(wanted: Wanted, sha256: str, size: int | None) -> Pin:
    return Pin(wanted.name, wanted.urls, sha256, wanted.filename, size)
