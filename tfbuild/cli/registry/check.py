"""What ``doctor --config`` says of the registry that builders are shared in."""

from __future__ import annotations

from dataclasses import replace

from tfbuild.base.errors import HostError, TfBuildError
from tfbuild.cli.line.signing import verifying_key
from tfbuild.config.remote.layers import CacheKeys
from tfbuild.doctor.checks import CheckResult, Status
from tfbuild.registry.connect import PULL, PUSH, Access
from tfbuild.registry.reference import parse_reference

# Of no builder: what matters is that the registry says so.
_NOBODY = "tfbuild-doctor"


def check_registry(keys: CacheKeys, access: Access) -> tuple[CheckResult, ...]:
    """Whether it answers, lets this user in, and the key can be read; nothing without a registry."""
    if not keys.registry:
        return ()
    what = "lets this user read and write" if keys.upload else "lets this user read"
    needed = f"a registry that {what}"
    bad = Status.WARNING if keys.fallback == "local" else Status.FATAL
    try:
        place = replace(parse_reference(keys.registry), tag=_NOBODY)
        actions = PUSH if keys.upload else PULL
        access.open(place, actions, HostError).manifest(_NOBODY)
        if keys.public_key:
            verifying_key(keys.public_key, "cache.public_key")
    except TfBuildError as error:
        text = "; ".join((error.message, *error.details))
        return (CheckResult("registry", bad, f"{keys.registry}: {text}", needed, error.hint or ""),)
    signed = "" if keys.public_key else "; no cache.public_key: who may write there decides what compiles"
    return (CheckResult("registry", Status.OK, f"{keys.registry}: answers{signed}", needed),)
