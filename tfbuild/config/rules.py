"""What a configuration must not say at the same time. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tfbuild.base.values import Origin
from tfbuild.config.keys import BuildConfig
from tfbuild.config.remote.layers import contradictions as of_layers
from tfbuild.config.remote.rules import contradictions as of_remote

_WHY_NOT_MCPU = (
    "-mcpu clashes with the -march that XNNPACK gives each of its files (XNNPACK issues 1884, 1559): "
    "use compile.march and compile.mtune"
)
_COMPILE_FLAGS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-march(=|$)"), "there is a key for this: use compile.march"),
    (re.compile(r"-mtune(=|$)"), "there is a key for this: use compile.mtune"),
    (re.compile(r"-mcpu(=|$)"), _WHY_NOT_MCPU),
    (re.compile(r"-O"), "there is a key for this: use compile.optimisation"),
    (re.compile(r"-flto(=|$)"), "there is a key for this: use compile.lto"),
)


def why_not(flag: str) -> str | None:
    """Why ``flag`` is no flag to pass by hand; None where it is one."""
    return next((why for form, why in _COMPILE_FLAGS if form.match(flag)), None)


def contradictions(values: BuildConfig, origins: Mapping[str, Origin]) -> Iterator[tuple[Origin, str]]:
    """Each contradiction with the place of the value that has to go.

    Sources: https://github.com/google/XNNPACK/issues/1884 and /1559 for -mcpu.
    """
    for group in ("cflags", "cxxflags", "ldflags"):
        flags: tuple[str, ...] = getattr(values.compile, group)
        for index, flag in enumerate(flags):
            if why := why_not(flag):
                yield origins[f"compile.{group}.{index}"], f"'{flag}': {why}"
    if values.runtime.flavour == "python" and values.runtime.base != "scratch":
        message = "the image of runtime.flavour 'python' is made from scratch: leave runtime.base as it is"
        yield origins["runtime.base"], message
    debian = values.debian
    if debian.mirror and debian.snapshot:
        message = f"a mirror has the state that it has ({origins['debian.mirror']}): choose one"
        yield origins["debian.snapshot"], message
    if debian.security_mirror and not debian.security_updates:
        message = f"debian.security_updates is off ({origins['debian.security_updates']}): choose one"
        yield origins["debian.security_mirror"], message
    if values.distributable_note is not None and values.distributable:
        message = "distributable is true: the note would never be shown"
        yield origins["distributable_note"], message
    if values.compile.lto and values.compile.optimisation == "0":
        other = origins["compile.optimisation"]
        message = f"lto does nothing at optimisation 0 ({other}): choose one"
        yield origins["compile.lto"], message
    yield from of_remote(values.remote, origins)
    signs = bool(values.signing.key or values.signing.command)
    yield from of_layers(values.cache, origins, signs=signs)
    if values.compile.march == "native" and values.distributable:
        message = "march 'native' is the builder's CPU: set distributable false, as the config 'native' does"
        yield origins["compile.march"], message
