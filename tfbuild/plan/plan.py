"""The plan of a build: everything decided, nothing done. A plan can be printed, compared and stored."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from tfbuild.base.arch import Arch
from tfbuild.base.documents import fingerprint
from tfbuild.base.urls import Mirror
from tfbuild.base.values import Pin, Unhashed
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.effect import KeyRules, notes_without_effect
from tfbuild.plan.flags import Flag
from tfbuild.plan.naming import Asked, Extra, config_extras, merged, require_short
from tfbuild.plan.remote.section import Remote, remote_notes
from tfbuild.plan.roots import Root, root_of
from tfbuild.plan.signing import Signing, signing_of
from tfbuild.releases.keys import Release, SourceRelease, debian_of, source_of, suite_of

Part = TypeVar("Part")


@dataclass(frozen=True)
class Request:
    """What the command line asked for, in canonical words.

    ``beyond`` is what was asked besides the configuration that only the reading of files tells; ``name`` is
    the user's own word for all of that.
    """

    product: str
    release: str
    config: str
    arch: Arch
    build_arch: Arch = Arch.AMD64  # the builder's; other targets are cross-compiled
    sets: tuple[str, ...] = ()
    jobs: int | None = None
    tag: str | None = None
    output: str = "dist"
    name: str = ""
    beyond: tuple[Extra, ...] = ()


@dataclass(frozen=True)
class SourceTree:
    """What is extracted of which archive; ``sha256``, ``tree`` (a git tree id) or both prove its content."""

    name: str  # of its pin
    sha256: str | None
    tree: str | None
    filename: str
    strip_prefix: str
    subtrees: tuple[str, ...]

    @property
    def key(self) -> str:
        """The same for two archives of one tree."""
        return fingerprint(replace(self, sha256=None) if self.tree else self)


# Where a patch is from that its release is always built with.
RELEASE_PATCH = "release"


@dataclass(frozen=True)
class Patch:
    """A patch by its file and the hash of its bytes when the plan was made.

    ``origin`` is 'release' for one that the release is always built with, else where it was asked for.
    """

    path: str
    sha256: str
    origin: str = "source.patches"
    reason: str = ""


@dataclass(frozen=True)
class Image:
    """The runtime image."""

    tag: str
    platform: str
    base: str  # scratch or debian
    flavour: str  # native, python or wheel
    user: int
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Step:
    """One step; ``key`` is a hash of all that its result depends on."""

    id: str
    title: str
    key: str


@dataclass(frozen=True)
class Plan(Generic[Part]):
    """A fully resolved build; ``part`` is what only this kind of build has."""

    version: Literal[1] = field(default=1, kw_only=True)  # of the JSON document
    build_id: str
    product: str
    release: str
    library_version: str
    config: str  # as names have it: with what was asked beyond the configuration
    asked: Asked
    arch: Arch
    status: str
    provider: str
    revision: str  # of this project; in no key, since the recipe's hash says what matters
    notes: tuple[str, ...]
    quirks: tuple[str, ...]  # what is known to be odd about the release
    pins: tuple[Pin, ...]
    unhashed: Unhashed | None  # the source, as long as nobody has seen its bytes
    unlocked: tuple[str, ...]  # why it would have to download without a hash, and so must not be built
    source: SourceTree | None  # None: nothing is compiled
    patches: tuple[Patch, ...]
    root: Root
    runtime_root: Root | None
    packages: tuple[str, ...]
    flags: tuple[Flag, ...]
    strip: bool
    debug_info: str
    jobs: int | None
    memory_per_job_mib: int
    part: Part
    image: Image
    policy: str
    policy_sha256: str
    source_date_epoch: int
    distributable: bool
    output: str
    mirrors: tuple[Mirror, ...]  # in no key: the hash decides, wherever the bytes come from
    signing: Signing  # in no key
    remote: Remote | None  # in no key
    steps: tuple[Step, ...]

    @property
    def key(self) -> str:
        """Equal keys mean an equal result."""
        return self.steps[-1].key

    @property
    def plain_id(self) -> str:
        """The build id of the configuration as it is."""
        return _id(self, self.asked.config)

    @property
    def tree_id(self) -> str:
        """The name of the build tree: one for all builds that compile the same."""
        return _id(self, self.asked.tree_word)

    @property
    def builder_key(self) -> str:
        """Equal keys mean an equal builder."""
        return next(step.key for step in self.steps if step.id == "builder")

    @property
    def march(self) -> str | None:
        """The lowest CPU that the result has to run on, in GCC's words; None: the compiler's choice."""
        words = [flag.text.removeprefix("--copt=") for flag in self.flags]
        found = [word.removeprefix("-march=") for word in words if word.startswith("-march=")]
        return found[-1] if found else None

    @property
    def optimises(self) -> bool:
        """Whether the compiler is told to: the last -O counts; with none the build tool's mode does."""
        words = [flag.text.removeprefix("--copt=") for flag in self.flags]
        found = [word for word in words if word.startswith("-O")]
        return not found or found[-1] != "-O0"

    @property
    def tree(self) -> SourceTree:
        """The source; asking a plan that compiles nothing for it is a bug."""
        if self.source is None:
            raise TypeError(f"{self.build_id} is not made of a source")
        return self.source

    def to_json(self) -> dict[str, Any]:
        """The document of ``--dry-run --json`` and of the manifest."""
        return asdict(replace(self, signing=self.signing.shown))


@dataclass(frozen=True)
class Circumstances:
    """What a plan depends on besides request, configuration and release.

    ``recipe`` is a hash of the files in ``dockerfiles/`` and ``toolchains/`` that carry the build out,
    ``policy_sha256`` that of the policy's file, ``revision`` the commit of this project (empty: unknown).
    ``recorder`` is that of the script that keeps the records of unpacked packages.
    ``source_date_epoch`` overrides the release's (seconds since 1970,
    https://reproducible-builds.org/specs/source-date-epoch/). ``mirrors`` are those of the environment and of
    the configuration, in that order.
    """

    patches: tuple[Patch, ...]
    policy_sha256: str
    recipe: str
    revision: str
    recorder: str
    source_date_epoch: int | None = None
    mirrors: tuple[Mirror, ...] = ()

    @property
    def patch_hashes(self) -> tuple[str, ...]:
        """Of the patches that were asked for; those of the release belong to its name."""
        return tuple(each.sha256 for each in self.patches if each.origin != RELEASE_PATCH)

    def epoch_of(self, release: Release) -> int:
        """Seconds since 1970 that file times are set to."""
        return release.source_date_epoch if self.source_date_epoch is None else self.source_date_epoch


KEY_LABEL, BUILD_ID_LABEL = "tfbuild.key", "tfbuild.build-id"
STEPS = ("fetch", "root", "builder", "compile", "image", "verify", "dist")


@dataclass(frozen=True)
class Specifics(Generic[Part]):
    """What one product adds to the common plan."""

    title: str  # of the compile step
    image_title: str
    flags: tuple[Flag, ...]
    part: Part
    policy: str
    keys: KeyRules
    pins: tuple[Pin, ...]
    compiled_from: tuple[object, ...]  # what the compiler sees, besides source, patches and builder
    notes: tuple[str, ...] = ()
    builder_from: tuple[object, ...] = ()  # what only this product's builder has
    image_from: tuple[object, ...] = ()
    verified_by: tuple[object, ...] = ()
    unhashed: Unhashed | None = None
    roots: tuple[Root, Root | None] | None = None  # None: as the release's key 'debian' says
    unlocked: tuple[str, ...] = ()
    steps: tuple[str, ...] = STEPS
    flavour: str | None = None  # of the image; None: as the key runtime.flavour says
    beyond: tuple[Extra, ...] = ()  # what was asked of this product, beyond the configuration
    labels: tuple[tuple[str, str], ...] = ()  # of the image, beside those that all have
    remote: Remote | None = None  # None also where the product compiles nothing


def assemble(
    request: Request,
    config: ResolvedConfig,
    release: Release,
    circumstances: Circumstances,
    specifics: Specifics[Part],
) -> Plan[Part]:
    """The plan, from what is common and what one product adds."""
    arch, values = request.arch, config.values
    beyond = config_extras(config, specifics.keys, circumstances.patch_hashes)
    asked = Asked(request.config, request.name, merged(beyond, (*specifics.beyond, *request.beyond)))
    request = replace(request, config=asked.word)
    epoch = circumstances.epoch_of(release)
    root, runtime_root = specifics.roots or roots_of(request, config, release, epoch)
    source = source_of(release)
    draft = Plan(
        build_id=require_short(_id(request, asked.word)),
        product=request.product,
        release=request.release,
        library_version=release.version,
        config=request.config,
        asked=asked,
        arch=arch,
        status=release.status,
        provider=release.provider,
        revision=circumstances.revision,
        notes=(
            *_notes(request, config, release),
            *specifics.notes,
            *remote_notes(specifics.remote),
            *notes_without_effect(config, specifics.keys, jobs=request.jobs is not None),
        ),
        quirks=tuple(f"{quirk.id}: {quirk.text}" for quirk in release.quirks),
        pins=specifics.pins,
        unhashed=specifics.unhashed,
        unlocked=specifics.unlocked,
        source=SourceTree(
            source.name, source.sha256, source.tree, source.filename, source.strip_prefix, source.subtrees
        )
        if source
        else None,
        patches=circumstances.patches,
        root=root,
        runtime_root=runtime_root,
        packages=tuple(
            f"{package.name}={package.version}"
            for package in (release.packages(arch) if isinstance(release, SourceRelease) else ())
        ),
        flags=specifics.flags,
        strip=values.compile.strip,
        debug_info=values.compile.debug_info,
        jobs=request.jobs or values.resources.jobs,
        memory_per_job_mib=values.resources.memory_per_job_mib,
        part=specifics.part,
        image=_image(request, config, release, specifics),
        policy=specifics.policy,
        policy_sha256=circumstances.policy_sha256,
        source_date_epoch=epoch,
        distributable=values.distributable,
        output=str(Path(request.output, request.product, request.release, request.config, arch)),
        mirrors=circumstances.mirrors,
        signing=signing_of(values),
        remote=specifics.remote,
        steps=(),
    )
    done = replace(draft, steps=_steps(draft, specifics, circumstances.recipe))
    return replace(done, image=_with_key(done.image, done.key))


def _id(what: Request | Plan[Any], word: str) -> str:
    return f"{what.product}-{what.release}-{word}-{what.arch}"


def _with_key(image: Image, key: str) -> Image:
    """The image as it is made: its label tells which plan it is of."""
    return replace(image, labels=tuple(sorted((*image.labels, (KEY_LABEL, key)))))


def roots_of(
    request: Request, config: ResolvedConfig, release: Release, epoch: int
) -> tuple[Root, Root | None]:
    """The builder's root filesystem, and that of an image with a distribution in it."""
    values, debian = config.values, debian_of(release)
    pinned = debian.snapshot if debian and debian.base == "snapshot" else None
    root = root_of(values, suite_of(release), request.build_arch, epoch, snapshot=pinned)
    if values.runtime.base != "debian":
        return root, None
    include = (*(debian.runtime_packages if debian else ()), "ca-certificates")
    return root, replace(root, arch=request.arch, include=include)


def _notes(request: Request, config: ResolvedConfig, release: Release) -> tuple[str, ...]:
    notes = []
    if release.status != "built" and release.is_compiled:
        notes.append(f"this project has not compiled {release.product} {release.release} as it is")
    if not config.values.distributable:
        notes.append(f"not to be distributed: {config.values.distributable_note or config.description}")
    if not config.values.debian.security_updates:
        notes.append("packages as at Debian's last point release: debian.security_updates is off")
    if request.arch is not request.build_arch:
        made = "cross-compiled" if release.is_compiled else "put together"
        notes.append(f"{made} on {request.build_arch}; the smoke test runs under qemu-user")
    return tuple(notes)


def _image(request: Request, config: ResolvedConfig, release: Release, specifics: Specifics[Any]) -> Image:
    values = config.values
    what = f"{specifics.image_title} {release.version}"
    labels = {
        "org.opencontainers.image.title": f"{what} ({request.config}, {request.arch})",
        "org.opencontainers.image.description": release.description,
        "org.opencontainers.image.version": release.version,
        "org.opencontainers.image.revision": _revision(release),
        "org.opencontainers.image.source": release.source_url,
        "org.opencontainers.image.url": release.homepage,
        "org.opencontainers.image.licenses": release.licenses,
        BUILD_ID_LABEL: _id(request, request.config),
        "tfbuild.distributable": "true" if values.distributable else "false",
        **({"tfbuild.distributable-note": values.distributable_note} if values.distributable_note else {}),
        **dict(specifics.labels),
        **values.runtime.labels,
    }
    return Image(
        tag=request.tag or f"tfbuild/{request.product}:{request.release}-{request.config}-{request.arch}",
        platform=request.arch.platform.oci,
        base=values.runtime.base,
        flavour=specifics.flavour or values.runtime.flavour,
        user=values.runtime.user,
        labels=tuple(sorted(labels.items())),
    )


def _arches_of_roots(plan: Plan[Any]) -> str:
    """The builder's, and the image's where it is another."""
    arches = [plan.root.arch, *([plan.runtime_root.arch] if plan.runtime_root else [])]
    return " and ".join(dict.fromkeys(map(str, arches)))


def _revision(release: Release) -> str:
    """The commit, else the hash of the source, else upstream's tag."""
    archive = source_of(release)
    source = f"sha256:{archive.sha256}" if archive else release.tag
    return release.revision or source


def _steps(plan: Plan[Part], specifics: Specifics[Part], recipe: str) -> tuple[Step, ...]:
    """The order of the work. Each key covers the keys before it that the step builds on.

    Numbers of jobs, estimates and notes are in no key: no result depends on them.
    """
    fetch = fingerprint(
        [
            *(asdict(pin) for pin in plan.pins),
            *([plan.source.tree] if plan.source and plan.source.tree else []),
        ]
    )
    root = plan.root.key
    builder = fingerprint([root, *specifics.builder_from, plan.packages, plan.arch, recipe])
    result = [plan.strip, plan.debug_info, plan.library_version]
    compiled = fingerprint(
        [
            builder,
            plan.source.key if plan.source else None,
            [each.sha256 for each in plan.patches],
            *specifics.compiled_from,
            *result,
        ]
    )
    made = replace(plan.image, tag="")  # neither what it is called nor where it goes changes a result
    image = fingerprint([compiled, made, plan.runtime_root, plan.source_date_epoch, *specifics.image_from])
    verify = fingerprint([image, *specifics.verified_by, plan.policy, plan.policy_sha256])
    done = fingerprint([verify, "dist"])
    count = len(plan.pins) + (plan.unhashed is not None)
    known = {
        "fetch": (f"fetch {count} pinned file{'s' if count > 1 else ''}", fetch),
        "root": (f"Debian root filesystem ({plan.root.suite}, {_arches_of_roots(plan)})", root),
        "builder": (f"builder image for {plan.arch}", builder),
        "fetch-deps": ("fetch what Bazel needs from the network", compiled),
        "compile": (specifics.title, compiled),
        "wheel": ("platform tag of the wheel", compiled),
        "install": (f"install {len(plan.pins)} wheels without network", compiled),
        "image": (f"runtime image ({plan.image.base})", image),
        "verify": ("verify files and image, run the smoke test", verify),
        "dist": (f"write {plan.output}", done),
    }
    return tuple(Step(id, *known[id]) for id in specifics.steps)


def recipe_hash(root: Path, folders: tuple[str, ...]) -> str:
    """A hash of the files below ``folders``: their names, whether they are executable, and their bytes.

    Without Python's own ``__pycache__``, which pip makes where it installs a wheel.
    """
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.parent.name != "__pycache__":
                digest.update(f"{path.relative_to(root)}\0{path.stat().st_mode & 0o100}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
