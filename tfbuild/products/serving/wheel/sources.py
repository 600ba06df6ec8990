"""The list of what is compiled of Serving's source: stored beside its release, compared with the source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError

from tfbuild.base.documents import dump
from tfbuild.base.errors import ConfigError, ConfigProblem, NothingMatchesError, VerificationError
from tfbuild.base.text import first_lines
from tfbuild.products.serving.wheel.build_files import Closure, NotUnderstood, Read, closure
from tfbuild.releases.lock import refuse_broken_json

_SHOWN = 12
_ANOTHER_SOURCE = "the list belongs to another source: take the release file that is made for this one"


@dataclass(frozen=True, kw_only=True)
class SourceList:
    """What upstream's BUILD files make the server of: paths in the source, in order.

    ``services`` are those of ``protos`` that define services of gRPC; ``external`` are labels of other
    repositories, which the wheel and the builder's packages have to stand for.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    version: int = 1
    target: str
    sources: tuple[str, ...]
    protos: tuple[str, ...]
    services: tuple[str, ...]
    external: tuple[str, ...]

    def text(self) -> str:
        return json.dumps(dump(self), indent=1) + "\n"


def list_of(read: Read, target: str) -> SourceList:
    """The list that the BUILD files of a source give. Raises as :func:`closure`."""
    found: Closure = closure(read, target)
    return SourceList(
        target=target,
        sources=found.sources,
        protos=found.protos,
        services=found.services,
        external=found.external,
    )


def read_list(path: Path, shown: str) -> SourceList:
    """The stored list at ``path``, called ``shown`` in messages.

    :raises NothingMatchesError: there is none.
    :raises ConfigError: it cannot be understood.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NothingMatchesError(
            f"there is no list of sources: {shown}",
            details=("it says which files of Serving's source are compiled",),
            hint="make it: invoke check-upstream --clone PATH --release RELEASE --write-list",
        ) from None
    refuse_broken_json(text, shown)
    try:
        return TypeAdapter(SourceList).validate_json(text, strict=False)
    except ValidationError as error:
        problems = tuple(
            ConfigProblem(shown, 1, 1, f"{'.'.join(map(str, each['loc'])) or 'file'}: {each['msg']}")
            for each in error.errors()[:5]
        )
        raise ConfigError(problems, hint=f"git checkout {shown}") from None


def reader_of(folder: Path) -> Read:
    """Reads BUILD files of an extracted source."""

    def read(path: str) -> str | None:
        try:
            return (folder / path).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None

    return read


def require_same(stored: SourceList, shown: str, read: Read) -> None:
    """Compare the stored list, called ``shown``, with the BUILD files of the source.

    :raises VerificationError: they differ, or the BUILD files are not understood; each file is named.
    """
    found = understood(read, stored.target)
    if found != stored:
        raise VerificationError(
            f"{shown} is not the list that the source's BUILD files give",
            details=first_lines(tuple(differences(stored, found)), _SHOWN),
            hint=_ANOTHER_SOURCE,
        )


def understood(read: Read, target: str) -> SourceList:
    """The list that the BUILD files of a source give.

    :raises VerificationError: they are not understood.
    """
    try:
        return list_of(read, target)
    except NotUnderstood as error:
        raise VerificationError(
            "upstream's BUILD files are not understood, so nobody knows what to compile",
            details=(str(error),),
            hint=_ANOTHER_SOURCE,
        ) from None


def differences(stored: SourceList, found: SourceList) -> Iterator[str]:
    """What two lists differ in, a line for each path or label."""
    for kind in ("sources", "protos", "services", "external"):
        before, after = set(getattr(stored, kind)), set(getattr(found, kind))
        yield from (f"{each}: in the source, not in the list" for each in sorted(after - before))
        yield from (f"{each}: in the list, not in the source" for each in sorted(before - after))
