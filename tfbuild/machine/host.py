"""Facts about the machine that this program runs on; nothing here decides anything.

Every reader takes the root folder (and the environment) that it reads from, so that a test can show
it another machine.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tfbuild.base.arch import Arch

# cgroup v1 says "no limit" with the largest multiple of the page size below 2^63.
_NO_LIMIT = 1 << 60
_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SYSTEM_CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
# A proxy may be written without a scheme; a password may hold any character but a slash.
_CREDENTIALS = re.compile(r"(^|//)[^/\s]*@")
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


@dataclass(frozen=True)
class OsRelease:
    """What os-release(5) says; empty strings where it says nothing (Debian testing has no version)."""

    id: str = ""
    version: str = ""
    codename: str = ""
    name: str = ""

    @property
    def major(self) -> int | None:
        """The number before the first dot of the version, if there is one."""
        head = self.version.split(".", 1)[0]
        return int(head) if head.isdecimal() else None

    def __str__(self) -> str:
        return self.name or f"{self.id} {self.version}".strip() or "unknown system"


@dataclass(frozen=True)
class CaBundle:
    """The CA bundle that HTTPS clients here are told to use; ``source`` is a variable or ``system``."""

    path: Path
    source: str
    readable: bool


@dataclass(frozen=True)
class Proxy:
    """One proxy variable; :meth:`shown` is safe to print."""

    variable: str
    value: str

    def shown(self) -> str:
        return f"{self.variable}={redact_url(self.value)}"


@dataclass(frozen=True)
class HostFacts:
    """The machine, sizes in bytes."""

    os: OsRelease
    machine: str
    arch: Arch | None
    is_root: bool
    user: str
    sudo: Path | None
    cpus: int
    cpu_flags: frozenset[str]
    memory: int
    cgroup_memory_limit: int | None
    systemd: bool
    ca_bundle: CaBundle | None
    proxies: tuple[Proxy, ...] = ()

    @property
    def usable_memory(self) -> int:
        """Memory that a process here can have: the machine's, or its control group's if that is less."""
        return min(self.memory, self.cgroup_memory_limit or self.memory)


def gather(
    *,
    root: Path = Path("/"),
    env: Mapping[str, str] = os.environ,
    which: Callable[[str], str | None] = shutil.which,
) -> HostFacts:
    """All facts at once; takes a few milliseconds and starts no process."""
    machine = platform.machine()
    sudo = which("sudo")
    return HostFacts(
        os=parse_os_release(_read(root / "etc/os-release") or _read(root / "usr/lib/os-release")),
        machine=machine,
        arch=Arch.parse(machine),
        is_root=os.geteuid() == 0,
        user=env.get("SUDO_USER") or env.get("USER") or env.get("LOGNAME") or str(os.geteuid()),
        sudo=Path(sudo) if sudo else None,
        cpus=usable_cpus(),
        cpu_flags=parse_cpu_flags(_read(root / "proc/cpuinfo")),
        memory=parse_meminfo(_read(root / "proc/meminfo")),
        cgroup_memory_limit=cgroup_memory_limit(root),
        # The test of sd_booted(3).
        systemd=(root / "run/systemd/system").is_dir(),
        ca_bundle=find_ca_bundle(env, root),
        proxies=find_proxies(env),
    )


def find_program(name: str) -> str | None:
    """Where ``name`` is, also in the administrator's folders, which an ordinary user's PATH leaves out."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    return shutil.which(name, path=path)


def usable_cpus() -> int:
    """CPUs that this process may run on, which can be fewer than the machine has."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def parse_os_release(text: str) -> OsRelease:
    """Parse os-release(5): ``KEY=value``, the value optionally quoted as in a shell."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = line.strip().partition("=")
        if separator and not key.startswith("#"):
            values[key] = value.strip().strip("\"'")
    return OsRelease(
        id=values.get("ID", "").lower(),
        version=values.get("VERSION_ID", ""),
        codename=values.get("VERSION_CODENAME", ""),
        name=values.get("PRETTY_NAME", ""),
    )


def parse_cpu_flags(cpuinfo: str) -> frozenset[str]:
    """Flags that every CPU of /proc/cpuinfo has (``flags`` on x86, ``Features`` on Arm)."""
    per_cpu = [
        frozenset(line.partition(":")[2].split())
        for line in cpuinfo.splitlines()
        if line.partition(":")[0].strip() in ("flags", "Features")
    ]
    return frozenset.intersection(*per_cpu) if per_cpu else frozenset()


def parse_meminfo(text: str) -> int:
    """MemTotal of /proc/meminfo in bytes; 0 if it is not there."""
    for line in text.splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def cgroup_memory_limit(root: Path = Path("/")) -> int | None:
    """The smallest memory limit (bytes) of the control groups that this process is in, or None.

    Reads version 1 and 2. A limit holds for all groups below it, so each parent is looked at. Inside a
    container the path in /proc/self/cgroup may belong to the host's tree: what is not there is skipped.
    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/memory.html
    """
    mount = root / "sys/fs/cgroup"
    limits: list[int] = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        hierarchy, controllers, path = [*line.split(":", 2), "", ""][:3]
        if hierarchy == "0":
            folder, name = mount, "memory.max"
        elif "memory" in controllers.split(","):
            folder, name = mount / "memory", "memory.limit_in_bytes"
        else:
            continue
        limits.extend(_limits_up(folder, path, name))
    limits = [limit for limit in limits if limit < _NO_LIMIT]
    return min(limits) if limits else None


def _limits_up(mount: Path, path: str, name: str) -> Iterable[int]:
    group = mount / path.strip("/")
    for folder in (group, *group.parents):
        text = _read(folder / name).strip()
        if text.isdecimal():
            yield int(text)
        if folder == mount:
            return


def free_disk(path: Path) -> int | None:
    """Free bytes for an ordinary user where ``path`` is, or would be once it is made; None if unknown."""
    for folder in (path, *path.absolute().parents):
        try:
            return shutil.disk_usage(folder).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def writable(path: Path) -> bool:
    """Whether a file can be made in ``path``, or the folder itself where it does not exist yet."""
    for folder in (path, *path.absolute().parents):
        try:
            if folder.exists():
                return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
        except PermissionError:  # a folder above it may not be entered
            return False
    return False


def find_ca_bundle(env: Mapping[str, str], root: Path = Path("/")) -> CaBundle | None:
    """The CA bundle named by the environment, else the system's, else None."""
    for variable in _CA_VARIABLES:
        if env.get(variable):
            path = Path(env[variable])
            return CaBundle(path, variable, path.is_file() and os.access(path, os.R_OK))
    system = root / _SYSTEM_CA_BUNDLE
    return CaBundle(system, "system", True) if system.is_file() else None


def find_proxies(env: Mapping[str, str]) -> tuple[Proxy, ...]:
    """Proxy variables that are set, lower case first, since most programs look there first."""
    names = [name for lower in _PROXY_VARIABLES for name in (lower, lower.upper())]
    return tuple(Proxy(name, env[name]) for name in names if env.get(name))


def redact_url(url: str) -> str:
    """``url`` without user name and password."""
    return _CREDENTIALS.sub(r"\1***@", url)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
