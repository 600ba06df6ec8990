"""The real way to registries: sessions, docker's credentials."""

from __future__ import annotations

import os
from pathlib import Path

from tfbuild.base.values import Reporter
from tfbuild.downloads.fetch import new_session
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.registry.connect import Access
from tfbuild.registry.credentials import config_path, find_credentials


def registry_access(reporter: Reporter) -> Access:
    """How this machine reaches registries, by its environment and docker's configuration."""
    env, runner = os.environ, SubprocessRunner()
    return Access(
        new_session=lambda: new_session(env),
        credentials=lambda host: find_credentials(host, config_path(env, Path.home()), runner),
        reporter=reporter,
    )
