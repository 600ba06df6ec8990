"""What ``--json`` prints, as types; :mod:`tfbuild.cli.schemas` makes the published schemas from them. Pure.

Further documents have their types where their values come from: :mod:`tfbuild.build.buildkit.bake`,
:mod:`tfbuild.build.dist.manifest`, :mod:`tfbuild.verify.report`, :mod:`tfbuild.doctor.doctor`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter

Document = TypeVar("Document")
Bytes = Annotated[int, Field(ge=0, description="Bytes.")]
HexDigest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256, in hex.")]

GitId = Annotated[str, Field(pattern="^[0-9a-f]{40}$", description="Git object id, in hex.")]


def dump(document: Any) -> dict[str, Any]:
    """JSON values of a frozen dataclass, as its schema describes them."""
    # mypy takes no class for hashable: https://github.com/python/mypy/issues/11470
    adapter = _adapter(type(document))  # type: ignore[arg-type]
    values: dict[str, Any] = adapter.dump_python(document, mode="json")
    return values


def restore(kind: type[Document], values: object) -> Document:
    """The document that :func:`dump` wrote; lists become tuples again."""
    # As above.
    restored: Document = _adapter(kind).validate_python(values)  # type: ignore[arg-type]
    return restored


@cache
def _adapter(document: type) -> TypeAdapter[Any]:
    return TypeAdapter(document)


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """What a build takes the place of: a dist folder's build, or the image that had the name.

    ``build_id`` and ``key`` (label ``tfbuild.key``) are null where it does not tell them.
    """

    what: Literal["folder", "image"]
    name: str
    build_id: str | None
    key: str | None
    date: str | None


def fingerprint(value: object) -> str:
    """A hash of a frozen value, the same on every machine."""
    text = json.dumps(value, default=_plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> object:
    return asdict(value) if hasattr(value, "__dataclass_fields__") else str(value)
