"""``invoke lock``."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from tfbuild.base.documents import dump
from tfbuild.base.errors import (
    DownloadError,
    ExitCode,
    HostError,
    TfBuildError,
    UsageError,
    VerificationError,
)
from tfbuild.base.project import PROJECT
from tfbuild.base.text import first_lines
from tfbuild.base.values import Pin, Reporter
from tfbuild.cli.line.own_files import release_word, require_checkout
from tfbuild.cli.wiring import fetch_release, make_fetcher
from tfbuild.downloads.fetch import new_session
from tfbuild.downloads.git import GitSources
from tfbuild.downloads.python_index import head_size
from tfbuild.machine.cache import cache_root, prepare_cache
from tfbuild.machine.files import hash_file
from tfbuild.machine.host import gather
from tfbuild.machine.path_words import input_folder, output_folder
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.machine.terminal import write_json, write_lines
from tfbuild.machine.user_files import beside_of, require_replaceable_file
from tfbuild.products.keras.asked import application_to_lock
from tfbuild.products.tflite.lock.make import LockEffects, MadeLock, make_lock
from tfbuild.products.tflite.lock.texts import build_file_texts, source_texts
from tfbuild.products.tflite.release import UpstreamBuildFiles, UpstreamRelease, lite_folder
from tfbuild.releases.keys import SourceRelease
from tfbuild.releases.load import load_lock, lock_command
from tfbuild.releases.lock import Lock, write_lock
from tfbuild.releases.state import ReleaseLock, lock_status
from tfbuild.releases.wheels.keys import WheelRelease
from tfbuild.releases.wheels.lock import WheelLock, is_wheel_lock, read_wheel_lock
from tfbuild.releases.wheels.resolve import lock_application, lock_wheels


@dataclass(frozen=True, kw_only=True)
class LockDocument:
    """``invoke lock --json``: the lock, made or with ``--check`` found to be right."""

    version: Literal[1] = 1
    product: str
    release: str
    path: str


def lock(
    product: str,
    release: str,
    *,
    check: bool,
    clones: str,
    mirror: str,
    app: str,
    without_source: bool,
    as_json: bool,
) -> int:
    """``invoke lock``"""
    from tfbuild.cli.console import ConsoleReporter
    from tfbuild.products.table import find_release

    places = LockPlaces(
        clones=input_folder(clones, "--clones").absolute() if clones else None,
        mirror=output_folder(mirror, "--mirror").absolute() if mirror else None,
        without_source=without_source,
    )
    if app:
        app = str(input_folder(app, "--app"))
    found = find_release(PROJECT, product, release_word(release, PROJECT))
    if not (check or app or Path(found.path).is_absolute()):
        require_checkout("the locks of the releases are made in", "--check, or --release FILE.yaml")
    if isinstance(found, WheelRelease):
        if check or clones or mirror or without_source:
            what = "--check, --clones, --mirror and --without-source"
            raise UsageError(f"{what} are for releases that are made of a source")
        with ConsoleReporter() as reporter:
            path = str(lock_wheels_of(found, app, reporter=reporter))
        return _print_result(found, path, as_json=as_json)
    if app:
        raise UsageError("--app is for releases that are made of wheels", hint="--product keras")
    if not isinstance(found, SourceRelease):
        raise UsageError(f"{found.product} {found.release} is made of neither a source nor wheels")
    with ConsoleReporter() as reporter:
        path = lock_release(PROJECT, found, places, check=check, reporter=reporter)
    return _print_result(found, path, as_json=as_json)


def _print_result(release: SourceRelease | WheelRelease, path: str, *, as_json: bool) -> int:
    if as_json:
        write_json(dump(LockDocument(product=release.product, release=release.release, path=path)))
    else:
        write_lines([path])
    return ExitCode.OK


_MOST_DIFFERENCES = 20


@dataclass(frozen=True)
class LockPlaces:
    """Where ``invoke lock`` finds clones, and where it copies the archives to; None: nowhere. And whether it
    reads the release's source, or the build files that the release file names besides."""

    clones: Path | None = None
    mirror: Path | None = None
    without_source: bool = False


@dataclass(frozen=True)
class ReadFrom:
    """The build files that a lock is made from: the ``source`` archive's, or those ``declared_in`` another
    repository."""

    texts: Mapping[str, str]
    source: tuple[Pin, Path] | None = None
    declared_in: str | None = None


def refresh(
    release: SourceRelease,
    old: ReleaseLock,
    read: ReadFrom,
    effects: LockEffects,
    *,
    project: Path,
    mirror: Path | None,
    check: bool,
) -> None:
    """Make the lock of ``release`` from what was ``read``, and write it unless ``check``.

    :raises DownloadError: something could not be locked; what could is written.
    :raises VerificationError: with ``check``, the lock is not what would be written.
    """
    made = make_lock(release, read.texts, old.lock, effects, declared_in=read.declared_in)
    if mirror and not check:
        source = (read.source,) if read.source else ()
        copy_to_mirror(mirror, (*source, *_archives(made), *_single_files(release, effects)))
    if check:
        _require_equal(release, old, made.lock)
    elif made.lock.text() != old.lock.text():
        _write(project / old.path, made.lock, old.path)
    if made.lock.missing:
        what = f"{len(made.lock.missing)} of the sources of {release.product} {release.release}"
        raise DownloadError(
            f"{what} could not be locked",
            details=tuple(f"{each.name}: {each.reason}" for each in made.lock.missing),
            hint="use clones with --clones DIR, or try again when the network is back",
        )


def require_lockable(release: SourceRelease) -> None:
    """Raises :class:`UsageError` for a release whose release file has all of its downloads."""
    if not release.needs_lock and release.source.sha256:
        raise UsageError(
            f"{release.product} {release.release} needs no lock: its release file pins every download",
            hint="invoke list-releases",
        )


def build_files_of(release: SourceRelease) -> UpstreamBuildFiles:
    """Raises :class:`UsageError` for a release whose release file names none."""
    found = release.upstream.build_files if isinstance(release, UpstreamRelease) else None
    if found is None:
        raise UsageError(
            f"the release file of {release.product} {release.release} names no build files "
            "besides its source's",
            hint=lock_command(release),
        )
    return found


def require_made(release: SourceRelease, old: ReleaseLock) -> None:
    """Raises :class:`VerificationError` where there is no lock yet."""
    if lock_status(release, old.lock) == "none":
        raise _stale(release, old, "there is none yet", ())


def copy_to_mirror(folder: Path, files: Sequence[tuple[Pin, Path]]) -> None:
    """Copy each file to where ``TFBUILD_MIRRORS=https://=FOLDER/`` looks for its first URL.

    :raises UsageError: something else is there; nothing was copied then.
    """
    places = [(_mirrored(folder, pin), pin, path) for pin, path in files]
    _require_same_or_none(places)
    for target, _, path in places:
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = beside_of(target)
        try:
            with path.open("rb") as source, staging.open("xb") as out:
                shutil.copyfileobj(source, out)
            staging.replace(target)
        finally:
            staging.unlink(missing_ok=True)


def _mirrored(folder: Path, pin: Pin) -> Path:
    url = urlsplit(pin.urls[0])
    return folder / url.netloc / unquote(url.path).lstrip("/")


def _require_same_or_none(places: Sequence[tuple[Path, Pin, Path]]) -> None:
    """Nothing that is in the mirror already is replaced by something else."""
    others = tuple(
        str(target)
        for target, pin, _ in places
        if os.path.lexists(target) and not (target.is_file() and hash_file(target) == pin.sha256)
    )
    if others:
        raise UsageError(
            "the mirror already has different files where locked ones belong: nothing is replaced",
            details=others,
            hint="move them away, or take another folder: --mirror DIR",
        )


def differences(old: Lock, new: Lock) -> tuple[str, ...]:
    """What ``new`` says otherwise than ``old``, a line each."""
    return tuple(_differences(_named(old), _named(new)))


def _archives(made: MadeLock) -> Iterator[tuple[Pin, Path]]:
    for each in made.lock.sources:
        yield each.pin(), made.files[each.name]


def _single_files(release: SourceRelease, effects: LockEffects) -> Iterator[tuple[Pin, Path]]:
    for pin in release.single_files if isinstance(release, UpstreamRelease) else ():
        yield pin, effects.fetch(pin)


def _write(path: Path, lock: Lock, shown: str) -> None:
    try:
        write_lock(path, lock)
    except OSError as error:
        raise HostError(f"{shown} cannot be written: {error.strerror or error}") from error


def _require_equal(release: SourceRelease, old: ReleaseLock, new: Lock) -> None:
    require_made(release, old)
    if old.lock.text() == new.text():
        return
    stale = lock_status(release, old.lock) == "stale"
    why = (
        "it is stale: the release file has changed since it was made"
        if stale
        else "upstream's source or its hosts now give something different"
    )
    raise _stale(release, old, why, differences(old.lock, new))


def _stale(release: SourceRelease, old: ReleaseLock, why: str, details: Sequence[str]) -> VerificationError:
    return VerificationError(
        f"{old.path} is not what would be written: {why}",
        details=first_lines(details, _MOST_DIFFERENCES),
        hint=lock_command(release),
    )


def _named(lock: Lock) -> dict[str, Mapping[str, Any]]:
    entries: dict[str, Mapping[str, Any]] = {each.name: dump(each) for each in lock.sources}
    entries |= {each.name: {**asdict(each), "missing": True} for each in lock.missing}
    entries["made_from"] = dump(lock.made_from) if lock.made_from else {}
    return entries


def _differences(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if name not in new:
            yield f"{name}: upstream no longer needs it"
        elif name not in old:
            yield f"{name}: is not in the lock"
        else:
            keys = sorted({*old[name], *new[name]})
            yield from (
                f"{name}: {key} is {old[name].get(key)}, would be {new[name].get(key)}"
                for key in keys
                if old[name].get(key) != new[name].get(key)
            )


def lock_release(
    project: Path, release: SourceRelease, places: LockPlaces, *, check: bool, reporter: Reporter
) -> str:
    """Make or check the lock of ``release``; the path of the lock file.

    A source that is proven by its git tree gets the sha256 that was seen first.
    """
    require_lockable(release)
    old = load_lock(project, release)
    if check:
        require_made(release, old)
    if places.without_source:
        build_files_of(release)
        source = None
    else:
        source = _source(release, old, check=check, reporter=reporter)
    if not release.needs_lock:
        return old.path
    cache = cache_root(os.environ)
    fetcher = make_fetcher(
        release,
        mirrors=(),
        env=os.environ,
        reporter=reporter,
        offline=False,
        runner=SubprocessRunner(),
        host=gather(),
    )
    with tempfile.TemporaryDirectory(prefix="lock-", dir=prepare_cache(cache) / "state") as scratch:
        git = GitSources(SubprocessRunner(), Path(scratch), places.clones)
        effects = LockEffects(
            git=git,
            fetch=fetcher.fetch,
            fetch_unhashed=fetcher.fetch_unhashed,
            adopt=fetcher.adopt,
            scratch=Path(scratch),
            note=reporter.note,
        )
        read = _read(release, source, git, Path(scratch))
        refresh(release, old, read, effects, project=project, mirror=places.mirror, check=check)
    return old.path


def _read(
    release: SourceRelease, source: tuple[Pin, Path] | None, git: GitSources, scratch: Path
) -> ReadFrom:
    if source:
        return ReadFrom(
            source_texts(source[1], release.source.strip_prefix, lite_folder(release)), source=source
        )
    files = build_files_of(release)
    return ReadFrom(build_file_texts(files, git, scratch, lite_folder(release)), declared_in=files.place)


def _source(release: SourceRelease, old: ReleaseLock, *, check: bool, reporter: Reporter) -> tuple[Pin, Path]:
    """The release's source archive, from the cache or the network."""
    source_of = release.source
    seen = old.seen(release)
    unhashed = source_of.unhashed(old.path, seen)
    if unhashed and check:
        message = f"{old.path} has no sha256 of {source_of.filename}"
        raise VerificationError(message, hint=lock_command(release))
    pins = release.pins(release.arches[0], seen=seen)[: 0 if unhashed else 1]
    return fetch_release(release, pins, unhashed, offline=False, reporter=reporter)[0]


def lock_wheels_of(release: WheelRelease, app: str, *, reporter: Reporter) -> Path:
    """Make the lock of the wheels of ``release``, or of the program in the folder ``app``; its path."""
    if app:
        path, base, asked = application_to_lock(PROJECT, release, Path(app))
        warn_of_replaced(path, release, reporter)
        make_wheel_lock(release, path, reporter=reporter, base=base, requirements=asked)
    else:
        path = PROJECT / release.lock_path
        make_wheel_lock(release, path, reporter=reporter)
    return path


def warn_of_replaced(path: Path, release: WheelRelease, reporter: Reporter) -> None:
    """A program has one lock: say so where it is that of another release, whose builds will miss it."""
    try:
        before = read_wheel_lock(path, str(path)).lock.release
    except TfBuildError:  # none, or none that could be read
        return
    if before != release.release:
        reporter.warn(f"{path} is the lock for {release.product} {before}: it is replaced")


def make_wheel_lock(
    release: WheelRelease,
    path: Path,
    *,
    reporter: Reporter,
    base: WheelLock | None = None,
    requirements: tuple[str, ...] = (),
) -> None:
    """Ask the index that pip is configured with, and write the lock of the wheels to ``path``: those of
    ``release``, or those that ``requirements`` need besides its lock ``base``."""
    require_replaceable_file(path, is_wheel_lock, "a lock", "move it away: the lock goes there")
    runner = SubprocessRunner()
    sizes: dict[str, int | None] = {}

    def size_of(url: str) -> int | None:
        if url not in sizes:
            sizes[url] = head_size(lambda: new_session(os.environ), url)
        return sizes[url]

    if base:
        lock = lock_application(
            release, base, requirements, runner=runner, reporter=reporter, size_of=size_of
        )
    else:
        lock = lock_wheels(release, runner=runner, reporter=reporter, size_of=size_of)
    write_lock(path, lock)
