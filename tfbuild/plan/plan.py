"""The plan of a build: everything decided, nothing done. A plan can be printed, compared and stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar, cast

from tfbuild.base.arch import Arch
from tfbuild.base.documents import Replaced, fingerprint
from tfbuild.base.urls import Mirror
from tfbuild.base.values import Origin, Pin, Unhashed
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.effect import KeyRules
from tfbuild.plan.flags import Flag
from tfbuild.plan.naming import Asked, Extra
from tfbuild.plan.remote.layers import SharedLayers
from tfbuild.plan.remote.section import Remote
from tfbuild.plan.roots import Root
from tfbuild.plan.signing import Signing
from tfbuild.releases.keys import Release

Part = TypeVar("Part")
ReleaseModel = TypeVar("ReleaseModel", bound=Release, covariant=True)
Narrower = TypeVar("Narrower", bound=Release)


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


KEY_LABEL, BUILD_ID_LABEL = "tfbuild.key", "tfbuild.build-id"
# Where a patch is from that its release is always built with.
RELEASE_PATCH = "release"


@dataclass(frozen=True)
class Patch:
    """A patch by its file and the hash of its bytes when the plan was made.

    ``origin`` is 'release' for one that the release is always built with, else where it was asked for.
    ``dependency`` is the locked source that it changes; empty: the release's own.
    """

    path: str
    sha256: str
    origin: str = "source.patches"
    reason: str = ""
    dependency: str = ""


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
    layers: SharedLayers | None  # in no key
    steps: tuple[Step, ...]

    @property
    def key(self) -> str:
        """Equal keys mean an equal result."""
        return self.steps[-1].key

    @property
    def plain_id(self) -> str:
        """The build id of the configuration as it is."""
        return id_of(self, self.asked.config)

    @property
    def lock_command(self) -> str:
        """What makes the lock of the release, which may be a file of the user's."""
        file = next((each.place for each in self.asked.beyond if each.key == "--release"), "")
        return f"invoke lock --product {self.product} --release {file or self.release}"

    @property
    def tree_id(self) -> str:
        """The name of the build tree: one for all builds that compile the same."""
        return id_of(self, self.asked.tree_word)

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


@dataclass(frozen=True, kw_only=True)
class PlanDocument(Plan[Part]):
    """``--dry-run --json``: the plan, and the definition that ``docker buildx bake`` takes."""

    bake: dict[Literal["target"], dict[str, dict[str, Any]]] | None
    replaces: Replaced | None  # the build in the output folder that has another key


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


@dataclass(frozen=True)
class Resolved(Generic[ReleaseModel]):
    """The words, looked up in the project's files.

    ``lines`` says where the release's file has each key. ``keys`` and ``policy`` are what the product's rules
    say of the release and the configuration.
    """

    request: Request
    config: ResolvedConfig
    release: ReleaseModel
    lines: Mapping[str, Origin]
    circumstances: Circumstances
    keys: KeyRules
    policy: str

    def of(self, *models: type[Narrower]) -> Resolved[Narrower]:
        """The same, of a release that one of ``models`` reads; asking another one for it is a bug."""
        if not isinstance(self.release, models):
            raise TypeError(f"{self.release.path} is no {' or '.join(each.__name__ for each in models)}")
        return cast("Resolved[Narrower]", self)


def id_of(what: Request | Plan[Any], word: str) -> str:
    return f"{what.product}-{what.release}-{word}-{what.arch}"
