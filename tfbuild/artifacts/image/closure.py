"""Which library the dynamic loader would take for each one that is needed, inside an image. Pure.

The rules are those of glibc's ld.so(8), applied to files instead of running anything, so they hold for
a foreign architecture, too; for files that are linked against musl, those of its ldso/dynlink.c.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from tfbuild.artifacts.elf.facts import ElfFacts, Libc
from tfbuild.artifacts.image.facts import ImageConfig, ImageFile
from tfbuild.base.arch import Arch

_MULTIARCH: Mapping[str, str] = {a.platform.elf_machine: a.platform.multiarch for a in Arch}
# AT_PLATFORM of the kernel, which $PLATFORM stands for: ELF_PLATFORM in arch/*/include/asm/elf.h.
_PLATFORM: Mapping[str, str] = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64", "EM_ARM": "v7l"}
_MUSL_DEFAULT = ("/lib", "/usr/local/lib", "/usr/lib")
_CONF = "/etc/ld.so.conf"
_MAX_INCLUDES = 64


class FileTree(Protocol):
    """What is asked of an image; :class:`tfbuild.artifacts.image.archive.ImageArchive` is one."""

    @property
    def config(self) -> ImageConfig: ...
    @property
    def files(self) -> Mapping[str, ImageFile]: ...
    def resolve(self, path: str) -> str | None: ...
    def read(self, path: str) -> bytes: ...
    def elf_facts(self, paths: Iterable[str]) -> dict[str, ElfFacts]: ...


@dataclass(frozen=True, order=True)
class Link:
    """``owner`` needs ``needed``; ``found`` is its path in the image, or None."""

    owner: str
    needed: str
    found: str | None


@dataclass(frozen=True, order=True)
class UnmetVersion:
    """``owner`` needs ``version`` of ``library``, and the one at ``found`` does not define it."""

    owner: str
    library: str
    version: str
    found: str


@dataclass(frozen=True)
class Closure:
    """All that is loaded from the start paths on."""

    links: tuple[Link, ...]
    unmet: tuple[UnmetVersion, ...]

    @property
    def missing(self) -> tuple[Link, ...]:
        return tuple(link for link in self.links if link.found is None)


def closure(image: FileTree, start: Iterable[str]) -> Closure:
    """Everything that the ELF files at ``start`` need, directly or not; other files are ignored.

    Each start path is loaded for itself, like a program: what one finds does not help another.
    """
    return closure_and_loads(image, start)[0]


def closure_and_loads(image: FileTree, start: Iterable[str]) -> tuple[Closure, Mapping[str, tuple[str, ...]]]:
    """:func:`closure`, and for each start path all files that it loads, itself first."""
    walks = [_Walk(image, path, facts) for path, facts in sorted(image.elf_facts(start).items())]
    # Level by level over all walks, so that a compressed layer is read a few times only.
    while any(walk.waiting for walk in walks):
        candidates = {path for walk in walks for path in walk.candidates()}
        known = image.elf_facts(candidates)
        for walk in walks:
            walk.step(known)
    links = {link for walk in walks for link in walk.links}
    unmet = {gap for walk in walks for gap in walk.unmet()}
    found = Closure(tuple(sorted(links, key=lambda k: (k.owner, k.needed))), tuple(sorted(unmet)))
    return found, {walk.start: walk.loaded for walk in walks}


def default_directories(image: FileTree, machine: str) -> tuple[str, ...]:
    """Where the loader looks last: what its cache was made from, then its built-in directories."""
    multiarch = _MULTIARCH.get(machine)
    built_in = ["/lib", "/usr/lib", "/lib64", "/usr/lib64"]
    if multiarch:
        built_in = [f"/lib/{multiarch}", f"/usr/lib/{multiarch}", *built_in]
    # ld.so never reads ld.so.conf; ldconfig does, and writes the cache. No cache, no effect.
    configured = _configured(image, _CONF, set()) if image.resolve("/etc/ld.so.cache") else []
    return tuple(dict.fromkeys([*configured, *built_in]))


def _musl_directories(image: FileTree, facts: ElfFacts) -> tuple[str, ...]:
    """Those of /etc/ld-musl-ARCH.path, one a line or parted by colons; without it, the built-in ones."""
    loader = posixpath.basename(facts.interpreter or "")
    arch = loader.removeprefix("ld-musl-").partition(".")[0] or _PLATFORM.get(facts.machine, "")
    found = image.resolve(f"/etc/ld-musl-{arch}.path")
    if found is None:
        return _MUSL_DEFAULT
    text = image.read(found).decode("utf-8", errors="replace").replace(":", "\n")
    return tuple(line.strip() for line in text.splitlines() if line.startswith("/"))


def _configured(image: FileTree, path: str, seen: set[str]) -> list[str]:
    found = image.resolve(path)
    if found is None or found in seen or len(seen) >= _MAX_INCLUDES:
        return []
    seen.add(found)
    directories: list[str] = []
    for raw in image.read(found).decode("utf-8", errors="replace").splitlines():
        line = raw.partition("#")[0].strip()
        word, _, rest = line.partition(" ")
        if word == "include":
            pattern = posixpath.join(posixpath.dirname(path), rest.strip())
            for name in sorted(n for n in image.files if fnmatchcase(n, pattern)):
                directories.extend(_configured(image, name, seen))
        elif line.startswith("/"):
            directories.append(line.rstrip("/") or "/")
    return directories


@dataclass(frozen=True)
class _Loaded:
    """A loaded object: where it was found, its facts, and who loaded it (for DT_RPATH)."""

    path: str
    facts: ElfFacts
    parent: _Loaded | None

    @property
    def musl_paths(self) -> tuple[str, ...]:
        """musl takes RUNPATH and RPATH for one, and asks everybody on the way up."""
        own = _expand(self.facts.runpath or self.facts.rpath, self)
        return own + (self.parent.musl_paths if self.parent else ())

    @property
    def rpath(self) -> tuple[str, ...]:
        """DT_RPATH holds for what the object loads and all below; a DT_RUNPATH beside it cancels it."""
        own = () if self.facts.runpath else _expand(self.facts.rpath, self)
        return own + (self.parent.rpath if self.parent else ())


class _Walk:
    """One start path and what it loads, breadth first as the loader does."""

    def __init__(self, image: FileTree, path: str, facts: ElfFacts) -> None:
        self._image = image
        self.start = path
        self._musl = facts.libc is Libc.MUSL
        self._defaults = (
            _musl_directories(image, facts) if self._musl else default_directories(image, facts.machine)
        )
        self._by_name: dict[str, str] = {}
        self._facts: dict[str, ElfFacts] = {}
        self.links: list[Link] = []
        self.waiting: list[tuple[_Loaded, str]] = []
        self._load(_Loaded(path, facts, None), posixpath.basename(path))

    def _load(self, loaded: _Loaded, name: str) -> None:
        self._facts[loaded.path] = loaded.facts
        self._by_name[name] = loaded.path
        if loaded.facts.soname:
            self._by_name.setdefault(loaded.facts.soname, loaded.path)
        needed = list(loaded.facts.needed)
        if loaded.facts.interpreter and loaded.parent is None:
            needed.insert(0, loaded.facts.interpreter)
        self.waiting.extend((loaded, name) for name in needed)

    @property
    def loaded(self) -> tuple[str, ...]:
        """Paths of all that is loaded, the start path first."""
        return tuple(self._facts)

    def candidates(self) -> set[str]:
        """Paths whose facts the next step wants to know."""
        return {
            path
            for owner, name in self.waiting
            if name not in self._by_name
            for path in self._places(owner, name)
            if self._image.resolve(path) is not None
        }

    def step(self, known: Mapping[str, ElfFacts]) -> None:
        """Resolves all that is waiting."""
        current, self.waiting = self.waiting, []
        for owner, name in current:
            found = self._by_name.get(name)
            if found is None:
                found = next((p for p in self._places(owner, name) if self._fits(owner, known.get(p))), None)
                if found is not None:
                    self._load(_Loaded(found, known[found], owner), name)
            self.links.append(Link(owner.path, name, found))

    def unmet(self) -> list[UnmetVersion]:
        """Versions that are needed but not defined; a library without any version is not asked."""
        gaps: list[UnmetVersion] = []
        for path, facts in self._facts.items():
            for need in facts.required_versions:
                found = self._by_name.get(need.library)
                offered = self._facts[found].defined_versions if found else ()
                if found and offered and not need.weak and need.version not in offered:
                    gaps.append(UnmetVersion(path, need.library, need.version, found))
        return gaps

    def _fits(self, owner: _Loaded, facts: ElfFacts | None) -> bool:
        """The loader passes over files of another machine or class and goes on searching."""
        mine = owner.facts
        return facts is not None and (facts.machine, facts.bits, facts.little_endian) == (
            mine.machine,
            mine.bits,
            mine.little_endian,
        )

    def _places(self, owner: _Loaded, name: str) -> tuple[str, ...]:
        if "/" in name:
            return (posixpath.normpath(name),)
        variable = self._image.config.variable("LD_LIBRARY_PATH") or ""
        preset = tuple(part for part in variable.replace(";", ":").split(":") if part.startswith("/"))
        if self._musl:
            folders = (*preset, *owner.musl_paths, *self._defaults)
        else:
            rpath = () if owner.facts.runpath else owner.rpath
            folders = (*rpath, *preset, *_expand(owner.facts.runpath, owner), *self._defaults)
        return tuple(dict.fromkeys(posixpath.join(d, name) for d in folders))


def _expand(paths: tuple[str, ...], owner: _Loaded) -> tuple[str, ...]:
    """Run paths with $ORIGIN and $LIB replaced; relative ones depend on the working directory: left out."""
    origin = posixpath.dirname(owner.path)
    multiarch = _MULTIARCH.get(owner.facts.machine)
    libs = (f"lib/{multiarch}", "lib64", "lib") if multiarch else ("lib64", "lib")
    found: list[str] = []
    for path in paths:
        text = path.replace("${ORIGIN}", origin).replace("$ORIGIN", origin).replace("${LIB}", "$LIB")
        platform = _PLATFORM.get(owner.facts.machine, "$PLATFORM")
        text = text.replace("${PLATFORM}", "$PLATFORM").replace("$PLATFORM", platform)
        for lib in libs if "$LIB" in text else ("",):
            found.append(posixpath.normpath(text.replace("$LIB", lib)))
    return tuple(path for path in found if path.startswith("/"))
