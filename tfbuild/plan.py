"""The plan of a build: everything decided, nothing done. A plan can be printed, compared and stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tfbuild.config import ResolvedConfig
from tfbuild.config_schema import BuildConfig
from tfbuild.flags import Flag, cmake_cache, compile_flags, tflite_cmake_flags
from tfbuild.model import Arch, Origin, Pin, Product
from tfbuild.release_schema import Release
from tfbuild.smoke import SmokeCase, smoke_cases


@dataclass(frozen=True)
class Request:
    """What the command line asked for, in canonical words."""

    product: Product
    release: str
    config: str
    arch: Arch
    build_arch: Arch = Arch.AMD64  # the builder's; other targets are cross-compiled
    sets: tuple[str, ...] = ()
    jobs: int | None = None
    tag: str | None = None
    output: str = "dist"


@dataclass(frozen=True)
class Root:
    """A Debian root filesystem that mmdebstrap makes."""

    suite: str
    arch: Arch
    include: tuple[str, ...]
    mirror: str | None  # None: the one that the host is set up with
    snapshot: str | None
    source_date_epoch: int
    security_mirror: str | None = None  # None: the host's, where the host's mirror is used

    @property
    def key(self) -> str:
        return fingerprint(self)


@dataclass(frozen=True)
class SourceTree:
    """What is extracted of which archive."""

    sha256: str
    filename: str
    strip_prefix: str
    subtrees: tuple[str, ...]

    @property
    def key(self) -> str:
        return fingerprint(self)


@dataclass(frozen=True)
class Patch:
    """A patch by its file and the hash of its bytes when the plan was made."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Image:
    """The runtime image."""

    tag: str
    platform: str
    base: str  # scratch or debian
    user: int
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Step:
    """One step; ``key`` is a hash of all that its result depends on."""

    id: str
    title: str
    key: str


@dataclass(frozen=True)
class Plan:
    """A fully resolved build of TFLite from source."""

    version: Literal[1] = field(default=1, kw_only=True)  # of the JSON document
    build_id: str
    product: Product
    release: str
    library_version: str
    config: str
    arch: Arch
    status: str
    provider: str
    revision: str  # of this project; in no key, since the recipe's hash says what matters
    notes: tuple[str, ...]
    quirks: tuple[str, ...]  # what is known to be odd about the release
    pins: tuple[Pin, ...]
    source: SourceTree
    patches: tuple[Patch, ...]
    root: Root
    runtime_root: Root | None
    packages: tuple[str, ...]
    flags: tuple[Flag, ...]
    cmake_cache: tuple[tuple[str, str], ...]
    strip: bool
    debug_info: str
    xnnpack: bool
    jobs: int | None
    memory_per_job_mib: int
    smoke: tuple[SmokeCase, ...]
    image: Image
    policy: str
    policy_sha256: str
    source_date_epoch: int
    distributable: bool
    output: str
    steps: tuple[Step, ...]

    @property
    def key(self) -> str:
        """Equal keys mean an equal result."""
        return self.steps[-1].key

    def to_json(self) -> dict[str, Any]:
        """The document of ``--dry-run --json`` and of the manifest."""
        return asdict(self)


def fingerprint(value: object) -> str:
    """A hash of a frozen value, the same on every machine."""
    text = json.dumps(value, default=_plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> object:
    return asdict(value) if hasattr(value, "__dataclass_fields__") else str(value)


def make_tflite_plan(
    request: Request,
    config: ResolvedConfig,
    release: Release,
    *,
    release_lines: Mapping[str, Origin],
    patches: tuple[Patch, ...],
    policy_sha256: str,
    recipe: str,
    revision: str,
    source_date_epoch: int | None = None,
) -> Plan:
    """The plan of a TFLite build from source.

    ``release_lines`` says where the release's file has each key, ``recipe`` is a hash of the files in
    ``dockerfiles/`` and ``toolchains/`` that carry the build out, ``policy_sha256`` that of the policy's
    file, ``revision`` the commit of this project (empty: unknown). ``source_date_epoch`` overrides the
    release's (seconds since 1970, https://reproducible-builds.org/specs/source-date-epoch/).
    """
    arch, values = request.arch, config.values
    epoch = release.source_date_epoch if source_date_epoch is None else source_date_epoch
    flags = (
        *compile_flags(config, release, release_lines),
        *tflite_cmake_flags(config, release, release_lines),
    )
    debian = release.debian
    root = Root(
        suite=debian.suite if debian else "trixie",
        arch=request.build_arch,
        include=(),
        mirror=values.debian.mirror,
        security_mirror=values.debian.security_mirror,
        snapshot=values.debian.snapshot,
        source_date_epoch=epoch,
    )
    runtime_root = None
    if values.runtime.base == "debian":
        include = (*(debian.runtime_packages if debian else ()), "ca-certificates")
        runtime_root = replace(root, arch=arch, include=include)
    draft = Plan(
        build_id=f"{request.product}-{request.release}-{request.config}-{arch}",
        product=request.product,
        release=request.release,
        library_version=release.version,
        config=request.config,
        arch=arch,
        status=release.status,
        provider=release.provider,
        revision=revision,
        notes=_notes(request, config, release),
        quirks=tuple(f"{quirk.id}: {quirk.text}" for quirk in release.quirks),
        pins=release.pins(arch),
        source=SourceTree(
            release.source.sha256,
            release.source.filename,
            release.source.strip_prefix,
            release.source.subtrees,
        ),
        patches=patches,
        root=root,
        runtime_root=runtime_root,
        packages=tuple(f"{package.name}={package.version}" for package in release.packages(arch)),
        flags=flags,
        cmake_cache=tuple(sorted(cmake_cache(flags).items())),
        strip=values.compile.strip,
        debug_info=values.compile.debug_info,
        xnnpack=values.tflite.xnnpack,
        jobs=request.jobs or values.resources.jobs,
        memory_per_job_mib=values.resources.memory_per_job_mib,
        smoke=smoke_cases(xnnpack=values.tflite.xnnpack),
        image=_image(request, config, release),
        policy=policy_name(values),
        policy_sha256=policy_sha256,
        source_date_epoch=epoch,
        distributable=values.distributable,
        output=str(Path(request.output, request.product, request.release, request.config, arch)),
        steps=(),
    )
    return replace(draft, steps=_steps(draft, recipe))


def policy_name(values: BuildConfig) -> str:
    """The policy that a configuration names, else the one for its kind of image."""
    return values.policy or f"tflite-{values.runtime.base}"


def _notes(request: Request, config: ResolvedConfig, release: Release) -> tuple[str, ...]:
    notes = []
    if release.status != "built":
        notes.append(f"this project has never compiled {release.product} {release.release}")
    if not config.values.distributable:
        notes.append(f"not to be distributed: {config.values.distributable_note or config.description}")
    if request.arch is not request.build_arch:
        notes.append(f"cross-compiled on {request.build_arch}; the smoke test runs under qemu-user")
    return tuple(notes)


def _image(request: Request, config: ResolvedConfig, release: Release) -> Image:
    values = config.values
    labels = {
        "org.opencontainers.image.title": (
            f"TensorFlow Lite {release.version} ({request.config}, {request.arch})"
        ),
        "org.opencontainers.image.description": release.description,
        "org.opencontainers.image.version": release.version,
        "org.opencontainers.image.revision": release.revision or f"sha256:{release.source.sha256}",
        "org.opencontainers.image.source": release.source_url,
        "org.opencontainers.image.url": release.homepage,
        "org.opencontainers.image.licenses": release.licenses,
        "tfbuild.build-id": f"{request.product}-{request.release}-{request.config}-{request.arch}",
        "tfbuild.distributable": "true" if values.distributable else "false",
        **values.runtime.labels,
    }
    return Image(
        tag=request.tag or f"tfbuild/{request.product}:{request.release}-{request.config}-{request.arch}",
        platform=request.arch.platform.oci,
        base=values.runtime.base,
        user=values.runtime.user,
        labels=tuple(sorted(labels.items())),
    )


def _steps(plan: Plan, recipe: str) -> tuple[Step, ...]:
    """The order of the work. Each key covers the keys before it that the step builds on."""
    fetch = fingerprint([asdict(pin) for pin in plan.pins])
    root = plan.root.key
    builder = fingerprint([root, fetch, plan.packages, plan.arch, recipe])
    result = [plan.cmake_cache, plan.strip, plan.debug_info, plan.library_version]
    compiled = fingerprint([builder, plan.source.key, plan.patches, *result])
    image = fingerprint([compiled, plan.image, plan.runtime_root, plan.source_date_epoch])
    verify = fingerprint([image, plan.smoke, plan.policy, plan.policy_sha256])
    done = fingerprint([verify, plan.output])
    return (
        Step("fetch", f"fetch {len(plan.pins)} pinned file{'s' if len(plan.pins) > 1 else ''}", fetch),
        Step("root", f"Debian root filesystem ({plan.root.suite}, {plan.root.arch})", root),
        Step("builder", f"builder image for {plan.arch}", builder),
        Step("compile", f"compile TFLite {plan.library_version}", compiled),
        Step("image", f"runtime image ({plan.image.base})", image),
        Step("verify", "verify files and image, run the smoke test", verify),
        Step("dist", f"write {plan.output}", done),
    )


def recipe_hash(root: Path, folders: tuple[str, ...]) -> str:
    """A hash of the files below ``folders``: their names, whether they are executable, and their bytes."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file():
                digest.update(f"{path.relative_to(root)}\0{path.stat().st_mode & 0o100}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
