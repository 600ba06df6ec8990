"""A connection to a repository, with TLS unless that is not wanted or the registry is on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfbuild.base.errors import TfBuildError
from tfbuild.base.values import Reporter
from tfbuild.downloads.attempts import Timeouts
from tfbuild.downloads.fetch import explained
from tfbuild.registry.auth import Authorization
from tfbuild.registry.client import Repository
from tfbuild.registry.credentials import Credentials
from tfbuild.registry.reference import Reference

if TYPE_CHECKING:
    from requests import Session

PULL, PUSH = "pull", "pull,push"


@dataclass(frozen=True)
class Access:
    """How to reach registries: ``new_session`` knows proxies and authorities, ``credentials`` those of a
    host."""

    new_session: Callable[[], Session]
    credentials: Callable[[str], Credentials | None]
    reporter: Reporter

    def open(self, reference: Reference, actions: str, error: type[TfBuildError]) -> Repository:
        """The repository of ``reference``; ``error`` is what its failures are raised as."""
        origin = f"{self._scheme(reference)}://{reference.host}"
        session = self.new_session()
        session.auth = Authorization(
            origin,
            f"repository:{reference.repository}:{actions}",
            lambda: self.credentials(reference.host),
            self.new_session,
        )
        return Repository(reference, origin, session, self.reporter, error)

    def _scheme(self, reference: Reference) -> str:
        """Plain http where the user says so, and where no other machine can listen."""
        here = reference.is_loopback and not self._speaks_tls(reference.host)
        return "http" if reference.plain or here else "https"

    def _speaks_tls(self, host: str) -> bool:
        """One with a certificate that is not trusted does: that is told, and nothing is sent."""
        timeouts = Timeouts()
        try:
            with self.new_session() as session:
                session.get(f"https://{host}/v2/", timeout=timeouts.connect_s).close()
        except (OSError, ValueError) as error:
            return explained(error, timeouts).untrusted
        return True
