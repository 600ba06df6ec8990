"""From what one product decides to the plan: names, labels and keys are common to all. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Generic

from tfbuild.base.documents import fingerprint
from tfbuild.base.values import Pin, Unhashed
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.effect import notes_without_effect
from tfbuild.plan.flags import Flag
from tfbuild.plan.naming import Asked, Extra, config_extras, merged, require_short
from tfbuild.plan.patches import require_patchable
from tfbuild.plan.plan import (
    BUILD_ID_LABEL,
    KEY_LABEL,
    Image,
    Part,
    Plan,
    Request,
    Resolved,
    SourceTree,
    Step,
    id_of,
)
from tfbuild.plan.remote.layers import layer_notes, layers_of
from tfbuild.plan.remote.section import Remote, remote_notes
from tfbuild.plan.roots import Root, root_of
from tfbuild.plan.signing import signing_of
from tfbuild.releases.keys import Release, SourceRelease, debian_of, source_of, suite_of

STEPS = ("fetch", "root", "builder", "compile", "image", "verify", "dist")


@dataclass(frozen=True)
class Specifics(Generic[Part]):
    """What one product adds to the common plan."""

    title: str  # of the compile step
    image_title: str
    flags: tuple[Flag, ...]
    part: Part
    pins: tuple[Pin, ...] | None = None  # None: those of the release's file
    # What the compiler sees, besides source, patches and builder; None: the whole part, and all flags.
    compiled_from: tuple[object, ...] | None = None
    notes: tuple[str, ...] = ()
    builder_from: tuple[object, ...] = ()  # what only this product's builder has
    image_from: tuple[object, ...] = ()
    verified_by: tuple[object, ...] = ()
    unhashed: Unhashed | None = None
    roots: tuple[Root, Root | None] | None = None  # None: as the release's key 'debian' says
    unlocked: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()  # of which the builder has the source, and so can patch it
    steps: tuple[str, ...] = STEPS
    flavour: str | None = None  # of the image; None: as the key runtime.flavour says
    beyond: tuple[Extra, ...] = ()  # what was asked of this product, beyond the configuration
    labels: tuple[tuple[str, str], ...] = ()  # of the image, beside those that all have
    remote: Remote | None = None  # None also where the product compiles nothing


def assemble(found: Resolved[Release], specifics: Specifics[Part]) -> Plan[Part]:
    """The plan, from what is common and what one product adds."""
    request, config, release, circumstances = found.request, found.config, found.release, found.circumstances
    arch, values = request.arch, config.values
    beyond = config_extras(config, found.keys, circumstances.patch_hashes)
    asked = Asked(request.config, request.name, merged(beyond, (*specifics.beyond, *request.beyond)))
    request = replace(request, config=asked.word)
    epoch = circumstances.epoch_of(release)
    root, runtime_root = specifics.roots or roots_of(found)
    source, layers = source_of(release), layers_of(config)
    if not specifics.unlocked:
        release_name = f"{request.product} {request.release}"
        require_patchable(circumstances.patches, specifics.dependencies, release_name)
    draft = Plan(
        build_id=require_short(id_of(request, asked.word)),
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
            *layer_notes(layers),
            *notes_without_effect(config, found.keys, jobs=request.jobs is not None),
        ),
        quirks=tuple(f"{quirk.id}: {quirk.text}" for quirk in release.quirks),
        pins=_pins(request, release) if specifics.pins is None else specifics.pins,
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
        policy=found.policy,
        policy_sha256=circumstances.policy_sha256,
        source_date_epoch=epoch,
        distributable=values.distributable,
        output=str(Path(request.output, request.product, request.release, request.config, arch)),
        mirrors=circumstances.mirrors,
        signing=signing_of(values),
        remote=specifics.remote,
        layers=layers,
        steps=(),
    )
    done = replace(draft, steps=_steps(draft, specifics, circumstances.recipe))
    return replace(done, image=_with_key(done.image, done.key))


def _pins(request: Request, release: Release) -> tuple[Pin, ...]:
    return release.pins(request.arch, request.build_arch) if isinstance(release, SourceRelease) else ()


def _with_key(image: Image, key: str) -> Image:
    """The image as it is made: its label tells which plan it is of."""
    return replace(image, labels=tuple(sorted((*image.labels, (KEY_LABEL, key)))))


def roots_of(found: Resolved[Release]) -> tuple[Root, Root | None]:
    """The builder's root filesystem, and that of an image with a distribution in it."""
    request, values, release = found.request, found.config.values, found.release
    debian, epoch = debian_of(release), found.circumstances.epoch_of(release)
    pinned = debian.snapshot if debian and debian.base == "snapshot" else None
    root = root_of(values, suite_of(release), request.build_arch, snapshot=pinned)
    if values.runtime.base != "debian":
        return root, None
    include = (*(debian.runtime_packages if debian else ()), "ca-certificates")
    # The image's files have its own time.
    return root, replace(root, arch=request.arch, include=include, source_date_epoch=epoch)


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
        BUILD_ID_LABEL: id_of(request, request.config),
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
    made_from = specifics.compiled_from
    if made_from is None:
        made_from = (plan.part, tuple(flag.text for flag in plan.flags))
    compiled = fingerprint(
        [
            builder,
            plan.source.key if plan.source else None,
            [each.sha256 for each in plan.patches],
            *made_from,
            *result,
            plan.source_date_epoch,  # of the files, and of what __DATE__ says
        ]
    )
    made = replace(plan.image, tag="")  # neither what it is called nor where it goes changes a result
    image = fingerprint([compiled, made, plan.runtime_root, *specifics.image_from])
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
