"""The environment variables of this project, in one table; pure.

One that is not in it is a slip: ignored, it would let a build run with other settings than were meant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tfbuild.base.errors import UsageError
from tfbuild.base.text import did_you_mean, shown

PREFIX = "TFBUILD_"
DEBUG = "TFBUILD_DEBUG"
# Those of the tests and of the programs that the tests start.
TEST_PREFIX = "TFBUILD_TEST_"


@dataclass(frozen=True)
class Variable:
    """An environment variable; ``meaning`` is a sentence for the documentation, ``default`` if unset."""

    name: str
    meaning: str
    default: str = ""


VARIABLES = (
    Variable(
        "TFBUILD_CACHE_DIR",
        "Folder of downloads, sources and root filesystems.",
        "$XDG_CACHE_HOME/tfbuild, else ~/.cache/tfbuild",
    ),
    Variable(DEBUG, "1 shows the traceback of an expected error too; the exit code stays.", "0"),
    Variable(
        "TFBUILD_LOCK_WAIT", "Seconds that a second run of the same build waits for the first one.", "1800"
    ),
    Variable(
        "TFBUILD_MIRRORS",
        "Rules PREFIX=REPLACEMENT, separated by spaces: where downloads come from instead.",
    ),
    Variable("TFBUILD_SIGNING_PASSPHRASE", "Passphrase of the private key that signs."),
    Variable("TFBUILD_REQUIRE_ENGINE", "For the tests: one that would be skipped is an error."),
)
_NAMES = frozenset(each.name for each in VARIABLES)
_OFF = frozenset({"", "0", "false", "no", "off"})


def check_environment(env: Mapping[str, str]) -> None:
    """Raises :class:`UsageError` for variables that begin as ours do and are none; all of them at once."""
    unknown = sorted(
        name
        for name in env
        if name.startswith(PREFIX) and name not in _NAMES and not name.startswith(TEST_PREFIX)
    )
    if not unknown:
        return
    first, *others = (f"{name} is not a variable of tfbuild{_suggestion(name)}" for name in unknown)
    raise UsageError(
        first,
        details=(*others, f"there are: {', '.join(sorted(_NAMES))}"),
        hint=f"unset {' '.join(unknown)}, or correct the name",
    )


def _suggestion(name: str) -> str:
    # Without the part that all of them have, which would make everything look alike.
    short = {each.removeprefix(PREFIX): each for each in sorted(_NAMES)}
    found = did_you_mean(name.removeprefix(PREFIX), short)
    for key, full in short.items():
        found = found.replace(f"'{key}'", f"'{full}'")
    return found


def debug_wanted(env: Mapping[str, str]) -> bool:
    """Whether TFBUILD_DEBUG is set to anything but a word for no."""
    return env.get(DEBUG, "").strip().lower() not in _OFF


def lock_wait(env: Mapping[str, str]) -> float:
    """Seconds to wait for another build of the same id: TFBUILD_LOCK_WAIT, else half an hour."""
    text = env.get("TFBUILD_LOCK_WAIT", "").strip() or "1800"
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise UsageError(
            f"TFBUILD_LOCK_WAIT is '{shown(text)}', which is not a number of seconds",
            hint="for example TFBUILD_LOCK_WAIT=60",
        )
    return max(0.0, seconds)
