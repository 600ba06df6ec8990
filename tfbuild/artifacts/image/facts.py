"""Facts of a container image: configuration, files, packages. Data and small pure readers only.

The archive itself is read by :mod:`tfbuild.artifacts.image.archive`; what is allowed is said by
:mod:`tfbuild.verify.policy`. Field names follow the OCI image specification
(https://github.com/opencontainers/image-spec/blob/main/config.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import PlainSerializer

from tfbuild.base.arch import Arch
from tfbuild.base.text import TextEnum

# Programs that give an interactive command line, so a way in for whoever can start a process.
SHELLS = frozenset(
    {"ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "rbash", "sh", "tcsh", "toybox", "zsh"}
)


class FileType(TextEnum):
    """Types of a tar member that an image can hold."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    DEVICE = "device"
    FIFO = "fifo"


@dataclass(frozen=True, order=True)
class ImageFile:
    """One path of the merged file system."""

    path: str  # absolute
    type: FileType
    mode: int  # permission bits, with set-user-id, set-group-id and sticky
    uid: int
    gid: int
    size: int  # bytes; 0 unless a regular file
    target: str = ""  # of a symbolic link, as written

    @property
    def set_id(self) -> bool:
        """A program that runs with its owner's or group's rights. On directories the bits mean less."""
        return self.type is FileType.FILE and bool(self.mode & 0o6000)

    @property
    def open_to_all(self) -> bool:
        """A directory where anybody may delete anybody's files: world-writable without the sticky bit."""
        return self.type is FileType.DIRECTORY and bool(self.mode & 0o002) and not self.mode & 0o1000


@dataclass(frozen=True, order=True)
class Package:
    """An installed distribution package, from dpkg's records, and the source package that it was made of."""

    name: str
    version: str
    arch: str
    source: str
    source_version: str


@dataclass(frozen=True)
class Layer:
    """``diff_id`` is the digest of the uncompressed tar, ``size`` its bytes, ``stored`` as in the archive."""

    diff_id: str
    size: int
    stored: int


@dataclass(frozen=True)
class ImageConfig:
    """How a container of the image is started, and what the image says of itself."""

    os: str
    architecture: str
    variant: str
    created: str | None
    user: str
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: tuple[str, ...]
    working_dir: str
    volumes: tuple[str, ...]
    labels: Mapping[str, str]

    def variable(self, name: str) -> str | None:
        """The value of the environment variable ``name``."""
        found = [e.partition("=")[2] for e in self.env if e.partition("=")[0] == name]
        return found[-1] if found else None

    @property
    def arch(self) -> Arch | None:
        """What the image says it is for, where it is one of ours."""
        return Arch.parse(f"{self.architecture}/{self.variant}") or Arch.parse(self.architecture)


@dataclass(frozen=True)
class FileSummary:
    """How the file list is written to JSON: an image has thousands of files, its layers have the list."""

    files: int
    directories: int
    symlinks: int


def _summarise(files: tuple[ImageFile, ...]) -> FileSummary:
    kinds = [f.type for f in files]
    return FileSummary(
        kinds.count(FileType.FILE), kinds.count(FileType.DIRECTORY), kinds.count(FileType.SYMLINK)
    )


@dataclass(frozen=True)
class ImageFacts:
    """What is read from one image. Tuples are sorted by path or name."""

    tags: tuple[str, ...]
    config: ImageConfig
    uid: int | None  # of the user that a container runs as; None for a name that /etc/passwd lacks
    layers: tuple[Layer, ...]
    files_bytes: int  # what the merged file system holds; a hard link counts once
    layers_bytes: int  # the uncompressed layers together: what an engine stores
    files: Annotated[tuple[ImageFile, ...], PlainSerializer(_summarise, return_type=FileSummary)]
    setid: tuple[str, ...]
    shells: tuple[str, ...]
    open_directories: tuple[str, ...]
    packages: tuple[Package, ...]


def make_facts(
    tags: tuple[str, ...],
    config: ImageConfig,
    layers: tuple[Layer, ...],
    files: Mapping[str, ImageFile],
    files_bytes: int,
    resolve: Callable[[str], str | None],
    read: Callable[[str], bytes],
) -> ImageFacts:
    """Facts from the merged files; ``resolve`` follows symbolic links, ``read`` gives a file's bytes."""
    ordered = tuple(files[path] for path in sorted(files))
    return ImageFacts(
        tags=tags,
        config=config,
        uid=_uid(config.user, read(passwd) if (passwd := resolve("/etc/passwd")) else b""),
        layers=layers,
        files_bytes=files_bytes,
        layers_bytes=sum(layer.size for layer in layers),
        files=ordered,
        setid=tuple(f.path for f in ordered if f.set_id),
        shells=tuple(f.path for f in ordered if _is_shell(f, files, resolve)),
        open_directories=tuple(f.path for f in ordered if f.open_to_all),
        packages=_packages(ordered, read),
    )


def _is_shell(file: ImageFile, files: Mapping[str, ImageFile], resolve: Callable[[str], str | None]) -> bool:
    if PurePosixPath(file.path).name not in SHELLS or file.type is FileType.DIRECTORY:
        return False
    found = resolve(file.path)
    return found is not None and files[found].type is FileType.FILE and bool(files[found].mode & 0o111)


def _uid(user: str, passwd: bytes) -> int | None:
    """The number that an engine takes for ``user`` ("", "1000", "app", "app:group")."""
    name = user.partition(":")[0]
    if not name:
        return 0
    for line in passwd.decode("utf-8", errors="replace").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[0] == name and _is_number(fields[2]):
            return int(fields[2])
    if name == "root":
        return 0
    return int(name) if _is_number(name) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10  # 32 bits


def _packages(files: tuple[ImageFile, ...], read: Callable[[str], bytes]) -> tuple[Package, ...]:
    """From dpkg's status file, and from status.d/, where images without a package manager keep it."""
    found: set[Package] = set()
    for file in files:
        if file.type is FileType.FILE and is_status(file.path):
            found.update(parse_dpkg_status(read(file.path).decode("utf-8", errors="replace")))
    return tuple(sorted(found))


def is_status(path: str) -> bool:
    """Whether ``path``, from the image's root, is where dpkg or its users say what is installed."""
    where = PurePosixPath(path)
    part = str(where.parent) == "/var/lib/dpkg/status.d" and where.suffix != ".md5sums"
    return path == "/var/lib/dpkg/status" or part


def parse_dpkg_status(text: str) -> tuple[Package, ...]:
    """The installed packages of a dpkg status file (stanzas of ``Key: value``, parted by empty lines)."""
    packages: list[Package] = []
    for stanza in text.split("\n\n"):
        lines = [line for line in stanza.splitlines() if line and not line[0].isspace()]
        fields = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
        # "want flag status"; a removed package whose configuration stays is still listed.
        installed = fields.get("Status", "install ok installed").split()[-1:] == ["installed"]
        if installed and "Package" in fields and "Version" in fields:
            packages.append(_package(fields))
    return tuple(packages)


# deb-control(5): "Source: NAME (VERSION)", without what is that of the binary package.
_SOURCE = re.compile(r"(\S+)(?:\s+\(([^\s()]+)\))?")


def _package(fields: Mapping[str, str]) -> Package:
    name, version = fields["Package"], fields["Version"]
    source = _SOURCE.fullmatch(fields.get("Source", ""))
    made_of = (source[1], source[2] or version) if source else (name, version)
    return Package(name, version, fields.get("Architecture", ""), *made_of)
