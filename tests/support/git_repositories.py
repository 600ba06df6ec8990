"""Git repositories made by git itself; equal files give equal commits on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfbuild.machine.runner import SubprocessRunner

_WHO = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "t"), ("EMAIL", "t@example.org"), ("DATE", "2024-01-02T03:04:05Z"))
}
# No configuration of the machine's counts: no hooks, no signing, no other name of the first branch.
_ALONE = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent"}


@dataclass(frozen=True)
class Repository:
    """A repository with a work tree at ``path``."""

    path: Path

    def git(self, *words: str) -> str:
        ended = SubprocessRunner().capture(("git", "-C", str(self.path), *words), env={**_WHO, **_ALONE})
        assert ended.ok, ended.stderr
        return ended.stdout.strip()

    def commit(self, files: Mapping[str, str | bytes]) -> str:
        """Write ``files`` and commit everything; the commit."""
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--message", "a state", "--allow-empty")
        return self.git("rev-parse", "HEAD")


def new_repository(path: Path) -> Repository:
    path.mkdir(parents=True)
    repository = Repository(path)
    repository.git("init", "--quiet", "--initial-branch=master")
    # As GitHub allows it: any commit may be asked for by its id.
    repository.git("config", "uploadpack.allowAnySHA1InWant", "true")
    repository.git("config", "uploadpack.allowFilter", "true")
    return repository
