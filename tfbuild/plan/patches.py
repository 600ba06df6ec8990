"""The patches of a build: those that its release is always built with, then those that were asked for."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tfbuild.base.errors import NothingMatchesError
from tfbuild.base.text import did_you_mean
from tfbuild.config.load import ResolvedConfig
from tfbuild.config.patch_text import patched_trees
from tfbuild.machine.files import hash_file
from tfbuild.plan.plan import RELEASE_PATCH, Patch
from tfbuild.releases.keys import Release
from tfbuild.releases.load import patches_folder


def release_patches(root: Path, release: Release) -> tuple[Patch, ...]:
    """What ``release`` is always built with."""
    folder = patches_folder(release.path)
    return tuple(
        _patch(root, f"{folder}/{each.file}", RELEASE_PATCH, each.reason) for each in release.patches
    )


def asked_patches(root: Path, config: ResolvedConfig) -> tuple[Patch, ...]:
    """``source.patches``, each with the line that names it."""
    return tuple(
        _patch(root, path, str(config.origins[f"source.patches.{index}"]))
        for index, path in enumerate(config.values.source.patches)
    )


def _patch(root: Path, path: str, origin: str, reason: str = "") -> Patch:
    trees = patched_trees((root / path).read_bytes())
    return Patch(path, hash_file(root / path), origin, reason, "".join(trees[:1]))


def require_patchable(patches: Collection[Patch], dependencies: Collection[str], release: str) -> None:
    """Of ``dependencies``, by name, the builder has the source; of others there is nothing to patch.

    :raises NothingMatchesError: a patch changes another one.
    """
    lost = [each for each in patches if each.dependency and each.dependency not in dependencies]
    if not lost:
        return
    there = f"it has: {', '.join(sorted(dependencies))}" if dependencies else "it compiles none of its own"
    raise NothingMatchesError(
        f"a patch is for a dependency that {release} does not compile",
        details=(
            *(
                f"{each.path} ({each.origin}): dependencies/{each.dependency}"
                f"{did_you_mean(each.dependency, dependencies)}"
                for each in lost
            ),
            there,
        ),
        hint="take a release whose lock has it (invoke list-releases), or leave the patch out",
    )
