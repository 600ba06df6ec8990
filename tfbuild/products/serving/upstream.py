"""Whether what a release file says of upstream is so, in a clone of tensorflow/serving.

Facts come from git's objects (``git cat-file``, ``git show``), so a bare clone, or one with another checkout,
will do. The checks look for what the build relies on, not for everything that upstream has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tfbuild.base.errors import NothingMatchesError, UsageError
from tfbuild.base.project import PROJECT
from tfbuild.machine.programs import Runner
from tfbuild.machine.user_files import replace_text
from tfbuild.products.serving.bazel.release import ServerBuild, ServingRelease, TensorFlowPin
from tfbuild.products.serving.wheel.release import ServingWheelRelease
from tfbuild.products.serving.wheel.sources import differences, read_list, understood
from tfbuild.releases.keys import Release, SourceRelease

# A question to git takes milliseconds; a clone on a network disk some seconds.
_TIMEOUT_S = 60.0
_WORKSPACE = "WORKSPACE"
_VERSION_HEADER = "tensorflow_serving/model_servers/version.h"
_DOCKERFILE = "tensorflow_serving/tools/docker/Dockerfile.devel"
_RC_LINE = re.compile(r"^(?:build|common|test|run|fetch):([A-Za-z0-9_.-]+)\s", re.MULTILINE)
_VERSION_PART = re.compile(r"^#define TF_MODELSERVER_(MAJOR|MINOR|PATCH)_VERSION (\d+)$", re.MULTILINE)
_SUFFIX = re.compile(r'^#define TF_MODELSERVER_VERSION_SUFFIX "([^"]*)"$', re.MULTILINE)


@dataclass(frozen=True)
class Check:
    """One thing that a release file says, and what upstream has in its place."""

    name: str
    said: str
    found: str
    ok: bool


@dataclass(frozen=True)
class UpstreamReport:
    """``invoke check-upstream --json``"""

    version: Literal[1] = field(default=1, kw_only=True)
    release: str
    commit: str
    checks: tuple[Check, ...]

    @property
    def wrong(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.ok)


class Clone:
    """A clone at one commit."""

    def __init__(self, path: Path, commit: str, runner: Runner) -> None:
        self._path = path
        self.commit = commit
        self._runner = runner

    def ask(self, *arguments: str) -> str | None:
        """What git prints, or None where it fails."""
        # The folder may be somebody else's, on a shared disk: git would refuse to read it.
        command = ("git", "-c", "safe.directory=*", f"--git-dir={self._path}", *arguments)
        answer = self._runner.capture(command, timeout_s=_TIMEOUT_S)
        return answer.stdout if answer.ok else None

    def file(self, path: str) -> str | None:
        return self.ask("show", f"{self.commit}:{path}")

    def has(self, path: str) -> bool:
        """Whether the tree names ``path``; its content need not be there."""
        return bool((self.ask("ls-tree", "--name-only", self.commit, "--", path) or "").strip())

    def tree(self) -> str:
        return (self.ask("rev-parse", "--verify", f"{self.commit}^{{tree}}") or "").strip()

    def date(self) -> str:
        return (self.ask("log", "-1", "--format=%ct", self.commit) or "").strip()

    def tag(self, name: str) -> str:
        return (self.ask("rev-parse", "--verify", f"refs/tags/{name}^{{commit}}") or "").strip()


def check_upstream(release: Release, clone: Path, runner: Runner) -> UpstreamReport:
    """Compare ``release`` with the clone in the folder ``clone``.

    :raises UsageError: the release has no commit, or the folder is not a git repository.
    :raises NothingMatchesError: the clone does not have the commit.
    """
    at = _open(release, clone, runner)
    checks = tuple(_checks(release, at))
    return UpstreamReport(release.release, at.commit, checks)


def write_list(release: Release, clone: Path, runner: Runner) -> str:
    """Write the list of what is compiled of the source beside the file of ``release``; its path.

    :raises UsageError: the release is built by Bazel, which needs no list, or as :func:`check_upstream`.
    :raises NothingMatchesError: the clone does not have the commit.
    :raises VerificationError: the BUILD files are not understood.
    """
    if not isinstance(release, ServingWheelRelease):
        raise UsageError(
            f"{release.product} {release.release} has no list of sources: Bazel reads upstream's own",
            hint="--write-list is for releases that are linked with a wheel: invoke list-releases",
        )
    found = understood(_open(release, clone, runner).file, release.wheel.target)
    replace_text(PROJECT / release.sources_path, found.text())
    return release.sources_path


def _open(release: Release, clone: Path, runner: Runner) -> Clone:
    if not isinstance(release, ServingRelease | ServingWheelRelease) or release.revision is None:
        raise UsageError(f"{release.product} {release.release} names no commit of tensorflow/serving")
    git_dir = _git_dir(clone)
    at = Clone(git_dir, release.revision, runner)
    if at.ask("rev-parse", "--git-dir") is None:
        raise UsageError(
            f"{clone} is not a git repository", hint="git clone https://github.com/tensorflow/serving"
        )
    if at.ask("cat-file", "-e", f"{release.revision}^{{commit}}") is None:
        raise NothingMatchesError(
            f"the clone {clone} does not have {release.revision}, which release {release.release} pins",
            hint=f"git -C {clone} fetch --tags origin",
        )
    return at


def _checks(release: Release, at: Clone) -> Iterator[Check]:
    if isinstance(release, ServingRelease):
        yield from _identity(release, at)
        yield from _workspace(release.serving, at)
        yield from _source(release, release.serving, at)
    elif isinstance(release, ServingWheelRelease):
        yield from _identity(release, at)
        yield from _tensorflow(release.wheel.tensorflow, at)
        yield from _list(release, at)
        yield from _version(release.version, release.wheel.version_pattern, at)


def _list(release: ServingWheelRelease, at: Clone) -> Iterator[Check]:
    """Whether the stored list is what the BUILD files give; each file that differs by its name."""
    shown = release.sources_path
    stored = read_list(PROJECT / shown, shown)
    wrong = tuple(differences(stored, understood(at.file, release.wheel.target)))
    for text in wrong:
        yield Check("list of sources", shown, text, False)
    if not wrong:
        yield Check("list of sources", shown, shown, True)


def _git_dir(clone: Path) -> Path:
    inner = clone / ".git"
    return inner if inner.exists() else clone


def _identity(release: SourceRelease, at: Clone) -> Iterator[Check]:
    yield _same("commit of the tag", release.revision or "", at.tag(release.tag))
    yield _same("git tree", release.source.tree or "", at.tree())
    yield _same("source_date_epoch", str(release.source_date_epoch), at.date())


def _workspace(serving: ServerBuild, at: Clone) -> Iterator[Check]:
    """What the build file of the whole source pins."""
    text = at.file(_WORKSPACE) or ""
    archive = _archive(at)
    pinned = serving.tensorflow
    yield from _tensorflow(pinned, at)
    patch = _value(archive, "patch").removeprefix("//").replace(":", "/")
    yield _same("TensorFlow patch", pinned.patch or "", patch)
    least = re.search(r'^versions\.check\("([^"]+)"', text, re.MULTILINE)
    yield _same("Bazel that WORKSPACE demands", serving.bazel.version, least.group(1) if least else "")
    docker = at.file(_DOCKERFILE) or ""
    used = re.search(r"^ENV BAZEL_VERSION[ =](\S+)", docker, re.MULTILINE)
    yield _same("Bazel of Dockerfile.devel", serving.bazel.version, used.group(1) if used else "")
    base = re.search(r"^FROM (\S+)", docker, re.MULTILINE)
    yield _same("base of Dockerfile.devel", serving.upstream_builder, base.group(1) if base else "")


def _archive(at: Clone) -> str:
    """What WORKSPACE says of TensorFlow."""
    text = at.file(_WORKSPACE) or ""
    return text.partition("tensorflow_http_archive(")[2].partition("\n)")[0]


def _tensorflow(pinned: TensorFlowPin, at: Clone) -> Iterator[Check]:
    archive = _archive(at)
    yield _same("TensorFlow commit", pinned.commit, _value(archive, "git_commit"))
    yield _same("TensorFlow sha256", pinned.sha256, _value(archive, "sha256"))


def _source(release: ServingRelease, serving: ServerBuild, at: Clone) -> Iterator[Check]:
    for path in serving.files:
        yield Check("file", path, "there" if at.has(path) else "not there", at.has(path))
    for label in serving.targets:
        yield _label(label, at)
    configs = sorted(set(_RC_LINE.findall(at.file(".bazelrc") or "")))
    yield _same(".bazelrc configs", ", ".join(sorted(serving.bazelrc_configs)), ", ".join(configs))
    yield from _overrides(serving, at)
    suffix = _SUFFIX.search(at.file(_VERSION_HEADER) or "")
    yield _same("suffix in version.h", serving.version_suffix, suffix.group(1) if suffix else "?")
    yield from _version(release.version, serving.version_pattern, at)


def _version(said: str, pattern: str, at: Clone) -> Iterator[Check]:
    header = at.file(_VERSION_HEADER) or ""
    numbers = dict(_VERSION_PART.findall(header))
    version = ".".join(numbers.get(part, "?") for part in ("MAJOR", "MINOR", "PATCH"))
    yield _same("version in version.h", said, version)
    suffix = _SUFFIX.search(header)
    # What the server prints of a source without .git: main.cc, and tools/gen_status_stamp.sh.
    printed = f"TensorFlow ModelServer: {version}{suffix.group(1) if suffix else ''}+dev.sha.no_git"
    yield Check("version_pattern", pattern, printed, bool(re.search(pattern, printed)))


def _label(label: str, at: Clone) -> Check:
    package, _, target = label.removeprefix("//").partition(":")
    build = at.file(f"{package}/BUILD") or at.file(f"{package}/BUILD.bazel") or ""
    there = re.search(rf'^\s*name = "{re.escape(target)}",$', build, re.MULTILINE) is not None
    return Check("label", label, "a target" if there else "no target of that name", there)


def _overrides(serving: ServerBuild, at: Clone) -> Iterator[Check]:
    text = at.file("tensorflow_serving/workspace.bzl") or ""
    for each in serving.overrides:
        there = f'name = "{each.repository}"' in text
        yield Check(
            "overridden repository", each.repository, "there" if there else "not in workspace.bzl", there
        )


def _value(text: str, name: str) -> str:
    found = re.search(rf'^\s*{name} = "([^"]*)",$', text, re.MULTILINE)
    return found.group(1) if found else ""


def _same(name: str, said: str, found: str) -> Check:
    return Check(name, said, found, said == found)


def report_lines(report: UpstreamReport) -> Iterator[str]:
    """The report: what is wrong in full, what is right by name."""
    yield f"serving {report.release} at {report.commit}"
    for check in report.checks:
        if check.ok:
            yield f"  ok    {check.name}: {check.said or 'none'}"
        else:
            yield f"  WRONG {check.name}"
            yield f"          release file: {check.said or 'nothing'}"
            yield f"          upstream:     {check.found or 'nothing'}"
    right = len(report.checks) - len(report.wrong)
    yield f"{right} of {len(report.checks)} as the release file says"
