"""The types of values in a release file, and the keys that say where bytes come from."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from tfbuild.base.values import Pin
from tfbuild.config.types import FileStem, Keys, PositiveInt, Prose

_DEBIAN_PATH = re.compile(r"debian:pool/[A-Za-z0-9+._~/-]+")
# A wheel as a Python index has it: which index, the host's pip configuration says.
_PYPI_FILE = re.compile(r"pypi:[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._+!-]*")
_WEB_URL = re.compile(r"https://[A-Za-z0-9.-]+/[^\s]+")

_RELEASE_PATTERN = r"^[0-9]+(\.[0-9]+)+(-?rc[0-9]+)?(-[a-z][a-z0-9]*)?$"


def _url(value: object) -> object:
    """https, a path in the Debian archive, or a file of a Python index; nothing that climbs out."""
    if isinstance(value, str):
        if ".." in value.split("/"):
            raise ValueError("'..' in a URL")
        if not any(form.fullmatch(value) for form in (_DEBIAN_PATH, _PYPI_FILE, _WEB_URL)):
            raise ValueError("expected https://…, debian:pool/… or pypi:NAME/FILENAME")
    return value


def _path(value: object) -> object:
    """A path inside an archive."""
    if isinstance(value, str):
        parts = value.split("/")
        if not value or value.startswith("/") or {"", ".", ".."} & set(parts):
            raise ValueError("expected a path inside the archive")
    return value


# 2.20 may stand there without quotes: the text is what counts, not the number that YAML sees.
ReleaseName = Annotated[
    str,
    Field(pattern=_RELEASE_PATTERN),
    WithJsonSchema({"type": ["string", "number"], "pattern": _RELEASE_PATTERN}),
]
Url = Annotated[
    str,
    BeforeValidator(_url),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(https://[A-Za-z0-9.-]+/|debian:pool/|pypi:[A-Za-z0-9][A-Za-z0-9._-]*/)[^\s]+$",
            "not": {"pattern": r"(^|/)\.\.(/|$)"},
        }
    ),
]
InnerPath = Annotated[
    str,
    BeforeValidator(_path),
    WithJsonSchema({"type": "string", "pattern": r"^(?!\.{1,2}(/|$))[^/]+(/(?!\.{1,2}(/|$))[^/]+)*$"}),
]
# As Debian names files: https://www.debian.org/doc/debian-policy/ch-controlfields.html#version
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+~-]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Snapshot = Annotated[str, Field(pattern=r"^[0-9]{8}T[0-9]{6}Z$")]
PackageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
Thread = Annotated[
    str, Field(pattern=r"^https://github\.com/[^\s/]+/[^\s/]+/(issues|pull|commit)/[0-9a-f]+$")
]


class Download(Keys):
    """One file to fetch; the hash decides, the URLs only say where to look."""

    name: FileStem = Field(description="Short name, for progress and logs.")
    urls: tuple[Url, ...] = Field(
        min_length=1, description="Where to get it, in this order; debian:pool/… is a path in the archive."
    )
    sha256: Sha256 = Field(description="Of the bytes as published.")
    filename: FileName = Field(description="Name in the download cache.")
    size: PositiveInt | None = Field(default=None, description="Bytes, where known.")

    def pin(self) -> Pin:
        return Pin(self.name, self.urls, self.sha256, self.filename, self.size)


class ReleasePatch(Keys):
    """A change of the source that this release is always built with."""

    file: FileName = Field(description="Its name in the folder RELEASE.patches beside the release's file.")
    reason: Prose = Field(description="What goes wrong without it.")
    origin: Prose = Field(description="Who made it, and what upstream has done about the same fault.")
    threads: tuple[Thread, ...] = Field(default=(), description="Where upstream discusses it.")


class Quirk(Keys):
    """Something odd about this release that a build, or a reader, has to know."""

    id: FileStem = Field(description="Stable short name.")
    text: Prose = Field(description="What happens, and the way around it.")
    threads: tuple[Thread, ...] = Field(default=(), description="Where upstream discusses it.")
