"""Debian root filesystems, made by mmdebstrap from the mirror that the host is set up with.

No registry is needed, and the same packages give the same bytes (SOURCE_DATE_EPOCH).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfbuild.errors import BuildError, HostError
from tfbuild.hints import failure_summary
from tfbuild.mirrors import safe_url
from tfbuild.model import Arch
from tfbuild.plan import Root
from tfbuild.programs import Runner
from tfbuild.store import hash_file

# In Debian's and Ubuntu's debian-archive-keyring. Named, because mmdebstrap otherwise trusts what the host
# trusts for its other sources too.
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SNAPSHOT_ARCHIVE = "https://snapshot.debian.org/archive/debian"
SECURITY_SNAPSHOT_ARCHIVE = "https://snapshot.debian.org/archive/debian-security"


@dataclass(frozen=True)
class Archive:
    """Where packages come from. Without ``security`` there are no fixes since the last point release."""

    main: str
    security: str | None = None

    def sources(self, suite: str) -> tuple[str, ...]:
        """Lines of apt's sources.list."""
        fixes = (f"deb {self.security} {suite}-security main",) if self.security else ()
        return (f"deb {self.main} {suite} main", *fixes)


@dataclass(frozen=True)
class RootFacts:
    """What a root filesystem was made of; stored beside it and in the manifest."""

    suite: str
    arch: str
    mirror: str
    security: str | None
    sha256: str
    size: int  # bytes
    maker: str


def archive_of(root: Root, host_mirrors: Sequence[str], host_security: Sequence[str] = ()) -> Archive:
    """The mirrors to use: the configured ones, the configured snapshot, or the host's.

    Raises :class:`HostError` when there is none.
    """
    if root.mirror:
        return Archive(root.mirror, root.security_mirror)
    if root.snapshot:
        return Archive(f"{SNAPSHOT_ARCHIVE}/{root.snapshot}", f"{SECURITY_SNAPSHOT_ARCHIVE}/{root.snapshot}")
    if host_mirrors:
        return Archive(host_mirrors[0], root.security_mirror or next(iter(host_security), None))
    raise HostError(
        "no Debian mirror: the host's apt has none",
        hint="name one: --set debian.mirror=http://... or --set debian.snapshot=20261030T080801Z",
    )


def mmdebstrap_command(
    root: Root, archive: Archive, target: Path, *, host: Arch, is_root: bool, recorder: Path | None = None
) -> tuple[str, ...]:
    """The argument list, a pure value. ``recorder`` is the program that keeps the packages' records where no
    package is installed."""
    # Foreign maintainer scripts cannot run here; apt and dpkg install such a root from outside
    # (https://wiki.debian.org/Teams/Dpkg/Spec/InstallBootstrap, DPKG_ROOT).
    # What is only extracted runs nothing at all.
    foreign = root.arch is not host and root.variant != "extract"
    mode = "chrootless" if foreign else "root" if is_root else "unshare"
    include = (f"--include={','.join(root.include)}",) if root.include else ()
    return (
        "mmdebstrap",
        f"--variant={root.variant}",
        "--format=tar",
        f"--mode={mode}",
        f"--architectures={root.arch.platform.debian}",
        f"--keyring={KEYRING}",
        # A frozen mirror or a snapshot has a Valid-Until that is over; signatures are checked all the same.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        *((f"--extract-hook={recorder}",) if recorder and root.variant == "extract" else ()),
        *include,
        root.suite,
        str(target),
        *archive.sources(root.suite),
    )


def read_facts(folder: Path) -> RootFacts | None:
    """The facts of a finished root in ``folder``, or None if there is none or it was changed."""
    try:
        stored: dict[str, Any] = json.loads((folder / "root.json").read_text())
        facts = RootFacts(**stored)
        return facts if (folder / "rootfs.tar").stat().st_size == facts.size else None
    except (OSError, ValueError, TypeError):
        return None


def bootstrap(
    root: Root,
    folder: Path,
    archive: Archive,
    *,
    runner: Runner,
    log: Path,
    host: Arch,
    is_root: bool,
    recorder: Path | None = None,
) -> RootFacts:
    """Make ``folder``/rootfs.tar. Raises :class:`BuildError` with the cause; leaves nothing half-made."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "rootfs.tar.part"
    argv = mmdebstrap_command(root, archive, partial, host=host, is_root=is_root, recorder=recorder)
    # mmdebstrap clamps file times to it and so gives the same bytes for the same packages.
    environment = {"SOURCE_DATE_EPOCH": str(root.source_date_epoch)}
    try:
        done = runner.run(argv, log=log, env=environment)
        if not done.ok:
            summary = failure_summary(done.tail, returncode=done.returncode)
            raise BuildError(
                f"mmdebstrap could not make a {root.suite} root filesystem for {root.arch}",
                details=(f"mirror: {safe_url(archive.main)}", *(line for line in summary.tail[-8:])),
                hint=summary.hint or "another mirror: --set debian.mirror=http://...",
                log=log,
            )
        facts = RootFacts(
            root.suite,
            str(root.arch),
            safe_url(archive.main),
            safe_url(archive.security) if archive.security else None,
            hash_file(partial),
            partial.stat().st_size,
            runner.capture(["mmdebstrap", "--version"]).stdout.strip(),
        )
        partial.rename(folder / "rootfs.tar")
        (folder / "root.json").write_text(json.dumps(facts.__dict__, indent=2) + "\n")
        return facts
    finally:
        partial.unlink(missing_ok=True)
