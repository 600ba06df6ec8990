"""Debian root filesystems, made by mmdebstrap from the mirror that the host is set up with.

No registry is needed, and the same packages give the same bytes (SOURCE_DATE_EPOCH).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfbuild.base.arch import Arch
from tfbuild.base.errors import BuildError, HostError
from tfbuild.base.urls import DEBIAN_SCHEME, SECURITY_SCHEME, MirrorRule, safe_url
from tfbuild.build.hints import failure_summary
from tfbuild.downloads.mirrors import archive_addresses
from tfbuild.machine.files import hash_file
from tfbuild.machine.programs import Runner
from tfbuild.plan.roots import Root

# In Debian's and Ubuntu's debian-archive-keyring. Named, because mmdebstrap otherwise trusts what the host
# trusts for its other sources too.
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SNAPSHOT_ARCHIVE = "https://snapshot.debian.org/archive/debian"
SECURITY_SNAPSHOT_ARCHIVE = "https://snapshot.debian.org/archive/debian-security"
# Fixes reach these directly: https://wiki.debian.org/DebianUnstable
_WITHOUT_SECURITY_SUITE = frozenset({"sid", "unstable", "experimental"})


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
        return Archive(root.mirror, root.security_mirror if root.security_updates else None)
    if root.snapshot:
        fixes = root.security_mirror or f"{SECURITY_SNAPSHOT_ARCHIVE}/{root.snapshot}"
        return Archive(f"{SNAPSHOT_ARCHIVE}/{root.snapshot}", fixes if root.security_updates else None)
    if host_mirrors:
        if not root.security_updates or root.suite in _WITHOUT_SECURITY_SUITE:
            return Archive(host_mirrors[0])
        return Archive(host_mirrors[0], root.security_mirror or next(iter(host_security), None))
    raise HostError(
        "no Debian mirror: the host's apt has none",
        hint="name one: --set debian.mirror=http://... or --set debian.snapshot=20261030T080801Z",
    )


def archives_of(
    root: Root,
    host_mirrors: Sequence[str],
    host_security: Sequence[str] = (),
    rules: Sequence[MirrorRule] = (),
) -> tuple[Archive, ...]:
    """The archive of :func:`archive_of` as each mirror rule has it, in order, and then itself.

    Rules for ``debian:`` stand for the archive that the host is set up with. A mirror or a snapshot that the
    configuration names is another state of it, and only rules for its address hold.

    :raises HostError: there is none.
    """
    named = bool(root.mirror or root.snapshot)
    try:
        base = archive_of(root, host_mirrors, host_security)
    except HostError:
        mains = archive_addresses("", DEBIAN_SCHEME, rules)[:-1]
        if not mains:
            raise
        return tuple(Archive(main) for main in mains)
    mains = archive_addresses(base.main, "" if named else DEBIAN_SCHEME, rules)
    if base.security is None:
        return tuple(Archive(main) for main in mains)
    fixes = archive_addresses(base.security, "" if named else SECURITY_SCHEME, rules)
    return tuple(Archive(main, fixes[min(number, len(fixes) - 1)]) for number, main in enumerate(mains))


def mmdebstrap_command(
    root: Root,
    archive: Archive,
    target: Path,
    *,
    host: Arch,
    is_root: bool,
    auth: Path | None = None,
    recorder: Path | None = None,
) -> tuple[str, ...]:
    """The argument list, a pure value.

    ``auth`` is a file for apt that does not stay in the root; ``recorder`` keeps the packages' records where
    no package is installed.
    """
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
        # A root that a crash has spoiled is made again, so dpkg need not wait for the disk. Debian's own
        # container images do the same (docker-apt-speedup in https://github.com/debuerreotype/debuerreotype).
        "--dpkgopt=force-unsafe-io",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        *((f"--extract-hook={recorder}",) if recorder and root.variant == "extract" else ()),
        *include,
        *_hooks(auth),
        root.suite,
        str(target),
        *archive.sources(root.suite),
    )


def _hooks(auth: Path | None) -> tuple[str, ...]:
    if auth is None:
        return ()
    inside = "/etc/apt/auth.conf"
    return (f"--setup-hook=upload {shlex.quote(str(auth))} {inside}", f'--customize-hook=rm "$1{inside}"')


def read_facts(folder: Path) -> RootFacts | None:
    """The facts of a finished root in ``folder``, or None if there is none or it was changed."""
    try:
        stored: dict[str, Any] = json.loads((folder / "root.json").read_text())
        facts = RootFacts(**stored)
        return facts if (folder / "rootfs.tar").stat().st_size == facts.size else None
    except (OSError, ValueError, TypeError):
        return None


def write_facts(folder: Path, facts: RootFacts) -> None:
    """Say of the ``rootfs.tar`` in ``folder`` what it is; from then on it counts."""
    (folder / "root.json").write_text(json.dumps(facts.__dict__, indent=2) + "\n")


def bootstrap(
    root: Root,
    folder: Path,
    archives: Sequence[Archive],
    *,
    runner: Runner,
    log: Path,
    host: Arch,
    is_root: bool,
    auth: str = "",
    recorder: Path | None = None,
) -> RootFacts:
    """Make ``folder``/rootfs.tar from the first of ``archives`` that gives it; leaves nothing half-made.

    ``auth`` is apt's auth.conf for them, which does not stay in the root.

    :raises BuildError: with what each of them said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / "auth.conf.part"
    failures: list[BuildError] = []
    try:
        if auth:
            secret.touch(mode=0o600)
            secret.write_text(auth)
        for archive in archives:
            try:
                return _bootstrap(
                    root,
                    folder,
                    archive,
                    runner=runner,
                    log=log,
                    host=host,
                    is_root=is_root,
                    auth=secret if auth else None,
                    recorder=recorder,
                )
            except BuildError as error:
                failures.append(error)
    finally:
        secret.unlink(missing_ok=True)
    last = failures[-1]
    details = tuple(line for each in failures for line in each.details)
    raise BuildError(last.message, details=details, hint=last.hint, log=log) from last


def _bootstrap(
    root: Root,
    folder: Path,
    archive: Archive,
    *,
    runner: Runner,
    log: Path,
    host: Arch,
    is_root: bool,
    auth: Path | None,
    recorder: Path | None,
) -> RootFacts:
    partial = folder / "rootfs.tar.part"
    argv = mmdebstrap_command(
        root, archive, partial, host=host, is_root=is_root, auth=auth, recorder=recorder
    )
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
        write_facts(folder, facts)
        return facts
    finally:
        partial.unlink(missing_ok=True)
