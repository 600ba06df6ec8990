"""The C functions that TensorFlow Lite's headers declare, against what a library exports.

The headers beside the library are asked first; else a list of the release in ``build_configs/api/``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from tfbuild.artifacts.elf.facts import ApiFacts
from tfbuild.config.binding import bound
from tfbuild.config.yaml_source import read_yaml

API_FOLDER = Path("build_configs", "api")
# The C interface itself; those of delegates are there when the delegate is.
_ROOTS = ("tensorflow/lite", "tflite")  # TensorFlow's and LiteRT's folder
_HEADERS = tuple(f"{root}/{folder}" for root in _ROOTS for folder in ("c", "core/c", "core/async/c"))
C_PREFIX = "TfLite"
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_DECLARATION = re.compile(rf"\bTFL_CAPI_EXPORT\b[^;{{}}()]*?\b({C_PREFIX}\w+)\s*\(")
_MAX_HEADER = 1 << 22  # bytes; the largest has some 60,000


class ApiList(BaseModel):
    """A list of a release's functions: a file in build_configs/api/."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product: str
    release: str = Field(pattern=r"^[0-9]+\.[0-9]+$", description="Major and minor version.")
    headers: dict[str, tuple[str, ...]] = Field(description="Declared functions by header.")

    @property
    def functions(self) -> frozenset[str]:
        return frozenset(name for names in self.headers.values() for name in names)


def declared_functions(header: str) -> frozenset[str]:
    """The functions that the text of a header exports with TFL_CAPI_EXPORT."""
    return frozenset(_DECLARATION.findall(_COMMENT.sub(" ", header)))


def read_headers(include: Path) -> frozenset[str]:
    """The functions of all C headers below ``include``; empty where there are none."""
    found: set[str] = set()
    for folder in _HEADERS:
        for path in sorted((include / folder).glob("*.h")):
            if "testing" in path.name or not path.is_file() or path.stat().st_size > _MAX_HEADER:
                continue
            found |= declared_functions(path.read_text(encoding="utf-8", errors="replace"))
    return frozenset(found)


def load_api(root: Path, version: str) -> ApiList | None:
    """The list for the library's ``version`` ("2.14.1"), or None. Raises ConfigError for an invalid file."""
    release = ".".join(version.split(".")[:2])
    file = root / API_FOLDER / f"tflite-{release}.yaml"
    if not re.fullmatch(r"[0-9]+\.[0-9]+", release) or not file.is_file():
        return None
    return bound(read_yaml(file, str(API_FOLDER / file.name)), ApiList)


def compare(source: str, declared: frozenset[str], exports: Iterable[str]) -> ApiFacts:
    """What of ``declared`` is exported."""
    missing = declared - frozenset(exports)
    return ApiFacts(source, len(declared), len(declared) - len(missing), tuple(sorted(missing)))
