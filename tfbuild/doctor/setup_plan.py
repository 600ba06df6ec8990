"""What has to be done to make a Debian or Ubuntu host ready, decided from facts; nothing is done here.

Only what is missing is planned. An engine that was there is never configured: switching its image store
would hide its images.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from tfbuild.base.errors import HostError
from tfbuild.engine.docker_cli import ENGINE_WITH_MINIMUM_BUILDKIT, parse_version
from tfbuild.engine.facts import EngineProblem, EngineUnavailable
from tfbuild.machine.apt import AptSource, main_archive_sources
from tfbuild.machine.host import HostFacts

DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DAEMON_JSON = "/etc/docker/daemon.json"
ENGINE_DATA = "/var/lib/docker"
SOURCES_FILE = "/etc/apt/sources.list.d/tfbuild.sources"
PREFERENCES_FILE = "/etc/apt/preferences.d/tfbuild"
MANAGED_FILES = (SOURCES_FILE, PREFERENCES_FILE, DAEMON_JSON)
# Debian 12 has engine 20.10 and no buildx; the packages of Debian 13 need only its libc6
# (https://packages.debian.org/trixie/docker.io).
_NEWER_SUITE = "trixie"
_FROM_NEWER_SUITE = ("docker.io", "docker-cli", "docker-buildx")
# apt_preferences(5): a negative priority forbids a version; 990 beats the 500 of the host's own release.
_PIN_NEVER, _PIN_PREFERRED = -1, 990
# Left alone, engine 26 keeps a tenth of the disk and throws the least used away: too little for the builders
# of several products, which are then made again and again. Engine 28 goes on until a fifth of the disk is
# free, and takes the same key for what it keeps in any case (moby, builder/builder-next/worker/gc.go).
_CACHE_SHARE = 0.6  # of what is free; images need the rest
_GB = 10**9
_DEBIAN_12 = 12
_UBUNTU_OLDEST = (22, 4)
BY_HAND = "install Docker Engine 26 or newer, buildx 0.13 or newer and mmdebstrap by hand"


@dataclass(frozen=True)
class WriteFile:
    """Put ``text`` into ``path``, atomically, owned by root, mode 0644."""

    path: str
    text: str
    why: str

    def __str__(self) -> str:
        return f"write {self.path}: {self.why}"


@dataclass(frozen=True)
class AptUpdate:
    """Fetch apt's lists."""

    def __str__(self) -> str:
        return "fetch apt's package lists"


@dataclass(frozen=True)
class AptInstall:
    """Install packages, without those that are merely recommended."""

    packages: tuple[str, ...]

    def __str__(self) -> str:
        return f"install {' '.join(self.packages)}"


@dataclass(frozen=True)
class StartEngine:
    """Start the engine and wait until it answers."""

    systemd: bool

    def __str__(self) -> str:
        how = (
            "systemctl start docker"
            if self.systemd
            else "dockerd in the background, no init system runs here"
        )
        return f"start the engine ({how})"


SetupAction = WriteFile | AptUpdate | AptInstall | StartEngine


@dataclass(frozen=True)
class SetupFacts:
    """What the plan depends on.

    ``buildkit_ok`` is None where it is not known. ``packages``: installed package → version, of those
    that could be the engine's. ``files``: the text of each of :data:`MANAGED_FILES` that exists.
    """

    host: HostFacts
    engine_error: EngineUnavailable | None
    buildkit_ok: bool | None
    buildx_ok: bool
    docker_client: bool
    programs: frozenset[str]
    debian_keyring: bool
    apparmor: bool  # the kernel enforces it, so the engine needs its parser
    for_ordinary_user: bool
    packages: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[AptSource, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    engine_free: int | None = None  # bytes, where an engine will keep its data


def plan_setup(facts: SetupFacts) -> tuple[SetupAction, ...]:
    """The actions that are needed, in order; empty when the host is ready.

    Raises HostError when they cannot be done here: unsupported system, an engine from elsewhere that is
    too old, no permission to use the engine.
    """
    problem = facts.engine_error.problem if facts.engine_error else None
    if facts.engine_error and problem in (EngineProblem.PERMISSION, EngineProblem.UNREACHABLE):
        raise facts.engine_error
    fresh = problem is EngineProblem.NOT_INSTALLED
    outdated = _outdated(facts, problem)
    if outdated and "docker.io" not in facts.packages:
        raise HostError(
            "the engine is too old, and it is not this distribution's own package",
            details=("Docker Engine 26 or newer is needed, for BuildKit 0.13",),
            hint="update it from where it was installed",
        )
    packages = _packages(facts, engine=fresh or outdated)
    actions: list[SetupAction] = []
    if packages:
        _require_supported(facts.host, packages)
        files, packages = _newer_suite(facts, packages)
        actions += [*files, AptUpdate()]
        if fresh:
            # Before the package starts the engine: the image store cannot be changed later without loss.
            actions += _daemon_json(facts.files.get(DAEMON_JSON), _cache_size(facts.engine_free))
        actions.append(AptInstall(packages))
    if fresh or problem is EngineProblem.NOT_RUNNING:
        actions.append(StartEngine(facts.host.systemd))
    return tuple(actions)


def _outdated(facts: SetupFacts, problem: EngineProblem | None) -> bool:
    if problem is EngineProblem.NOT_RUNNING:
        # It cannot be asked; its package can. Better now than after it was started.
        installed = parse_version(facts.packages.get("docker.io", ""))
        return installed is not None and installed[:2] < ENGINE_WITH_MINIMUM_BUILDKIT
    return problem is EngineProblem.TOO_OLD or (problem is None and facts.buildkit_ok is False)


def _packages(facts: SetupFacts, *, engine: bool) -> tuple[str, ...]:
    debian = facts.host.os.id == "debian"
    wanted: list[str] = []
    if engine:
        wanted.append("docker.io")
        if facts.apparmor and "apparmor_parser" not in facts.programs:
            wanted.append("apparmor")
    # Debian has the client in a package of its own; Ubuntu's docker.io holds it.
    if (
        debian
        and (engine or not (facts.docker_client or facts.buildx_ok))
        and "docker-ce" not in facts.packages
    ):
        wanted.append("docker-cli")
    if engine or not facts.buildx_ok:
        wanted.append("docker-buildx-plugin" if "docker-ce" in facts.packages else "docker-buildx")
    if "mmdebstrap" not in facts.programs:
        wanted.append("mmdebstrap")
    if not facts.debian_keyring:
        wanted.append("debian-archive-keyring")
    if facts.for_ordinary_user and "newuidmap" not in facts.programs:
        wanted.append("uidmap")
    if facts.host.ca_bundle is None:
        wanted.append("ca-certificates")
    return tuple(wanted)


def _require_supported(host: HostFacts, packages: tuple[str, ...]) -> None:
    version = parse_version(host.os.version if "." in host.os.version else f"{host.os.version}.0")
    # Debian testing and unstable have no version.
    debian = host.os.id == "debian" and (version is None or version[0] >= _DEBIAN_12)
    ubuntu = host.os.id == "ubuntu" and version is not None and version[:2] >= _UBUNTU_OLDEST
    if not debian and not ubuntu:
        raise HostError(
            f"setup knows Debian 12 and newer and Ubuntu 22.04 and newer, not {host.os}",
            details=(f"missing here, by their names in Debian: {' '.join(packages)}",),
            hint=BY_HAND,
        )


def _newer_suite(
    facts: SetupFacts, packages: tuple[str, ...]
) -> tuple[tuple[SetupAction, ...], tuple[str, ...]]:
    """On Debian 12, the apt files that let the engine's packages, and nothing else, come from Debian 13."""
    os = facts.host.os
    newer = tuple(p for p in packages if p in _FROM_NEWER_SUITE)
    if os.id != "debian" or os.major != _DEBIAN_12 or not newer:
        return (), packages
    theirs = [s for s in facts.sources if s.path != SOURCES_FILE]
    if any(_NEWER_SUITE in s.suites and "main" in s.components for s in theirs):
        # Set up by somebody with intentions of their own: no pin from us, just a choice per package.
        return (), tuple(f"{p}/{_NEWER_SUITE}" if p in newer else p for p in packages)
    own = [s for s in main_archive_sources(theirs, os.codename) if os.codename in s.suites]
    if not own:
        raise HostError(
            f"apt on this machine has no source for Debian {os.codename}, so the mirror to use is unknown",
            hint=f"add one to /etc/apt/sources.list.d, or {BY_HAND}",
        )
    wanted = (
        WriteFile(
            SOURCES_FILE,
            sources_text(own[0]),
            f"Debian 13 ({_NEWER_SUITE}), from the mirror that apt uses here",
        ),
        WriteFile(
            PREFERENCES_FILE, preferences_text(), f"only {' '.join(_FROM_NEWER_SUITE)} come from there"
        ),
    )
    return tuple(f for f in wanted if facts.files.get(f.path) != f.text), packages


def sources_text(own: AptSource) -> str:
    """A deb822 source of the newer suite, with mirror and keyring of the host's ``own`` source."""
    return _deb822(
        {
            "Types": "deb",
            "URIs": " ".join(own.uris),
            "Suites": _NEWER_SUITE,
            "Components": "main",
            "Signed-By": own.signed_by or DEBIAN_KEYRING,
        }
    )


def preferences_text() -> str:
    """apt_preferences(5) that forbid everything of the newer suite but the engine's packages."""
    release = f"release n={_NEWER_SUITE}"
    never = {"Package": "*", "Pin": release, "Pin-Priority": str(_PIN_NEVER)}
    preferred = {"Package": " ".join(_FROM_NEWER_SUITE), "Pin": release, "Pin-Priority": str(_PIN_PREFERRED)}
    return _deb822(never) + "\n" + _deb822(preferred)


def _deb822(fields: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def _daemon_json(present: str | None, cache_size: str | None) -> tuple[SetupAction, ...]:
    merged = merge_daemon_json(present, cache_size)
    why = "the containerd image store, for multi-platform images and attestations"
    if cache_size:
        why += f"; a build cache of {cache_size}"
    return () if merged is None else (WriteFile(DAEMON_JSON, merged, why),)


def _cache_size(free: int | None) -> str | None:
    """As daemon.json has it; None leaves it to the engine, also where the disk is too small for either."""
    size = int((free or 0) * _CACHE_SHARE) // _GB
    return f"{size}GB" if size else None


def merge_daemon_json(present: str | None, cache_size: str | None = None) -> str | None:
    """``present`` with the containerd image store turned on and a build cache of ``cache_size``.

    What the file already decides stays; None where that is both. Raises HostError if ``present`` is not a
    JSON object: the engine would not start with it.
    """
    try:
        document = json.loads(present) if present and present.strip() else {}
        features = {"containerd-snapshotter": True, **document.get("features", {})}
        kept = {"gc": {"enabled": True, "defaultKeepStorage": cache_size}}
        builder = {"builder": kept} if cache_size else {}
        merged = {**builder, **document, "features": features}
    except (ValueError, AttributeError, TypeError) as error:
        raise HostError(
            f"{DAEMON_JSON} is not what the engine can read",
            details=(str(error),),
            hint=f"correct {DAEMON_JSON}",
        ) from error
    return None if merged == document else json.dumps(merged, indent=2) + "\n"


def temporary_name(path: str) -> str:
    """A name beside ``path`` that neither apt nor the engine reads."""
    target = PurePosixPath(path)
    return str(target.with_name(f".{target.name}.tfbuild-new"))
