"""The plan of a model server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tfbuild.base.errors import NothingMatchesError
from tfbuild.config.compilers.cpus import CompilerCpus
from tfbuild.config.compilers.options import CompilerOptions
from tfbuild.config.cpus import Cpus
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.assemble import Specifics, assemble
from tfbuild.plan.flags import Target
from tfbuild.plan.naming import model_extra, raw_extra
from tfbuild.plan.needs import Estimates
from tfbuild.plan.plan import Plan, Request, Resolved
from tfbuild.plan.remote.section import remote_of
from tfbuild.products.saved_model import ModelFolder
from tfbuild.products.serving.bazel.flags import STARTUP, BazelInputs, bazel_flags
from tfbuild.products.serving.bazel.release import ServerBuild, ServingRelease, Way
from tfbuild.products.serving.bazel.remote import require_remote
from tfbuild.products.serving.files import server_args, server_files
from tfbuild.products.serving.keys import ServingKeys
from tfbuild.products.serving.part import (
    BazelTool,
    CompilerTool,
    OverriddenRepository,
    ServingPart,
    TensorFlow,
    WayTaken,
)


def describe(part: ServingPart) -> Iterator[str]:
    where = f"package {part.bazel.package}" if part.bazel.package else "upstream's binary"
    yield f"  bazel     {part.bazel.version} ({where}); {' '.join(part.targets)}"
    compiler = part.compiler.cc or "which Bazel downloads"
    yield f"  compiler  {part.compiler.kind} {part.compiler.version} ({compiler}), Python {part.python}"
    yield f"  source    TensorFlow {part.tensorflow.version} inside, commit {part.tensorflow.commit}"
    yield "  phases    downloads first, then the compile"
    for argument in part.server_args:
        yield f"  server    {argument}"
    if part.model:
        versions = ", ".join(map(str, part.model.versions))
        yield f"  model     {part.model.path} as /models/{part.model.name}, version {versions}"


_STEPS = ("fetch", "root", "builder", "fetch-deps", "compile", "image", "verify", "dist")


@dataclass(frozen=True)
class ServingCircumstances:
    """What only a model server's plan depends on.

    ``cpus`` is the table of CPUs; ``raw`` are the words after ``--``; ``lock`` is the path of the release's
    lock file and ``seen`` what it says about the source; ``build_files`` are the hashes of the files in
    ``toolchains/bazel/overrides``. ``compiler`` knows CPUs, ``options`` are its own; None: nobody has asked
    the release's.
    """

    cpus: Cpus
    raw: tuple[str, ...] = ()
    model: ModelFolder | None = None
    lock: str = ""
    seen: str | None = None
    build_files: Mapping[str, str] | None = None
    compiler: CompilerCpus | None = None
    options: CompilerOptions | None = None


def make_serving_plan(found: Resolved[ServingRelease], more: ServingCircumstances) -> Plan[ServingPart]:
    """The plan.

    :raises NothingMatchesError: the release cannot be built so: no way to the architecture, a CPU that its
        compiler does not know, a name that upstream's .bazelrc does not have.
    :raises UsageError: an argument after ``--`` cannot be given.
    """
    request, config, release = found.request, found.config, found.release
    serving = release.serving
    way = _way(serving, request)
    flags = bazel_flags(
        BazelInputs(
            config,
            release,
            serving,
            way,
            found.lines,
            more.cpus,
            compiler=more.compiler,
            options=more.options,
            raw=more.raw,
        )
    )
    part = _part(
        serving, way, config, more, tuple(flag.text for flag in flags if flag.target is Target.BAZEL)
    )
    pins = release.pins(request.arch, request.build_arch, more.seen)
    require_remote(config)
    executed = bool(config.values.remote.executor)
    remote = remote_of(config, request.build_arch, found.circumstances.recorder, tools=executed)
    specifics = Specifics(
        title=f"compile TensorFlow Serving {release.version}",
        image_title="TensorFlow Serving",
        flags=flags,
        part=part,
        notes=tuple(_notes(serving, way, part, request)),
        pins=pins,
        unhashed=release.unhashed(more.lock, more.seen),
        compiled_from=(
            part.startup,
            part.arguments,
            part.targets,
            part.overrides,
            tuple(pin.sha256 for pin in pins if pin.name in {each.pin for each in part.overrides}),
            part.tensorflow,
        ),
        # What lies in the builder; sources and archives are given to the steps that read them.
        builder_from=(
            part.bazel,
            part.compiler,
            part.python,
            tuple(pin for pin in pins if pin.name == part.bazel.pin),
        ),
        image_from=(
            part.server_args,
            part.server_files,
            replace(part.model, path="") if part.model else None,
        ),
        verified_by=(part.version_pattern, part.smoke_models, part.smoke_services),
        steps=_STEPS,
        beyond=(
            *raw_extra(more.raw),
            *((model_extra(more.model.name, more.model.tree, more.model.path),) if more.model else ()),
        ),
        remote=remote,
    )
    return assemble(found, specifics)


def _way(serving: ServerBuild, request: Request) -> Way:
    way = serving.way(request.arch, request.build_arch)
    if way is None:
        able = [f"{each.arch} on {each.build_arch}" for each in serving.ways]
        if request.arch is request.build_arch:
            hint = "without serving.build_on=target it is cross-compiled, if the release supports that"
        else:
            hint = f"--set serving.build_on=target builds on an engine that is {request.arch} itself"
        raise NothingMatchesError(
            f"{request.product} {request.release} cannot be built for {request.arch} on {request.build_arch}",
            details=(f"it can for: {', '.join(able)}",),
            hint=hint,
        )
    return way


def _part(
    serving: ServerBuild,
    way: Way,
    config: ResolvedConfig,
    more: ServingCircumstances,
    arguments: tuple[str, ...],
) -> ServingPart:
    keys = config.values.of(ServingKeys)
    binary = serving.bazel.binaries.get(way.build_arch)
    needs = serving.needs
    return ServingPart(
        product="serving",
        tensorflow=TensorFlow(
            serving.tensorflow.version, serving.tensorflow.commit, serving.tensorflow.sha256
        ),
        bazel=BazelTool(serving.bazel.version, binary.name if binary else None, serving.bazel.package),
        compiler=CompilerTool(
            serving.compiler.kind,
            serving.compiler.version,
            (*serving.compiler.packages, *way.packages),
            way.cc or serving.compiler.cc,
        ),
        python=serving.python.version,
        startup=STARTUP,
        arguments=arguments,
        targets=serving.targets,
        binary=serving.binary,
        overrides=_overrides(serving, more.build_files or {}),
        archives=tuple(each.name for each in serving.archives),
        way=WayTaken("native" if way.arch is way.build_arch else "cross", way.state, way.text),
        needs=Estimates(needs.download_gib, needs.disk_gib, needs.memory_gib, needs.cpu_hours),
        version_pattern=serving.version_pattern,
        smoke_models=serving.smoke_models,
        smoke_services=serving.smoke_services,
        server_args=server_args(keys),
        server_files=server_files(keys),
        model=more.model,
    )


def _overrides(serving: ServerBuild, build_files: Mapping[str, str]) -> tuple[OverriddenRepository, ...]:
    return tuple(
        OverriddenRepository(
            each.repository,
            each.download.name,
            each.strip_prefix,
            each.subtree or "",
            each.build_file,
            build_files.get(each.build_file, ""),
        )
        for each in serving.overrides
    )


def _notes(serving: ServerBuild, way: Way, part: ServingPart, request: Request) -> Iterator[str]:
    never = "" if way.state == "run" else "; this way has never been run"
    yield f"{way.arch} on {way.build_arch}{never}: {way.text}"
    needs = part.needs
    yield (
        f"estimate: {needs.cpu_hours} CPU hours, {needs.memory_gib} GiB of memory, "
        f"{needs.disk_gib} GiB of disk, {needs.download_gib} GiB of downloads"
    )
    if serving.tensorflow.version != request.release.partition("-")[0]:
        yield f"upstream pins TensorFlow {serving.tensorflow.version} for this release"
