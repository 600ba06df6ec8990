"""Findings about how an image is run. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from tfbuild.artifacts.elf.facts import version_key
from tfbuild.diagnose.catalog import Diagnosis, Weight, diagnosis
from tfbuild.diagnose.facts import DiagnoseFacts
from tfbuild.diagnose.host import TargetHost

_FLOATING = frozenset(
    {"", "latest", "latest-gpu", "latest-devel", "nightly", "nightly-gpu", "stable", "edge"}
)
# Exchange between processes: these packages and libraries do it through /dev/shm.
_EXCHANGES = frozenset({"horovod", "mpi4py", "torch"})
# https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/troubleshooting.html#shared-memory: add a gigabyte
_SHM_WANTED = 1 << 30
# Clocks of two machines differ by minutes where nobody sets them.
_CLOCK_TOLERANCE = timedelta(days=1)
_BUILT_IN_LOCALES = frozenset({"c", "posix"})
_BASE_NAME, _BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"
_NO_USER = (
    "https://github.com/langflow-ai/langflow/issues/6185",
    "https://github.com/bewcloud/bewcloud/issues/87",
)
_TF_CONFIG_WORKERS = re.compile(r'"worker"\s*:')


def operation_findings(facts: DiagnoseFacts, host: TargetHost) -> Iterator[Diagnosis]:
    """Start-up, names, user, shared memory, peers, kernel, clock, locale."""
    if not facts.has_tensorflow:
        looked = f"looked through {len(facts.environments)} Python environments, libraries and programs"
        command = " ".join(facts.config.entrypoint + facts.config.cmd) or "nothing"
        yield diagnosis("image-without-tensorflow", Weight.ERROR, looked, f"the image starts: {command}")
    if facts.start_lines:
        lines = tuple(f"{line.place}: {line.text}" for line in facts.start_lines)
        yield diagnosis("operation-install-at-start", Weight.WARNING, *lines)
    yield from _floating(facts)
    if facts.unknown_users:
        yield diagnosis("operation-user-missing", Weight.ERROR, *facts.unknown_users, threads=_NO_USER)
    if facts.uid == 0:
        yield diagnosis("operation-root", Weight.WARNING, f"USER is {facts.config.user or 'not set'}")
    yield from _shm(facts, host)
    yield from _peers(facts, host)
    yield from _kernel(facts, host)
    yield from _clock(facts, host)
    yield from _locale(facts)


def is_floating(reference: str) -> bool:
    """Whether the image name may mean something else tomorrow. A name is lower case, an id is not one."""
    name, _, digest = reference.partition("@")
    if digest or re.fullmatch(r"(?:sha256:)?[0-9a-f]{12,64}", reference):
        return False
    tag = name.rpartition(":")[2] if ":" in name.rpartition("/")[2] else ""
    return tag.lower() in _FLOATING


def _floating(facts: DiagnoseFacts) -> Iterator[Diagnosis]:
    base = facts.config.labels.get(_BASE_NAME, "")
    lines = [f"asked for as {name}" for name in facts.tags if is_floating(name)]
    if base and base != "scratch" and is_floating(base):
        digest = facts.config.labels.get(_BASE_DIGEST)
        # With a digest beside it, the image still says what it was made from.
        if not digest:
            lines.append(f"made from {base}, without a digest")
    if lines:
        yield diagnosis("operation-floating-tag", Weight.WARNING, *lines)


def _shm(facts: DiagnoseFacts, host: TargetHost) -> Iterator[Diagnosis]:
    if host.shm_size is None or host.shm_size >= _SHM_WANTED:
        return
    users = [f"{path}: NCCL" for path in facts.cuda_libraries if "/libnccl." in path]
    users += [
        f"{d.name} {d.version}"
        for environment in facts.environments
        for d in environment.distributions
        if d.name in _EXCHANGES
    ]
    if users:
        size = f"in a container of {host.name}, /dev/shm has {host.shm_size >> 20} MiB"
        yield diagnosis("operation-shm", Weight.WARNING, *users, size)


def _peers(facts: DiagnoseFacts, host: TargetHost) -> Iterator[Diagnosis]:
    mine = {facts.subject, *facts.tags}
    others = [peer for peer in host.peers if peer.host_network and peer.image not in mine]
    if others:
        lines = [f"{peer.name} runs {peer.image}" for peer in others]
        config = facts.config.variable("TF_CONFIG") or ""
        if _TF_CONFIG_WORKERS.search(config):
            lines.append("TF_CONFIG in the image names workers")
        yield diagnosis("operation-peers-differ", Weight.ERROR, f"{host.name} runs {facts.subject}", *lines)


def _kernel(facts: DiagnoseFacts, host: TargetHost) -> Iterator[Diagnosis]:
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", host.kernel)
    if match is None:
        return
    for libc in facts.libc:
        if libc.minimum_kernel and version_key(match[0]) < version_key(libc.minimum_kernel):
            yield diagnosis(
                "operation-kernel",
                Weight.ERROR,
                f"{libc.path} (glibc {libc.version}) needs Linux {libc.minimum_kernel} or newer",
                f"{host.name} runs {host.kernel}",
            )


def _clock(facts: DiagnoseFacts, host: TargetHost) -> Iterator[Diagnosis]:
    clock = host.clock if host.clock.tzinfo else host.clock.replace(tzinfo=timezone.utc)
    made = _time(facts.config.created)
    if made is not None and clock < made - _CLOCK_TOLERANCE:
        lines = (f"{host.name}'s clock says {clock:%Y-%m-%d}", f"the image was made on {made:%Y-%m-%d}")
        yield diagnosis("operation-clock", Weight.ERROR if clock.year < 1980 else Weight.WARNING, *lines)


def _time(text: str | None) -> datetime | None:
    match = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", text or "")
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match[1]).replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def _locale(facts: DiagnoseFacts) -> Iterator[Diagnosis]:
    if "*" in facts.locales or not facts.environments:
        return
    known = {_normal(name) for name in facts.locales}
    for variable in ("LC_ALL", "LC_CTYPE", "LANG"):
        value = facts.config.variable(variable)
        if not value or _normal(value) in known or _is_built_in(value, facts):
            continue
        there = ", ".join(facts.locales) or "none"
        lines = (f"{variable}={value}", f"compiled locales in the image: {there}")
        yield diagnosis("operation-locale", Weight.WARNING, *lines)
        return


def _is_built_in(value: str, facts: DiagnoseFacts) -> bool:
    """C and POSIX need no files; musl takes any name. glibc's C.UTF-8 is a compiled locale like others."""
    return _normal(value) in _BUILT_IN_LOCALES or any(libc.kind == "musl" for libc in facts.libc)


def _normal(locale: str) -> str:
    return locale.lower().replace("utf-8", "utf8").partition("@")[0]
