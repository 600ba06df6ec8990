"""A bare Debian as a container: what the first tasks are walked on. The engine is that of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tfbuild.base.errors import HostError
from tfbuild.machine.apt import debian_archive_mirrors
from tfbuild.machine.host import gather
from tfbuild.machine.runner import SubprocessRunner

SUITE = "trixie"
_IMAGE = "tfbuild-test/bare-machine:1"
_SOCKET = "/var/run/docker.sock"
_HOME = "/root/tasks"
_VARIABLES = "/tmp/variables"
_LONGEST_S = 3600.0


@dataclass(frozen=True)
class Machine:
    """A running container; its commands share a folder."""

    name: str
    runner: SubprocessRunner

    def run(self, command: str) -> str:
        """What ``command`` says on both streams, as one text; how it ends is for the page to show."""
        # Each command is a process of its own; variables go from one to the next, as in a terminal.
        script = f"touch {_VARIABLES}; . {_VARIABLES}; exec 2>&1\n{command}\nexport -p > {_VARIABLES}\n"
        argv = ("docker", "exec", "--workdir", _HOME, self.name, "bash", "-c", script)
        return self.runner.capture(argv, timeout_s=_LONGEST_S).stdout


@contextmanager
def bare_machine(
    runner: SubprocessRunner, folder: Path, mounts: Sequence[str], variables: Sequence[str]
) -> Iterator[Machine]:
    """A Debian without anything, with this machine's engine; removed afterwards.

    ``mounts`` are places of this machine that it sees too (settings of apt and pip), ``variables`` names of
    the environment that it gets. Raises :class:`HostError` when it cannot be made.
    """
    _make_image(runner, folder / "root.tar")
    try:
        seen = [word for place in (*mounts, _SOCKET) for word in ("--volume", f"{place}:{place}")]
        given = [word for name in variables for word in ("--env", name)]
        # mmdebstrap mounts what it needs into the roots that it makes, as it does on a machine of its own.
        argv = ("docker", "run", "--detach", "--init", "--privileged", "--network", "host", *seen, *given)
        name = _done(runner, (*argv, _IMAGE, "sleep", "infinity")).strip()
        try:
            _done(runner, ("docker", "exec", name, "mkdir", "-p", _HOME))
            yield Machine(name, runner)
        finally:
            runner.capture(("docker", "rm", "--force", name))
    finally:
        runner.capture(("docker", "rmi", "--force", _IMAGE))


def _make_image(runner: SubprocessRunner, root: Path) -> None:
    host = gather()
    mirrors = debian_archive_mirrors(runner, os_id=host.os.id, codename=host.os.codename)
    if not mirrors:
        raise HostError("apt of this machine knows no Debian mirror")
    packages = "--include=ca-certificates,python3,python3-venv"
    _done(runner, ("mmdebstrap", "--variant=apt", packages, SUITE, str(root), *mirrors))
    _done(runner, ("docker", "import", str(root), _IMAGE))


def _done(runner: SubprocessRunner, argv: Sequence[str]) -> str:
    answer = runner.capture(argv, timeout_s=_LONGEST_S)
    if not answer.ok:
        raise HostError(f"{' '.join(argv[:2])} failed", details=(answer.stderr[-2000:],))
    return answer.stdout
