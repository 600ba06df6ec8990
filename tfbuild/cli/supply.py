"""``invoke fetch`` and ``invoke bundle``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tfbuild.base.arch import Arch
from tfbuild.base.documents import HexDigest
from tfbuild.base.errors import ExitCode, UsageError
from tfbuild.base.project import PROJECT
from tfbuild.base.values import Pin, Unhashed
from tfbuild.build.bundle.file import BundleDocument
from tfbuild.cli import wiring
from tfbuild.cli.console import ConsoleReporter
from tfbuild.cli.line.build_words import checked_words
from tfbuild.machine.path_words import input_file, output_file
from tfbuild.machine.terminal import write_json, write_lines
from tfbuild.plan.words import Words, host_arch
from tfbuild.products import table
from tfbuild.products.table import load_release, plan_of
from tfbuild.releases.keys import Release, SourceRelease
from tfbuild.releases.load import load_lock
from tfbuild.releases.state import locked_pins
from tfbuild.releases.wheels.keys import DEFAULT_VARIANT, WheelRelease
from tfbuild.releases.wheels.lock import wheel_pins


@dataclass(frozen=True, kw_only=True)
class FetchedFile:
    """A pinned file and where it lies in the cache."""

    name: str
    sha256: HexDigest
    path: str


@dataclass(frozen=True, kw_only=True)
class FetchResult:
    """``invoke fetch --json``"""

    version: Literal[1] = 1
    files: tuple[FetchedFile, ...]


def fetch(product: str, words: Words, *, offline: bool, as_json: bool) -> int:
    """``invoke fetch``"""
    from tfbuild.base.documents import dump
    from tfbuild.cli.console import ConsoleReporter
    from tfbuild.cli.line.own_files import release_word
    from tfbuild.cli.wiring import fetch_release
    from tfbuild.config.load import DEFAULT_CONFIG
    from tfbuild.plan.asked import planned_mirrors
    from tfbuild.plan.words import host_arch, parse_arch
    from tfbuild.products.table import find_release, load_config
    from tfbuild.releases.load import require_arch

    found = find_release(PROJECT, product, release_word(words.release, PROJECT))
    wanted = parse_arch(words.arch, host_arch())
    require_arch(found, wanted)
    pins, unhashed = downloads_of(PROJECT, found, wanted, host_arch(), words.variant)
    config = load_config(PROJECT, words.config or DEFAULT_CONFIG, wanted, words.sets, user=words.places)
    mirrors = planned_mirrors(config, os.environ)
    with ConsoleReporter() as reporter:
        files = fetch_release(found, pins, unhashed, mirrors=mirrors, offline=offline, reporter=reporter)
    if as_json:
        entries = [FetchedFile(name=pin.name, sha256=pin.sha256, path=str(path)) for pin, path in files]
        write_json(dump(FetchResult(files=tuple(entries))))
    else:
        write_lines(str(path) for _, path in files)
    return ExitCode.OK


def bundle(product: str, words: Words, file: str, load: str, *, as_json: bool) -> int:
    """``invoke bundle``"""
    from tfbuild.base.documents import dump
    from tfbuild.build.bundle.file import summary

    of_a_build = words != Words(places=words.places)
    if bool(file) == bool(load) or bool(file) != bool(product) or (load and of_a_build):
        raise UsageError(
            "either --load FILE alone, or --product and --file FILE",
            hint="invoke bundle --product tflite --file tflite.bundle; invoke bundle --load tflite.bundle",
        )
    if words.raw and product and not table.parse_product(product).takes_raw:
        raise UsageError(f"a bundle of {product} takes nothing after --", hint="invoke --help bundle")
    if load:
        document = load_file(str(input_file(load, "--load")))
    else:
        target = output_file(file, "--file")
        document = write_file(product, checked_words(words, PROJECT), str(target))
    if as_json:
        write_json(dump(document))
    else:
        write_lines([document.file, f"sha256 {document.sha256}", *summary(document.bundle)])
    return ExitCode.OK


def write_file(product: str, words: Words, file: str) -> BundleDocument:
    """Write what the plan of ``words`` needs to ``file``."""
    place = _place(file)
    plan = plan_of(PROJECT, product, words, env=os.environ, build_arch=host_arch())
    release = load_release(PROJECT, plan.product, words.release or plan.release)
    with ConsoleReporter() as reporter:
        found, sha256 = wiring.bundle(plan, release, place, reporter=reporter)
    return BundleDocument(status="written", file=str(place), sha256=sha256, bundle=found)


def load_file(file: str) -> BundleDocument:
    """Put what is in the bundle ``file`` into the cache."""
    place = _place(file)
    with ConsoleReporter() as reporter:
        found, sha256 = wiring.unbundle(place, reporter=reporter)
    return BundleDocument(status="loaded", file=str(place), sha256=sha256, bundle=found)


def _place(file: str) -> Path:
    return Path(os.path.abspath(file))  # noqa: PTH100 - resolve() would follow the user's links


def downloads_of(
    root: Path, release: Release, arch: Arch, build_arch: Arch, variant: str = ""
) -> tuple[tuple[Pin, ...], Unhashed | None]:
    """What ``invoke fetch`` gets.

    Of a release that is made of wheels: those of ``variant`` (cpu where it is empty) for its default Python.
    """
    if isinstance(release, WheelRelease):
        return wheel_pins(root, release, arch, variant=variant or DEFAULT_VARIANT), None
    if variant:
        raise UsageError(f"{release.product} {release.release} has no variants", hint="leave --variant out")
    if not isinstance(release, SourceRelease):
        return (), None
    lock = load_lock(root, release)
    seen = lock.seen(release)
    pins = (*release.pins(arch, build_arch, seen), *locked_pins(release, lock.lock, arch))
    return pins, release.unhashed(lock.path, seen)
