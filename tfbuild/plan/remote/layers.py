"""The registry of a plan that root filesystems and builders are taken from. No key depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from tfbuild.config.layers import BUILT_IN
from tfbuild.config.load import ResolvedConfig


@dataclass(frozen=True)
class SharedLayers:
    """The section ``cache`` of a configuration, with the lines that gave its values.

    ``public_key`` is the path of a file; empty: whoever may write to the registry is trusted.
    """

    registry: str
    public_key: str
    upload: bool
    insecure: bool
    fallback: str
    origins: tuple[tuple[str, str], ...]

    @property
    def published(self) -> SharedLayers:
        """What a result tells of it: where keys lie on this machine is nobody's business."""
        origins = tuple((key, origin) for key, origin in self.origins if key != "public_key")
        return replace(self, public_key="", origins=origins)


def layers_of(config: ResolvedConfig) -> SharedLayers | None:
    """None where the configuration names no registry."""
    keys = config.values.cache
    if not keys.registry:
        return None
    given = {key: config.origins.get(f"cache.{key}", BUILT_IN) for key in type(keys).model_fields}
    return SharedLayers(
        registry=keys.registry,
        public_key=keys.public_key or "",
        upload=keys.upload,
        insecure=keys.insecure,
        fallback=keys.fallback,
        origins=tuple((key, str(origin)) for key, origin in given.items() if origin != BUILT_IN),
    )


def layer_lines(layers: SharedLayers) -> Iterator[str]:
    """Lines of ``--dry-run``: each value with the line that gave it."""
    for key, origin in layers.origins:
        yield f"  {key:<13} {getattr(layers, key)}  ({origin})"
    what = "taken from there, and pushed where it has none" if layers.upload else "taken from there"
    yield f"  builders and root filesystems are {what}; without one they are made here"


def layer_notes(layers: SharedLayers | None) -> Iterator[str]:
    """What a plan has to say about it besides."""
    if layers is None:
        return
    if not layers.public_key:
        yield (
            f"cache.registry without cache.public_key: who may write to {layers.registry} "
            "decides what compiles here"
        )
    if layers.insecure and urlsplit(layers.registry).scheme != "http":
        yield "cache.insecure changes nothing: the registry has TLS"
