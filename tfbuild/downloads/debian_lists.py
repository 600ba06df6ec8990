"""What a Debian archive offers now, as apt tells it: its signed indexes, in a folder of our own.

apt fetches them and checks their signatures; the host's own lists, sources and packages are not touched.
apt.conf(5): https://manpages.debian.org/stable/apt/apt.conf.5.en.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfbuild.base.arch import Arch
from tfbuild.base.errors import DownloadError, HostError
from tfbuild.downloads.debian_versions import Offered, parse_index
from tfbuild.machine.programs import Runner

_SECURITY_LABEL = "Debian-Security"
_FORMAT = "$(FILENAME)|$(LABEL)"
_TIMEOUT_S = 600
_HINT = "apt-get update says more; another mirror: --set debian.mirror=http://..."


@dataclass(frozen=True)
class AptPlace:
    """A folder for apt: its configuration, its sources, and room for its lists."""

    folder: Path

    @property
    def configuration(self) -> Path:
        return self.folder / "apt.conf"

    @property
    def environment(self) -> dict[str, str]:
        return {"APT_CONFIG": str(self.configuration), "LC_ALL": "C.UTF-8"}


def apt_configuration(folder: Path, arch: Arch) -> str:
    """apt's settings for packages of ``arch``, with all that apt writes below ``folder``.

    The host's settings are left out: they could run programs, or trust what is not signed.
    """
    name = arch.platform.debian
    return f"""APT::Architecture "{name}";
APT::Architectures {{ "{name}"; }};
APT::Sandbox::User "root";
Acquire::Check-Valid-Until "false";
Acquire::GzipIndexes "false";
Acquire::Languages "none";
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "/dev/null";
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::netrc "{folder}/auth.conf";
Dir::Etc::netrcparts "/dev/null";
"""


def signed_sources(lines: Sequence[str], keyring: Path) -> str:
    """Lines of sources.list(5) that trust the keys in ``keyring``, and no others."""
    return "".join(f"{line.replace('deb ', f'deb [signed-by={keyring}] ', 1)}\n" for line in lines)


def read_archive(
    folder: Path,
    arch: Arch,
    sources: Sequence[str],
    keyring: Path,
    runner: Runner,
    auth: str = "",
) -> tuple[Offered, ...]:
    """All packages for ``arch`` that ``sources`` (lines of sources.list) offer now.

    :raises DownloadError: apt could not get an index, or its signature is not right.
    :raises HostError: there is no apt, or no keyring of Debian's archive.
    """
    if not keyring.is_file():
        raise HostError(
            f"there is no {keyring}: so no index can be checked",
            hint="apt install debian-archive-keyring",
        )
    place = AptPlace(folder)
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    place.configuration.write_text(apt_configuration(folder, arch))
    (folder / "sources.list").write_text(signed_sources(sources, keyring))
    (folder / "status").touch()
    secret = folder / "auth.conf"
    secret.touch(mode=0o600)
    secret.write_text(auth)
    try:
        done = runner.capture(
            ("apt-get", "update", "--error-on=any"), env=place.environment, timeout_s=_TIMEOUT_S
        )
    finally:
        secret.write_text("")
    if not done.ok:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise DownloadError(
            "the package indexes of the Debian mirror could not be had", details=tuple(lines[-6:]), hint=_HINT
        )
    return tuple(_packages(place, runner))


def _packages(place: AptPlace, runner: Runner) -> Iterator[Offered]:
    listed = runner.capture(
        ("apt-get", "indextargets", "--format", _FORMAT, "Created-By: Packages"), env=place.environment
    )
    files = [line.rpartition("|") for line in listed.stdout.splitlines()]
    if not listed.ok or not files:
        raise DownloadError(
            "apt-get indextargets names no index", details=tuple(listed.stderr.splitlines()[-4:])
        )
    for name, _, label in files:
        if not Path(name).exists():  # an empty index has no file
            continue
        with Path(name).open(encoding="utf-8", errors="replace") as lines:
            yield from parse_index(lines, security=label == _SECURITY_LABEL)
