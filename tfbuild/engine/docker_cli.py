"""Which docker command line and buildx to use, and what the current builder is.

The first ``docker`` on PATH may be another version than the engine's and may not see the folder that
buildx was installed into, so each candidate is asked. The buildx plugin also runs on its own
(https://github.com/docker/buildx#manual-download), which needs no docker client at all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tfbuild.base.errors import HostError
from tfbuild.machine.programs import Captured, Runner

# rewrite-timestamp, named contexts and attestations together: https://github.com/moby/buildkit/releases/tag/v0.13.0
MINIMUM_BUILDKIT = (0, 13)
MINIMUM_BUILDX = (0, 13)
# The engine that has BuildKit 0.13 built in: https://github.com/moby/moby/blob/v26.0.0/vendor.mod
ENGINE_WITH_MINIMUM_BUILDKIT = (26, 0)
# Where clients look beside their configuration folder:
# https://github.com/docker/cli/blob/master/cli-plugins/manager/manager_unix.go
PLUGIN_FOLDERS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
# Hints are advertisements of other products in our logs.
CLI_ENV: Mapping[str, str] = {"DOCKER_CLI_HINTS": "false"}
_QUESTION_TIMEOUT_S = 20
_BUILDX_ANSWER = re.compile(r"^github\.com/docker/buildx\s+v?(?P<version>\d\S*)", re.MULTILINE)
_NUMBERS = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")

Version = tuple[int, ...]


@dataclass(frozen=True)
class DockerCli:
    """A command line that works: ``buildx`` is the start of an argument list, as in
    ``(*cli.buildx, "bake", ...)``; ``docker`` is the client, if one was found."""

    docker: Path | None
    buildx: tuple[str, ...]
    buildx_version: str
    passed_over: tuple[str, ...] = ()  # candidates that came first and do not do, with the reason

    @property
    def version(self) -> Version:
        return parse_version(self.buildx_version) or (0,)


@dataclass(frozen=True)
class Builder:
    """The builder that a build uses unless it is told another; ``buildkit`` is its version as reported,
    which for Debian's packages is ``v0.0.0+unknown``."""

    name: str
    driver: str
    buildkit: str
    platforms: tuple[str, ...]
    error: str = ""


def parse_version(text: str) -> Version | None:
    """The numbers at the start of a version (``v0.13.1+ds1``, ``26.1.5+dfsg1``), or None."""
    match = _NUMBERS.match(text.strip())
    return None if match is None else tuple(int(n) for n in match.groups(default="0"))


def buildkit_is_new_enough(builder: Builder | None, engine_version: str) -> bool | None:
    """Whether BuildKit is at least :data:`MINIMUM_BUILDKIT`; None if nothing tells.

    The builder's own word counts, unless it is the placeholder of a build without version information;
    BuildKit inside the engine then follows from the engine's version.
    """
    reported = parse_version(builder.buildkit) if builder else None
    if reported is not None and any(reported):
        return reported[:2] >= MINIMUM_BUILDKIT
    if builder is not None and builder.driver not in ("", "docker"):
        return None  # not started yet, or remote
    engine = parse_version(engine_version)
    return None if engine is None else engine[:2] >= ENGINE_WITH_MINIMUM_BUILDKIT


def find_docker_cli(
    runner: Runner,
    *,
    env: Mapping[str, str] = os.environ,
    plugin_folders: Sequence[str] = PLUGIN_FOLDERS,
) -> DockerCli:
    """The first docker client on PATH that has a buildx of :data:`MINIMUM_BUILDX` or newer; where there is
    none, a buildx plugin that is called directly.

    Raises HostError, which tells "no buildx" and "too old" apart.
    """
    clients = tuple(executables("docker", _path_folders(env)))
    config = Path(env.get("DOCKER_CONFIG") or Path(env.get("HOME", "/")) / ".docker")
    plugins = executables("docker-buildx", (config / "cli-plugins", *map(Path, plugin_folders)))
    standalone = executables("buildx", _path_folders(env))
    candidates: list[tuple[str, ...]] = [(str(client), "buildx") for client in clients]
    candidates += [(str(plugin),) for plugin in (*plugins, *standalone)]
    passed_over: list[str] = []
    for argv in candidates:
        version = _buildx_version(runner, argv)
        if version is None:
            passed_over.append(f"{' '.join(argv)}: no buildx")
        elif (parse_version(version) or (0,))[:2] < MINIMUM_BUILDX:
            passed_over.append(f"{' '.join(argv)}: buildx {version} is too old")
        else:
            client = Path(argv[0]) if len(argv) == 2 else (clients[0] if clients else None)
            return DockerCli(client, argv, version, tuple(passed_over))
    needed = ".".join(str(n) for n in MINIMUM_BUILDX)
    old = any("too old" in reason for reason in passed_over)
    raise HostError(
        f"buildx is too old: {needed} is needed" if old else "there is no buildx",
        details=tuple(passed_over) or ("there is no docker client on PATH either",),
        hint=f"invoke setup (Debian, Ubuntu); elsewhere install buildx {needed} or newer",
    )


def current_builder(runner: Runner, cli: DockerCli) -> Builder:
    """The current builder; with ``error`` set if it does not answer. Does not start it."""
    answer = _ask(runner, (*cli.buildx, "inspect"))
    builder = parse_builder(answer.stdout)
    if not answer.ok and not builder.error:
        return Builder(
            builder.name, builder.driver, builder.buildkit, builder.platforms, answer.stderr.strip()
        )
    return builder


def parse_builder(text: str) -> Builder:
    """The answer of ``buildx inspect``, which has no machine-readable form before buildx 0.15.

    Fields of the first node count: ``Key: value`` lines, the builder's own before the nodes' ones.
    """
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and not line.startswith((" ", "\t")):
            fields.setdefault(key.strip().lower(), value.strip())
    platforms = (p.strip().rstrip("*") for p in fields.get("platforms", "").split(","))
    return Builder(
        name=fields.get("name", ""),
        driver=fields.get("driver", ""),
        # Before 0.11 the field was called just "Buildkit".
        buildkit=fields.get("buildkit version") or fields.get("buildkit", ""),
        platforms=tuple(p for p in platforms if p),
        error=fields.get("error", ""),
    )


def executables(name: str, folders: Iterable[Path]) -> Iterable[Path]:
    """Every ``name`` in ``folders``, in their order; one of several links to the same file only."""
    seen: set[Path] = set()
    for folder in folders:
        path = folder / name
        with suppress(OSError):
            if path.is_file() and os.access(path, os.X_OK) and path.resolve() not in seen:
                seen.add(path.resolve())
                yield path


def _path_folders(env: Mapping[str, str]) -> tuple[Path, ...]:
    return tuple(Path(f) for f in env.get("PATH", os.defpath).split(os.pathsep) if f)


def _buildx_version(runner: Runner, argv: tuple[str, ...]) -> str | None:
    try:
        answer = _ask(runner, (*argv, "version"))
    except HostError:
        return None
    match = _BUILDX_ANSWER.search(answer.stdout) if answer.ok else None
    return match["version"] if match else None


def _ask(runner: Runner, argv: tuple[str, ...]) -> Captured:
    return runner.capture(argv, env=CLI_ENV, timeout_s=_QUESTION_TIMEOUT_S)
