"""Who answers for a result, as the configuration says it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tfbuild.config.keys import BuildConfig


@dataclass(frozen=True)
class Signing:
    """Who answers for the result: the builder that its provenance names, and who signs it.

    ``key`` is the path of a private key, ``command`` a program that signs instead and ``public_key`` the path
    of its key; all empty: nobody signs.
    """

    builder_id: str = ""
    key: str = ""
    command: tuple[str, ...] = ()
    public_key: str = ""

    @property
    def shown(self) -> Signing:
        """What a plan tells of it: of a command the program alone, since a PIN may be among its words."""
        return replace(self, command=self.command[:1])

    @property
    def published(self) -> Signing:
        """What a result tells of it: where the keys of this machine lie is nobody's business."""
        return Signing(builder_id=self.builder_id)


def signing_of(values: BuildConfig) -> Signing:
    """The section ``signing`` of a configuration."""
    keys = values.signing
    return Signing(keys.builder_id or "", keys.key or "", keys.command, keys.public_key or "")
