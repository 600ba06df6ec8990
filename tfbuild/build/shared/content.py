"""A root filesystem as an image of one layer, and back. Pure, but for reading the file.

Any engine takes it: ``docker pull``, ``FROM``. https://github.com/opencontainers/image-spec/blob/main/config.md
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import zlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfbuild.base.arch import Arch
from tfbuild.build.roots import RootFacts
from tfbuild.machine.files import hash_file
from tfbuild.registry.content import OCI_CONFIG, Content, Descriptor, content_of, json_bytes, manifest_of
from tfbuild.registry.push import Publication

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_LABEL = "tfbuild.root"
# A higher level takes minutes for a tenth less.
_LEVEL = 1
_LARGEST = 64 << 30


@dataclass(frozen=True)
class Shared:
    """What is shared under which name (a tag), and what it has to be."""

    name: str
    suite: str
    arch: Arch


@dataclass(frozen=True)
class Offered:
    """What a registry has under a name: ``layer`` is the packed root filesystem of ``facts``."""

    facts: RootFacts
    layer: Descriptor


def publication_of(shared: Shared, facts: RootFacts, rootfs: Path, packed: Path) -> Publication:
    """The image of ``rootfs``, which is written to ``packed``. The same file gives the same bytes."""
    with (
        rootfs.open("rb") as source,
        packed.open("wb") as out,
        gzip.GzipFile(filename="", fileobj=out, mode="wb", compresslevel=_LEVEL, mtime=0) as target,
    ):
        shutil.copyfileobj(source, target, 1 << 20)
    name = f"layer of {shared.name}"
    layer = Content(
        Descriptor(LAYER, f"sha256:{hash_file(packed)}", packed.stat().st_size),
        name,
        lambda: packed.open("rb"),
    )
    document = {
        "architecture": shared.arch.platform.oci.partition("/")[2].partition("/")[0],
        "os": "linux",
        "config": {"Labels": {_LABEL: json.dumps(asdict(facts), sort_keys=True)}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{facts.sha256}"]},
    }
    config = content_of(json_bytes(document), OCI_CONFIG, f"configuration of {shared.name}")
    top = manifest_of([layer.descriptor], name=shared.name, config=config.descriptor)
    return Publication(top, (), (layer, config))


def offered(manifest: bytes, read: Callable[[Descriptor], bytes], shared: Shared) -> Offered:
    """What ``manifest`` offers; ``read`` gives a blob that was compared with its digest.

    :raises ValueError: it is something else than ``shared``.
    """
    try:
        document = json.loads(manifest)
        config = json.loads(read(Descriptor.of(document["config"])))
        (layer,) = [Descriptor.of(each) for each in document["layers"]]
        facts = RootFacts(**json.loads(config["config"]["Labels"][_LABEL]))
        (diff_id,) = config["rootfs"]["diff_ids"]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ValueError("it is no root filesystem as tfbuild shares them") from None
    _require(facts, diff_id, shared)
    return Offered(facts, layer)


def _require(facts: RootFacts, diff_id: Any, shared: Shared) -> None:
    if diff_id != f"sha256:{facts.sha256}":
        raise ValueError(f"its layer is {diff_id}, and what it says of it is sha256:{facts.sha256}")
    if (facts.suite, facts.arch) != (shared.suite, str(shared.arch)):
        raise ValueError(f"it is {facts.suite} for {facts.arch}, not {shared.suite} for {shared.arch}")
    if not isinstance(facts.size, int) or not 0 <= facts.size <= _LARGEST:
        raise ValueError(f"its size is {facts.size}")


def unpack(chunks: Iterable[bytes], facts: RootFacts, target: Path) -> None:
    """Write the root filesystem that ``chunks`` are the packed bytes of.

    :raises ValueError: it is not the one of ``facts``; what was written is not to be used.
    """
    stream, digest, size = zlib.decompressobj(wbits=31), hashlib.sha256(), 0
    with target.open("wb") as out:
        for chunk in chunks:
            try:
                data = stream.decompress(chunk, max(1, facts.size - size + 1))
            except zlib.error as error:
                raise ValueError(f"its layer is damaged: {error}") from None
            digest.update(data)
            size += out.write(data)
            if size > facts.size or stream.unconsumed_tail or stream.unused_data:
                raise ValueError(f"its layer is larger than the {facts.size} bytes that it should have")
    if not stream.eof or size != facts.size or digest.hexdigest() != facts.sha256:
        raise ValueError(f"its layer is sha256:{digest.hexdigest()}, and sha256:{facts.sha256} is expected")
