"""Questions to the container engine, and short containers; the only importer of docker-py.

Everything that touches BuildKit (builds, builders, attestations) goes through the command line, see
:mod:`tfbuild.engine.docker_cli`: docker-py has no BuildKit (https://github.com/docker/docker-py/issues/2230).
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker.types

from tfbuild.base.errors import HostError, NothingMatchesError
from tfbuild.engine.attended import Attention, follow, port_bindings, published
from tfbuild.engine.facts import (
    LABEL,
    LABEL_HOST,
    LABEL_PID,
    MINIMUM_API,
    EngineFacts,
    Held,
    ImageFacts,
    RunOptions,
    RunResult,
    Server,
    classify,
    heard,
    held_of_ours,
    image_facts,
    is_leftover,
    no_context,
    process_alive,
    too_old,
    version_tuple,
)
from tfbuild.engine.nodes import node_environment
from tfbuild.engine.pack import pack_files
from tfbuild.engine.waiting import Ended, wait_for_end
from tfbuild.machine.host import find_program
from tfbuild.machine.interrupts import hold_signals

# Questions are answered in milliseconds; saving an image or removing one on a busy disk takes longer.
_CONNECT_TIMEOUT_S = 10
_REQUEST_TIMEOUT_S = 300
# dockerd gives up copying the output of a container that has ended after 2 s (containerExit in
# https://github.com/moby/moby/blob/master/daemon/monitor.go); what it still writes comes within these pauses.
_LOG_PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.6)
# A smoke test prints a few KiB; a runaway one must not fill the engine's disk.
_LOG_OPTIONS: Mapping[str, str] = {"max-size": "16m", "max-file": "2"}
# Exit codes that the docker command line uses too: https://docs.docker.com/engine/containers/run/#exit-status
_EXIT_NOT_STARTED = 126
_EXIT_NOT_FOUND = 127


def connect(
    context: str = "",
    *,
    client_factory: Callable[..., Any] = docker.from_env,
    env: Mapping[str, str] = os.environ,
    which: Callable[[str], str | None] = find_program,
) -> DockerEngine:
    """A connection to the engine that ``DOCKER_HOST`` or the active context names, or to that of ``context``.

    Raises :class:`EngineUnavailable` (exit 4), which tells "not installed", "not running", "no
    permission" and "too old" apart.
    """
    options: dict[str, Any] = {}
    if context:
        env = {**env, **node_environment(context)}
        name, address = _context(env)
        if not name and context != "default":  # docker-py would take the own engine
            raise no_context(context)
        # As the docker program does: the user's own ssh, with its keys and its known hosts.
        options = {"environment": env, "use_ssh_client": address.startswith("ssh://")}
    try:
        client = client_factory(version="auto", timeout=_CONNECT_TIMEOUT_S, **options)
        client.api.timeout = _REQUEST_TIMEOUT_S
        api = version_tuple(client.api.api_version)
    except (docker.errors.DockerException, OSError) as error:
        installed, host = which("dockerd") is not None, env.get("DOCKER_HOST", "")
        raise classify(error, installed=installed, docker_host=host, context=_context(env)) from error
    if api < MINIMUM_API:
        raise too_old(f"its API is {client.api.api_version}")
    return DockerEngine(client)


def _context(env: Mapping[str, str]) -> tuple[str, str]:
    """Name and address of the active docker context; empty where there is none besides the default."""
    try:
        found = docker.ContextAPI.get_context(env.get("DOCKER_CONTEXT") or None)
    except (docker.errors.DockerException, OSError, ValueError):
        return "", ""
    return ("", "") if found is None or found.name == "default" else (found.name, found.Host or "")


class DockerEngine:
    """:class:`Engine` over docker-py; made by :func:`connect`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def info(self) -> EngineFacts:
        with _engine_errors("asking the engine for its facts"):
            info, version = self._client.info(), self._client.version()
        components = version.get("Components") or [{}]
        return EngineFacts(
            version=version.get("Version", ""),
            api_version=version.get("ApiVersion", ""),
            os_arch=f"{version.get('Os', '')}/{version.get('Arch', '')}",
            cpus=int(info.get("NCPU", 0)),
            memory=int(info.get("MemTotal", 0)),
            driver=info.get("Driver", ""),
            containerd_store=["driver-type", "io.containerd.snapshotter.v1"]
            in (info.get("DriverStatus") or []),
            root_dir=info.get("DockerRootDir", ""),
            local=str(self._client.api.base_url).startswith("http+docker://localhost"),
            product="Podman" if "podman" in str(components[0].get("Name", "")).lower() else "Docker Engine",
            security_options=tuple(info.get("SecurityOptions") or ()),
        )

    def image(self, ref: str) -> ImageFacts | None:
        """Facts of the image ``ref``, or None if the engine does not have it. Never pulls."""
        with _engine_errors(f"looking up the image {ref}"):
            try:
                return image_facts(self._client.api.inspect_image(ref))
            except docker.errors.ImageNotFound:
                return None

    def holds_of_ours(self) -> tuple[Held, ...]:
        """Our images and the cache mounts of our builds."""
        with _engine_errors("asking the engine for what it holds"):
            for _ in range(2):  # what goes while the engine counts ends its answer with "not found"
                with suppress(docker.errors.APIError):
                    return held_of_ours(self._client.df())
            return held_of_ours(self._client.df())

    def remove_mount(self, mount: str) -> int:
        """Remove the cache mount with this id, unless a build uses it; how many bytes that freed.

        https://docs.docker.com/reference/api/engine/version/v1.45/#tag/Image/operation/BuildPrune
        """
        with _engine_errors(f"removing the build tree {mount}"):
            return int(self._client.api.prune_builds(filters={"id": [mount]}, all=True)["SpaceReclaimed"])

    def save_image(self, ref: str, path: Path) -> None:
        """Write the image as an archive (``docker save``) to ``path``, which appears when complete."""
        # Asked first: an engine with the containerd store answers a save of an unknown image with 500.
        if self.image(ref) is None:
            raise _no_image(ref)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with _engine_errors(f"saving the image {ref}"):
                chunks = self._client.api.get_image(ref)
                with part.open("wb") as file:
                    for chunk in chunks:
                        file.write(chunk)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def load_image(self, path: Path, name: str) -> None:
        """Read the archive ``path`` (``docker load``), which gives its image the name ``name``."""
        before = self.image(name)
        with _engine_errors(f"loading {path}"), path.open("rb") as file:
            self._client.images.load(file)
        self._remove_nameless(before)

    def remove_image(self, ref: str) -> bool:
        """Remove the tag or image ``ref``; False if it was not there."""
        with _engine_errors(f"removing the image {ref}"):
            try:
                self._client.api.remove_image(ref)
            except docker.errors.ImageNotFound:
                return False
        return True

    def tag_image(self, ref: str, new: str) -> None:
        """Give the image ``ref`` the further name ``new`` (``repository[:tag]``), even if another has it."""
        repository, _, tag = new.rpartition(":") if ":" in new.rpartition("/")[2] else (new, "", "latest")
        before = self.image(new)
        with _engine_errors(f"naming the image {new}"):
            self._client.images.get(ref).tag(repository, tag=tag)
        self._remove_nameless(before)

    def _remove_nameless(self, before: ImageFacts | None) -> None:
        """What had a name before would stay as an image without one."""
        left = self.image(before.id) if before else None
        # One that somebody else made is nobody's to remove but his.
        if left and not left.tags and any(name.startswith("tfbuild.") for name in left.labels):
            self.remove_image(left.id)

    def run_once(self, image: str, command: Sequence[str], options: RunOptions | None = None) -> RunResult:
        """Run ``command`` in a fresh container of ``image`` and remove the container, whatever happens.

        No network, no capabilities, no new privileges. ``options.files`` (path in the container, below
        ``options.mount`` → local file; executables stay executable) travel through the API into an
        anonymous volume: bind mounts would fail with a remote engine and with ``read_only``.
        Raises NothingMatchesError if the image is not in the engine, HostError if the engine fails.
        """
        options = options or RunOptions()
        return heard(lambda: self._run_new(image, command, options), options.speaks)

    def _run_new(self, image: str, command: Sequence[str], options: RunOptions) -> RunResult:
        archive = pack_files(options.files, options.mount)
        # The name is ours, so the container can be removed even if we are stopped before its id arrives.
        name = f"tfbuild-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        with _engine_errors(f"running {' '.join(command) or 'the entrypoint'} in {image}"):
            try:
                # An interrupted request may still be carried out, after the removal below.
                with hold_signals():
                    self._create(name, image, command, options)
                if options.files:
                    self._client.api.put_archive(name, options.mount, archive)
                return self._run(name, options)
            except docker.errors.ImageNotFound as error:
                raise _no_image(image, options.platform) from error
            finally:
                self._remove_container(name)

    @contextmanager
    def serve(self, image: str, command: Sequence[str], options: RunOptions) -> Iterator[Server]:
        """A container of ``image`` that runs until the end of the block, without a network but its own.

        As for :meth:`run_once`; ``options.timeout_s`` is not heeded.
        """
        archive = pack_files(options.files, options.mount)
        name = f"tfbuild-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        try:
            with _engine_errors(f"starting {image}"):
                with hold_signals():
                    self._create(name, image, command, options)
                if options.files:
                    self._client.api.put_archive(name, options.mount, archive)
                self._client.api.start(name)
            yield _RunningServer(self, name, image, options)
        finally:
            self._remove_container(name)

    def attend(self, image: str, command: Sequence[str], options: RunOptions, attention: Attention) -> int:
        """As :meth:`run_once`, for somebody who uses it, until it ends; its exit code.

        It has a network where it has ports; ``options.timeout_s`` is not heeded.
        """
        archive, api = pack_files(options.files, options.mount), self._client.api
        name = f"tfbuild-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        try:
            with _engine_errors(f"starting {image}"):
                with hold_signals():
                    self._create(name, image, command, options, ports=attention.ports)
                if options.files:
                    api.put_archive(name, options.mount, archive)
                api.start(name)
                attention.on_start(name, published(api.inspect_container(name)))
                follow(api.logs(name, stream=True, follow=True), attention.on_line)
                return int(api.inspect_container(name)["State"]["ExitCode"])
        finally:
            self._remove_container(name)

    def _create(
        self,
        name: str,
        image: str,
        command: Sequence[str],
        options: RunOptions,
        beside: str | None = None,
        ports: Collection[int] = (),
    ) -> None:
        """``beside`` is a container whose network and files this one shares; ``ports`` are reachable here."""
        api = self._client.api
        volume = docker.types.Mount(target=options.mount, source=None, type="volume")
        host_config = api.create_host_config(
            network_mode=f"container:{beside}" if beside else "bridge" if ports else "none",
            port_bindings=port_bindings(ports),
            volumes_from=[f"{beside}:ro"] if beside else None,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            read_only=options.read_only,
            mounts=[volume] if options.files and not beside else [],
            tmpfs=dict.fromkeys(options.tmpfs, ""),
            pids_limit=options.pids,
            **({"nano_cpus": round(options.cpus * 1e9)} if options.cpus else {}),
            # Named, because logs of other drivers cannot be read back.
            log_config=docker.types.LogConfig(type="json-file", config=dict(_LOG_OPTIONS)),
        )
        api.create_container(
            image,
            command=list(command),
            name=name,
            ports=list(ports),
            entrypoint=None if options.entrypoint is None else list(options.entrypoint),
            environment=dict(options.env),
            user=options.user,
            labels=_owner_labels(),
            host_config=host_config,
            platform=options.platform,
        )

    def run_beside(self, server: str, image: str, command: Sequence[str], options: RunOptions) -> RunResult:
        """A container of ``image`` in the network and with the files of the container ``server``."""
        return heard(lambda: self._run_beside(server, image, command, options), options.speaks)

    def _run_beside(self, server: str, image: str, command: Sequence[str], options: RunOptions) -> RunResult:
        name = f"tfbuild-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        with _engine_errors(f"asking the server {server}"):
            try:
                with hold_signals():
                    self._create(name, image, command, options, beside=server)
                return self._run(name, options, server)
            finally:
                self._remove_container(name)

    def stop(self, name: str, grace_s: int) -> RunResult:
        """SIGTERM to the container ``name``, SIGKILL after ``grace_s`` seconds; how it ended."""
        api = self._client.api
        with _engine_errors(f"stopping {name}"):
            if api.inspect_container(name)["State"]["Status"] == "running":
                with suppress(docker.errors.APIError):  # it may have ended just now
                    api.kill(name, signal="SIGTERM")
            return self._wait(name, grace_s)

    def _run(self, name: str, options: RunOptions, server: str = "") -> RunResult:
        api = self._client.api
        try:
            api.start(name)
        except docker.errors.APIError as error:
            text = str(error.explanation or error)
            not_found = "no such file" in text or "not found" in text
            return RunResult(_EXIT_NOT_FOUND if not_found else _EXIT_NOT_STARTED, "", text)
        return self._wait(name, options.timeout_s, speaks=options.speaks, server=server)

    def _wait(self, name: str, timeout_s: float, *, speaks: bool = False, server: str = "") -> RunResult:
        """Until the container has ended; it is killed after ``timeout_s`` seconds, and where ``server``, the
        container that it asks, has ended before."""
        api = self._client.api
        how = wait_for_end(api, name, timeout_s, server)
        if how is not Ended.BY_ITSELF:
            with suppress(docker.errors.APIError):  # it may have ended just now
                api.kill(name)
        state = api.inspect_container(name)["State"]
        stdout, stderr = self._output(name, patient=speaks and how is Ended.BY_ITSELF)
        return RunResult(
            exit_code=int(state["ExitCode"]) if how is Ended.BY_ITSELF else 137,
            stdout=stdout,
            stderr=f"{stderr}the server has ended" if how is Ended.ALONE else stderr,
            timed_out=how is Ended.TIMED_OUT,
            out_of_memory=bool(state.get("OOMKilled")),
        )

    def _output(self, name: str, *, patient: bool) -> tuple[str, str]:
        """What the container printed. ``patient``: read again for a while, as long as there is nothing."""
        for pause in (*(_LOG_PAUSES_S if patient else ()), None):
            stdout, stderr = self._log(name, stdout=True), self._log(name, stdout=False)
            if stdout.strip() or stderr.strip() or pause is None:
                break
            time.sleep(pause)
        return stdout, stderr

    def _log(self, name: str, *, stdout: bool) -> str:
        """One stream to its end: what is still on its way when the container ends comes too."""
        log: bytes = self._client.api.logs(name, stdout=stdout, stderr=not stdout, follow=True)
        return log.decode("utf-8", "replace")

    def _remove_container(self, name: str) -> None:
        # What remains in spite of this is found by cleanup_leftovers.
        with hold_signals(), suppress(docker.errors.DockerException, OSError):
            self._client.api.remove_container(name, v=True, force=True)

    def cleanup_leftovers(self) -> tuple[str, ...]:
        """Remove containers of runs on this machine that are gone (killed, power cut); their names."""
        removed = []
        with _engine_errors("looking for leftover containers"):
            found = self._client.api.containers(all=True, filters={"label": f"{LABEL}=1"})
            for container in found:
                labels = container.get("Labels") or {}
                if is_leftover(labels, owner_host=_owner_host(), alive=process_alive):
                    self._remove_container(container["Id"])
                    removed.append(str(container["Names"][0]).lstrip("/"))
        return tuple(removed)


class _RunningServer:
    """:class:`Server` over docker-py."""

    def __init__(self, engine: DockerEngine, name: str, image: str, options: RunOptions) -> None:
        self._engine = engine
        self._name = name
        self._image = image
        self._options = options

    def beside(self, command: Sequence[str], timeout_s: float, *, speaks: bool = False) -> RunResult:
        """As :class:`Server` says. Exit code 126 where the server is gone: nothing can join it then."""
        options = replace(self._options, entrypoint=tuple(command[:1]), timeout_s=timeout_s, speaks=speaks)
        return self._engine.run_beside(self._name, self._image, command[1:], options)

    def stop(self, grace_s: int) -> RunResult:
        """As :class:`Server` says."""
        return self._engine.stop(self._name, grace_s)


def _owner_labels() -> dict[str, str]:
    return {LABEL: "1", LABEL_PID: str(os.getpid()), LABEL_HOST: _owner_host()}


def _owner_host() -> str:
    """This machine, or this container: process ids mean nothing outside their namespace."""
    try:
        namespace = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        namespace = ""
    return f"{socket.gethostname()} {namespace}".strip()


def _no_image(ref: str, platform: str | None = None) -> NothingMatchesError:
    what = f"{ref} for {platform}" if platform else ref
    return NothingMatchesError(f"the engine has no image {what}", hint="docker image ls shows what there is")


@contextmanager
def _engine_errors(doing: str) -> Iterator[None]:
    """What can be expected of an engine (it stops, it refuses) as a HostError. docker-py's transport
    errors are OSErrors, since requests' exceptions are."""
    try:
        yield
    except (docker.errors.DockerException, OSError) as error:
        text = str(getattr(error, "explanation", None) or error)
        raise HostError(
            f"the engine failed while {doing}", details=(text,), hint="invoke doctor checks the engine"
        ) from error
