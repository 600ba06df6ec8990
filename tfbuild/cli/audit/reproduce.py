"""``invoke reproduce``: the same bytes again, from the manifest alone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfbuild.base.errors import ExitCode, Interrupted, TfBuildError, UsageError
from tfbuild.base.project import PROJECT
from tfbuild.machine.path_words import input_word
from tfbuild.machine.terminal import write_json, write_lines

if TYPE_CHECKING:
    from tfbuild.base.values import Reporter
    from tfbuild.build.again.first import First
    from tfbuild.build.again.rebuild import Second
    from tfbuild.build.again.verdict import Rebuilt, Verdict


def reproduce(target: str, output: str, jobs: str, *, offline: bool, as_json: bool) -> int:
    """``invoke reproduce``"""
    from tfbuild.base.documents import dump
    from tfbuild.build.again.verdict import verdict_lines
    from tfbuild.cli.audit.target import folder_of
    from tfbuild.cli.console import ConsoleReporter
    from tfbuild.plan.words import parse_jobs

    if not target:
        raise UsageError("nothing to reproduce", hint="invoke reproduce DIST-FOLDER-OR-IMAGE")
    number = parse_jobs(jobs)
    folder = folder_of(input_word(target, "TARGET"), Path(output or "dist"))
    with ConsoleReporter() as reporter:
        verdict = judge(folder, number, reporter, offline=offline)
        _keep(folder, verdict, reporter)
    if as_json:
        write_json(dump(verdict))
    else:
        write_lines(verdict_lines(verdict))
    return ExitCode.OK if verdict.equal else ExitCode.VERIFICATION_FAILED


def judge(folder: Path, jobs: int | None, reporter: Reporter, *, offline: bool = False) -> Verdict:
    """Build again what is in ``folder``, an image of several platforms with each of its builds."""
    from tfbuild.build.again.first import folder_of_image, read_first
    from tfbuild.build.again.index import index_again
    from tfbuild.build.dist.ownership import read_manifest
    from tfbuild.build.several import read_index_manifest
    from tfbuild.products.table import parts

    document = read_manifest(folder)
    if document is None or "images" not in document:
        first = read_first(folder, parts())
        with ExitStack() as stack:
            rebuilt, _ = _again(first, jobs, reporter, stack, offline=offline)
        return _verdict(folder, (rebuilt,), None)
    index = read_index_manifest(document)
    dist = folder.resolve().parents[3]
    firsts = [
        read_first(folder_of_image(dist, each.image_id, each.build_key), parts()) for each in index.images
    ]
    with ExitStack() as stack:  # the images are needed until they are put together
        results = [_again(first, jobs, reporter, stack, offline=offline, keep_image=True) for first in firsts]
        archive = index_again(index, [second.image for _, second in results], results[0][1].folder.parent)
    return _verdict(folder, tuple(rebuilt for rebuilt, _ in results), archive)


def _again(
    first: First,
    jobs: int | None,
    reporter: Reporter,
    stack: ExitStack,
    *,
    offline: bool,
    keep_image: bool = False,
) -> tuple[Rebuilt, Second]:
    """The second build, and its comparison; when ``stack`` ends, what it made goes if it is the same."""
    from tfbuild.build.again.rebuild import build_again, remove_again
    from tfbuild.cli.line.environment import lock_wait
    from tfbuild.cli.wiring import apart_from
    from tfbuild.machine.cache import cache_root, prepare_cache
    from tfbuild.machine.locks import hold
    from tfbuild.products.table import recipe_of

    plan = first.plan
    cache = prepare_cache(cache_root(os.environ))
    lock = cache / "locks" / f"{plan.build_id}.rebuild.lock"
    stack.enter_context(
        hold(
            lock,
            what=f"building {plan.build_id} again",
            wait_s=lock_wait(os.environ),
            on_wait=reporter.note,
        )
    )
    folder = cache / "rebuilds" / plan.build_id
    remove_again(folder)
    folder.mkdir(parents=True)
    tidy = stack.enter_context(ExitStack())
    tidy.callback(remove_again, folder)
    apart = apart_from(plan, folder, jobs, reporter, keep_image=keep_image, offline=offline)
    try:
        with _other_umask():
            rebuilt, second = build_again(first, recipe_of(plan), apart)
    except Interrupted as error:
        raise Interrupted(
            error.message,
            details=("nothing of a second build is kept: it has to begin with empty caches",),
            hint="the same command starts again",
        ) from error
    except TfBuildError:
        tidy.pop_all()  # its logs are there
        for name in ("bases", "sources"):
            remove_again(folder / "cache" / name)
        raise
    if not rebuilt.equal:
        tidy.pop_all()
        reporter.note(f"{plan.build_id}: what was built the second time is kept in {folder}")
        remove_again(folder / "cache")
    return rebuilt, second


@contextmanager
def _other_umask() -> Iterator[None]:
    """Another user's: the rights that files get by it may be in no result."""
    before = os.umask(0o022)
    os.umask(0o077 if before != 0o077 else 0o022)
    try:
        yield
    finally:
        os.umask(before)


def _verdict(folder: Path, builds: tuple[Rebuilt, ...], archive: Any) -> Verdict:
    from tfbuild import __version__
    from tfbuild.build.again.verdict import Verdict
    from tfbuild.build.dist.ownership import CHECKSUMS
    from tfbuild.machine.files import hash_file
    from tfbuild.plan.asked import git_revision

    return Verdict(
        equal=all(each.equal for each in builds) and archive != "differs",
        sums_sha256=hash_file(folder / CHECKSUMS),
        tfbuild=__version__,
        revision=git_revision(PROJECT),
        made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        builds=builds,
        archive=archive,
    )


def _keep(folder: Path, verdict: Verdict, reporter: Reporter) -> None:
    """Write the verdict beside the manifest; a signature of an earlier one goes."""
    from tfbuild.base.documents import dump
    from tfbuild.build.dist.folder import write_json as write_file
    from tfbuild.trust.files import VERDICT

    try:
        (folder / VERDICT.envelope).unlink(missing_ok=True)
        write_file(folder / VERDICT.document, dump(verdict))
    except OSError as error:
        reporter.warn(f"the verdict is not kept in {folder}: {error.strerror or error}")
