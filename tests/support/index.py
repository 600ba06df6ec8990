"""Two finished builds, and an engine of either kind that has their images."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.builds import ELF, FakeEngine
from tests.support.images import Image, docker_archive, oci_archive, program
from tests.support.plans import PROJECT, make_plan
from tests.support.reporters import ListReporter
from tfbuild.base.arch import Arch
from tfbuild.build.oci_index import read_saved
from tfbuild.build.run import BuildResult
from tfbuild.build.several import IndexDocument, IndexEffects, build_index
from tfbuild.engine.facts import EngineFacts, ImageFacts, image_facts
from tfbuild.plan.several import index_plan

TAGS = {
    Arch.AMD64: "tfbuild/tflite:2.14.1-debian-opt-amd64",
    Arch.ARM64: "tfbuild/tflite:2.14.1-debian-opt-arm64",
}
POLICY = "policy=default"


class StoreEngine(FakeEngine):
    """An engine whose images are archives on disk; ``containerd``: its store can hold an index."""

    def __init__(self, folder: Path, containerd: bool) -> None:
        super().__init__((), "")
        self.folder = folder
        self.containerd = containerd
        self.archives: dict[str, Path] = {}
        self.loaded: list[str] = []
        self.wrong_after_load = False

    def info(self) -> EngineFacts:
        return EngineFacts("26", "1.45", "linux/amd64", 8, 7 << 30, "overlayfs", self.containerd, "/d", True)

    def put(self, arch: Arch, text: str = "", libc: str = "libc.so.6") -> str:
        """An image for ``arch``; its id as this engine gives it."""
        folder = ELF.parent / arch.platform.qemu
        members = [
            program("usr/bin/benchmark_model", (folder / "pie").read_bytes()),
            program("usr/lib/libtensorflowlite_c.so", (folder / "good.so").read_bytes()),
            program("usr/lib/libc.so.6", (folder / libc).read_bytes()),
            program(arch.platform.loader.lstrip("/"), (folder / "static").read_bytes()),
            program("text", text.encode()),
        ]
        settings = {"User": "65532", "Entrypoint": ["/usr/bin/benchmark_model"], "Labels": {"made": "here"}}
        image = Image([members], settings, str(arch))
        write = oci_archive if self.containerd else docker_archive
        path = write(self.folder / f"{arch}.tar", image)
        self.archives[TAGS[arch]] = path
        saved = read_saved(path)
        self.images[TAGS[arch]] = saved.manifest.digest if self.containerd else saved.config.digest
        return self.images[TAGS[arch]]

    def image(self, ref: str) -> ImageFacts | None:
        return image_facts({"Id": self.images[ref]}) if ref in self.images else None

    def save_image(self, ref: str, path: Path) -> None:
        path.write_bytes(self.archives[ref].read_bytes())

    def load_image(self, path: Path, name: str) -> None:
        assert self.containerd, "the older store cannot take an index"
        with tarfile.open(path) as tar:
            index = json.loads((tar.extractfile("index.json") or pytest.fail("no index")).read())
        (entry,) = index["manifests"]
        assert entry["annotations"]["io.containerd.image.name"] == f"docker.io/{name}"
        self.loaded.append(name)
        self.images[name] = "sha256:" + "0" * 64 if self.wrong_after_load else entry["digest"]


@dataclass
class Site:
    """Two builds that are finished, and where their index goes."""

    folder: Path
    containerd: bool = True
    reporter: ListReporter = field(default_factory=ListReporter)

    def __post_init__(self) -> None:
        (self.folder / "engine").mkdir()
        self.engine = StoreEngine(self.folder / "engine", self.containerd)
        self.ids = {arch: self.engine.put(arch) for arch in TAGS}
        self.output = self.folder / "dist" / "index"
        self.output.parent.mkdir()

    def run(self) -> IndexDocument:
        plans = [make_plan("2.14.1-debian", "opt", arch, POLICY) for arch in TAGS]
        results = [BuildResult(True, self.folder, TAGS[arch], self.ids[arch], (), (), 1.0) for arch in TAGS]
        effects = IndexEffects(self.engine, self.reporter, PROJECT, self.folder / "cache", 0)
        return build_index(index_plan(plans), results, self.output, effects)

    def manifest(self) -> Any:
        return json.loads((self.output / "manifest.json").read_text())
