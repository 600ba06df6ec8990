"""From a plan to a ``docker buildx bake`` definition; pure.

Whoever prints it with ``--dry-run --json`` can run it without this program:
https://docs.docker.com/build/bake/reference/
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tfbuild.documents import Replaced
from tfbuild.plan import Plan
from tfbuild.plan_python import TOOLS
from tfbuild.plan_roots import Root

# Provenance as an attestation would wrap every image into an index; the manifest has it.
NO_PROVENANCE = ["type=provenance,disabled=true"]


# Stages of the recipe that need a network, and so go into a bundle.
TFLITE_BUILDERS = ("builder",)


@dataclass(frozen=True, kw_only=True)
class PlanDocument(Plan):
    """``--dry-run --json``: the plan, and the definition that ``docker buildx bake`` takes."""

    bake: dict[Literal["target"], dict[str, dict[str, Any]]] | None
    replaces: Replaced | None  # the build in the output folder that has another key


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

    def builder(self, plan: Plan, stage: str) -> Path:
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

    def source(self, plan: Plan) -> Path:
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
        """What Bazel would download, and what overridden repositories are made of."""
        return self.work / "archives"

    @property
    def model(self) -> Path:
        """The model that becomes part of an image: NAME/VERSION/ of a server, NAME of Keras; or nothing."""
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


def definition(
    plan: Plan,
    layout: Layout,
    *,
    jobs: int = 0,
    labels: Mapping[str, str] | None = None,
    ca_bundle: Path | None = None,
    secrets: Sequence[str] = (),
    builders: Mapping[str, Path] | None = None,
    nonce: str = "",
) -> dict[str, Any]:
    """The bake definition. ``ca_bundle`` becomes a secret, never a layer, as ``secrets``; ``builders`` are
    root filesystems in the place of stages; ``nonce`` makes the logs target run again."""
    recipe = layout.project / "dockerfiles"
    platform, python = plan.arch.platform, plan.tflite.python
    foreign = plan.arch is not plan.root.arch
    arguments = {
        "BUILD_ARCH": str(plan.root.arch),
        "TARGET_ARCH": str(plan.arch),
        "TRIPLET": platform.triplet,
        "MULTIARCH": platform.multiarch,
        "DEPENDENCIES": " ".join(plan.packages),
        "TOOLS": " ".join(TOOLS) if python else "",
        "PYTHON_VERSION": python.version if python else "",
        "HOST_TOOLS": " ".join(plan.tflite.host_tools),
        "BUILD_ID": plan.tree_id,
        "VERSION": plan.library_version,
        "STRIP": "true" if plan.strip else "false",
        "DEBUG_INFO": plan.debug_info,
        "XNNPACK": "true" if plan.tflite.xnnpack else "false",
        "QEMU": platform.qemu if foreign else "",
        "RUNTIME_BASE": plan.image.base,
        "RUNTIME_UID": str(plan.image.user),
        "JOBS": str(jobs or plan.jobs or 1),
        **_epoch(plan),
    }
    unpacked = plan.runtime_root if python else None
    roots = {"python-root": root_target(recipe, layout.root(unpacked))} if unpacked else {}
    contexts = {
        "base": "target:root",
        "downloads": str(layout.downloads),
        "dependencies": str(layout.dependencies),
        "source": str(layout.source(plan)),
        "request": str(layout.request),
        "toolchains": str(layout.project / "toolchains" / "cmake"),
        "common": str(recipe / "common"),
        "python": "target:python-root" if roots else str(layout.wheel),
        "wheel": str(layout.wheel),
        **loaded_contexts(builders),
    }

    def target(stage: str, output: str, **more: Any) -> dict[str, Any]:
        return {
            "context": str(recipe / "tflite"),
            "target": stage,
            "contexts": contexts,
            "args": arguments,
            "output": [output],
            "attest": NO_PROVENANCE,
            **secret_list(ca_bundle, secrets),
            **more,
        }

    targets = {
        **roots,
        "root": root_target(recipe, layout.root(plan.root)),
        "builder": target("builder", "type=cacheonly"),
        "compile": target("dist", f"type=local,dest={layout.out}"),
        "logs": target("logs", f"type=local,dest={layout.logs}", args={**arguments, "LOGS_NONCE": nonce}),
        "smoke": target("smoke", f"type=local,dest={layout.smoke}"),
        # A tar keeps owners and modes whoever runs the client.
        "runtime-files": target("runtime-files", f"type=tar,dest={layout.runtime / 'runtime.tar'}"),
        "image": image_target(plan, layout, recipe / "tflite" / "image.Dockerfile", labels or {}),
        **{export_of(stage): target(stage, exported(plan, layout, stage)) for stage in TFLITE_BUILDERS},
        **loaded_targets(recipe, builders),
    }
    return {"target": {**targets, **runtime_root_target(plan, layout, recipe)}}


def export_of(stage: str) -> str:
    """The target that writes the files of a builder as one tar."""
    return f"export-{stage}"


def exported(plan: Plan, layout: Layout, stage: str) -> str:
    """The output of that target; it gets its name when it is complete."""
    return f"type=tar,dest={layout.builder(plan, stage) / 'rootfs.tar.part'}"


def loaded_contexts(builders: Mapping[str, Path] | None) -> dict[str, str]:
    """A named context takes the place of the stage of its name:
    https://docs.docker.com/reference/cli/docker/buildx/build/#build-context"""
    return {stage: f"target:loaded-{stage}" for stage in builders or {}}


def loaded_targets(recipe: Path, builders: Mapping[str, Path] | None) -> dict[str, dict[str, Any]]:
    return {f"loaded-{stage}": root_target(recipe, folder) for stage, folder in (builders or {}).items()}


def secret_list(ca_bundle: Path | None, more: Sequence[str]) -> dict[str, list[str]]:
    """The key of a target that names its secrets, each as ``docker buildx build --secret`` takes it."""
    found = [*([f"id=ca,src={ca_bundle}"] if ca_bundle else []), *more]
    return {"secret": found} if found else {}


def image_target(plan: Plan, layout: Layout, dockerfile: Path, labels: Mapping[str, str]) -> dict[str, Any]:
    """For the target's platform, and so apart: BuildKit would build everything above once more for it."""
    return {
        "context": str(layout.runtime),
        "dockerfile": str(dockerfile),
        "target": "image" if plan.image.flavour == "native" else "image-python",
        "contexts": {"runtime-base": "target:runtime-root"} if plan.image.base == "debian" else {},
        "args": {"RUNTIME_BASE": plan.image.base, "RUNTIME_UID": str(plan.image.user), **_epoch(plan)},
        "output": ["type=docker"],
        "attest": NO_PROVENANCE,
        "tags": [layout.candidate],
        "platforms": [plan.image.platform],
        "labels": {**dict(plan.image.labels), **labels},
    }


def runtime_root_target(plan: Plan, layout: Layout, recipe: Path) -> dict[str, Any]:
    """The distribution below an image that has one."""
    if not plan.runtime_root or plan.image.base != "debian":
        return {}
    root = root_target(recipe, layout.root(plan.runtime_root))
    return {"runtime-root": {**root, "platforms": [plan.image.platform]}}


def _epoch(plan: Plan) -> dict[str, str]:
    # The files that a layer writes do not carry the time of the build.
    return {"SOURCE_DATE_EPOCH": str(plan.source_date_epoch)}


def root_target(recipe: Path, folder: Path) -> dict[str, Any]:
    """A Debian root filesystem as the base of others."""
    dockerfile = str(recipe / "debian" / "base.Dockerfile")
    return {"context": str(folder), "dockerfile": dockerfile, "output": ["type=cacheonly"]}
