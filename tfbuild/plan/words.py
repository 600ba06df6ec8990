"""The words of a command line, each as a value. Pure but for the name of this machine."""

from __future__ import annotations

import platform
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from tfbuild.base.arch import Arch
from tfbuild.base.errors import NothingMatchesError, UsageError
from tfbuild.base.text import did_you_mean

# What the engine takes: https://github.com/distribution/reference/blob/main/reference.go
# A first part without dot or port is a host only if it is called so.
_HOST = r"(?=[^/]*[.:]|localhost/)(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE_NAME = re.compile(
    rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?"
)


@dataclass(frozen=True)
class Words:
    """The arguments of a build command as they were typed."""

    release: str = ""
    config: str = ""
    arch: str = ""
    sets: tuple[str, ...] = ()
    jobs: str = ""
    tag: str = ""
    output: str = ""
    model: str = ""
    origin: str = ""  # source or wheel, where the command has the choice
    app: str = ""
    variant: str = ""
    raw: str = ""  # all that stood after --


def host_arch() -> Arch:
    """The architecture that builds: this machine's, where it is one that we know."""
    return Arch.parse(platform.machine()) or Arch.AMD64


def parse_arch(word: str, default: Arch) -> Arch:
    """Raises :class:`NothingMatchesError` with the nearest name."""
    if not word:
        return default
    arch = Arch.parse(word)
    if arch is None:
        known = [str(each) for each in Arch]
        raise NothingMatchesError(
            f"unknown arch '{word}'{did_you_mean(word, known)}",
            details=(f"there are: {', '.join(known)}",),
            hint="invoke list-releases tells which release can be built for which",
        )
    return arch


def parse_jobs(word: str) -> int | None:
    """Raises :class:`UsageError` for anything but a positive whole number."""
    if not word:
        return None
    # More digits than any machine has CPUs, and fewer than Python refuses to convert.
    if not re.fullmatch("[0-9]{1,6}", word) or int(word) < 1:
        raise UsageError(f"--jobs takes a positive whole number, not '{word}'", hint="for example --jobs 4")
    return int(word)


def split_raw(text: str) -> tuple[str, ...]:
    """The words after ``--``. Invoke joins them with spaces: a value with spaces has to keep its quotes."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(
            f"the words after -- cannot be told apart: {error}", hint="close the quotes"
        ) from None


def parse_tag(tag: str) -> str | None:
    """Raises :class:`UsageError` for what no engine takes as the name of an image."""
    if not tag:
        return None
    if not _IMAGE_NAME.fullmatch(tag):
        raise UsageError(
            f"'{tag}' is not an image name", hint="lower case, as in --tag registry.example/team/tflite:2.14"
        )
    return tag


def parse_epoch(env: Mapping[str, str]) -> int | None:
    text = env.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    # 12 digits reach beyond the year 30000.
    if not re.fullmatch("[0-9]{1,12}", text):
        raise UsageError(f"SOURCE_DATE_EPOCH is '{text}', which is not a number of seconds since 1970")
    return int(text)
