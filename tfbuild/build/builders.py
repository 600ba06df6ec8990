"""The step that makes a builder, by its recipe or out of a team's registry; and a builder as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfbuild.base.errors import BuildError, DownloadError
from tfbuild.build.buildkit.bake import export_of
from tfbuild.build.roots import RootFacts, read_facts, write_facts
from tfbuild.build.run import Run
from tfbuild.build.shared.content import Shared
from tfbuild.build.steps import bake_targets, offline_hint
from tfbuild.machine.files import hash_file
from tfbuild.machine.locks import hold


def make_builder(run: Run[Any], target: str = "builder") -> str:
    """The builder image, or ``target`` that is made in it.

    :raises DownloadError: it is missing and must not be made.
    """
    told = ", ".join(filter(None, (_share(run, stage) for stage in run.recipe.builders)))
    try:
        bake_targets(run, (target,), run.log("builder"), BuildError)
    except BuildError as error:
        if not run.effects.offline:
            raise
        raise DownloadError(
            "--offline, and the builder is neither in the engine's cache nor from a bundle",
            details=(f"Expected: {run.layout.builder(run.plan, 'builder')}", *error.details),
            hint=offline_hint(run),
            log=error.log,
        ) from error
    return told


def _share(run: Run[Any], stage: str) -> str:
    """The builder ``stage`` from the team's registry, or put there; nothing without one.

    What is pushed is also what compiles here: the same bytes give the same keys in everybody's caches.
    """
    store, plan = run.effects.layers, run.plan
    if store is None:
        return ""
    folder, name = (
        run.layout.builder(plan, stage),
        f"{plan.product}-{stage}-{plan.root.arch}-{plan.builder_key}",
    )
    shared = Shared(name, plan.root.suite, plan.root.arch)
    with hold(
        run.layout.cache / "locks" / f"builder-{stage}-{plan.builder_key[:16]}.lock",
        what=f"making the builder {name}",
        wait_s=3600,
        on_wait=run.effects.reporter.note,
    ):
        facts, told = read_facts(folder), "cached"
        if facts is None:
            facts, told = store.take(shared, folder), "from the registry"
        if facts is None and store.uploads:
            facts, told = export_builder(run, stage), "made here"
        if facts and store.uploads and store.put(shared, facts, folder):
            told = f"{told}, pushed"
    if facts is None:
        return ""
    run.roots[f"{stage} image"] = facts
    return f"{stage}: {told}"


def export_builder(run: Run[Any], stage: str) -> RootFacts:
    """The builder's files as one tar in the cache, written once, so that all that have it have the same."""
    folder = run.layout.builder(run.plan, stage)
    folder.mkdir(parents=True, exist_ok=True)
    partial: Path = folder / "rootfs.tar.part"
    try:
        bake_targets(run, (export_of(stage),), run.log(export_of(stage)), BuildError)
        base = run.roots["builder"]
        facts = RootFacts(
            base.suite,
            base.arch,
            base.mirror,
            base.security,
            hash_file(partial),
            partial.stat().st_size,
            f"stage {stage} of the recipe for {run.plan.build_id}",
        )
        partial.rename(folder / "rootfs.tar")
        write_facts(folder, facts)
        return facts
    finally:
        partial.unlink(missing_ok=True)
