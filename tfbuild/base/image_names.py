"""Names of images, as the engine takes them; pure."""

from __future__ import annotations

import re

from tfbuild.base.errors import UsageError
from tfbuild.base.text import shown

# https://github.com/distribution/reference/blob/main/reference.go
# A first part without dot or port is a host only if it is called so.
_HOST = r"(?=[^/]*[.:]|localhost/)(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE_NAME = re.compile(
    rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?"
)
# Without the tag, whose own limit of 128 is in the form: RepositoryNameTotalLengthMax of the same source.
_MAX_IMAGE_NAME = 255
_IMAGE_REFERENCE = re.compile(rf"{_IMAGE_NAME.pattern}(?:@[A-Za-z0-9_+.-]+:[0-9a-fA-F]{{32,}})?")


def parse_tag(tag: str) -> str | None:
    """Raises :class:`UsageError` for what no engine takes as the name of an image."""
    if not tag:
        return None
    if not _IMAGE_NAME.fullmatch(tag):
        raise UsageError(
            f"'{tag}' is not an image name", hint="lower case, as in --tag registry.example/team/image:1.0"
        )
    name = re.sub(r":[^:/]*$", "", tag)
    if len(name) > _MAX_IMAGE_NAME:
        raise UsageError(
            f"--tag: the name before the colon has {len(name)} characters, and the most is {_MAX_IMAGE_NAME}",
            hint="a shorter one, as in --tag registry.example/team/image:1.0",
        )
    return tag


def is_image_reference(word: str) -> bool:
    """Whether an engine takes it as the name or the id of an image."""
    return bool(_IMAGE_REFERENCE.fullmatch(word))


def require_image_reference(word: str) -> None:
    """Raises :class:`UsageError` for what is neither the name nor the id of an image."""
    if not is_image_reference(word):
        raise UsageError(
            f"'{shown(word)}' is neither a file nor the name of an image",
            hint="lower case, as in registry.example/team/image:1.0; or a path that begins with ./",
        )
