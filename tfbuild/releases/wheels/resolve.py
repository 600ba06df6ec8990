"""Makes the lock of a release's wheels: pip chooses, the wheels' own metadata says what belongs together.

pip evaluates environment markers for the Python that runs it, also with ``--platform`` and
``--python-version`` (https://github.com/pypa/pip/issues/11664), so what it chooses for another machine may
lack wheels or have too many, or it fails over one that the target does not need.
:func:`tfbuild.releases.wheels.rules.closure` evaluates them for the target; what is missing is asked for by
name, what is not needed is left out. docs/explanation/choosing-wheels.md compares this with uv.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfbuild.artifacts.platforms import load_platforms
from tfbuild.base.arch import Arch
from tfbuild.base.errors import DownloadError, NothingMatchesError
from tfbuild.base.project import PROJECT
from tfbuild.base.values import Reporter
from tfbuild.downloads.pip_settings import find_pip
from tfbuild.machine.programs import Runner
from tfbuild.releases.wheels.keys import WheelPython, WheelRelease
from tfbuild.releases.wheels.lock import LockedWheel, UnavailableEnvironment, WheelEnvironment, WheelLock
from tfbuild.releases.wheels.rules import Wanted, active, closure, marker_environment

_OLDEST_GLIBC = 5  # manylinux1, https://peps.python.org/pep-0513/
_LEGACY = ("manylinux2014", "manylinux2010", "manylinux1")
# As deep as a chain of requirements that only the target has.
_ROUNDS = 20
SizeOf = Callable[[str], int | None]


def platforms(glibc: str, arch: Arch) -> tuple[str, ...]:
    """The platform tags that run with version ``glibc``, newest first: https://peps.python.org/pep-0600/

    A wheel for a newer one would not load there.
    """
    machine = marker_environment("3.11", arch)["platform_machine"]
    newest = int(glibc.split(".")[1])
    perennial = tuple(f"manylinux_2_{minor}_{machine}" for minor in range(newest, _OLDEST_GLIBC - 1, -1))
    return (*perennial, *(f"{each}_{machine}" for each in _LEGACY), f"linux_{machine}")


@dataclass(frozen=True)
class WheelRequest:
    """What is asked of the index for one environment, over the wheels that are there already."""

    python: WheelPython
    arch: Arch
    variant: str
    requirements: tuple[str, ...]
    base: Mapping[str, LockedWheel] = field(default_factory=dict)


class NoWheels(Exception):
    """pip found no complete set; the message is its own."""


def lock_wheels(
    release: WheelRelease, *, runner: Runner, reporter: Reporter, size_of: SizeOf = lambda _: None
) -> WheelLock:
    """The lock of ``release`` from the index that pip is configured with.

    ``size_of`` tells the bytes of a URL. Where the index has no wheels for an environment, the lock says so.

    :raises NothingMatchesError: no environment has any.
    """
    wishes = [
        WheelRequest(python, each.arch, each.variant, each.requirements)
        for python in release.wheels.pythons
        for each in release.wheels.sets
    ]
    return _lock(release, wishes, runner=runner, reporter=reporter, size_of=size_of)


def lock_application(
    release: WheelRelease,
    base: WheelLock,
    requirements: tuple[str, ...],
    *,
    runner: Runner,
    reporter: Reporter,
    size_of: SizeOf = lambda _: None,
) -> WheelLock:
    """The lock of what ``requirements`` need besides the wheels of ``base``, the lock of ``release``.

    :raises: as :func:`lock_wheels`.
    """
    pythons = {each.version: each for each in release.wheels.pythons}
    wishes = [
        WheelRequest(
            pythons[each.python],
            each.arch,
            each.variant,
            requirements,
            {wheel.name: wheel for wheel in base.wheels_for(each)},
        )
        for each in base.environments
        if each.python in pythons
    ]
    return _lock(release, wishes, runner=runner, reporter=reporter, size_of=size_of)


def _lock(
    release: WheelRelease,
    wishes: Sequence[WheelRequest],
    *,
    runner: Runner,
    reporter: Reporter,
    size_of: SizeOf,
) -> WheelLock:
    pip = find_pip(runner)
    environments: list[WheelEnvironment] = []
    lacking: list[UnavailableEnvironment] = []
    wheels: dict[str, LockedWheel] = {}
    for number, wish in enumerate(wishes, start=1):
        what = f"{release.release}: Python {wish.python.version}, {wish.arch}, {wish.variant}"
        reporter.progress(number, len(wishes), what)
        names: dict[str, Any] = {"python": wish.python.version, "arch": wish.arch, "variant": wish.variant}
        try:
            chosen = resolve(wish, runner=runner, pip=pip, size_of=size_of)
        except NoWheels as error:
            reporter.note(f"{what}: {error}")
            lacking.append(UnavailableEnvironment(**names, reason=str(error)))
            continue
        wheels |= {each.filename: each for each in chosen}
        files = tuple(sorted(each.filename for each in chosen))
        environments.append(WheelEnvironment(**names, requirements=wish.requirements, wheels=files))
        reporter.note(f"{what}: {len(chosen)} wheels")
    if not environments:
        raise NothingMatchesError(
            f"the index has no wheels for {release.product} {release.release}",
            details=tuple(dict.fromkeys(each.reason for each in lacking)),
            hint="pip config list shows which index is asked",
        )
    return WheelLock(
        product=str(release.product),
        release=release.release,
        environments=tuple(environments),
        unavailable=tuple(lacking),
        wheels=tuple(wheels[name] for name in sorted(wheels)),
    )


def resolve(
    wish: WheelRequest, *, runner: Runner, pip: tuple[str, ...], size_of: SizeOf
) -> tuple[LockedWheel, ...]:
    """The wheels that ``wish`` needs besides its base, whose versions hold.

    :raises NoWheels: the index has none.
    """
    # What the distribution has is asked of nobody: it may have no wheel at all.
    if not wish.python.provided:
        try:
            return _chosen(wish, runner=runner, pip=pip, size_of=size_of, alone=False)
        except NoWheels:
            pass  # perhaps because of what only this machine would need
    return _chosen(wish, runner=runner, pip=pip, size_of=size_of, alone=True)


def _chosen(
    wish: WheelRequest, *, runner: Runner, pip: tuple[str, ...], size_of: SizeOf, alone: bool
) -> tuple[LockedWheel, ...]:
    """In rounds: what the target needs and pip did not choose is asked for as well in the next.

    ``alone`` leaves all dependencies to the rounds, so no marker is evaluated for this machine; but pip
    cannot go back to an older version then, since it does not see who asks for what.
    """
    there = wish.base
    environment = marker_environment(wish.python.version, wish.arch)
    fixed = tuple(f"{each.name}=={each.version}" for each in there.values())
    wanted = tuple(Wanted(each, "the release") for each in wish.requirements)
    asked = tuple(_without_marker(each) for each in active(wish.requirements, (), environment))
    for _ in range(_ROUNDS):
        report = _report(
            asked, wish.python, wish.arch, runner=runner, pip=pip, constraints=fixed, alone=alone
        )
        found: dict[str, Any] = {canonicalize_name(i["metadata"]["name"]): i for i in report["install"]}
        wheels = {**{name: _wheel(item) for name, item in found.items() if name not in there}, **there}
        needs = closure(wanted, wheels, environment)
        unfit = (*_lacking(needs.missing, wish.python), *(each.wanted for each in needs.conflicts))
        if not unfit:
            return tuple(
                _sized(wheels[name], found[name]["download_info"]["url"], size_of)
                for name in needs.names
                if name not in there
            )
        more = {_without_marker(each.requirement) for each in unfit if each}
        if more <= set(asked):
            wheel, by = needs.conflicts[0].wheel, needs.conflicts[0].wanted
            raise NoWheels(f"{wheel.name} {wheel.version} does not fit {by.by if by else 'this Python'}")
        asked = (*asked, *sorted(more - set(asked)))
    raise NoWheels(f"each round of requirements brought new ones: {', '.join(asked)}")


def _lacking(missing: Sequence[Wanted], python: WheelPython) -> list[Wanted]:
    """What the distribution does not have either; :class:`NoWheels` where it has another version."""
    lacking = []
    for each in missing:
        requirement = Requirement(each.requirement)
        version = python.provided.get(canonicalize_name(requirement.name))
        if version is None:
            lacking.append(each)
        elif not requirement.specifier.contains(version, prereleases=True):
            raise NoWheels(f"{each.by} needs {each.requirement}; {python.suite} has {version}")
    return lacking


def _without_marker(requirement: str) -> str:
    """pip would evaluate the marker for the wrong machine once more."""
    return requirement.partition(";")[0].strip()


def _report(
    requirements: tuple[str, ...],
    python: WheelPython,
    arch: Arch,
    *,
    runner: Runner,
    pip: tuple[str, ...],
    constraints: tuple[str, ...],
    alone: bool,
) -> dict[str, Any]:
    """https://pip.pypa.io/en/stable/reference/installation-report/"""
    with tempfile.TemporaryDirectory(prefix="tfbuild-lock-") as folder:
        report = Path(folder, "report.json")
        # --target is what pip wants with --platform; nothing is put there.
        target = ("--target", str(Path(folder, "unused")))
        tags = platforms(load_platforms(PROJECT).require_suite(python.suite).GLIBC, arch)
        held = Path(folder, "constraints.txt")
        held.write_text("".join(f"{line}\n" for line in constraints), encoding="utf-8")
        argv = (
            *pip, "install", "--dry-run", "--ignore-installed", "--quiet", "--report", str(report),
            "--only-binary", ":all:", "--implementation", "cp", "--python-version", python.version,
            *(word for tag in tags for word in ("--platform", tag)),
            "--constraint", str(held), *(("--no-deps",) if alone else ()), *target, *requirements,
        )  # fmt: skip
        answer = runner.capture(argv, timeout_s=1800)
        if not answer.ok:
            raise NoWheels(_reason(answer.stderr))
        try:
            document: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DownloadError(
                f"pip wrote no report that can be read: {error}", hint="pip >= 22.2"
            ) from None
    return document


def _reason(stderr: str) -> str:
    """pip's error without the list of versions and without URLs, which name the index of one machine."""
    lines = [line for line in stderr.splitlines() if line.startswith("ERROR: ")]
    text = (lines or ["ERROR: pip failed"])[-1].removeprefix("ERROR: ")
    return text if "://" not in text else "pip could not reach the index"


def _wheel(item: dict[str, Any]) -> LockedWheel:
    metadata, info = item["metadata"], item["download_info"]
    archive = info.get("archive_info", {})
    sha256 = archive.get("hashes", {}).get("sha256") or str(archive.get("hash", "")).removeprefix("sha256=")
    filename = unquote(urlsplit(info["url"]).path).rpartition("/")[2]
    if not sha256:
        raise NoWheels(f"the index gives no sha256 of {filename}")
    return LockedWheel(
        name=canonicalize_name(metadata["name"]),
        version=metadata["version"],
        filename=filename,
        sha256=sha256,
        size=None,
        requires_python=metadata.get("requires_python", ""),
        requires_dist=tuple(metadata.get("requires_dist", ())),
    )


def _sized(wheel: LockedWheel, url: str, size_of: SizeOf) -> LockedWheel:
    return LockedWheel(**{**wheel.__dict__, "size": size_of(url)})
