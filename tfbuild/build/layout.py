"""Where the inputs and outputs of a plan lie on this machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfbuild.plan.plan import Plan
from tfbuild.plan.roots import Root


@dataclass(frozen=True)
class Layout:
    """Where the inputs and outputs of a plan lie on this machine."""

    project: Path
    cache: Path
    build_id: str
    plain_id: str = ""  # that of the configuration as it is; what Bazel downloads is nearly the same

    def root(self, root: Root) -> Path:
        """Folder that holds ``rootfs.tar``."""
        return self.cache / "bases" / f"{root.suite}-{root.arch}-{root.key[:16]}"

    def builder(self, plan: Plan[Any], stage: str) -> Path:
        """Folder of a builder's ``rootfs.tar``, as a bundle has it; ``stage`` is its name in the recipe."""
        name = f"{plan.product}-{stage}-{plan.root.arch}-{plan.builder_key[:16]}"
        return self.cache / "builders" / name

    @property
    def repositories(self) -> Path:
        """Bazel's repository cache, as a bundle has it."""
        return self.cache / "repositories" / (self.plain_id or self.build_id)

    @property
    def collected(self) -> Path:
        """What of it this build took, to go into a bundle."""
        return self.work / "collected"

    def source(self, plan: Plan[Any]) -> Path:
        return self.cache / "sources" / plan.tree.key

    @property
    def work(self) -> Path:
        """Folder of this build alone; under the build's lock."""
        return self.cache / "state" / self.build_id

    @property
    def request(self) -> Path:
        """CMakePresets.json and patches/."""
        return self.work / "request"

    @property
    def downloads(self) -> Path:
        """Packages that the suite does not have."""
        return self.work / "downloads"

    @property
    def dependencies(self) -> Path:
        """Locked sources, extracted: a folder of its name for each."""
        return self.work / "dependencies"

    @property
    def archives(self) -> Path:
        """What Bazel would download, and what overridden repositories are made of. Of a server with a wheel:
        sources of other projects, and protoc."""
        return self.work / "archives"

    @property
    def model(self) -> Path:
        """The model that becomes part of an image: NAME/VERSION/ of a server, NAME of Keras; or nothing. Of
        TFLite the models that it is built for."""
        return self.work / "model"

    @property
    def app(self) -> Path:
        """A user's program that becomes part of an image of Keras."""
        return self.work / "app"

    @property
    def app_request(self) -> Path:
        """What is asked for the program alone: its wheels, its settings."""
        return self.work / "app-request"

    @property
    def out(self) -> Path:
        """What the compile step gave: dist/, log/, packages.tsv, tools.txt."""
        return self.work / "out"

    @property
    def runtime(self) -> Path:
        """Folder of runtime.tar, the files of the runtime image."""
        return self.work / "runtime"

    @property
    def wheel(self) -> Path:
        """The wheel with its final name, and nothing else; empty without a Python flavour."""
        return self.work / "wheel"

    @property
    def smoke(self) -> Path:
        return self.work / "smoke"

    @property
    def symbols(self) -> Path:
        """The compiled files as they were before they were stripped."""
        return self.out / "symbols"

    @property
    def logs(self) -> Path:
        """Logs of the compile step, read out of its cache mount after a failure."""
        return self.work / "compile-logs"

    @property
    def candidate(self) -> str:
        """The image's name until it is verified; an image that fails never takes the real one.

        Builds with two caches may run side by side on one engine: no lock keeps them apart.
        """
        cache = hashlib.sha256(str(self.cache).encode()).hexdigest()[:8]
        return f"tfbuild/candidate:{self.build_id}-{cache}"

    @property
    def bake_file(self) -> Path:
        return self.work / "bake.json"
