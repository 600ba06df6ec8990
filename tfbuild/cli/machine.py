"""``invoke doctor``, ``setup``, ``clean`` and ``test``."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfbuild.base.errors import ExitCode, HostError, UsageError
from tfbuild.base.project import PROJECT
from tfbuild.base.text import human_duration, human_size
from tfbuild.build.dist.folder import hold_staging, is_marked
from tfbuild.build.dist.ownership import Content, content_of, files_below, read_manifest, remove_own
from tfbuild.cli.line.own_files import require_checkout
from tfbuild.machine.cache import bytes_below, cache_root, clear_cache, require_clearable
from tfbuild.machine.locks import hold
from tfbuild.machine.programs import Runner
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.machine.terminal import write_lines, write_text
from tfbuild.plan.several import INDEX_FOLDER


def doctor(*, as_json: bool) -> int:
    """``invoke doctor``"""
    from tfbuild.doctor.checks import DoctorContext
    from tfbuild.doctor.doctor import exit_code, render_json, render_text, run_checks
    from tfbuild.machine.cache import cache_root
    from tfbuild.machine.runner import SubprocessRunner

    context = DoctorContext(cache_dir=cache_root(os.environ), output_dir=Path("dist").absolute())
    results = run_checks(context, runner=SubprocessRunner())
    write_text(render_json(results) if as_json else render_text(results))
    return exit_code(results)


def setup(*, check: bool) -> int:
    """``invoke setup``"""
    from tfbuild.cli.console import ConsoleReporter
    from tfbuild.doctor.setup import setup
    from tfbuild.machine.cache import cache_root
    from tfbuild.machine.runner import SubprocessRunner

    with ConsoleReporter() as reporter:
        report = setup(
            check,
            runner=SubprocessRunner(),
            reporter=reporter,
            log_dir=cache_root(os.environ) / "state" / "setup",
        )
    told = [*(f"would {line}" for line in report.pending), *(f"did: {line}" for line in report.done)]
    write_lines(told or ["ready, nothing to do"])
    return report.exit_code


def clean(*, cache: bool, output: str, only_list: bool) -> int:
    """``invoke clean``"""

    write_lines(clean_up(output, os.environ, cache=cache, only_list=only_list))
    return ExitCode.OK


def test(*, fast: bool) -> int:
    """``invoke test``"""
    require_checkout("the tests are those of", "git clone, then: invoke test --fast")

    return run_tests(PROJECT, fast=fast)


# DIST/product/release/config/arch, and beside an arch what a killed build left of it.
_DEPTH = 4
_TEMPORARY = re.compile(r"\.(.+)\.(new|old)")


@dataclass(frozen=True)
class Remains:
    """What a build left: its result, or half of one; ``foreign`` says why it is not removed."""

    folder: Path
    size: int
    foreign: str = ""


def clean_up(word: str, env: Mapping[str, str], *, cache: bool, only_list: bool) -> Iterator[str]:
    """Remove the results of builds below the folder ``word`` (else dist, where builds write) and, with
    ``cache``, downloads, sources and root filesystems; one sentence for each.

    BuildKit's cache mounts (build trees, ccache) belong to the engine, which has a command for them.

    :raises UsageError: the place is a link or a file, or the cache is none of ours or holds other things.
    :raises HostError: something may not be read or removed.
    """
    root = cache_root(env)
    if cache and root.exists():
        require_clearable(root)
    yield from _clean_results(word or "dist", only_list=only_list)
    if not cache:
        return
    if not root.exists():
        yield f"no cache at {root}"
    elif only_list:
        yield f"would remove {human_size(bytes_below(root))} from {root}"
    else:
        _require_unused(root)
        yield f"removed {human_size(clear_cache(root))} from {root}"
        if root.exists():
            others = sorted(each.name for each in root.iterdir())
            yield f"left {root}, which holds other things: {', '.join(others[:5])}"
    yield "build trees and ccache are in the engine: docker builder prune --filter type=exec.cachemount"


def _clean_results(word: str, *, only_list: bool) -> Iterator[str]:
    dist = Path(os.path.abspath(word))  # noqa: PTH100 - resolve() would follow the user's links
    if dist.is_symlink():
        raise UsageError(f"{dist} is a link: nothing removed", hint=f"--output {dist.readlink()}")
    if not dist.exists():
        yield f"no {word}/ to remove"
        return
    if not dist.is_dir():
        raise UsageError(f"{dist} is a file, not a folder of results", hint="--output DIR")
    try:
        found = tuple(remains(dist))
    except OSError as error:
        raise HostError(f"cannot read {error.filename}: {error.strerror}", hint="check its owner") from error
    for each in found:
        if each.foreign:
            yield f"{'would leave' if only_list else 'left'} {each.folder}: {each.foreign}"
        elif only_list:
            yield f"would remove {each.folder} ({human_size(each.size)})"
        else:
            yield _remove(each, dist)
    if not any(not each.foreign for each in found):
        yield f"no result of a build in {dist}"


def remains(dist: Path) -> Iterator[Remains]:
    """What is below ``dist``, ours and foreign, without following a link.

    :raises OSError: a folder cannot be listed.
    """
    yield from _below(dist, dist)


def _below(folder: Path, dist: Path) -> Iterator[Remains]:
    for each in sorted(folder.iterdir()):
        depth = len(each.relative_to(dist).parts)
        if each.is_symlink():
            yield Remains(each, 0, f"a link to {each.readlink()}, which is not followed")
        elif not each.is_dir():
            yield Remains(each, 0, "not a result of a build")
        elif depth < _DEPTH:
            yield from _below(each, dist)
        elif is_marked(each) and _TEMPORARY.fullmatch(each.name):
            yield Remains(each, bytes_below(each))
        else:
            yield from _judged(each, dist)


def _judged(folder: Path, dist: Path) -> Iterator[Remains]:
    content = content_of(folder)
    if not content.owner:
        if any(files_below(folder)):
            yield Remains(folder, 0, "it has no manifest.json of tfbuild")
        return
    yield Remains(folder, bytes_below(folder), _objection(folder, dist, content))


def _objection(folder: Path, dist: Path, content: Content) -> str:
    product, release, config, name = folder.relative_to(dist).parts
    temporary = _TEMPORARY.fullmatch(name)
    place = (product, release, config, temporary[1] if temporary else name)
    if _place_of(read_manifest(folder) or {}, place) != place:
        return f"its manifest.json is of {content.owner}, which belongs elsewhere"
    if content.foreign:
        more = len(content.foreign) - 5
        names = ", ".join(content.foreign[:5]) + (f" and {more} more" if more > 0 else "")
        return f"it also holds {names}"
    return ""


def _place_of(manifest: Mapping[str, Any], place: tuple[str, ...]) -> tuple[str, ...]:
    """Where below dist the result of this manifest was written."""
    plan = manifest.get("plan")
    if isinstance(plan, dict):
        return Path(str(plan.get("output"))).parts[-_DEPTH:]
    # That of an index has no plan, but an id of the same words.
    product, release, config, _ = place
    ours = manifest.get("id") == f"{product}-{release}-{config}"
    return (product, release, config, INDEX_FOLDER) if ours else ()


def _remove(each: Remains, dist: Path) -> str:
    folder = each.folder
    try:
        if is_marked(folder):
            holding = hold_staging(folder)
            if holding is None:
                return f"left {folder}: a build is writing it"
            shutil.rmtree(folder)
            os.close(holding)
        elif failed := remove_own(folder):
            raise HostError("couldn't remove everything", details=failed, hint="check its owner")
    except OSError as error:
        raise HostError(
            f"couldn't remove {error.filename}: {error.strerror}", hint="check its owner"
        ) from error
    for parent in folder.parents:
        with suppress(OSError):  # something else is in it
            parent.rmdir()
        if parent == dist or parent.exists():
            break
    return f"removed {folder} ({human_size(each.size)})"


def _require_unused(root: Path) -> None:
    """Raises LockedError, which tells who it is, when a build uses the cache."""
    for lock in sorted((root / "locks").glob("*.lock")):
        with hold(lock, what="clearing the cache", wait_s=0, on_wait=lambda _: None):
            pass


_FOLDERS = ("benchmarks", "dockerfiles", "tests", "toolchains")


@dataclass(frozen=True)
class Check:
    """One program whose exit code 0 means good."""

    name: str
    argv: tuple[str, ...]


def checks(project: Path, *, fast: bool) -> tuple[Check, ...]:
    """The checks of a full or a fast run; pure but for listing the scripts and Dockerfiles."""
    tools = Path(sys.executable).parent
    python = (sys.executable, "-m")
    files = [path for folder in _FOLDERS for path in sorted((project / folder).rglob("*"))]
    scripts = [*(path for path in files if path.suffix == ".sh"), project / ".ci" / "run"]
    recipes = [path for path in files if path.name.endswith("Dockerfile")]
    pytest = (*python, "pytest", "--durations=25")
    # The engine works on one build at a time; the other tests share nothing and take all cores.
    unit = Check("pytest, without an engine", (*pytest, "--numprocesses=auto", "-m", "not engine"))
    engine = Check("pytest, with the engine", (*pytest, "tests/engine"))
    return (
        Check("ruff check", (*python, "ruff", "check", ".")),
        Check("ruff format", (*python, "ruff", "format", "--check", ".")),
        Check("mypy", (*python, "mypy")),
        Check("shellcheck", (str(tools / "shellcheck"), *map(str, scripts))),
        Check("hadolint", (str(tools / "hadolint"), *map(str, recipes))),
        Check("schemas", (*python, "tfbuild.cli.schemas", "--check")),
        unit,
        *(() if fast else (engine,)),
    )


def run_tests(project: Path, *, fast: bool, runner: Runner | None = None) -> int:
    """Run them all, one after the other; 0 when all are good, else 1. Says at the end which failed.

    Raises :class:`HostError` when a test tool is not installed.
    """
    runner = runner or SubprocessRunner()
    failed = []
    for check in checks(project, fast=fast):
        write_lines([f"== {check.name}"])
        try:
            done = runner.run(check.argv, cwd=project, on_line=lambda line: write_lines([line]))
        except HostError as error:
            raise HostError(
                f"{check.name} is not installed", details=(error.message,), hint="pip install -e '.[test]'"
            ) from error
        verdict = "ok" if done.ok else f"failed, exit code {done.returncode}"
        write_lines([f"== {check.name}: {verdict} ({human_duration(done.duration_s)})"])
        failed += [] if done.ok else [check.name]
    if failed:
        write_lines([f"failed: {', '.join(failed)}"])
    return ExitCode.BUG if failed else ExitCode.OK
