"""The plan of a TFLite build from source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError
from tfbuild.config.keys import BuildConfig
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.assemble import STEPS, Specifics, assemble
from tfbuild.plan.flags import Flag, Target, compile_flags
from tfbuild.plan.plan import Plan, Resolved
from tfbuild.plan.remote.launcher import by_ccache, require_remote
from tfbuild.plan.remote.section import remote_of
from tfbuild.products.tflite.cmake.flags import (
    cmake_cache,
    dependency_flags,
    litert_folder,
    source_flags,
    tflite_cmake_flags,
)
from tfbuild.products.tflite.compilers import Clang, compilers
from tfbuild.products.tflite.keys import TfliteKeys
from tfbuild.products.tflite.part import PythonPart, TensorflowPart, TflitePart
from tfbuild.products.tflite.profile import Profile, left_out
from tfbuild.products.tflite.python.plan import STEPS as PYTHON_STEPS
from tfbuild.products.tflite.python.plan import TOOLS, python_flags, python_part, python_roots
from tfbuild.products.tflite.release import (
    LITE,
    TfliteSource,
    TfliteWheelRelease,
    Upstream,
    UpstreamRelease,
    lite_folder,
    needs_cpus,
)
from tfbuild.products.tflite.selection.select import (
    Selection,
    notes,
    selected_cases,
    selected_suites,
    selection_flags,
)
from tfbuild.products.tflite.smoke.cases import SmokeCase, python_cases, smoke_cases
from tfbuild.products.tflite.smoke.operators import (
    OperatorCase,
    OperatorLimit,
    native_cases,
    on_emulated_cpus,
    script_cases,
)
from tfbuild.releases.dependency import PlacedFile
from tfbuild.releases.keys import Release, debian_of
from tfbuild.releases.load import lock_command
from tfbuild.releases.lock import Condition, Lock
from tfbuild.releases.state import LockedSources, ReleaseLock, for_build


def make_tflite_plan(
    found: Resolved[TfliteSource],
    *,
    lock: ReleaseLock,
    promised: str = "",
    selection: Selection | None = None,
    clang: Clang | None = None,
    profile: Profile | None = None,
) -> Plan[TflitePart]:
    """``lock`` is the release's. ``selection`` are the operators that are linked; None: all.

    ``promised`` is the CPU that the configuration promises to run on, as the builder's QEMU calls it; empty
    where it has none. ``clang`` is the suite's, if that can compile TFLite; ``profile`` is what
    it optimises by.
    """
    request, config, release = found.request, found.config, found.release
    values = config.values
    locked = for_build(release, lock.lock, request.arch, conditions(values))
    python = python_part(config, release)
    compiled_by = compilers(release, config, found.lines, clang)
    of_profile = (profile.flag,) if profile else ()
    flags = (*_flags(found, python, locked, lock, selection), *compiled_by.flags, *of_profile)
    _refuse_overridden(config, flags)
    require_remote(config)
    cpu = promised if request.arch is not request.build_arch else ""
    part = _part(found, python, locked, flags, selection, cpu)
    packages = (*part.build_packages, *compiled_by.packages)
    part = replace(part, build_packages=packages, profile=profile)
    pins = release.pins(request.arch, request.build_arch)
    roots = python_roots(found) if python else None
    made_with = (roots[1].key,) if roots else ()
    specifics = Specifics(
        title=f"compile TFLite {release.version}",
        image_title="TensorFlow Lite",
        flags=flags,
        part=part,
        beyond=(
            *((selection.extra,) if selection else ()),
            *((profile.extra,) if profile and found.config.values.of(TfliteKeys).profile else ()),
        ),
        notes=(
            *_notes(release, locked.reasons, lock.lock, cpu, values.debian.suite),
            *_of_the_suite(release, values),
            *compiled_by.notes,
            *left_out(config, release),
            *(notes(selection) if selection else ()),
        ),
        pins=(*pins, *locked.pins),
        unlocked=locked.reasons,
        dependencies=tuple(each.name for each in locked.dependencies),
        compiled_from=(
            part.cmake_cache,
            part.dependencies,
            part.host_tools,
            *((part.tensorflow,) if part.tensorflow else ()),
            *((selection.linked,) if selection else ()),
            *made_with,
        ),
        # What is installed in the builder; sources are given to the steps that read them.
        builder_from=(
            *(pin for pin in pins if pin.name not in {release.source.name, *part.placed}),
            *part.build_packages,
            *(TOOLS if python else ()),
        ),
        roots=roots,
        remote=remote_of(
            config,
            request.build_arch,
            found.circumstances.recorder,
            tools=not by_ccache(values.remote.executor or "", values.remote.cache or ""),
        ),
        verified_by=(part.smoke, part.operators),
        steps=PYTHON_STEPS if python else STEPS,
    )
    return assemble(found, specifics)


def _flags(
    found: Resolved[TfliteSource],
    python: PythonPart | None,
    locked: LockedSources,
    lock: ReleaseLock,
    selection: Selection | None,
) -> Iterator[Flag]:
    config, release = found.config, found.release
    yield from compile_flags(config, release, found.lines, tuple(source_flags(release, found.lines)))
    yield from tflite_cmake_flags(config, release, found.lines)
    if python:
        yield from python_flags(python, found.request.arch, config)
    yield from dependency_flags(locked.dependencies, lock.path)
    if selection:
        yield from selection_flags(selection, config)


def _part(
    found: Resolved[TfliteSource],
    python: PythonPart | None,
    locked: LockedSources,
    flags: tuple[Flag, ...],
    selection: Selection | None,
    cpu: str,
) -> TflitePart:
    """``cpu`` is what QEMU has to be; empty: the one with everything, or none at all."""
    config, release = found.config, found.release
    keys = config.values.of(TfliteKeys)
    upstream = release.upstream if isinstance(release, UpstreamRelease) else Upstream()
    litert = litert_folder(release, config)
    smoke, operators = _tests(
        release,
        found.request.arch,
        python,
        xnnpack=keys.xnnpack,
        published=upstream.published_as or "",
        litert=litert is not None,
    )
    if selection:
        smoke, operators = selected_cases(smoke, selection), selected_suites(operators, selection)
    return TflitePart(
        product="tflite",
        cmake_cache=tuple(sorted(cmake_cache(flags).items())),
        xnnpack=keys.xnnpack,
        smoke=tuple(replace(case, cpu=cpu) for case in smoke),
        operators=on_emulated_cpus(operators, cpu),
        dependencies=locked.dependencies,
        host_tools=upstream.host_tools,
        folder=upstream.folder,
        litert=litert,
        tensorflow=_tensorflow_part(upstream),
        build_packages=upstream.build_packages,
        programs=_programs(release),
        python=python,
        entries=tuple(sorted(keys.cmake_definitions)),
        unconfirmed=locked.unconfirmed,
        repinned=tuple(sorted(release.repinned)),
        selection=selection,
    )


def _programs(release: Release) -> tuple[str, ...]:
    """The names of what the builder gets from elsewhere than Debian."""
    debian = debian_of(release)
    return tuple(sorted({each.name for each in debian.programs})) if debian else ()


def _tests(
    release: TfliteSource,
    arch: Arch,
    python: PythonPart | None,
    *,
    xnnpack: bool,
    published: str,
    litert: bool,
) -> tuple[tuple[SmokeCase, ...], tuple[OperatorCase, ...]]:
    """Inferences, and the packs of models, which are compared with the package ``published``."""
    version, limits, dynamic = release.version, operator_limits(release, arch), release.dynamic_graphs
    cpus = needs_cpus(release, arch)
    if python:
        suites = script_cases(version, limits, python.package, xnnpack=xnnpack, like=published)
        cases = python_cases(python.package, xnnpack=xnnpack, dynamic=dynamic, needs_cpus=cpus)
        return cases, suites
    suites = native_cases(version, limits, xnnpack=xnnpack, package=published, litert=litert)
    return smoke_cases(xnnpack=xnnpack, dynamic=dynamic, needs_cpus=cpus), suites


def _tensorflow_part(upstream: Upstream) -> TensorflowPart | None:
    asked = upstream.tensorflow
    if asked is None:
        return None
    files = tuple(PlacedFile(asked.pin(each).name, each.sha256, each.path) for each in asked.files)
    return TensorflowPart(asked.license_file, files)


def policy_name(values: BuildConfig, release: Release) -> str:
    """The policy that a configuration names, else the one for the flavour. How large an image may be is told
    by TensorFlow Lite's versions, and LiteRT has others, and another name for its Python module."""
    kind = "litert" if lite_folder(release) != LITE else "tflite"
    if values.runtime.flavour != "native":
        return values.policy or f"{kind}-{values.runtime.flavour}-scratch"  # there is no other base for them
    if values.runtime.base != "scratch":
        kind = "tflite"
    return values.policy or f"{kind}-{values.runtime.base}"


def conditions(values: BuildConfig) -> tuple[Condition, ...]:
    """The optional parts that a configuration asks for."""
    return ("tflite.gpu_delegate",) if values.of(TfliteKeys).gpu_delegate else ()


def _refuse_overridden(config: ResolvedConfig, flags: tuple[Flag, ...]) -> None:
    """An entry that the release or its lock gives has a reason there; two values of one entry are no plan.

    ``-std=`` would be overridden: upstream sets CMAKE_CXX_STANDARD, whose flag comes after all others.
    """
    asked = {
        f"tflite.cmake_definitions.{name}": name for name in config.values.of(TfliteKeys).cmake_definitions
    }
    origins = {str(config.origins[key]) for key in asked}
    given = {
        flag.text.partition("=")[0]: flag
        for flag in flags
        if flag.target is Target.CMAKE and flag.origin not in origins
    }
    problems = []
    for key, name in asked.items():
        if other := given.get(name):
            why = f" ({other.reason})" if other.reason else ""
            problems.append(config.problem(key, f"'{name}' is set by {other.origin}{why}"))
    for index, flag in enumerate(config.values.compile.cxxflags):
        if flag.startswith("-std="):
            text = f"'{flag}': upstream sets CMAKE_CXX_STANDARD, whose own -std= comes after it"
            problems.append(config.problem(f"compile.cxxflags.{index}", text))
    if problems:
        raise ConfigError(tuple(problems))


def operator_limits(release: TfliteSource | TfliteWheelRelease, arch: Arch) -> tuple[OperatorLimit, ...]:
    """What the release's file says that it gets wrong on ``arch``."""
    return tuple(
        OperatorLimit(quirk.id, quirk.operator_models, quirk.unknown_operators, quirk.api)
        for quirk in release.quirks
        if (quirk.operator_models or quirk.unknown_operators) and arch in (quirk.arches or (arch,))
    )


def _of_the_suite(release: Release, values: BuildConfig) -> Iterator[str]:
    """What an image on Debian has from the suite, and the dist folder from elsewhere."""
    debian = debian_of(release)
    if debian is None or values.runtime.base != "debian":
        return
    elsewhere = {each.filename.partition("_")[0] for each in debian.downloads}
    for name in debian.runtime_packages:
        if name in elsewhere:
            yield f"the image has {debian.suite}'s {name}, not the release's: --verbose tells what differs"


def _notes(
    release: Release, reasons: tuple[str, ...], lock: Lock, cpu: str, suite: str | None
) -> Iterator[str]:
    if suite:
        yield f"built on Debian's {suite}; a release's status is for the Debian that its file names"
    if cpu:
        yield f"qemu-user is {cpu}, the CPU that -march promises; the operators run on its 'max' too"
    if not reasons and lock.made_from and lock.made_from.declared_in:
        yield f"the lock was read in {lock.made_from.declared_in}; it is compared with the source first"
    for reason in reasons:
        yield f"cannot be built: {reason}; {lock_command(release)}"
