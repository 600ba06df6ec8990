"""Commits and archives of public git repositories, by git itself: from clones, or from the host.

An archive that is made from a clone has the bytes that GitHub and GitLab serve: both run ``git archive``
and compress with ``gzip -cn``; zip files have times without a zone, which GitHub writes as they are in
California and GitLab as they are in UTC. That is how they work, not what they promise; a published hash tells
whether it holds.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tfbuild.base.errors import DownloadError
from tfbuild.machine.programs import Captured, Runner

_COMMIT = re.compile(r"[0-9a-f]{40}")
# A question takes milliseconds in a clone and seconds over the network; an archive of TensorFlow ten.
_TIMEOUT_S = 600.0
_NO_SUCH_REF = ("not our ref", "couldn't find remote ref", "no such remote ref", "unadvertised object")
# Nobody sits there to answer, and a partial clone must not fetch what it lacks behind our back.
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "LC_ALL": "C",
}
# What the user's own configuration could change in the bytes of an archive; git's defaults, and gzip itself.
_AS_THE_HOSTS = (
    "core.autocrlf=false",
    "core.attributesFile=/dev/null",
    "tar.umask=0002",
    "tar.tar.gz.command=gzip -cn",
)


@dataclass(frozen=True)
class Resolved:
    """The commit that a ref is; ``fixed`` is False for a branch, which is another one tomorrow."""

    commit: str
    fixed: bool


class RefError(DownloadError):
    """A commit or tag that is not in the repository that it is said to be in."""


class GitSources:
    """``clones`` holds clones (bare or not) as HOST/OWNER/NAME, OWNER/NAME or NAME; None: ask the hosts."""

    def __init__(self, runner: Runner, scratch: Path, clones: Path | None = None) -> None:
        self._runner = runner
        self._scratch = scratch
        self._clones = clones

    def clone_of(self, repository: str) -> Path | None:
        """The clone of the repository with this URL, if there is one."""
        return next((path for path in self._candidates(repository) if path.is_dir()), None)

    def resolve(self, repository: str, ref: str) -> Resolved:
        """The commit that ``ref`` (a commit, a tag or a branch) is in ``repository``.

        :raises RefError: it is not there.
        :raises DownloadError: the repository is out of reach.
        """
        clone = self.clone_of(repository)
        return self._in_clone(clone, repository, ref) if clone else self._at_host(repository, ref)

    def archive(self, repository: str, commit: str, prefix: str, destination: Path) -> bool:
        """Write the archive of ``commit`` to ``destination``, whose name tells the form; False: no clone.

        :raises DownloadError: git failed half-way, as it does where a clone lacks an object.
        """
        clone = self.clone_of(repository)
        if clone is None:
            return False
        form = "zip" if destination.name.endswith(".zip") else "tar.gz"
        words = ("archive", f"--format={form}", f"--prefix={prefix}/", f"--output={destination}", commit)
        settings = [word for setting in _AS_THE_HOSTS for word in ("-c", setting)]
        zone = "America/Los_Angeles" if urlsplit(repository).netloc == "github.com" else "UTC"
        ended = self._git("-C", str(clone), *settings, *words, env={"TZ": zone})
        if not ended.ok:
            destination.unlink(missing_ok=True)  # the hash of a part would be worth nothing
            raise DownloadError(
                f"the clone of {repository} does not hold all of {commit}",
                details=(f"the clone {clone}", *_lines(ended)),
                hint="a shallow or partial clone lacks objects: clone it whole, or remove it to download",
            )
        return True

    def folder(self, repository: str, commit: str, folder: str, prefix: str, destination: Path) -> None:
        """Write what ``folder`` holds at ``commit`` to the tar file ``destination``, below ``prefix``.

        :raises RefError: the repository has no such commit, or the commit no such folder.
        :raises DownloadError: the repository is out of reach.
        """
        source = self.clone_of(repository) or self._fetched(repository, commit)
        words = ("archive", "--format=tar", f"--prefix={prefix}/", f"--output={destination}", commit, folder)
        ended = self._git("-C", str(source), *words)
        if not ended.ok:
            destination.unlink(missing_ok=True)
            raise RefError(f"{repository} has no {folder} at {commit}", details=_lines(ended))

    def _candidates(self, repository: str) -> Iterator[Path]:
        if self._clones is None:
            return
        url = urlsplit(repository)
        parts = [part for part in url.path.split("/") if part and part != ".."]
        for relative in ("/".join([url.netloc, *parts]), "/".join(parts), parts[-1] if parts else ""):
            if relative:
                yield self._clones / relative
                yield self._clones / f"{relative}.git"

    def _in_clone(self, clone: Path, repository: str, ref: str) -> Resolved:
        names = (ref,) if _COMMIT.fullmatch(ref) else (f"refs/tags/{ref}", f"refs/heads/{ref}")
        for name in (*names, f"refs/remotes/origin/{ref}"):
            ended = self._git(
                "-C", str(clone), "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
            )
            commit = ended.stdout.strip()
            if ended.ok and _COMMIT.fullmatch(commit):
                return Resolved(commit, fixed=name == ref or name.startswith("refs/tags/"))
        raise RefError(
            f"{repository} has no {ref}",
            details=(f"looked for in the clone {clone}", *_lines(ended)),
            hint="run git fetch in the clone if it is old; otherwise the pin is wrong",
        )

    def _at_host(self, repository: str, ref: str) -> Resolved:
        """By what the host lists, else by asking for the commit alone, without its files."""
        listed = self._git(
            "ls-remote", repository, f"refs/tags/{ref}", f"refs/tags/{ref}^{{}}", f"refs/heads/{ref}"
        )
        if not listed.ok:
            raise DownloadError(
                f"{repository} does not answer git ls-remote",
                details=_lines(listed),
                hint="is there a network, or a clone for --clones?",
            )
        found = {name: commit for commit, _, name in map(_columns, listed.stdout.splitlines())}
        # The line with ^{} is the commit that an annotated tag is about.
        for name in (f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", f"refs/heads/{ref}"):
            if name in found:
                return Resolved(found[name], fixed=name.startswith("refs/tags/"))
        if not _COMMIT.fullmatch(ref):
            raise RefError(f"{repository} has no {ref}", details=("neither a tag nor a branch",))
        self._require_commit(repository, ref)
        return Resolved(ref, fixed=True)

    def _require_commit(self, repository: str, commit: str) -> None:
        shutil.rmtree(self._fetched(repository, commit, "--filter=tree:0"), ignore_errors=True)

    def _fetched(self, repository: str, commit: str, *options: str) -> Path:
        """A bare repository with ``commit`` and nothing before it."""
        folder = self._scratch / "commits.git"
        shutil.rmtree(folder, ignore_errors=True)
        self._git("init", "--quiet", "--bare", str(folder))
        words = ("fetch", "--quiet", "--depth=1", *options, "--no-tags", repository, commit)
        ended = self._git("-C", str(folder), *words)
        if ended.ok:
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        if any(text in ended.stderr for text in _NO_SUCH_REF):
            raise RefError(f"{repository} has no {commit}", details=_lines(ended))
        raise DownloadError(f"{repository} does not serve {commit}", details=_lines(ended))

    def _git(self, *words: str, env: dict[str, str] | None = None) -> Captured:
        return self._runner.capture(
            ("git", *words), env={**_ENVIRONMENT, **(env or {})}, timeout_s=_TIMEOUT_S
        )


def _columns(line: str) -> tuple[str, str, str]:
    return line.partition("\t")


def _lines(ended: Captured) -> tuple[str, ...]:
    return tuple(ended.stderr.strip().splitlines()[-4:])
