"""What a finished build, or a plan, would get that is newer: packages, wheels, releases. Pure.

What the mirrors offer is handed in; :mod:`tfbuild.downloads` asks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from tfbuild.base.text import TextEnum
from tfbuild.base.urls import PYPI_SCHEME
from tfbuild.build.dist.manifest import Manifest, Package
from tfbuild.downloads.debian_versions import DebianVersion, Offered
from tfbuild.downloads.index_pages import IndexFile, split_pypi
from tfbuild.plan.plan import Plan

Where = Literal["image", "folder", "builder"]


class FailOn(TextEnum):
    """What ``--fail-on`` takes."""

    SECURITY = "security"
    YANKED = "yanked"
    ANY = "any"


@dataclass(frozen=True, kw_only=True)
class Update:
    """Something that is newer now, or withdrawn.

    ``newest`` is what would be taken: of wheels and releases the newest with the same first two numbers,
    null where a yanked file has none. ``yanked`` is the reason that upstream gives. ``change`` says what a
    new build would have of it.
    """

    kind: Literal["debian", "wheel", "release"]
    name: str
    now: str
    newest: str | None
    security: bool = False
    yanked: str | None = None
    where: tuple[Where, ...]
    change: str


@dataclass(frozen=True, kw_only=True)
class OutdatedDocument:
    """``invoke outdated --json``. ``asked`` is who was asked; ``unlisted`` are packages that no index has:
    they are from elsewhere, so nothing is known of them."""

    version: Literal[1] = 1
    subject: str
    asked: tuple[str, ...]
    checked: int
    updates: tuple[Update, ...]
    unlisted: tuple[str, ...]


@dataclass(frozen=True)
class Installed:
    """A Debian package and what it is to the result."""

    package: Package
    where: tuple[Where, ...]


def installed_of(manifest: Manifest[Any]) -> tuple[Installed, ...]:
    """The packages of the image and of the builder, each once, sorted."""
    noted = {each.owner for each in manifest.contents}
    found: dict[tuple[str, str, str], tuple[Package, list[Where]]] = {}
    for where, packages in (("image", manifest.image.packages), ("builder", manifest.packages)):
        for each in packages:
            _, places = found.setdefault((each.package, each.arch, each.version), (each, []))
            if where == "image":
                places.append("image")
            else:
                places += ["folder", "builder"] if each.package in noted else ["builder"]
    return tuple(Installed(package, tuple(places)) for _, (package, places) in sorted(found.items()))


def pinned_of(plan: Plan[Any]) -> tuple[Installed, ...]:
    """The packages that a plan pins: all that can be told of a build that was not made."""
    pairs = (text.partition("=") for text in plan.packages)
    return tuple(
        Installed(
            Package(package=name, version=version, arch=str(plan.arch), source=name, source_version=version),
            ("builder",),
        )
        for name, _, version in pairs
        if version
    )


def debian_updates(
    installed: Iterable[Installed], offered: Iterable[Offered]
) -> tuple[tuple[Update, ...], tuple[str, ...]]:
    """What is newer in the archive, and the packages that it does not have at all."""
    by_name: dict[tuple[str, str], list[Offered]] = {}
    for one in offered:
        by_name.setdefault((one.name, one.arch), []).append(one)
    updates, unlisted = [], []
    for each in installed:
        package = each.package
        there = by_name.get((package.package, package.arch)) or by_name.get((package.package, "all"), [])
        mine = DebianVersion(package.version)
        newer = [one for one in there if DebianVersion(one.version) > mine]
        if not there:
            unlisted.append(f"{package.package}:{package.arch} {package.version}")
        if newer:
            newest = max(newer, key=lambda one: DebianVersion(one.version))
            updates.append(
                Update(
                    kind="debian",
                    name=f"{package.package}:{package.arch}",
                    now=package.version,
                    newest=newest.version,
                    security=any(one.security for one in newer),
                    where=each.where,
                    change=_change(each.where, package.source),
                )
            )
    return tuple(updates), tuple(unlisted)


def _change(where: Sequence[Where], source: str) -> str:
    if "folder" in where:
        return f"{source} is linked into the result: it has to be built again"
    if "image" in where:
        return f"the image gets files of {source}"
    return f"the builder gets {source}: the image gets it only where it is linked in"


def wheel_updates(plan: Plan[Any], pages: Mapping[str, Sequence[IndexFile]]) -> tuple[Update, ...]:
    """What happened to the wheels that ``plan`` pins; ``pages`` has the files of each project by its name."""
    return tuple(_wheels(plan, pages))


def wheel_projects(plan: Plan[Any]) -> tuple[str, ...]:
    """The projects of the index that :func:`wheel_updates` needs the pages of."""
    return tuple(sorted({name for name, _ in _wheel_pins(plan)}))


def _wheel_pins(plan: Plan[Any]) -> Iterator[tuple[str, str]]:
    for pin in plan.pins:
        for url in pin.urls:
            if url.startswith(PYPI_SCHEME):
                yield split_pypi(url)
                break


def _wheels(plan: Plan[Any], pages: Mapping[str, Sequence[IndexFile]]) -> Iterator[Update]:
    for name, filename in _wheel_pins(plan):
        version = _version_of(filename)
        files = pages.get(name, ())
        mine = next((each for each in files if each.name == filename), None)
        if version is None or not files:
            continue
        newest = _newest_patch(version, files, name)
        if newest or (mine and mine.yanked is not None):
            yanked = mine.yanked if mine else None
            withdrawn = "its file is withdrawn; " if yanked is not None else ""
            yield Update(
                kind="wheel",
                name=name,
                now=str(version),
                newest=str(newest) if newest else None,
                yanked=yanked,
                where=("image",),
                change=f"{withdrawn}the image gets {name} {newest}" if newest else "its file is withdrawn",
            )


def release_update(plan: Plan[Any], project: str, files: Sequence[IndexFile]) -> tuple[Update, ...]:
    """The newest patch release of what ``plan`` compiles."""
    try:
        version = Version(plan.library_version)
    except InvalidVersion:
        return ()
    newest = _newest_patch(version, files, project)
    if newest is None or plan.source is None:
        return ()
    change = f"all that is compiled; a release file for {newest} is needed: invoke list-releases"
    return (
        Update(
            kind="release",
            name=f"{plan.product} {plan.release}",
            now=str(version),
            newest=str(newest),
            where=("folder", "image"),
            change=change,
        ),
    )


def _newest_patch(version: Version, files: Sequence[IndexFile], project: str) -> Version | None:
    """The newest release with the same first two numbers that is newer and not withdrawn."""
    found = (
        _version_of(each.name, project)
        for each in files
        if each.yanked is None and each.name.endswith(".whl")
    )
    same = [
        each
        for each in found
        if each is not None and not each.is_prerelease and each.release[:2] == version.release[:2]
    ]
    newest = max(same, default=None)
    return newest if newest is not None and newest > version else None


def _version_of(filename: str, project: str = "") -> Version | None:
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return None
    return version if not project or name == canonicalize_name(project) else None


def failing(updates: Iterable[Update], wanted: frozenset[FailOn]) -> tuple[Update, ...]:
    """Those of ``updates`` that ``--fail-on`` means; fixes of what is in the builder alone are none of the
    image's."""
    return tuple(
        each
        for each in updates
        if FailOn.ANY in wanted
        or (FailOn.SECURITY in wanted and each.security and set(each.where) != {"builder"})
        or (FailOn.YANKED in wanted and each.yanked is not None)
    )


def outdated_lines(document: OutdatedDocument) -> list[str]:
    """The document as text."""
    lines = [f"{document.subject}: {document.checked} packages, wheels and releases looked up"]
    for each in document.updates:
        marks = [
            *(["security"] if each.security else []),
            *([f"yanked: {each.yanked or 'no reason given'}"] if each.yanked is not None else []),
            f"in the {' and the '.join(each.where)}",
        ]
        lines.append(f"  {each.name} {each.now} -> {each.newest or 'none'} ({', '.join(marks)})")
        lines.append(f"    {each.change}")
    if not document.updates:
        lines.append("  nothing is newer")
    if document.unlisted:
        lines.append(f"  not in any index, so nothing is known of them: {', '.join(document.unlisted)}")
    lines += [f"  asked {each}" for each in document.asked]
    return lines
