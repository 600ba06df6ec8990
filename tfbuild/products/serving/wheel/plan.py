"""The plan of a model server that is linked with the libraries of an official TensorFlow wheel; pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tfbuild.base.arch import Arch
from tfbuild.base.documents import fingerprint
from tfbuild.base.errors import NothingMatchesError
from tfbuild.base.values import Origin
from tfbuild.config.keys import BuildConfig
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.assemble import Specifics, assemble
from tfbuild.plan.flags import BUILT_IN, Flag, Target, compile_flags
from tfbuild.plan.naming import Extra, model_extra
from tfbuild.plan.needs import Estimates
from tfbuild.plan.plan import Plan, Request, Resolved
from tfbuild.products.saved_model import ModelFolder
from tfbuild.products.serving.files import server_args, server_files
from tfbuild.products.serving.keys import ServingKeys
from tfbuild.products.serving.part import (
    CompilerTool,
    FurtherTree,
    LeftOut,
    LinkedWheel,
    OperatorLibraries,
    ProtocTool,
    ServerSources,
    TensorFlow,
    TensorFlowTree,
    WheelServerPart,
)
from tfbuild.products.serving.wheel.parts import left_out, without_parts
from tfbuild.products.serving.wheel.release import (
    ServerWheel,
    ServingWheelRelease,
    WheelBuild,
    WheelCompiler,
    commit_in,
)
from tfbuild.products.serving.wheel.rules import NO_CPU
from tfbuild.products.serving.wheel.sources import SourceList
from tfbuild.releases.keys import Release

# What makes code for another CPU than the wheel's: inline functions that both have would be for two.
CPU_FLAGS = ("-march=", "-mtune=")
_SHORT = 7  # digits of a commit, as git shortens it
PUBLIC_SOURCE_FOLDER = "/usr/src/tensorflow-serving"
# What the builder has besides the compiler and what is linked in.
_TOOLS = ("ccache", "cmake", "g++", "ninja-build", "protobuf-compiler", "protobuf-compiler-grpc")


@dataclass(frozen=True)
class WheelCircumstances:
    """What only such a plan depends on: the stored list of sources and its path, the model, the release's
    lock file and what it says about the source, the libraries of operators."""

    sources: SourceList
    listed_in: str
    lock: str = ""
    seen: str | None = None
    model: ModelFolder | None = None
    operators: tuple[OperatorLibraries, ...] = ()


def make_wheel_server_plan(
    found: Resolved[ServingWheelRelease], more: WheelCircumstances
) -> Plan[WheelServerPart]:
    """The plan.

    :raises NothingMatchesError: there is no wheel for the architecture, or it is of another TensorFlow.
    :raises ConfigError: a part is to be left out that the release does not have.
    """
    request, config, release, lines = found.request, found.config, found.release, found.lines
    build = release.wheel
    without = left_out(config, release)
    wheel = require_wheel(release, request.arch, lines)
    flags = (*_flags(config, release, lines), *_cmake_flags(request, config, release, lines))
    part = _part(
        without_parts(build, without),
        wheel,
        config,
        more,
        flags,
        require_protoc(release, request.build_arch, lines),
    )
    part = replace(part, without=tuple(LeftOut(each.name, each.text, each.sources) for each in without))
    pins = release.pins(request.arch, request.build_arch, more.seen)
    specifics = Specifics(
        title=f"compile TensorFlow Serving {release.version}, link it with the wheel",
        image_title="TensorFlow Serving",
        flags=flags,
        part=part,
        notes=tuple(_notes(config, part)),
        pins=pins,
        unhashed=release.unhashed(more.lock, more.seen),
        compiled_from=(
            part.cmake_cache,
            part.sources,
            part.tree,
            _sha256_of(pins, part.wheel.filename),
            part.further,
            part.protoc,
            tuple(each.name for each in part.without),
            tuple((each.sha256, each.members) for each in part.operators),
        ),
        builder_from=(part.compiler, part.packages, _TOOLS),
        image_from=(
            part.server_args,
            part.server_files,
            replace(part.model, path="") if part.model else None,
        ),
        verified_by=(part.version_pattern, part.smoke_models, part.smoke_services),
        beyond=tuple(_beyond(more)),
    )
    return assemble(found, specifics)


def _beyond(more: WheelCircumstances) -> Iterator[Extra]:
    """What names of the build tell besides the configuration: files by their content."""
    if more.model:
        yield model_extra(more.model.name, more.model.tree, more.model.path)
    if more.operators:
        yield Extra("serving.op_libraries", fingerprint([each.sha256 for each in more.operators]))


def builder_packages(compiler: CompilerTool, arch: Arch, build_arch: Arch) -> tuple[str, ...]:
    """What is installed for the machine that builds."""
    if arch is build_arch:
        return (*_TOOLS, *compiler.packages)
    triplet = arch.platform.triplet.replace("_", "-")
    # Clang compiles for a foreign target itself, and finds here what it links with.
    cross = f"g++-{triplet}"
    if compiler.kind == "clang":
        return (*_TOOLS, *compiler.packages, cross)
    return (*_TOOLS, cross, *(f"{each}-{triplet}" for each in compiler.packages))


def policy_name(release: Release, values: BuildConfig) -> str:
    """The policy that a configuration names, else the one for the base."""
    return values.policy or f"{release.product}-wheel-{values.runtime.base}"


def require_wheel(release: ServingWheelRelease, arch: Arch, lines: Mapping[str, Origin]) -> ServerWheel:
    """The wheel for ``arch``.

    :raises NothingMatchesError: there is none, it is of another commit than the one that Serving's WORKSPACE
        pins, or its protobuf has headers that the suite's protoc does not write code for.
    """
    build, where = release.wheel, lines.get("wheel.wheels", release.path)
    wheel = build.find(arch)
    if wheel is None:
        able = ", ".join(str(each.arch) for each in build.wheels)
        raise NothingMatchesError(
            f"{release.product} {release.release} has no wheel for {arch}",
            details=(f"{where} has: {able}",),
            hint="invoke list-releases shows which release can be built for which architecture",
        )
    if not build.tensorflow.commit.startswith(commit_in(wheel.git_version)):
        raise NothingMatchesError(
            f"{release.product} {release.release}: the wheel is not the TensorFlow that Serving pins",
            details=(
                f"Serving's WORKSPACE: {build.tensorflow.commit} (TensorFlow {build.tensorflow.version})",
                f"the wheel:           {commit_in(wheel.git_version)} ({wheel.git_version})",
                f"{wheel.download.filename}, at {where}",
            ),
            hint="another release: code that is compiled against one TensorFlow must not run with another",
        )
    if _series(build.protobuf) != _series(wheel.protobuf):
        protoc = "protoc of the release" if build.protoc else f"protoc of Debian {release.debian.suite}"
        raise NothingMatchesError(
            f"{release.product} {release.release}: protoc and the wheel's protobuf do not go together",
            details=(f"{protoc}: {build.protobuf}", f"headers of the wheel: {wheel.protobuf}"),
            hint="generated code is only valid for the protobuf that it was generated for",
        )
    return wheel


def require_protoc(
    release: ServingWheelRelease, build_arch: Arch, lines: Mapping[str, Origin]
) -> ProtocTool | None:
    """The protoc out of a wheel, for the machine that builds; None where the suite has it.

    :raises NothingMatchesError: there is none for that machine.
    """
    protoc = release.wheel.protoc
    if protoc is None:
        return None
    if build_arch not in protoc.binaries:
        able = ", ".join(map(str, protoc.binaries))
        raise NothingMatchesError(
            f"{release.product} {release.release} cannot be built on {build_arch}: it has no protoc for it",
            details=(f"{lines.get('wheel.protoc', release.path)} has: {able}",),
            hint="an engine on one of these: export DOCKER_HOST=ssh://USER@MACHINE",
        )
    download = protoc.binaries[build_arch]
    return ProtocTool(download.name, download.sha256, protoc.member)


def _series(version: str) -> str:
    """What has to be the same: https://protobuf.dev/support/cross-version-runtime-guarantee/

    Generated code compares the whole version since 5.26 (``PROTOBUF_VERSION != ...`` in it).
    """
    numbers = [int(each) for each in version.split(".")]
    return version if numbers >= [5, 26] else ".".join(version.split(".")[:2])


def _flags(
    config: ResolvedConfig, release: ServingWheelRelease, lines: Mapping[str, Origin]
) -> Iterator[Flag]:
    """What compiler and linker get; the release's macros are those that the wheel was compiled with."""
    where = str(lines.get("wheel.defines", BUILT_IN))
    shared = [
        Flag(
            Target.COMPILE,
            f"-D{each.name}" if each.value is None else f"-D{each.name}={each.value}",
            where,
            each.reason,
        )
        for each in release.wheel.defines
    ]
    shared += [
        Flag(Target.COMPILE, text, str(lines.get("wheel.options", BUILT_IN)))
        for text in release.wheel.options
    ]
    for flag in compile_flags(config, release, lines, shared, PUBLIC_SOURCE_FOLDER):
        if not flag.text.startswith(CPU_FLAGS):
            yield flag
    keys = config.values.of(ServingKeys)
    for target, path, values in (
        (Target.COMPILE, "serving.copts", keys.copts),
        (Target.LINK, "serving.linkopts", keys.linkopts),
    ):
        yield from (
            Flag(target, text, str(config.origins.get(f"{path}.{index}", BUILT_IN)))
            for index, text in enumerate(values)
        )


def _cmake_flags(
    request: Request, config: ResolvedConfig, release: ServingWheelRelease, lines: Mapping[str, Origin]
) -> Iterator[Flag]:
    build, compiler = release.wheel, release.wheel.compiler_for(request.arch)
    where, platform = str(lines.get("wheel.compiler", BUILT_IN)), request.arch.platform
    yield Flag(Target.CMAKE, f"CMAKE_CXX_COMPILER={_compiler(compiler, request)}", where)
    yield Flag(Target.CMAKE, "CMAKE_BUILD_TYPE=Release", str(BUILT_IN))
    if request.arch is not request.build_arch:
        yield Flag(Target.CMAKE, "CMAKE_SYSTEM_NAME=Linux", str(BUILT_IN), "a cross build")
        yield Flag(Target.CMAKE, f"CMAKE_SYSTEM_PROCESSOR={platform.machine}", str(BUILT_IN))
        if compiler.kind == "clang":
            yield Flag(Target.CMAKE, f"CMAKE_CXX_COMPILER_TARGET={platform.triplet}", str(BUILT_IN))
    revision = str(lines.get("revision", BUILT_IN))
    yield Flag(Target.CMAKE, f"REVISION={release.revision[:_SHORT]}", revision, "what --version says")
    if config.values.compile.ccache:
        origin = str(config.origins.get("compile.ccache", BUILT_IN))
        yield Flag(Target.CMAKE, "CMAKE_CXX_COMPILER_LAUNCHER=ccache", origin)
    for name, folder in (
        ("SERVING", "/tree/source"),
        ("TENSORFLOW", "/tensorflow"),
        ("WHEEL", "/tree/wheel/tensorflow"),
        ("REQUEST", "/request"),
        ("ARCHIVES", f"/usr/lib/{platform.multiarch}"),
        ("ISOLATED", "/tree/archives"),
        ("PROTOC", "/further/protoc/protoc" if build.protoc else "/usr/bin/protoc"),
    ):
        yield Flag(Target.CMAKE, f"{name}={folder}", str(BUILT_IN))


def _compiler(compiler: WheelCompiler, request: Request) -> str:
    """clang compiles for any target; GCC has a program for each."""
    if compiler.kind == "clang" or request.arch is request.build_arch:
        return compiler.cxx
    folder, _, name = compiler.cxx.rpartition("/")
    return f"{folder}/{request.arch.platform.triplet}-{name}"


def _cache(flags: tuple[Flag, ...]) -> tuple[tuple[str, str], ...]:
    """CMake's cache entries that ``flags`` amount to."""

    def joined(*targets: Target) -> str:
        return " ".join(shlex.quote(flag.text) for flag in flags if flag.target in targets)

    cache = {
        "CMAKE_CXX_FLAGS": joined(Target.COMPILE, Target.CXX),
        "CMAKE_CXX_FLAGS_RELEASE": joined(Target.OPTIMISE),
        "CMAKE_EXE_LINKER_FLAGS": joined(Target.LINK),
    }
    for flag in flags:
        if flag.target is Target.CMAKE:
            name, _, value = flag.text.partition("=")
            cache[name] = value
    return tuple(sorted(cache.items()))


def _part(
    build: WheelBuild,
    wheel: ServerWheel,
    config: ResolvedConfig,
    more: WheelCircumstances,
    flags: tuple[Flag, ...],
    protoc: ProtocTool | None,
) -> WheelServerPart:
    keys, tensorflow, needs = config.values.of(ServingKeys), build.tensorflow, build.needs
    compiler = build.compiler_for(wheel.arch)
    return WheelServerPart(
        product="serving",
        tensorflow=TensorFlow(tensorflow.version, tensorflow.commit, tensorflow.sha256),
        tree=TensorFlowTree(
            tensorflow.archive.name, tensorflow.archive.sha256, tensorflow.strip_prefix, tensorflow.subtrees
        ),
        wheel=LinkedWheel(wheel.download.filename, wheel.git_version, wheel.compiler, wheel.libraries),
        compiler=CompilerTool(compiler.kind, compiler.version, compiler.packages, compiler.cxx),
        packages=build.packages,
        protobuf=build.protobuf,
        protoc=protoc,
        further=tuple(
            FurtherTree(
                pin=each.archive.name,
                sha256=each.archive.sha256,
                strip_prefix=each.strip_prefix,
                subtrees=each.subtrees,
                include=each.include or "",
                sources=each.sources,
                services=each.services,
                license_file=each.license_file,
            )
            for each in build.further
        ),
        sources=ServerSources(
            target=build.target,
            sources=more.sources.sources,
            protos=more.sources.protos,
            services=more.sources.services,
            tensorflow_sources=tensorflow.sources,
            tensorflow_protos=tensorflow.protos,
            tensorflow_services=tensorflow.services,
            archives=build.archives,
            whole_archives=build.whole_archives,
            isolated=tuple(" ".join((each.namespace, *each.archives)) for each in build.isolated),
            listed_in=more.listed_in,
            external=more.sources.external,
        ),
        without=(),
        operators=more.operators,
        cmake_cache=_cache(flags),
        needs=Estimates(needs.download_gib, needs.disk_gib, needs.memory_gib, needs.cpu_hours),
        version_pattern=build.version_pattern,
        smoke_models=build.smoke_models,
        smoke_services=build.smoke_services,
        server_args=server_args(keys),
        server_files=server_files(keys),
        model=more.model,
    )


def _sha256_of(pins: tuple[object, ...], filename: str) -> tuple[str, ...]:
    return tuple(str(getattr(pin, "sha256", "")) for pin in pins if getattr(pin, "filename", "") == filename)


def _notes(config: ResolvedConfig, part: WheelServerPart) -> Iterator[str]:
    yield "TensorFlow is the wheel's: compile.* reaches Serving's own code, not TensorFlow's kernels"
    if march := config.values.compile.march:
        yield f"compile.march is {march} and changes nothing: {NO_CPU}"
    for each in part.without:
        yield f"left out: {each.name}, {each.text}"
    operators = [each for each in part.sources.external if each.startswith(_OPERATORS)]
    if operators and not part.operators:
        yield f"operators that upstream's server has and this one does not: {', '.join(operators)}"


# Operators of other repositories, which upstream links in and no TensorFlow wheel has.
_OPERATORS = ("@org_tensorflow_text//", "@org_tensorflow_decision_forests//")


def describe(part: WheelServerPart) -> Iterator[str]:
    """Lines of ``--dry-run``."""
    sources, wheel = part.sources, part.wheel
    yield f"  wheel     {wheel.filename}"
    yield f"            {wheel.git_version}, compiled with {wheel.compiler}"
    compiler = part.compiler
    yield f"  compiler  {compiler.kind} {compiler.version} ({compiler.cc}), protoc {part.protobuf}"
    yield f"  source    TensorFlow {part.tensorflow.version} inside, commit {part.tensorflow.commit}"
    own = len(set(sources.sources) - part.left_out_sources)
    others = len(sources.tensorflow_sources)
    yield f"  compiles  {own} files and {len(sources.protos)} protos of Serving's, {others} of TensorFlow's"
    for each in part.further:
        yield (
            f"            {len(each.sources)} of {each.pin}"
            if each.sources
            else f"            headers of {each.pin}"
        )
    yield f"            as {sources.listed_in} says, which is compared with the source first"
    for out in part.without:
        yield f"  without   {out.name}: {out.text}"
    for file in part.operators:
        yield f"  operators {file.path} ({file.origin}): {', '.join(file.names)}"
    for argument in part.server_args:
        yield f"  server    {argument}"
    if part.model:
        versions = ", ".join(map(str, part.model.versions))
        yield f"  model     {part.model.path} as /models/{part.model.name}, version {versions}"
