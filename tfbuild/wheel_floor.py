"""Whether a distribution has what a wheel's libraries need. Pure: facts against the data of distributions."""

from __future__ import annotations

from tfbuild.checks_wheel import TagFacts
from tfbuild.errors import NothingMatchesError
from tfbuild.platforms import Distribution, Platforms


def distribution_of(platforms: Platforms, suite: str) -> Distribution | None:
    """The Debian release called ``suite`` ("bookworm")."""
    debian = next((each for each in platforms.distributions if each.family == "Debian"), None)
    releases = debian.releases if debian else ()
    return next((each for each in releases if f"({suite})" in each.name), None)


def require_floor(wheel: str, facts: TagFacts | None, suite: str, platforms: Platforms) -> None:
    """Raises :class:`NothingMatchesError` where ``suite`` is too old for the libraries of ``wheel``."""
    base = distribution_of(platforms, suite)
    if base is None or facts is None:
        return
    gaps = [floor for floor in facts.needs if not base.has(floor.family, floor.version)]
    if not gaps:
        return
    lines = []
    for gap in gaps:
        because = f", for {', '.join(gap.symbols[:4])}" if gap.symbols else ""
        have = getattr(base, gap.family)
        lines.append(f"{gap.family}_{gap.version} is needed{because}; Debian {base.name} has {have}")
    raise NothingMatchesError(
        f"{wheel} cannot be loaded on Debian {base.name}, whatever its tag says",
        details=tuple(lines),
        hint="take a Python of a newer suite: --set tflite.python=VERSION, or another release",
    )
