"""Builds of the miniature model server, as a user starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tfbuild.machine.programs import Captured

PROJECT = Path(__file__).resolve().parents[2]
MINIATURE = "tests/data/serving-releases/2.19.1-mini.yaml"
OWN_BAZEL = "tests/data/serving-releases/2.19.1-minibazel.yaml"
Serve = Callable[..., Captured]


def words_of(*more: str, release: str = MINIATURE) -> list[str]:
    return ["build-serving", "--release", release, *more]


def mirrors_of(folder: Path) -> dict[str, str]:
    """The miniatures' archives, those of TFBUILD_TEST_MIRROR, and what the user has."""
    archives = os.environ.get("TFBUILD_TEST_MIRROR")
    rules = (
        f"https://mini.invalid/={folder}/",
        f"https://={archives}/" if archives else "",
        os.environ.get("TFBUILD_MIRRORS", ""),
    )
    return {"TFBUILD_MIRRORS": " ".join(filter(None, rules))}


def start_build(words: list[str], mirror: Path) -> subprocess.Popen[str]:
    """A build of the miniature that can be disturbed while it runs."""
    return subprocess.Popen(
        [str(Path(sys.executable).parent / "invoke"), *words_of(*words)],
        cwd=PROJECT,
        env={**os.environ, **mirrors_of(mirror)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
