"""Finds the configuration and the layers of an image in its archive's documents; no file is opened here.

Two layouts: ``manifest.json`` (written by ``docker save``,
https://github.com/moby/docker-image-spec/blob/main/spec.md#combined-image-json--filesystem-changeset-format)
and ``index.json`` (https://github.com/opencontainers/image-spec/blob/main/image-layout.md). Engines of
today write both into the same archive.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from tfbuild.artifacts.image.facts import ImageConfig
from tfbuild.base.errors import UsageError

_MAX_INDEX_DEPTH = 4  # real ones have two


@dataclass(frozen=True)
class ImageSource:
    """One image of an archive: members that are its layers, in order, and its configuration."""

    config: ImageConfig
    layers: tuple[str, ...]
    diff_ids: tuple[str, ...]
    tags: tuple[str, ...]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class _Settings(_Document):
    user: str | None = Field(None, alias="User")
    entrypoint: list[str] | None = Field(None, alias="Entrypoint")
    cmd: list[str] | None = Field(None, alias="Cmd")
    env: list[str] | None = Field(None, alias="Env")
    working_dir: str | None = Field(None, alias="WorkingDir")
    volumes: dict[str, Any] | None = Field(None, alias="Volumes")
    labels: dict[str, str] | None = Field(None, alias="Labels")


class _RootFs(_Document):
    diff_ids: list[str] | None = None


class _Configuration(_Document):
    os: str = ""
    architecture: str = ""
    variant: str = ""
    created: str | None = None
    config: _Settings | None = None
    rootfs: _RootFs | None = None


class _SavedImage(_Document):
    config: str = Field(alias="Config")
    layers: list[str] | None = Field(None, alias="Layers")
    tags: list[str] | None = Field(None, alias="RepoTags")


class _Platform(_Document):
    os: str = ""
    architecture: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class _Descriptor(_Document):
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    platform: _Platform | None = None
    annotations: dict[str, str] | None = None

    @property
    def member(self) -> str:
        return posixpath.join("blobs", *self.digest.split(":"))


class _IndexOrManifest(_Document):
    """Either document; which one, the presence of ``manifests`` tells (``mediaType`` is optional)."""

    manifests: list[_Descriptor] | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None


@dataclass(frozen=True)
class Candidate:
    """An image of a layout with all of its documents; ``raw`` is the manifest as it is stored."""

    platform: str
    tags: tuple[str, ...]
    manifest: _IndexOrManifest
    raw: bytes


def choose_image(
    read: Callable[[str], bytes], members: frozenset[str], subject: str, platform: str | None
) -> ImageSource:
    """The image of ``platform``, or the only one.

    ``read`` gives a member's bytes. Raises UsageError when there is none or more than one; damaged
    documents raise ValueError (pydantic's included).
    """
    if "manifest.json" in members and platform is None:
        saved = TypeAdapter(list[_SavedImage]).validate_json(read("manifest.json"))
        if len(saved) > 1:
            names = tuple(", ".join(image.tags or ["(no tag)"]) for image in saved)
            raise UsageError(f"{subject} holds {len(saved)} images", details=names, hint="save one of them")
        if saved:
            return _source(read(saved[0].config), tuple(saved[0].layers or ()), tuple(saved[0].tags or ()))
    if "index.json" not in members:
        raise UsageError(
            f"{subject} is a tar file without an image: no manifest.json or index.json in it",
            hint="write an image archive with: docker save -o image.tar IMAGE",
        )
    found = find_images(read, members)
    wanted = {c.platform: c for c in found if platform is None or _matches(c.platform, platform)}
    if len(wanted) != 1:
        raise _unclear(subject, platform, tuple(c.platform for c in found))
    chosen = next(iter(wanted.values()))
    config, layers = chosen.manifest.config, chosen.manifest.layers or []
    if config is None:
        raise ValueError("the image manifest names no configuration")
    return _source(_blob(read, config), tuple(layer.member for layer in layers), chosen.tags)


def find_images(read: Callable[[str], bytes], members: frozenset[str]) -> tuple[Candidate, ...]:
    """The complete images of an OCI layout, attestations left out. Raises ValueError for damaged ones."""
    index = _IndexOrManifest.model_validate_json(read("index.json"))
    return _candidates(read, members, index, (), _MAX_INDEX_DEPTH)


def platform_of(config: bytes) -> str:
    """The platform that a configuration names, as buildx writes it: arm64 has no variant, arm is v7.

    https://github.com/containerd/platforms/blob/main/database.go
    """
    platform = _platform(config)
    words = [platform.os, platform.architecture]
    variant = {"arm64": {"v8": ""}, "arm": {"": "v7"}}.get(platform.architecture, {})
    words.append(variant.get(platform.variant, platform.variant))
    return "/".join(word for word in words if word)


def _candidates(
    read: Callable[[str], bytes],
    members: frozenset[str],
    index: _IndexOrManifest,
    tags: tuple[str, ...],
    depth: int,
) -> tuple[Candidate, ...]:
    """The images below ``index`` whose bytes are in the archive, attestations left out."""
    if depth == 0:
        raise ValueError("indexes are nested too deeply")
    found: list[Candidate] = []
    for descriptor in index.manifests or []:
        attestation = descriptor.platform is not None and descriptor.platform.os == "unknown"
        if attestation or descriptor.member not in members:
            continue
        name = (descriptor.annotations or {}).get("org.opencontainers.image.ref.name")
        raw = _blob(read, descriptor)
        document = _IndexOrManifest.model_validate_json(raw)
        here = (*tags, name) if name else tags
        if document.manifests is not None:
            found.extend(_candidates(read, members, document, here, depth - 1))
        elif document.config is not None and document.config.member in members:
            platform = str(descriptor.platform or _platform(_blob(read, document.config)))
            found.append(Candidate(platform, here, document, raw))
    return tuple(found)


def _blob(read: Callable[[str], bytes], descriptor: _Descriptor) -> bytes:
    data = read(descriptor.member)
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != descriptor.digest:
        raise ValueError(f"the document {descriptor.digest} has other content than its digest says")
    return data


def _platform(config: bytes) -> _Platform:
    return _Platform.model_validate_json(config)


def _matches(found: str, wanted: str) -> bool:
    """``linux/arm`` matches ``linux/arm/v7``, ``linux/arm64/v8`` matches ``linux/arm64``."""
    short, long = sorted((found.split("/"), wanted.split("/")), key=len)
    return long[: len(short)] == short


def _unclear(subject: str, platform: str | None, found: tuple[str, ...]) -> UsageError:
    if not found:
        return UsageError(
            f"{subject} holds no complete image",
            hint="save the image again, with all of its layers",
        )
    what = f"has no image for {platform}" if platform else f"holds images for {len(found)} platforms"
    return UsageError(f"{subject} {what}", details=found, hint="name one of these platforms")


def _source(config: bytes, layers: tuple[str, ...], tags: tuple[str, ...]) -> ImageSource:
    document = _Configuration.model_validate_json(config)
    settings = document.config or _Settings.model_validate({})
    labels: Mapping[str, str] = dict(sorted((settings.labels or {}).items()))
    return ImageSource(
        config=ImageConfig(
            os=document.os,
            architecture=document.architecture,
            variant=document.variant,
            created=document.created,
            user=settings.user or "",
            entrypoint=tuple(settings.entrypoint or ()),
            cmd=tuple(settings.cmd or ()),
            env=tuple(settings.env or ()),
            working_dir=settings.working_dir or "",
            volumes=tuple(sorted(settings.volumes or {})),
            labels=labels,
        ),
        layers=layers,
        diff_ids=tuple((document.rootfs.diff_ids if document.rootfs else None) or ()),
        tags=tags,
    )
