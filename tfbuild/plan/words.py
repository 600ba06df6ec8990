"""The words of a command line, each as a value. Pure but for the name of this machine."""

from __future__ import annotations

import platform
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from tfbuild.base.arch import Arch
from tfbuild.base.errors import NothingMatchesError, UsageError
from tfbuild.base.places import NOWHERE, UserPlaces
from tfbuild.base.text import did_you_mean, shown
from tfbuild.config.types import MAX_JOBS

_NO_NEON = "ARMv6 (Raspberry Pi 1, Zero) has no NEON, and the kernels for 32-bit Arm are written for it"
_MUSL = "what is built here needs glibc, which Alpine does not have; upstream publishes nothing for musl"
# Architectures that people ask for and nothing here is built for, by any of their names.
_IMPOSSIBLE: Mapping[str, str] = {
    **dict.fromkeys(("armv6", "armv6l", "armv6hf", "arm/v6", "armel", "rpi0", "rpi"), _NO_NEON),
    **dict.fromkeys(("musl", "alpine", "amd64-musl", "arm64-musl", "x86_64-musl", "aarch64-musl"), _MUSL),
}


@dataclass(frozen=True)
class Words:
    """The arguments of a build command as they were typed, and where."""

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
    name: str = ""
    places: UserPlaces = NOWHERE  # where the user's own configurations and policies are


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
        if why := _IMPOSSIBLE.get(word.strip().lower().removeprefix("linux/")):
            raise NothingMatchesError(
                f"nothing can be built for '{word}'",
                details=(why, f"there are: {', '.join(known)}"),
                hint="invoke list-releases shows which architectures each release can be built for",
            )
        raise NothingMatchesError(
            f"unknown arch '{word}'{did_you_mean(word, known)}",
            details=(f"there are: {', '.join(known)}",),
            hint="invoke list-releases shows which architectures each release can be built for",
        )
    return arch


def parse_jobs(word: str, option: str = "--jobs") -> int | None:
    """Raises :class:`UsageError` for anything but a positive whole number, and for too large a one."""
    if not word:
        return None
    digits = word.lstrip("0")
    if not re.fullmatch("[0-9]+", word) or not digits:
        raise UsageError(
            f"{option} takes a positive whole number, not '{shown(word)}'", hint=f"for example {option} 4"
        )
    # Compared by digits: Python refuses to convert some thousands of them.
    if len(digits) > len(str(MAX_JOBS)) or int(digits) > MAX_JOBS:
        raise UsageError(
            f"{option} takes at most {MAX_JOBS}, not '{shown(word)}'", hint=f"for example {option} 4"
        )
    return int(digits)


def split_raw(text: str) -> tuple[str, ...]:
    """The words after ``--``. Invoke joins them with spaces: a value with spaces has to keep its quotes."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"the words after -- cannot be split: {error}", hint="close the quotes") from None


def parse_epoch(env: Mapping[str, str]) -> int | None:
    text = env.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    # 12 digits reach beyond the year 30000.
    if not re.fullmatch("[0-9]{1,12}", text):
        raise UsageError(f"SOURCE_DATE_EPOCH is '{text}', which is not a number of seconds since 1970")
    return int(text)
