"""Bundles of a few bytes, and one of a build."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.builds import Build
from tests.support.products import Product
from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.arch import Arch
from tfbuild.build.bundle.file import Bundle, BundledSource, BundleMember, write_bundle
from tfbuild.build.bundle.make import make_bundle
from tfbuild.products.table import recipe_of

SOURCE = b"the source" * 5000


TREE = "7" * 40


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


DOWNLOAD = f"downloads/sha256-{sha256(SOURCE)}/s-1.0.tar.gz"


CONTENTS: Mapping[str, bytes] = {
    "bases/trixie-amd64-0123456789abcdef/root.json": b"{}\n",
    "bases/trixie-amd64-0123456789abcdef/rootfs.tar": bytes(3_000_000),
    DOWNLOAD: SOURCE,
    f"repositories/serving-x/content_addressable/sha256/{sha256(b'a')}/file": b"a",
    f"repositories/serving-x/content_addressable/sha256/{sha256(b'a')}/id-{'0' * 64}": b"",
}


def bundle_of(contents: Mapping[str, bytes], **changes: Any) -> Bundle:
    members = [
        BundleMember(path=path, size=len(content), sha256=sha256(content))
        for path, content in contents.items()
    ]
    made = Bundle(
        tfbuild="0.1",
        product=Product.SERVING,
        release="1",
        config="opt",
        arch=Arch.AMD64,
        build_arch=Arch.AMD64,
        build_id="serving-x",
        key="0" * 64,
        source=BundledSource(tree=TREE, filename="s-1.0.tar.gz", sha256=sha256(SOURCE)),
        members=tuple(members),
    )
    return replace(made, **changes)


def write(folder: Path, name: str = "b.bundle") -> tuple[Path, str]:
    files = {}
    for number, (path, content) in enumerate(CONTENTS.items()):
        files[path] = folder / f"in-{number}"
        files[path].write_bytes(content)
    target = folder / name
    return target, write_bundle(target, bundle_of(CONTENTS), files)


def bundled(build: Build, target: Path) -> Bundle:
    """As a real one, with downloads where the store has them and a builder that BuildKit exports."""
    fetched: dict[str, Path] = {}
    for pin, file in build.effects().fetch_all(build.plan.pins, None).items():
        content = file.read_bytes()
        fetched[pin] = build.layout.cache / "downloads" / f"sha256-{sha256(content)}" / file.name
        fetched[pin].parent.mkdir(parents=True, exist_ok=True)
        fetched[pin].write_bytes(content)
    export = build.layout.builder(build.plan, "builder") / "rootfs.tar.part"
    command = (
        "docker",
        "buildx",
        "bake",
        f"--file={build.layout.bake_file}",
        "--progress=rawjson",
        "export-builder",
    )

    def write_builder(_: tuple[str, ...]) -> None:
        export.write_bytes(b"builder")

    build.runner = RecordingRunner([Reply(command, effect=write_builder), *build.usual_replies()])
    effects = replace(build.effects(), fetch_all=lambda pins, unhashed: fetched)
    found, _ = make_bundle(build.plan, recipe_of(build.plan), build.layout, target, effects)
    return found
