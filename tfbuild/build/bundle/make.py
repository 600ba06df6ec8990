"""Makes a bundle of what a plan needs, and puts what a bundle brought into the cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfbuild import __version__
from tfbuild.base.errors import DownloadError, HostError, UsageError
from tfbuild.build.builders import export_builder
from tfbuild.build.bundle.file import Bundle, BundledSource, Ingredient, member_of, read_bundle, write_bundle
from tfbuild.build.execute import require_locked, steps_of
from tfbuild.build.layout import Layout
from tfbuild.build.roots import read_facts
from tfbuild.build.run import Effects, Recipe, Run
from tfbuild.build.steps import step_of
from tfbuild.downloads.store import Entry
from tfbuild.machine.files import marked
from tfbuild.machine.locks import hold
from tfbuild.plan.plan import Plan

# What a build does before it compiles; all that needs a network is among it.
_STEPS = ("fetch", "root", "builder", "fetch-deps")
_FACTS = "root.json"
# Another process that loads a bundle of some GB.
_LOCK_WAIT_S = 3600.0


def make_bundle(
    plan: Plan[Any], recipe: Recipe[Any], layout: Layout, target: Path, effects: Effects
) -> tuple[Bundle, str]:
    """Get everything that ``plan`` needs and write it to ``target``; what is in it, and its sha256.

    :raises BuildError: Bazel needs something that no cache can hold, or a step before failed.
    :raises DownloadError: something could not be had.
    """
    require_locked(plan)
    lock = layout.cache / "locks" / f"{plan.build_id}.lock"
    what = f"bundling {plan.build_id}"
    with hold(lock, what=what, wait_s=effects.lock_wait_s, on_wait=effects.reporter.note):
        effects.preflight()
        run = Run(plan, recipe, layout, effects, target.parent)
        shutil.rmtree(run.logs, ignore_errors=True)
        run.logs.mkdir(parents=True)
        steps = steps_of(recipe)
        for step in plan.steps:
            if step.id in _STEPS:
                with step_of(run, step.id):
                    effects.reporter.step_finished("ok", steps[step.id](run))
        files = [
            *_downloads(run),
            *_roots(run),
            *_builders(run),
            *_ingredients(run),
        ]
        members = sorted((member_of(each) for each in files), key=lambda each: each.path)
        bundle = Bundle(
            tfbuild=__version__,
            product=plan.product,
            release=plan.release,
            config=plan.config,
            arch=plan.arch,
            build_arch=plan.root.arch,
            build_id=plan.build_id,
            key=plan.key,
            source=bundled_source(run),
            members=tuple(members),
        )
        effects.reporter.note(f"writing {target}: {len(members)} files")
        return bundle, write_bundle(target, bundle, {each.path: each.file for each in files})


def load_bundle(
    file: Path, cache: Path, note: Callable[[str], None] = lambda _text: None
) -> tuple[Bundle, str]:
    """Put what ``file`` holds into the folder ``cache``, after every byte of it was checked.

    :raises ArchiveError: it is no bundle, is damaged, or holds what no bundle may; nothing was placed.
    :raises UsageError: there is no such file, or it may not be read.
    :raises HostError: the disk refuses.
    """
    if not file.is_file() or not os.access(file, os.R_OK):
        raise UsageError(f"there is no bundle that could be read at {file}", hint="invoke bundle --load FILE")
    lock = cache / "locks" / "bundle.lock"
    with (
        hold(lock, what=f"loading {file.name}", wait_s=_LOCK_WAIT_S, on_wait=note),
        _disk_errors(file, cache),
        _staging(cache / "state" / "bundle") as staging,
    ):
        bundle, sha256 = read_bundle(file, staging)
        # Facts last: they say that the root beside them is whole.
        for member in sorted(bundle.members, key=lambda each: each.path.endswith(f"/{_FACTS}")):
            _place(staging, cache, member.path, member.sha256)
        if bundle.source:
            _place_source(cache, bundle.source)
    return bundle, sha256


def _downloads(run: Run[Any]) -> Iterator[Ingredient]:
    # By the path: a source that was proven by its tree just now has its hash in it and not in the plan.
    for path in dict.fromkeys(run.downloads.values()):
        yield _ingredient(run, path, path.parent.name.removeprefix("sha256-"))


def bundled_source(run: Run[Any]) -> BundledSource | None:
    """The source's archive, where its git tree is what the plan knows of it."""
    source = run.plan.source
    if source is None or not source.tree:
        return None
    path = run.downloads[source.name]
    sha256 = path.parent.name.removeprefix("sha256-")
    return BundledSource(tree=source.tree, filename=source.filename, sha256=sha256)


def _roots(run: Run[Any]) -> Iterator[Ingredient]:
    for root in filter(None, (run.plan.root, run.plan.runtime_root)):
        yield from _root_files(run, run.layout.root(root))


def _root_files(run: Run[Any], folder: Path) -> Iterator[Ingredient]:
    facts = read_facts(folder)
    if facts is None:
        raise DownloadError(f"{folder} was removed meanwhile", hint="the same command makes it again")
    yield _ingredient(run, folder / "rootfs.tar", facts.sha256)
    yield _ingredient(run, folder / _FACTS)


def _builders(run: Run[Any]) -> Iterator[Ingredient]:
    """The builders' files as one tar each, written once, so that two bundles have the same bytes."""
    for stage in run.recipe.builders:
        folder = run.layout.builder(run.plan, stage)
        if read_facts(folder) is None:
            export_builder(run, stage)
        yield from _root_files(run, folder)


def _ingredients(run: Run[Any]) -> Iterator[Ingredient]:
    for name, path in run.recipe.ingredients(run):
        yield Ingredient(name, path, None)


def _ingredient(run: Run[Any], file: Path, sha256: str | None = None) -> Ingredient:
    return Ingredient(file.relative_to(run.layout.cache).as_posix(), file, sha256)


def _place(staging: Path, cache: Path, path: str, sha256: str) -> None:
    source, target = staging / path, cache / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.name == "rootfs.tar":
        # Until its facts are there too, the folder holds no root. BuildKit tells files apart by their times.
        (target.parent / _FACTS).unlink(missing_ok=True)
        changed = marked(int(source.stat().st_mtime), int(sha256[:8], 16))
        os.utime(source, ns=(changed, changed))
    source.replace(target)
    if path.startswith("downloads/"):
        Entry(target.parent, target.name, sha256).stamp()


def _place_source(cache: Path, source: BundledSource) -> None:
    """Also where a build looks whose project does not know the sha256 yet; its tree decides there."""
    file = cache / "downloads" / f"sha256-{source.sha256}" / source.filename
    if not file.exists():
        return
    folder = cache / "downloads" / f"tree-{source.tree}"
    folder.mkdir(exist_ok=True)
    shutil.copyfile(file, folder / source.filename)


@contextmanager
def _disk_errors(file: Path, cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostError(
            f"cannot unpack {file.name} into {cache}: {error.strerror or error}",
            hint="free some space (twice the size of the bundle, and more), or set TFBUILD_CACHE_DIR",
        ) from error


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
