"""``invoke outdated``: what a build would get now that it did not get then."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfbuild.base.errors import ExitCode, HostError, UsageError
from tfbuild.base.project import PROJECT
from tfbuild.base.text import did_you_mean
from tfbuild.machine.path_words import input_word
from tfbuild.machine.terminal import write_json, write_lines

if TYPE_CHECKING:
    from tfbuild.base.arch import Arch
    from tfbuild.build.again.updates import FailOn, Installed, OutdatedDocument
    from tfbuild.downloads.debian_versions import Offered
    from tfbuild.downloads.python_index import PythonIndex
    from tfbuild.plan.plan import Plan
    from tfbuild.plan.roots import Root
    from tfbuild.plan.words import Words


# The package of the Python index that upstream publishes with each release of a repository.
_PUBLISHED: Mapping[str, str] = {
    "github.com/tensorflow/tensorflow": "tensorflow",
    "github.com/tensorflow/serving": "tensorflow-serving-api",
    "github.com/google-ai-edge/litert": "ai-edge-litert",
}


@dataclass(frozen=True)
class Subject:
    """What is looked at: a plan, and the packages that are known of it."""

    name: str
    plan: Plan[Any]
    installed: tuple[Installed, ...]


def outdated(target: str, product: str, words: Words, *, output: str, fail_on: str, as_json: bool) -> int:
    """``invoke outdated``"""
    from tfbuild.base.documents import dump
    from tfbuild.build.again.updates import failing, outdated_lines

    wanted = parse_fail_on(fail_on)
    subject = subject_of(target, product, words, Path(output or "dist"))
    document = look_up(subject, wanted)
    if as_json:
        write_json(dump(document))
    else:
        write_lines(outdated_lines(document))
    return ExitCode.VERIFICATION_FAILED if failing(document.updates, wanted) else ExitCode.OK


def parse_fail_on(text: str) -> frozenset[FailOn]:
    """The words of ``--fail-on``. Raises :class:`UsageError` with the nearest one."""
    from tfbuild.build.again.updates import FailOn

    known = [str(each) for each in FailOn]
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in known:
            raise UsageError(
                f"--fail-on takes no '{word}'{did_you_mean(word, known)}",
                hint=f"one or several of {','.join(known)}",
            )
    return frozenset(map(FailOn, words))


def subject_of(target: str, product: str, words: Words, dist: Path) -> Subject:
    """The build that ``target`` names, else the plan of a build that need not have been made.

    :raises UsageError: both a result and the options of a build were given, or neither.
    """
    from tfbuild.build.again.updates import installed_of, pinned_of
    from tfbuild.cli.audit.target import finished_build
    from tfbuild.cli.line.build_words import checked_words
    from tfbuild.plan.words import host_arch
    from tfbuild.products.table import plan_of

    of_a_build = bool(product) or replace(words, places=type(words)().places) != type(words)()
    if bool(target) == of_a_build:
        raise UsageError(
            "either a result, or the options of a build",
            hint="invoke outdated dist/tflite/2.14.1-debian/opt/amd64; invoke outdated --product keras",
        )
    if target:
        first = finished_build(input_word(target, "TARGET"), dist)
        return Subject(first.plan.build_id, first.plan, installed_of(first.manifest))
    checked = checked_words(words, PROJECT)
    plan = plan_of(PROJECT, product or "tflite", checked, env=os.environ, build_arch=host_arch())
    return Subject(plan.build_id, plan, pinned_of(plan))


def look_up(subject: Subject, wanted: frozenset[FailOn]) -> OutdatedDocument:
    """Ask the Debian archive and the Python index; decide what is newer."""
    from tfbuild.build.again.updates import (
        OutdatedDocument,
        debian_updates,
        release_update,
        wheel_projects,
        wheel_updates,
    )

    plan = subject.plan
    asked: list[str] = []
    updates: list[Any] = []
    unlisted: tuple[str, ...] = ()
    if subject.installed:
        offered = _debian(subject, wanted, asked)
        updates, unlisted = list((found := debian_updates(subject.installed, offered))[0]), found[1]
    index = _index()
    projects = wheel_projects(plan)
    pages = {name: index.project(name) for name in projects}
    updates += wheel_updates(plan, pages)
    source = dict(plan.image.labels).get("org.opencontainers.image.source", "")
    project = published_as(source) if plan.source else ""
    if project:
        updates += release_update(plan, project, index.project(project))
    if projects or project:
        asked.append(
            f"the Python index of pip's configuration, about {len(projects) + bool(project)} projects"
        )
    return OutdatedDocument(
        subject=subject.name,
        asked=tuple(asked),
        checked=len(subject.installed) + len(projects) + bool(project),
        updates=tuple(updates),
        unlisted=unlisted,
    )


def _debian(subject: Subject, wanted: frozenset[FailOn], asked: list[str]) -> tuple[Offered, ...]:
    """What the archive offers now for each architecture of the packages."""
    from tfbuild.base.urls import safe_url
    from tfbuild.build.again.updates import FailOn
    from tfbuild.build.roots import KEYRING
    from tfbuild.cli.wiring import archives_now
    from tfbuild.downloads.debian_lists import read_archive
    from tfbuild.machine.runner import SubprocessRunner

    runner = SubprocessRunner()
    found: list[Offered] = []
    root = subject.plan.root
    archive, auth = archives_now(subject.plan, runner)
    if archive.security is None and FailOn.SECURITY in wanted and root.suite not in {"sid", "unstable"}:
        raise HostError(
            "nobody here can say which packages have fixes: no security archive of Debian is configured",
            hint="add it to the host's apt, or name one: --set debian.security_mirror=http://...",
        )
    for arch in _arches(subject.plan, root):
        with tempfile.TemporaryDirectory(prefix="tfbuild-apt-") as folder:
            found += read_archive(Path(folder), arch, archive.sources(root.suite), KEYRING, runner, auth)
    asked.append(f"{safe_url(archive.main)} {root.suite}")
    asked.append(
        f"{safe_url(archive.security)} {root.suite}-security"
        if archive.security
        else "no security archive: none is configured"
    )
    return tuple(found)


def _arches(plan: Plan[Any], root: Root) -> Iterator[Arch]:
    yield root.arch
    if plan.arch is not root.arch:
        yield plan.arch


def _index() -> PythonIndex:
    from tfbuild.downloads.fetch import new_session
    from tfbuild.downloads.pip_settings import pip_settings
    from tfbuild.downloads.python_index import PythonIndex
    from tfbuild.machine.runner import SubprocessRunner

    return PythonIndex(lambda: pip_settings(SubprocessRunner()), lambda: new_session(os.environ))


def published_as(repository: str) -> str:
    """The project of the index that tells the releases of a repository; empty where none is known."""
    return _PUBLISHED.get(repository.partition("://")[2].rstrip("/").removesuffix(".git").lower(), "")
