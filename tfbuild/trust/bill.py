"""The bill of materials of one result as plain values; written down by :mod:`.spdx` and :mod:`.cyclonedx`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from packageurl import PackageURL

from tfbuild.base.text import TextEnum

# Before the path of a file in the image, which begins with a slash.
IMAGE_FILES = "image:"


class Kind(TextEnum):
    """What a component is."""

    RESULT = "result"  # what the build is for
    IMAGE = "image"
    DEBIAN = "deb"
    SOURCE = "source"
    WHEEL = "wheel"
    FILE = "file"  # a download that is neither: a program, a single file
    PATCH = "patch"
    MODEL = "model"
    APPLICATION = "application"  # a user's own, in the image


class Role(TextEnum):
    """What a component is to the result; one may have several."""

    SOURCE = "source"  # compiled
    STATIC = "static"  # linked into it, or compiled in from headers
    DYNAMIC = "dynamic"  # linked with, and found when it runs
    CONTAINED = "contained"  # a copy lies in the folder, or in the wheel in it
    IN_IMAGE = "in-image"
    TOOL = "tool"  # compiler and linker
    PATCH = "patch"


@dataclass(frozen=True, kw_only=True)
class Component:
    """One thing that somebody made. Texts are empty where nothing is known.

    ``license`` is an SPDX expression and ``license_file`` where its text lies in the dist folder; ``sha256``
    is that of the bytes at ``location``; ``swhid`` names the content by git ids (https://swhid.org);
    ``source`` is the Debian source package and its version.
    """

    kind: Kind
    name: str
    version: str
    roles: tuple[Role, ...]
    purl: str
    supplier: str
    license: str = ""
    license_file: str = ""
    cpe: str = ""
    sha256: str = ""
    location: str = ""
    swhid: str = ""
    source: tuple[str, str] | None = None
    note: str = ""

    @property
    def is_web(self) -> bool:
        """Whether ``location`` is an address that any program can open."""
        return self.location.startswith(("https://", "http://"))


@dataclass(frozen=True, kw_only=True)
class OwnedFile:
    """A file of the result's folder that is or holds code, and the component that made it.

    ``sha1`` is there because SPDX 2.3 asks for it; nothing relies on it. ``owner`` is the purl of a
    component, None: the result itself. ``in_image``: it lies in the image, and ``path`` is from its root.
    """

    path: str
    size: int
    sha256: str
    sha1: str
    owner: str | None
    in_image: bool = False

    @property
    def name(self) -> str:
        """Its path, in which a file of the image and one of the folder are two."""
        return f"{IMAGE_FILES}{self.path}" if self.in_image else self.path


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What a result consists of. ``created`` is in seconds since 1970, that of the source.

    ``unlisted`` says what is not in it though it is in the result; empty: all is.
    """

    name: str
    tool: str
    author: str
    created: int
    digest: str  # of all of it, in hex: makes names that no other bill has
    result: Component
    image: Component
    components: tuple[Component, ...]
    files: tuple[OwnedFile, ...]
    unlisted: str

    def owner_of(self, file: OwnedFile) -> Component:
        """:raises KeyError: the owner is no component."""
        if file.owner is None:
            return self.result
        return {each.purl: each for each in (self.image, *self.components)}[file.owner]


def component_ids(bill: Bill) -> Mapping[Component, str]:
    """A word for each component that is unique in the bill, of letters, digits, ``.`` and ``-``."""
    found: dict[Component, str] = {}
    taken: set[str] = set()
    for each in (bill.result, bill.image, *bill.components):
        found[each] = unique(f"{each.kind}-{each.name}-{each.version}", taken)
    return found


def unique(text: str, taken: set[str]) -> str:
    """``text`` as such a word, other than those ``taken``, to which it is added."""
    word = re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-") or "x"
    found, number = word, 2
    while found in taken:
        found, number = f"{word}-{number}", number + 1
    taken.add(found)
    return found


def merged(components: Iterable[Component]) -> tuple[Component, ...]:
    """One of each thing, with the roles of all, sorted by kind and name."""
    kept: dict[tuple[str, ...], Component] = {}
    for each in components:
        key = (each.kind, each.name, each.version, each.purl)
        before = kept.get(key)
        roles = (*(before.roles if before else ()), *each.roles)
        kept[key] = _with_roles(before or each, roles)
    return tuple(kept[key] for key in sorted(kept))


def _with_roles(component: Component, roles: Iterable[Role]) -> Component:
    return replace(component, roles=tuple(role for role in Role if role in set(roles)))


def debian_purl(name: str, version: str, arch: str, suite: str) -> str:
    """https://github.com/package-url/purl-spec, type deb; ``arch`` is ``source`` for a source package."""
    return PackageURL(
        "deb", "debian", name, version, {"arch": arch, **({"distro": suite} if suite else {})}
    ).to_string()


def repository_purl(repository: str, name: str, version: str) -> str:
    """Of a commit or tag in a public repository; ``generic`` where its host has no type of its own."""
    match = re.fullmatch(
        r"https?://(github|gitlab|bitbucket)\.(?:com|org)/([^/]+)/([^/]+?)(?:\.git)?/?", repository
    )
    if match is None:
        # The library takes slashes and blanks away, and a package URL without a name is none.
        plain = "/".join(part.strip() for part in name.split("/")).strip("/")
        return PackageURL("generic", None, plain or "unnamed", version).to_string()
    kind, owner, repo = match.groups()
    # Both are case-insensitive there, and the specification wants them in lower case.
    return PackageURL(kind, owner.lower(), repo.lower(), version).to_string()


def owner_of_repository(repository: str) -> str:
    """Who publishes it: the first folder of its address, else the host."""
    match = re.match(r"https?://([^/]+)(?:/([^/]+))?", repository)
    return (match[2] or match[1]) if match else ""
