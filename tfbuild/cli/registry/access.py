"""The real way to registries: sessions, docker's credentials."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfbuild.base.errors import TfBuildError
from tfbuild.base.values import Reporter
from tfbuild.build.shared.store import LayerStore
from tfbuild.cli.line.signing import signer_of, verifying_key
from tfbuild.downloads.fetch import new_session
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.plan.plan import Plan
from tfbuild.registry.client import Repository
from tfbuild.registry.connect import Access
from tfbuild.registry.credentials import config_path, find_credentials
from tfbuild.registry.reference import parse_reference


def registry_access(reporter: Reporter) -> Access:
    """How this machine reaches registries, by its environment and docker's configuration."""
    env, runner = os.environ, SubprocessRunner()
    return Access(
        new_session=lambda: new_session(env),
        credentials=lambda host: find_credentials(host, config_path(env, Path.home()), runner),
        reporter=reporter,
    )


def layer_store(plan: Plan[Any], cache: Path, reporter: Reporter) -> LayerStore | None:
    """The registry that the plan shares builders in; None where it names none.

    :raises UsageError: its name is none, or a key cannot be read.
    """
    layers = plan.layers
    if layers is None:
        return None
    place, access = parse_reference(layers.registry), registry_access(reporter)

    def connect(tag: str, actions: str, error: type[TfBuildError]) -> Repository:
        return access.open(replace(place, tag=tag), actions, error)

    return LayerStore(
        layers=layers,
        open=connect,
        key=verifying_key(layers.public_key, "cache.public_key") if layers.public_key else None,
        signer=signer_of(plan.signing, os.environ) if layers.upload else None,
        reporter=reporter,
        scratch=cache / "state" / "registry",
    )
