"""Waiting for a container to end, with docker-py's client of the engine."""

from __future__ import annotations

import time
from enum import Enum, auto
from typing import Any

# One question of how a container ended lasts at most so long: what forwards connections cuts idle ones.
_WAIT_S = 60.0
_LEAST_S = 0.1
# So often somebody looks after a server. Who asks it is given as long to finish when it is gone.
_LOOK_S = 5.0


class Ended(Enum):
    """Why a wait was over."""

    BY_ITSELF = auto()
    TIMED_OUT = auto()
    ALONE = auto()  # what it asks has ended, and it goes on asking


def wait_for_end(api: Any, name: str, timeout_s: float, server: str = "") -> Ended:
    """Wait until the container ``name`` has ended, at most ``timeout_s`` seconds.

    ``server`` is the container that it asks: without that it need not be waited for.
    """
    deadline, alone = time.monotonic() + timeout_s, False
    while True:
        began = time.monotonic()
        patience = min(_LOOK_S if server else _WAIT_S, max(deadline - began, _LEAST_S))
        try:
            api.wait(name, timeout=patience, condition="not-running")
            return Ended.BY_ITSELF
        except OSError:  # requests' errors are; an answer that did not come in time is one of them
            if time.monotonic() - began < patience:
                raise
        if time.monotonic() >= deadline:
            return Ended.TIMED_OUT
        if server and api.inspect_container(server)["State"]["Status"] != "running":
            if alone:
                return Ended.ALONE
            alone = True
