"""Runs commands in this process, as ``invoke`` does; what would act on the machine is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pytest
from invoke.main import program

from tfbuild.base.errors import HostError
from tfbuild.cli import cleaning, lock, machine, wiring
from tfbuild.cli.audit import outdated, reproduce
from tfbuild.cli.guide import configs, room
from tfbuild.cli.many import engines
from tfbuild.cli.registry import access
from tfbuild.doctor import setup as host_setup
from tfbuild.products.serving import upstream

# What acts, by the module that the commands take it from.
_ACTS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (wiring, ("build_plan", "build_several", "bundle", "unbundle", "fetch_release", "connect")),
    (engines, ("connect",)),
    (lock, ("lock_release", "lock_wheels_of")),
    (upstream, ("check_upstream",)),
    (cleaning, ("clean_up",)),
    (machine, ("run_tests",)),
    (host_setup, ("setup",)),
    (configs, ("write_config",)),
    (room, ("room_taken",)),
    (outdated, ("look_up",)),
    (reproduce, ("judge",)),
    (access, ("registry_access",)),
)


@dataclass
class Acts:
    """What the commands began to do; each act ends with :class:`HostError`, exit code 4."""

    begun: list[str] = field(default_factory=list)

    def refuse(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module, names in _ACTS:
            for name in names:
                monkeypatch.setattr(module, name, self._act(name))

    def _act(self, name: str) -> Callable[..., NoReturn]:
        def act(*_: object, **__: object) -> NoReturn:
            self.begun.append(name)
            raise HostError(f"{name} began")

        return act


def run_invoke(*argv: str) -> int:
    """The exit code of ``invoke ARGV``. Whatever it raises besides is a traceback for a user."""
    try:
        program.run(["invoke", *argv])
    except SystemExit as end:
        return int(end.code or 0)
    return 0
