"""From a plan to a ``docker buildx bake`` definition; pure.

Whoever prints it with ``--dry-run --json`` can run it without this program:
https://docs.docker.com/build/bake/reference/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfbuild.base.arch import Arch
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan
from tfbuild.plan.roots import Root

# Provenance as an attestation would wrap every image into an index; the manifest has it.
NO_PROVENANCE = ["type=provenance,disabled=true"]


# Two maps: the targets by their name.
BakeFile = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class BakeOptions:
    """What a definition has of this machine and of one run; nothing of it is in a plan.

    ``ca_bundle`` and ``secrets`` become build secrets, never layers; ``builders`` are root filesystems in the
    place of stages; ``nonce`` makes BuildKit look again where a layer of an earlier run says nothing;
    ``offline``: nothing has a network. ``jobs`` and ``memory_mib`` are what a compile may use.
    """

    jobs: int = 0
    memory_mib: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    ca_bundle: Path | None = None
    secrets: tuple[str, ...] = ()
    builders: Mapping[str, Path] = field(default_factory=dict)
    offline: bool = False
    nonce: str = ""


# The stage that all others of a recipe are made from.
BUILDER = "builder"


@dataclass(frozen=True, kw_only=True)
class Builder:
    """Installed packages that the stages of a recipe are made from; ``dockerfiles/common`` says how.

    The recipe lists its packages in ``builders/NAME.sh``. A plan adds ``packages`` for the machine that
    builds, ``target_packages``, and ``programs``: files of ``downloads`` by what they are to be called.
    ``arch`` is what it makes things for, where that is not the target of the plan.
    """

    name: str
    packages: tuple[str, ...] = ()
    target_packages: tuple[str, ...] = ()
    programs: Mapping[str, str] = field(default_factory=dict)
    downloads: Path | None = None
    arch: Arch | None = None


@dataclass(frozen=True)
class Stages:
    """The stages of one recipe: they share contexts, arguments and secrets.

    ``contexts`` and ``arguments`` are given beside those that any recipe has. ``builders`` need a network,
    and so go into a bundle. All stages are made from the first; any other is for the smoke test alone, so
    that it is not installed before a compile.
    """

    plan: Plan[Any]
    layout: Layout
    options: BakeOptions
    recipe: str  # its folder in dockerfiles/
    contexts: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    builders: tuple[Builder, ...] = (Builder(name=BUILDER),)
    image: Mapping[str, Any] = field(default_factory=dict)  # what the image's target has otherwise
    image_arguments: Mapping[str, str] = field(default_factory=dict)  # ... and besides
    image_recipe: str | None = None  # where image.Dockerfile is, if not in ``recipe``

    @property
    def dockerfiles(self) -> Path:
        return self.layout.project / "dockerfiles"

    def target(self, stage: str, output: str, **arguments: str) -> dict[str, Any]:
        """The target that writes ``stage`` to ``output``; ``arguments`` are for it alone."""
        builders = self.builders if stage == "smoke" else self.builders[:1]
        return {
            "context": str(self.dockerfiles / self.recipe),
            "target": stage,
            "contexts": {
                **{each.name: f"target:{each.name}" for each in builders},
                **self._common_contexts(),
                **self.contexts,
            },
            "args": {**recipe_arguments(self.plan), **self.arguments, **arguments},
            "output": [output],
            "attest": NO_PROVENANCE,
            **(self._secrets() if builders else {}),
        }

    def _common_contexts(self) -> dict[str, str]:
        """The scripts of all recipes; source and tools of a cluster where the plan has them."""
        plan = self.plan
        return {
            "common": str(self.dockerfiles / "common"),
            **({"source": str(self.layout.source(plan))} if plan.source else {}),
            **({"remote": "target:remote-root"} if plan.remote and plan.remote.tools else {}),
        }

    def builder(self, builder: Builder, output: str) -> dict[str, Any]:
        """The target that installs a builder, or, out of a bundle, the root filesystem that it is there."""
        if builder.name in self.options.builders:
            return root_target(self.dockerfiles, self.options.builders[builder.name])
        common, arch = self.dockerfiles / "common", builder.arch or self.plan.arch
        return {
            "context": str(common),
            "dockerfile": str(common / "builder.Dockerfile"),
            "target": "builder",
            "contexts": {
                "base": "target:root",
                "recipe": str(self.dockerfiles / self.recipe),
                **({"downloads": str(builder.downloads)} if builder.downloads else {}),
            },
            "args": {
                "STAGE": builder.name,
                "BUILD_ARCH": str(self.plan.root.arch),
                "TARGET_ARCH": str(arch),
                "TRIPLET": arch.platform.triplet,
                "BUILD_PACKAGES": " ".join(builder.packages),
                "TARGET_PACKAGES": " ".join(builder.target_packages),
                "PROGRAMS": " ".join(f"{name}={file}" for name, file in builder.programs.items()),
            },
            "output": [output],
            "attest": NO_PROVENANCE,
            **self._secrets(),
        }

    def _secrets(self) -> dict[str, list[str]]:
        options = self.options
        found = [*([f"id=ca,src={options.ca_bundle}"] if options.ca_bundle else []), *options.secrets]
        return {"secret": found} if found else {}

    def folder(self, stage: str, folder: Path, **arguments: str) -> dict[str, Any]:
        """The target that writes the files of ``stage`` into ``folder``."""
        return self.target(stage, f"type=local,dest={folder}", **arguments)

    def root(self, root: Root) -> dict[str, Any]:
        return root_target(self.dockerfiles, self.layout.root(root))

    def definition(self, targets: Mapping[str, dict[str, Any]] | None = None) -> BakeFile:
        """The whole definition: ``targets``, over those that any recipe has."""
        plan, layout, recipe = self.plan, self.layout, self.image_recipe or self.recipe
        tools = plan.remote.tools if plan.remote else None
        image = image_target(
            plan, layout, self.dockerfiles / recipe / "image.Dockerfile", self.options.labels
        )
        arguments = {**image["args"], **self.image_arguments}
        common = {
            "root": self.root(plan.root),
            **({"compile": self.folder("dist", layout.out)} if plan.source else {}),
            **({"remote-root": self.root(tools)} if tools else {}),
            "smoke": self.folder("smoke", layout.smoke),
            # A tar keeps owners and modes whoever runs the client.
            "runtime-files": self.target("runtime-files", f"type=tar,dest={layout.runtime / 'runtime.tar'}"),
            "image": {**image, "args": arguments, **self.image},
            **{each.name: self.builder(each, "type=cacheonly") for each in self.builders},
            **{
                export_of(each.name): self.builder(each, exported(plan, layout, each.name))
                for each in self.builders
                if each.name not in self.options.builders
            },
        }
        common |= runtime_root_target(plan, layout, self.dockerfiles)
        return {"target": {**common, **(targets or {})}}


def recipe_arguments(plan: Plan[Any]) -> dict[str, str]:
    """The arguments of any recipe. ``QEMU`` is the emulator of a foreign architecture, else empty."""
    foreign = plan.arch is not plan.root.arch
    found = {
        "MULTIARCH": plan.arch.platform.multiarch,
        "QEMU": plan.arch.platform.qemu if foreign else "",
        "RUNTIME_UID": str(plan.image.user),
        # The files that a layer writes do not carry the time of the build.
        "SOURCE_DATE_EPOCH": str(plan.source_date_epoch),
    }
    if plan.source is None:
        return found
    return {
        **found,
        "TRIPLET": plan.arch.platform.triplet,
        "BUILD_ID": plan.tree_id,
        "STRIP": "true" if plan.strip else "false",
        "DEBUG_INFO": plan.debug_info,
        "RUNTIME_BASE": plan.image.base,
    }


def remote_jobs(plan: Plan[Any], options: BakeOptions) -> int:
    """Actions at a time where a cluster carries them out; without a size of it as many as here."""
    found = plan.remote.jobs if plan.remote and plan.remote.is_executed else None
    return plan.jobs or found or options.jobs or 1


def export_of(stage: str) -> str:
    """The target that writes the files of a builder as one tar."""
    return f"export-{stage}"


def exported(plan: Plan[Any], layout: Layout, stage: str) -> str:
    """The output of that target; it gets its name when it is complete."""
    return f"type=tar,dest={layout.builder(plan, stage) / 'rootfs.tar.part'}"


def image_target(
    plan: Plan[Any], layout: Layout, dockerfile: Path, labels: Mapping[str, str]
) -> dict[str, Any]:
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


def runtime_root_target(plan: Plan[Any], layout: Layout, recipe: Path) -> dict[str, Any]:
    """The distribution below an image that has one."""
    if not plan.runtime_root or plan.image.base != "debian":
        return {}
    root = root_target(recipe, layout.root(plan.runtime_root))
    return {"runtime-root": {**root, "platforms": [plan.image.platform]}}


def _epoch(plan: Plan[Any]) -> dict[str, str]:
    # The files that a layer writes do not carry the time of the build.
    return {"SOURCE_DATE_EPOCH": str(plan.source_date_epoch)}


def set_apart(definition: BakeFile, word: str) -> BakeFile:
    """The definition for a build that takes nothing of an earlier one: ``word`` names its cache mounts, and
    is the machine's name, which is a part of what BuildKit knows a step by. As it was, for an empty word.

    https://docs.docker.com/reference/dockerfile/#buildkit-built-in-build-args
    """
    if not word:
        return definition
    own = {"BUILDKIT_CACHE_MOUNT_NS": word, "BUILDKIT_SANDBOX_HOSTNAME": word}
    targets = {
        name: {**target, "args": {**target.get("args", {}), **own}}
        for name, target in definition["target"].items()
    }
    return {**definition, "target": targets}


def root_target(recipe: Path, folder: Path) -> dict[str, Any]:
    """A Debian root filesystem as the base of others."""
    dockerfile = str(recipe / "debian" / "base.Dockerfile")
    return {"context": str(folder), "dockerfile": dockerfile, "output": ["type=cacheonly"]}
