"""What an engine can tell, and why it may not answer, as values; no engine is needed to use them."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from tfbuild.base.errors import HostError

LABEL = "tfbuild"
LABEL_PID = "tfbuild.pid"
LABEL_HOST = "tfbuild.machine.host"
# Creating a container for a named platform: https://docs.docker.com/reference/api/engine/version-history/
MINIMUM_API = (1, 41)
_LOCAL_SOCKETS = ("unix:///var/run/docker.sock", "unix:///run/docker.sock")


class EngineProblem(Enum):
    """Why the engine does not answer."""

    NOT_INSTALLED = "not installed"
    NOT_RUNNING = "not running"
    PERMISSION = "permission denied"
    TOO_OLD = "too old"
    UNREACHABLE = "unreachable"


class EngineUnavailable(HostError):
    """The engine cannot be used; ``problem`` tells why."""

    def __init__(
        self, problem: EngineProblem, message: str, *, details: tuple[str, ...] = (), hint: str
    ) -> None:
        super().__init__(message, details=details, hint=hint)
        self.problem = problem


@dataclass(frozen=True)
class EngineFacts:
    """What the engine says of itself. ``memory`` in bytes; CPUs and memory are the engine's, not ours."""

    version: str
    api_version: str
    os_arch: str
    cpus: int
    memory: int
    driver: str
    containerd_store: bool
    root_dir: str
    local: bool  # the engine shares our file systems: it is reached through a socket file
    product: str = "Docker Engine"
    security_options: tuple[str, ...] = ()

    @property
    def rootless(self) -> bool:
        return any("rootless" in option for option in self.security_options)


@dataclass(frozen=True)
class ImageFacts:
    """An image that is in the engine.

    ``size`` (bytes) is what the engine counts: with the containerd store that includes compressed
    layers, and for an image that was never unpacked nothing else; it is not the size of the files.
    """

    id: str
    digests: tuple[str, ...]
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    created: str
    architecture: str
    os: str
    variant: str
    size: int
    user: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    env: tuple[str, ...]
    working_dir: str
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Held:
    """Something of ours in the engine: an image, or a cache mount of BuildKit; ``size`` in bytes.

    Images share layers, so the sizes of several may be more than what they take together.
    """

    id: str
    names: tuple[str, ...]
    size: int
    is_mount: bool


# How BuildKit describes a cache mount, and how the Dockerfiles of this project name theirs.
_MOUNT_ID = re.compile(r'with id "/?(tfbuild-[^"]+)"')


def held_of_ours(usage: Mapping[str, Any]) -> tuple[Held, ...]:
    """What of the engine's answer to ``docker system df`` is ours, the largest first.

    https://docs.docker.com/reference/api/engine/version/v1.45/#tag/System/operation/SystemDataUsage
    """
    images = (
        Held(str(each["Id"]), tuple(each.get("RepoTags") or ()), int(each["Size"]), is_mount=False)
        for each in usage.get("Images") or ()
        if any(name.startswith(f"{LABEL}.") for name in each.get("Labels") or ())
    )
    mounts = (
        Held(str(each["ID"]), (found[1],), int(each["Size"]), is_mount=True)
        for each in usage.get("BuildCache") or ()
        if (found := _MOUNT_ID.search(str(each.get("Description", ""))))
    )
    return tuple(sorted((*images, *mounts), key=lambda each: (-each.size, each.names)))


@dataclass(frozen=True)
class RunResult:
    """How a short container ended. ``exit_code`` is 127 or 126 if its program could not be started
    (then ``stderr`` says why), 137 if it was killed. ``repeated``: a first run printed nothing."""

    exit_code: int
    stdout: str
    stderr: str
    timed_out: bool = False
    out_of_memory: bool = False
    repeated: bool = False

    @property
    def silent(self) -> bool:
        """Nothing at all was printed, as far as the engine tells."""
        return not self.stdout.strip() and not self.stderr.strip()


@dataclass(frozen=True)
class RunOptions:
    """How a short container runs; the defaults are the strictest that an inference needs."""

    platform: str | None = None
    entrypoint: tuple[str, ...] | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    mount: str = "/smoke"
    env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    read_only: bool = True
    tmpfs: tuple[str, ...] = ("/tmp",)  # noqa: S108 - a fresh one, inside the container
    timeout_s: float = 120
    pids: int = 512  # processes and threads
    cpus: float | None = None  # a quota of CPU time, as 'docker run --cpus'; None: all
    # The program never ends without a word: silence is output that the engine lost. Then the log is read
    # again, and the program is run once more.
    speaks: bool = False


class Server(Protocol):
    """A container that runs until it is told to stop."""

    def beside(self, command: Sequence[str], timeout_s: float, *, speaks: bool = False) -> RunResult:
        """Run ``command``, the entrypoint included, in a second container: same image, files and network.

        ``speaks`` as in :class:`RunOptions`.
        """

    def stop(self, grace_s: int) -> RunResult:
        """SIGTERM; ``timed_out`` if it had to be killed after ``grace_s`` seconds."""


class Engine(Protocol):
    """What the rest of the program may ask of an engine."""

    def info(self) -> EngineFacts: ...
    def image(self, ref: str) -> ImageFacts | None: ...
    def save_image(self, ref: str, path: Path) -> None: ...
    def load_image(self, path: Path, name: str) -> None: ...
    def remove_image(self, ref: str) -> bool: ...
    def tag_image(self, ref: str, new: str) -> None: ...
    def run_once(self, image: str, command: Sequence[str], options: RunOptions = ...) -> RunResult: ...
    def serve(
        self, image: str, command: Sequence[str], options: RunOptions
    ) -> AbstractContextManager[Server]: ...
    def cleanup_leftovers(self) -> tuple[str, ...]: ...


def heard(run: Callable[[], RunResult], speaks: bool) -> RunResult:
    """The result of ``run``; of a second one where the first printed nothing and should have.

    A first run that failed without a word stays a failure, whatever the second says.
    """
    first = run()
    if not speaks or not first.silent or first.timed_out or first.out_of_memory:
        return first
    second = replace(run(), repeated=True)
    if first.exit_code == 0 or second.exit_code != 0:
        return second
    text = f"it printed nothing and ended with exit code {first.exit_code}; a second run succeeded"
    return replace(second, exit_code=first.exit_code, stderr=text)


def image_facts(attributes: Mapping[str, Any]) -> ImageFacts:
    """Facts out of the engine's answer to an image inspection; absent and null fields are empty."""
    config = attributes.get("Config") or {}
    return ImageFacts(
        id=attributes.get("Id", ""),
        digests=tuple(attributes.get("RepoDigests") or ()),
        tags=tuple(attributes.get("RepoTags") or ()),
        labels=dict(config.get("Labels") or {}),
        created=attributes.get("Created") or "",
        architecture=attributes.get("Architecture", ""),
        os=attributes.get("Os", ""),
        variant=attributes.get("Variant") or "",
        size=int(attributes.get("Size") or 0),
        user=config.get("User") or "",
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        env=tuple(config.get("Env") or ()),
        working_dir=config.get("WorkingDir") or "",
        layers=tuple((attributes.get("RootFS") or {}).get("Layers") or ()),
    )


def is_leftover(labels: Mapping[str, str], *, owner_host: str, alive: Callable[[int], bool]) -> bool:
    """Whether the container with ``labels`` is ours and its owner, a process on this machine, is gone."""
    if labels.get(LABEL) != "1" or labels.get(LABEL_HOST) != owner_host:
        return False
    pid = labels.get(LABEL_PID, "")
    return pid.isdecimal() and not alive(int(pid))


def process_alive(pid: int) -> bool:
    """Whether a process of this machine has this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def version_tuple(text: str) -> tuple[int, ...]:
    """``1.45`` as numbers that sort."""
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


def too_old(found: str) -> EngineUnavailable:
    needed = ".".join(str(part) for part in MINIMUM_API)
    return EngineUnavailable(
        EngineProblem.TOO_OLD,
        f"the container engine is too old: API {needed} is needed",
        details=(found,),
        hint="invoke setup updates Debian's own package; else install Docker Engine 26 or newer",
    )


def no_context(name: str) -> EngineUnavailable:
    """The error for a docker context that is not there, or cannot be read."""
    return EngineUnavailable(
        EngineProblem.UNREACHABLE,
        f"there is no docker context '{name}'",
        # docker-py looks for contexts beside that file, wherever it finds one.
        details=("contexts are looked for beside docker's config.json, which must exist ({} will do)",),
        hint=f"docker context ls; docker context create {name} --docker host=ssh://USER@HOST",
    )


def classify(
    error: BaseException, *, installed: bool, docker_host: str = "", context: tuple[str, str] = ("", "")
) -> EngineUnavailable:
    """The reason that is hidden in docker-py's error: the errno at the end of its chain of causes.

    ``installed``: whether this machine has a ``dockerd``; ``docker_host``: the variable DOCKER_HOST;
    ``context``: name and address of the active docker context, which counts where that is not set.
    """
    text = str(error)
    if "too old" in text or "Minimum supported" in text:
        return too_old(text)
    number = first_errno(error)
    name, address = ("", docker_host) if docker_host else context
    local = address in ("", *_LOCAL_SOCKETS)
    if isinstance(number, int) and number > 0 and not local:
        text = f"{address}: {os.strerror(number)}"  # docker-py's own text is that of three libraries
    if number in (errno.EACCES, errno.EPERM):
        problem, message = EngineProblem.PERMISSION, "no permission to use the engine's socket"
        hint = "sudo usermod -aG docker $USER, then log in again (or run this command with sudo)"
    elif number not in (errno.ENOENT, errno.ECONNREFUSED) or not local:
        problem, message = EngineProblem.UNREACHABLE, "the container engine cannot be reached"
        hint = f"check DOCKER_HOST ({docker_host or 'not set'}) and: docker context ls"
        if name:
            message = f"the engine of the docker context '{name}' cannot be reached"
            hint = "check it: docker context ls; the engine of this machine: docker context use default"
    elif installed:
        problem, message = EngineProblem.NOT_RUNNING, "the container engine is installed but not running"
        hint = "invoke setup starts it (or: sudo systemctl start docker)"
    else:
        problem, message = EngineProblem.NOT_INSTALLED, "there is no container engine on this machine"
        hint = "invoke setup installs one (Debian, Ubuntu); elsewhere install Docker Engine 26 or newer"
    return EngineUnavailable(problem, message, details=(text,), hint=hint)


def first_errno(error: BaseException) -> int | None:
    """The first errno in the causes, contexts and arguments of ``error``."""
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, OSError) and current.errno is not None:
            return current.errno
        linked = (current.__cause__, current.__context__, *current.args)
        pending.extend(item for item in linked if isinstance(item, BaseException))
    return None
