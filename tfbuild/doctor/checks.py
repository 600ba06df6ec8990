"""The checks of ``invoke doctor`` as pure functions of facts; :mod:`tfbuild.doctor.doctor` gathers the
facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path

from tfbuild.base.errors import HostError, TfBuildError
from tfbuild.base.urls import VARIABLE
from tfbuild.doctor.reach import Reach
from tfbuild.engine.docker_cli import (
    MINIMUM_BUILDKIT,
    MINIMUM_BUILDX,
    Builder,
    DockerCli,
    buildkit_is_new_enough,
)
from tfbuild.engine.facts import EngineFacts
from tfbuild.machine.host import HostFacts

GIB = 1 << 30
# What the compiler needs for TensorFlow's largest files, roughly; the plan counts its jobs by it too.
MEMORY_PER_JOB = 2 * GIB
# The builder image is 1.3 GiB and is there twice while it is loaded; build tree and ccache stay below 2.
ENGINE_DISK = 5 * GIB
# The sources of a release with all that they download, a base system, and one unpacked copy.
CACHE_DISK = 1 * GIB
# Nothing that is pinned here was published later; an earlier clock fails every TLS and apt date check.
_CLOCK_FLOOR = datetime(2026, 11, 1, tzinfo=timezone.utc)


class Status(str, Enum):
    """``fatal``: a build cannot work. ``warning``: part of it may not."""

    OK = "ok"
    WARNING = "warning"
    FATAL = "fatal"


@dataclass(frozen=True)
class CheckResult:
    """One check: what was found, what is needed, and how to get there."""

    id: str
    status: Status
    found: str
    needed: str
    fix: str = ""


@dataclass(frozen=True)
class Product:
    """What is to be built: its name with its release, what that takes where it is known, and a function that
    raises a :class:`TfBuildError` where an engine cannot carry it out."""

    name: str
    memory: int | None
    cpu_hours: int | None
    demand: Callable[[EngineFacts], None]


@dataclass(frozen=True)
class DoctorContext:
    """What the host is checked for; sizes in bytes."""

    cache_dir: Path
    output_dir: Path
    bootstraps_base: bool = True
    engine_disk: int = ENGINE_DISK
    cache_disk: int = CACHE_DISK
    jobs: int | None = None
    product: Product | None = None


@dataclass(frozen=True)
class DoctorFacts:
    """What the checks look at. ``engine_error`` and ``cli_error`` tell why the other is None."""

    host: HostFacts
    now: datetime
    x86_64_level: int | None = None
    engine: EngineFacts | None = None
    engine_error: HostError | None = None
    cli: DockerCli | None = None
    cli_error: HostError | None = None
    builder: Builder | None = None
    engine_free: int | None = None
    cache_free: int | None = None
    cache_writable: bool = True
    cache_problem: TfBuildError | None = None
    output_writable: bool = True
    programs: frozenset[str] = frozenset()
    debian_keyring: bool = True
    mirrors: tuple[str, ...] | None = None
    reach: Reach | None = None
    builder_variable: str = ""  # that names the builder: BUILDX_BUILDER, DOCKER_CONTEXT


Check = Callable[[DoctorFacts, DoctorContext], CheckResult]


def check_engine(facts: DoctorFacts, _context: DoctorContext) -> CheckResult:
    needed = "a container engine that answers"
    if facts.engine is None:
        error = facts.engine_error or HostError("the engine does not answer")
        return CheckResult("engine", Status.FATAL, _with_details(error), needed, error.hint or "")
    if facts.engine.product != "Docker Engine":
        found = f"{facts.engine.product} answers at the engine's socket; it has no BuildKit"
        fix = "set DOCKER_HOST to a Docker Engine's socket, or invoke setup"
        return CheckResult("engine", Status.FATAL, found, "Docker Engine", fix)
    found = f"{facts.engine.product} {facts.engine.version}, API {facts.engine.api_version}"
    return CheckResult("engine", Status.OK, f"{found}, {facts.engine.os_arch}", needed)


def check_buildkit(facts: DoctorFacts, _context: DoctorContext) -> CheckResult:
    # Older ones do not fail: they silently ignore SOURCE_DATE_EPOCH and the like.
    needed = f"BuildKit {_dotted(MINIMUM_BUILDKIT)} or newer (in Docker Engine 26 or newer)"
    if facts.engine is None:
        return CheckResult("buildkit", Status.WARNING, "not known: the engine does not answer", needed)
    if facts.builder is not None and facts.builder.error:
        named = f" {facts.builder.name}" if facts.builder.name else ""
        found = f"the builder{named} does not answer: {facts.builder.error}"
        variable = facts.builder_variable
        fix = f"correct or unset {variable}" if variable else "docker buildx use default"
        return CheckResult("buildkit", Status.FATAL, found, needed, fix)
    new_enough = buildkit_is_new_enough(facts.builder, facts.engine.version)
    version = f"Docker Engine {facts.engine.version}"
    if facts.builder is not None and facts.builder.driver != "docker":
        version = f"builder {facts.builder.name} ({facts.builder.driver}) {facts.builder.buildkit}".strip()
    if new_enough is None:
        return CheckResult("buildkit", Status.WARNING, f"the version of {version} is not known", needed)
    if not new_enough:
        found = f"{version} has a BuildKit that is too old"
        return CheckResult("buildkit", Status.FATAL, found, needed, "invoke setup, or update the engine")
    return CheckResult("buildkit", Status.OK, version, needed)


def check_buildx(facts: DoctorFacts, _context: DoctorContext) -> CheckResult:
    needed = f"buildx {_dotted(MINIMUM_BUILDX)} or newer"
    if facts.cli is None:
        error = facts.cli_error or HostError("there is no buildx")
        return CheckResult("buildx", Status.FATAL, _with_details(error), needed, error.hint or "")
    return CheckResult(
        "buildx", Status.OK, f"{facts.cli.buildx_version} ({' '.join(facts.cli.buildx)})", needed
    )


def check_engine_disk(facts: DoctorFacts, context: DoctorContext) -> CheckResult:
    needed = f"{_gib(context.engine_disk)} free where the engine keeps its data"
    if facts.engine is None or facts.engine_free is None:
        found = "not known: the engine's disk is not visible from here"
        return CheckResult("engine-disk", Status.OK, found, needed)
    found = f"{_gib(facts.engine_free)} free for {facts.engine.root_dir}"
    if facts.engine_free < context.engine_disk:
        fix = "docker system df; docker buildx prune; docker image prune"
        return CheckResult("engine-disk", Status.FATAL, f"no disk space: {found}", needed, fix)
    return CheckResult("engine-disk", Status.OK, found, needed)


def check_cache(facts: DoctorFacts, context: DoctorContext) -> CheckResult:
    needed = f"a writable folder with {_gib(context.cache_disk)} free"
    if facts.cache_problem:
        error = facts.cache_problem
        return CheckResult("cache", Status.FATAL, _with_details(error), needed, error.hint or "")
    if not facts.cache_writable:
        found = f"the cache folder {context.cache_dir} is not writable"
        return CheckResult("cache", Status.FATAL, found, needed, "set TFBUILD_CACHE_DIR to another folder")
    if facts.cache_free is not None and facts.cache_free < context.cache_disk:
        found = f"no disk space: {_gib(facts.cache_free)} free for the cache {context.cache_dir}"
        fix = "invoke clean --cache, or set TFBUILD_CACHE_DIR to another disk"
        return CheckResult("cache", Status.FATAL, found, needed, fix)
    free = "" if facts.cache_free is None else f", {_gib(facts.cache_free)} free"
    return CheckResult("cache", Status.OK, f"{context.cache_dir}{free}", needed)


def check_output(facts: DoctorFacts, context: DoctorContext) -> CheckResult:
    needed = "a writable folder"
    if facts.output_writable:
        return CheckResult("output", Status.OK, str(context.output_dir), needed)
    found = f"the output folder {context.output_dir} is not writable"
    return CheckResult("output", Status.FATAL, found, needed, "choose another one with --output DIR")


def check_mmdebstrap(facts: DoctorFacts, context: DoctorContext) -> CheckResult:
    needed = "mmdebstrap and Debian's archive keyring, to make base images from a Debian mirror"
    missing = [] if "mmdebstrap" in facts.programs else ["mmdebstrap"]
    if not facts.debian_keyring:
        missing.append("debian-archive-keyring")
    if not facts.host.is_root and "newuidmap" not in facts.programs:
        missing.append("uidmap (needed by an ordinary user)")
    if not missing:
        return CheckResult("mmdebstrap", Status.OK, "present", needed)
    status = Status.FATAL if context.bootstraps_base else Status.WARNING
    fix = "invoke setup (or install these packages)"
    return CheckResult("mmdebstrap", status, f"missing: {', '.join(missing)}", needed, fix)


def check_docker_cli(facts: DoctorFacts, _context: DoctorContext) -> CheckResult:
    needed = "a docker client that finds buildx"
    passed_over = facts.cli.passed_over if facts.cli else ()
    note = f" (passed over: {'; '.join(passed_over)})" if passed_over else ""
    if facts.cli is None or facts.cli.docker is None:
        found = "there is no docker client that can be used"
        return CheckResult("docker-cli", Status.WARNING, found + note, needed, "invoke setup")
    return CheckResult("docker-cli", Status.OK, f"{facts.cli.docker}{note}", needed)


def check_image_store(facts: DoctorFacts, _context: DoctorContext) -> CheckResult:
    needed = "the containerd image store, for multi-platform images and attestations"
    if facts.engine is None:
        return CheckResult("image-store", Status.WARNING, "not known: the engine does not answer", needed)
    if facts.engine.containerd_store:
        return CheckResult("image-store", Status.OK, f"containerd ({facts.engine.driver})", needed)
    fix = "set features.containerd-snapshotter to true in /etc/docker/daemon.json (hides the present images)"
    return CheckResult("image-store", Status.WARNING, f"classic ({facts.engine.driver})", needed, fix)


def check_memory(facts: DoctorFacts, context: DoctorContext) -> CheckResult:
    memory, cpus = _memory_and_cpus(facts)
    jobs = context.jobs or max(1, min(cpus, memory // MEMORY_PER_JOB))
    needed = f"{_gib(MEMORY_PER_JOB)} for each of {jobs} compile jobs"
    found = f"{_gib(memory)}, {cpus} CPUs"
    if context.product and context.product.memory and memory < context.product.memory:
        needed = f"about {_gib(context.product.memory)} for {context.product.name}"
        return CheckResult("memory", Status.WARNING, found, needed, "--jobs 1, or more memory")
    if memory >= jobs * MEMORY_PER_JOB:
        return CheckResult("memory", Status.OK, found, needed)
    fewer = max(1, memory // MEMORY_PER_JOB)
    return CheckResult("memory", Status.WARNING, found, needed, f"--jobs {fewer}, or more memory")


def check_cpu_level(facts: DoctorFacts, _context: DoctorContext) -> CheckResult:
    own = facts.x86_64_level
    here = f"{facts.host.arch or facts.host.machine}" + (f", level x86-64-v{own}" if own else "")
    return CheckResult("cpu-level", Status.OK, here, "a CPU that can run the result, for the smoke test")


def check_emulation(facts: DoctorFacts, _context: DoctorContext) -> CheckResult:
    found = f"host is {facts.host.machine}; other architectures are tested under qemu-user inside the build"
    return CheckResult("emulation", Status.OK, found, "nothing on the host")


def check_clock(facts: DoctorFacts, _context: DoctorContext) -> CheckResult:
    found = facts.now.isoformat(timespec="minutes")
    needed = f"a date after {_CLOCK_FLOOR.date()}, when this program was released"
    if facts.now >= _CLOCK_FLOOR:
        return CheckResult("clock", Status.OK, found, needed)
    fix = "set the clock (timedatectl set-ntp true): certificates and apt's lists are checked against it"
    return CheckResult("clock", Status.WARNING, found, needed, fix)


def check_ca_bundle(facts: DoctorFacts, _context: DoctorContext) -> CheckResult:
    needed = "CA certificates, for downloads over HTTPS"
    bundle = facts.host.ca_bundle
    if bundle is None:
        fix = "invoke setup (or install the package ca-certificates)"
        return CheckResult("ca-bundle", Status.WARNING, "no CA bundle", needed, fix)
    found = f"{bundle.path} ({bundle.source})"
    if not bundle.readable:
        fix = f"correct or unset {bundle.source}"
        return CheckResult("ca-bundle", Status.FATAL, f"{found} cannot be read", needed, fix)
    if facts.reach and (error := facts.reach.untrusted):
        return CheckResult("ca-bundle", Status.FATAL, _with_details(error), needed, error.hint or "")
    return CheckResult("ca-bundle", Status.OK, found, needed)


def check_proxies(facts: DoctorFacts, _context: DoctorContext) -> CheckResult:
    needed = "none, or the usual variables; builders get them too"
    dead = {name: why for name, why in (facts.reach.proxies if facts.reach else {}).items() if why}
    if dead:
        shown = {proxy.variable: proxy.shown() for proxy in facts.host.proxies}
        found = "; ".join(f"{shown.get(name, name)} does not answer: {why}" for name, why in dead.items())
        return CheckResult("proxies", Status.FATAL, found, needed, f"correct or unset {', '.join(dead)}")
    shown_all = ", ".join(proxy.shown() for proxy in facts.host.proxies) or "none set"
    return CheckResult("proxies", Status.OK, shown_all, needed)


def check_mirrors(facts: DoctorFacts, _context: DoctorContext) -> CheckResult:
    needed = f"none, or {VARIABLE} with mirrors that answer"
    reach = facts.reach or Reach()
    if reach.unknown:
        found = f"not asked: {_with_details(reach.unknown)}"
        return CheckResult("mirrors", Status.FATAL, found, needed, reach.unknown.hint or "")
    dead = [f"{url}: {why}" for url, why in reach.mirrors.items() if why]
    if dead:
        return CheckResult("mirrors", Status.FATAL, "; ".join(dead), needed, f"correct or unset {VARIABLE}")
    return CheckResult("mirrors", Status.OK, ", ".join(reach.mirrors) or "none set", needed)


def check_network(facts: DoctorFacts, _context: DoctorContext) -> CheckResult:
    needed = "the hosts of sources and packages, or mirrors of them"
    hosts = facts.reach.hosts if facts.reach else {}
    dead = [f"{url} cannot be reached: {why}" for url, why in hosts.items() if why]
    if dead:
        fix = f"{VARIABLE} names mirrors; invoke bundle carries a build to a machine without network"
        return CheckResult("network", Status.WARNING, "; ".join(dead), needed, fix)
    return CheckResult("network", Status.OK, ", ".join(hosts) or "nothing asked", needed)


def check_product(facts: DoctorFacts, context: DoctorContext) -> CheckResult:
    product = context.product
    if product is None:
        return CheckResult(
            "product", Status.OK, "none named: checked for the smallest", "--product, for another"
        )
    needed = f"an engine that can build {product.name}"
    if facts.engine is None:
        return CheckResult("product", Status.WARNING, "not known: the engine does not answer", needed)
    try:
        product.demand(facts.engine)
    except TfBuildError as error:
        return CheckResult("product", Status.FATAL, _with_details(error), needed, error.hint or "")
    hours = product.cpu_hours
    time = (
        f": about {hours / max(1, facts.engine.cpus):.0f} hours on {facts.engine.cpus} CPUs" if hours else ""
    )
    return CheckResult("product", Status.OK, f"{product.name}{time}", needed)


def check_debian_mirror(facts: DoctorFacts, _context: DoctorContext) -> CheckResult:
    needed = "a mirror of the Debian archive, for base images and build dependencies"
    if facts.mirrors:
        return CheckResult("debian-mirror", Status.OK, ", ".join(facts.mirrors), needed)
    fix = "name one in the configuration, or add one to apt's sources"
    return CheckResult(
        "debian-mirror", Status.WARNING, "apt on this machine has no Debian mirror", needed, fix
    )


def _with_details(error: TfBuildError) -> str:
    return "; ".join((error.message, *error.details))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in version)


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


def _memory_and_cpus(facts: DoctorFacts) -> tuple[int, int]:
    """The engine's, for it compiles; a control group around us holds an engine that shares our machine
    only where that was started inside it too, so it counts for nothing here."""
    if facts.engine is None:
        return facts.host.usable_memory, facts.host.cpus
    return facts.engine.memory, facts.engine.cpus


FATAL_CHECKS: tuple[Check, ...] = (
    check_engine,
    check_buildkit,
    check_buildx,
    check_engine_disk,
    check_cache,
    check_output,
    check_mmdebstrap,
)
OTHER_CHECKS: tuple[Check, ...] = (
    check_docker_cli,
    check_image_store,
    check_memory,
    check_cpu_level,
    check_emulation,
    check_clock,
    check_ca_bundle,
    check_proxies,
    check_mirrors,
    check_network,
    check_debian_mirror,
    check_product,
)
