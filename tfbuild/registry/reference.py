"""Names in a registry: ``registry.example:5000/team/image:1.0``. Pure.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tfbuild.base.errors import UsageError
from tfbuild.base.image_names import is_image_reference
from tfbuild.base.text import shown

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HOST = re.compile(r"[^/]*[.:][^/]*|localhost")
_LOOPBACK = re.compile(r"localhost|127(?:\.\d{1,3}){3}|\[::1\]")
_NICKNAME = "docker.io"
_EXAMPLE = "registry.example/team/image:1.0"


@dataclass(frozen=True)
class Reference:
    """Where something is: a registry, a repository in it, and a name (tag) or a digest."""

    host: str  # with the port, if it has one
    repository: str
    tag: str = ""
    digest: str = ""
    plain: bool = False  # the user's word that it has no TLS

    def __str__(self) -> str:
        end = f"@{self.digest}" if self.digest else f":{self.tag}"
        return f"{self.host}/{self.repository}{end}"

    @property
    def place(self) -> str:
        """Without name and digest."""
        return f"{self.host}/{self.repository}"

    @property
    def wanted(self) -> str:
        """What the registry is asked for."""
        return self.digest or self.tag

    @property
    def is_loopback(self) -> bool:
        """Whether no other machine can listen."""
        return bool(_LOOPBACK.fullmatch(re.sub(r":\d+$", "", self.host)))


def parse_reference(word: str, *, digest: bool = True) -> Reference:
    """``word`` as a name in a registry; without a tag it is ``latest``, as everywhere. With ``http://``
    before it, it is reached without TLS.

    :raises UsageError: it is none, it names no registry, or a digest where ``digest`` says that none may be.
    """
    plain = word.startswith("http://")
    address = re.sub(r"^https?://", "", word)
    host, _, rest = address.partition("/")
    if not is_image_reference(address):
        raise UsageError(f"'{shown(word)}' is no name in a registry", hint=f"as {_EXAMPLE}")
    if not rest or not _HOST.fullmatch(host):
        raise UsageError(
            f"'{shown(word)}' names no registry: its first part is no host",
            hint=f"none is taken for granted; as {_EXAMPLE}",
        )
    if host == _NICKNAME:
        raise UsageError(
            f"{host} is no host that serves images: docker itself knows which one is meant",
            hint="give the host of its registry, after docker login to that host",
        )
    name, _, fixed = rest.partition("@")
    if fixed and not _DIGEST.fullmatch(fixed):
        raise UsageError(
            f"'{shown(word)}' has a digest of another kind", hint="as @sha256:... with 64 digits"
        )
    if fixed and not digest:
        raise UsageError(f"'{shown(word)}' is a digest, and a name is to be given", hint=f"as {_EXAMPLE}")
    repository, _, tag = name.partition(":")
    return Reference(host, repository, "" if fixed else tag or "latest", fixed, plain)
