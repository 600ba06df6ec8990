"""The section ``cache``: a registry that a team shares its builders and root filesystems in. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from tfbuild.base.image_names import is_image_reference
from tfbuild.base.urls import has_credentials
from tfbuild.base.values import Origin
from tfbuild.config.remote.rules import is_loopback
from tfbuild.config.types import Keys, Text, YamlBool


def _repository(value: str) -> str:
    address = value.removeprefix("http://")
    if has_credentials(f"https://{address}"):
        raise ValueError("a user name or password: it would end up in plans; use docker login")
    host, _, rest = address.partition("/")
    if not rest or not ({".", ":"} & set(host) or host == "localhost") or not is_image_reference(address):
        raise ValueError("no repository of a registry; as registry.example/team/tfbuild")
    if ":" in rest or "@" in rest:
        raise ValueError("a tag or a digest: the names in the repository are given by builds")
    return value


RepositoryName = Annotated[str, Field(pattern=r"^(http://)?[^\s]+$"), AfterValidator(_repository)]


class CacheKeys(Keys):
    """What a team shares of what builds make."""

    registry: RepositoryName | None = Field(
        default=None,
        description="Repository of a registry, HOST/NAME, to take builders and root filesystems from.",
    )
    public_key: Text | None = Field(
        default=None,
        description="Public key file that must have signed what is taken; relative to the naming file.",
    )
    upload: YamlBool = Field(
        default=False, description="Push what the registry does not have, signed as 'signing' says; for CI."
    )
    insecure: YamlBool = Field(
        default=False, description="Allow http:// before a registry that is not on this machine."
    )
    fallback: Literal["none", "local"] = Field(
        default="none",
        description="'local' makes them here when the registry does not answer; 'none' ends the build.",
    )


def contradictions(
    keys: CacheKeys, origins: Mapping[str, Origin], *, signs: bool
) -> Iterator[tuple[Origin, str]]:
    """Each contradiction of the section with the place of the value that has to go; ``signs``: somebody
    signs what is built."""
    url = keys.registry or ""
    if urlsplit(url).scheme == "http" and not is_loopback(url) and not keys.insecure:
        yield (
            origins["cache.registry"],
            f"'{url}' is plain text: anybody on the way can change the compiler. Leave http:// out, or, "
            "in a network of your own, cache.insecure: true",
        )
    if keys.registry and keys.upload and keys.public_key and not signs:
        yield (
            origins["cache.upload"],
            "who has cache.public_key would refuse what nobody signed: give signing.key, or --sign KEY",
        )
