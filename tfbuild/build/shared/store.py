"""Takes root filesystems and builders from a team's registry, and puts there what it does not have.

Every byte is compared with the digest that names it, and the name with the signature of the team's key.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from tfbuild.base.errors import (
    ChecksumError,
    DownloadError,
    PackagingError,
    TfBuildError,
    VerificationError,
)
from tfbuild.base.text import human_size
from tfbuild.base.values import Reporter
from tfbuild.build.roots import RootFacts, write_facts
from tfbuild.build.shared.content import Shared, offered, publication_of, unpack
from tfbuild.machine.files import marked
from tfbuild.plan.remote.layers import SharedLayers
from tfbuild.registry.client import Repository, Stored
from tfbuild.registry.connect import PULL, PUSH
from tfbuild.registry.pull import small_blob
from tfbuild.registry.push import push
from tfbuild.registry.sign import require_signed, signed
from tfbuild.trust.keys import Signer, VerifyingKey

_WITHOUT = "--set cache.registry=null builds without it"


@dataclass
class LayerStore:
    """``open`` connects to what a tag of the registry names, for pulling or pushing; ``key`` is whose
    signatures count, None: nobody's are asked for; ``scratch`` is a folder with room."""

    layers: SharedLayers
    open: Callable[[str, str, type[TfBuildError]], Repository]
    key: VerifyingKey | None
    signer: Signer | None
    reporter: Reporter
    scratch: Path
    _is_gone: bool = field(default=False, init=False)

    @property
    def uploads(self) -> bool:
        return self.layers.upload and not self._is_gone

    def take(self, shared: Shared, folder: Path) -> RootFacts | None:
        """Fill ``folder`` with what the registry has; None where it has nothing, or does not answer and the
        configuration says to go on.

        :raises ChecksumError: what it has is not what it should be, or not signed; nothing of it is used.
        :raises DownloadError: it does not answer.
        """
        if self._is_gone:
            return None
        try:
            repository = self.open(shared.name, PULL, DownloadError)
            stored = repository.manifest(shared.name)
            return self._receive(shared, stored, repository, folder) if stored else None
        except VerificationError as error:
            raise self._refused(shared, error.message, *error.details) from error
        except ChecksumError:
            raise
        except DownloadError as error:
            self._tell_gone(error, f"{_WITHOUT}, and so does --set cache.fallback=local while it is gone")
            return None

    def put(self, shared: Shared, facts: RootFacts, folder: Path) -> bool:
        """Push what is in ``folder``, unless something has its name there already; whether it was.

        :raises PackagingError: the registry refuses, or does not answer.
        :raises VerificationError: what is read back is not what was sent.
        """
        try:
            repository = self.open(shared.name, PUSH, PackagingError)
            if repository.manifest(shared.name) is not None:
                return False
            self.scratch.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.scratch) as scratch:
                self._push(shared, facts, folder, repository, Path(scratch))
            return True
        except PackagingError as error:
            self._tell_gone(error, "--set cache.upload=false builds without pushing")
            return False

    def _push(
        self, shared: Shared, facts: RootFacts, folder: Path, repository: Repository, scratch: Path
    ) -> None:
        publication = publication_of(shared, facts, folder / "rootfs.tar", scratch / "layer.tar.gz")
        if self.signer:
            name = str(repository.reference)
            referrer, blobs = signed(repository, publication.top.descriptor, name, self.signer)
            publication = replace(publication, blobs=(*publication.blobs, *blobs), referrers=(referrer,))
        sent = push(publication, repository, self.reporter)
        self.reporter.note(f"{repository.reference}: pushed, {human_size(sent)}")

    def _receive(self, shared: Shared, stored: Stored, repository: Repository, folder: Path) -> RootFacts:
        if self.key:
            require_signed(repository, stored.digest, self.key)
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"rootfs.tar.{os.getpid()}.part"
        try:
            found = offered(stored.data, lambda blob: small_blob(blob, repository), shared)
            unpack(repository.blob(found.layer), found.facts, partial)
            # BuildKit tells files apart by their times.
            changed = marked(int(partial.stat().st_mtime), int(found.facts.sha256[:8], 16))
            os.utime(partial, ns=(changed, changed))
            partial.replace(folder / "rootfs.tar")
            write_facts(folder, found.facts)
        except ValueError as error:
            raise self._refused(shared, str(error), f"digest: {stored.digest}") from error
        finally:
            partial.unlink(missing_ok=True)
        self.reporter.note(f"{repository.reference.place}@{stored.digest}: {human_size(found.facts.size)}")
        return found.facts

    def _refused(self, shared: Shared, *why: str) -> ChecksumError:
        return ChecksumError(
            f"{self.layers.registry}:{shared.name} is refused: it is not what it should be",
            details=why,
            hint=f"tell whoever looks after the registry; {_WITHOUT}",
        )

    def _tell_gone(self, error: TfBuildError, hint: str) -> None:
        if self.layers.fallback != "local":
            raise type(error)(error.message, details=error.details, hint=f"{error.hint}; {hint}") from error
        self._is_gone = True
        text = "; ".join((error.message, *error.details))
        self.reporter.warn(f"{text}: builders and root filesystems are made here")
