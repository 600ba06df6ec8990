"""What wheels require of each other, from their own metadata. Pure.

Markers are evaluated for the target, not for the Python that runs this program:
https://packaging.python.org/specifications/dependency-specifiers/#environment-markers
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from tfbuild.base.arch import Arch
from tfbuild.releases.wheels.lock import LockedWheel

Environment = Mapping[str, str]


def marker_environment(python: str, arch: Arch) -> dict[str, str]:
    """The markers of CPython ``python`` (as '3.11') on Linux."""
    return {
        "implementation_name": "cpython",
        # The oldest of its kind: what only older patch releases need is then there too.
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": arch.platform.machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }


@dataclass(frozen=True)
class Wanted:
    """A requirement, and who has it: the name and version of a wheel, or a place in a file."""

    requirement: str
    by: str
    wheel: str = ""  # file name of the wheel that requires it


@dataclass(frozen=True)
class Conflict:
    """A wheel that does not satisfy ``wanted``, or (None) one that is for another Python."""

    wheel: LockedWheel
    wanted: Wanted | None


@dataclass(frozen=True)
class Closure:
    """What follows from some requirements."""

    names: tuple[str, ...]  # of the wheels that are needed
    missing: tuple[Wanted, ...]  # what no wheel is there for
    conflicts: tuple[Conflict, ...]


def closure(wanted: Iterable[Wanted], wheels: Mapping[str, LockedWheel], environment: Environment) -> Closure:
    """Everything that ``wanted`` needs, with extras, out of ``wheels`` (by normalized name).

    What a marker of ``wanted`` itself keeps for another environment is not needed.
    """
    pending = [each for each in wanted if active((each.requirement,), (), environment)]
    seen: set[tuple[str, frozenset[str]]] = set()
    names: list[str] = []
    missing: list[Wanted] = []
    conflicts: list[Conflict] = []
    while pending:
        each = pending.pop(0)
        requirement = Requirement(each.requirement)
        name = canonicalize_name(requirement.name)
        wheel = wheels.get(name)
        if wheel is None:
            missing.append(each)
            continue
        if not requirement.specifier.contains(wheel.version, prereleases=True):
            conflicts.append(Conflict(wheel, each))
        extras = frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        if name not in names:
            names.append(name)
            if not python_fits(wheel, environment["python_full_version"]):
                conflicts.append(Conflict(wheel, None))
        pending += [
            Wanted(text, f"{wheel.name} {wheel.version}", wheel.filename)
            for text in active(wheel.requires_dist, extras, environment)
        ]
    return Closure(tuple(sorted(names)), _unique(missing), tuple(dict.fromkeys(conflicts)))


def _unique(wanted: Iterable[Wanted]) -> tuple[Wanted, ...]:
    return tuple(dict.fromkeys(wanted))


def active(requires_dist: Iterable[str], extras: Iterable[str], environment: Environment) -> tuple[str, ...]:
    """Those requirements whose markers hold in ``environment``, with one of ``extras`` or none."""
    return tuple(
        text for text in requires_dist if _holds(Requirement(text).marker, ("", *sorted(extras)), environment)
    )


def _holds(marker: Marker | None, extras: Iterable[str], environment: Environment) -> bool:
    return marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in extras)


def python_fits(wheel: LockedWheel, python_full_version: str) -> bool:
    """Whether ``Requires-Python`` allows it; what cannot be read allows everything, as for pip."""
    try:
        # The series counts: 3.11.0 stands for every 3.11, and ">=3.11.1" is met by most of them.
        series = python_full_version.rpartition(".")[0]
        return any(SpecifierSet(wheel.requires_python).contains(f"{series}.{patch}") for patch in range(30))
    except InvalidSpecifier:
        return True
