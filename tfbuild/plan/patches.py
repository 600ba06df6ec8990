"""The patches of a build: those that its release is always built with, then those that were asked for."""

from __future__ import annotations

from pathlib import Path

from tfbuild.config.load import ResolvedConfig
from tfbuild.machine.files import hash_file
from tfbuild.plan.plan import RELEASE_PATCH, Patch
from tfbuild.releases.keys import Release
from tfbuild.releases.load import patches_folder


def release_patches(root: Path, release: Release) -> tuple[Patch, ...]:
    """What ``release`` is always built with."""
    folder = patches_folder(release.path)
    return tuple(
        Patch(path, hash_file(root / path), RELEASE_PATCH, each.reason)
        for each in release.patches
        for path in (f"{folder}/{each.file}",)
    )


def asked_patches(root: Path, config: ResolvedConfig) -> tuple[Patch, ...]:
    """``source.patches``, each with the line that names it."""
    return tuple(
        Patch(path, hash_file(root / path), str(config.origins[f"source.patches.{index}"]))
        for index, path in enumerate(config.values.source.patches)
    )
