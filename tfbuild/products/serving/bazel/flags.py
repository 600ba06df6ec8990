"""From configuration and release to the options of Bazel; pure.

``--copt`` reaches what is compiled for the target, ``--host_copt`` the tools that run during the build
(https://bazel.build/docs/user-manual#copt): what the configuration says about the CPU goes to the first only,
so that a build machine with an older CPU than the target still runs its own tools.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tfbuild.base.arch import Arch
from tfbuild.base.errors import NothingMatchesError, UsageError
from tfbuild.base.text import did_you_mean
from tfbuild.base.values import Origin
from tfbuild.config.compilers.cpus import CompilerCpus
from tfbuild.config.compilers.options import CompilerOptions
from tfbuild.config.cpus import Cpus
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.flags import BUILT_IN, Flag, Target
from tfbuild.products.serving.bazel.compilers import march_flags, parse_version, since
from tfbuild.products.serving.bazel.release import ServerBuild, ServingRelease, Way
from tfbuild.products.serving.bazel.words import COMPILER_OPTIONS, flags_in, repeated, word_problem
from tfbuild.products.serving.keys import ServingKeys

# Before the command: only the workspace's own .bazelrc counts, so that two machines build the same.
# The JVM's first compiler alone: Bazel lives for one build, beside compilers that want the same cores, and
# the second costs more than it gives back (benchmarks/serving_build.py compares with a Bazel that has it).
STARTUP = ("--nosystem_rc", "--nohome_rc", "--host_jvm_args=-XX:TieredStopAtLevel=1")

# Where the builder has overridden repositories and our toolchains.
OVERRIDES = "/overrides"

# Since this version: bazelbuild/bazel issue 21330; the older form was to go afterwards (pull request 21684).
_LOCAL_RESOURCES = (7, 1)

# Lines for a log, not for a terminal. Without a cursor Bazel reports by this interval, whose default grows to
# a minute.
_OUTPUT = (
    "--color=no",
    "--curses=no",
    "--show_timestamps",
    "--verbose_failures",
    "--progress_report_interval=5",
)

# Names that guides for TensorFlow use, or that must not reach this build, and what to do instead.
_NOT_HERE: Mapping[str, str] = {
    "opt": (
        "upstream's .bazelrc has no 'opt', it comes from TensorFlow's ./configure: use this project's "
        "--config opt, which gives explicit flags"
    ),
    "nativeopt": "it also compiles the build's own tools for this CPU: use this project's --config native",
    "avx2_linux": "a name of TensorFlow's .bazelrc: use compile.march",
    "avx_linux": "a name of TensorFlow's .bazelrc: use compile.march",
    "macos": "this project builds for Linux",
}
# --config names that only one architecture's compiler can do anything with.
_ONLY_FOR: Mapping[str, Arch] = {"release": Arch.AMD64, "mkl": Arch.AMD64, "mkl_aarch64": Arch.ARM64}
_WHY_ONLY: Mapping[str, str] = {
    "release": "it is -mavx and -msse4.2, which no other compiler than that for x86 knows",
    "mkl": "its library is for x86; on arm64 there is mkl_aarch64",
    "mkl_aarch64": "it is oneDNN with the Compute Library for Arm, and sets -march=armv8.2-a",
}
# Options by whose name and first part a thing is meant: the release has its reasons for each that it gives.
_AFTER = "command line, after --"
_NAMED = ("--repo_env", "--override_repository")


@dataclass(frozen=True)
class BazelInputs:
    """What the options are made of."""

    config: ResolvedConfig
    release: ServingRelease
    serving: ServerBuild
    way: Way
    lines: Mapping[str, Origin]  # where the release's file has each key
    cpus: Cpus
    compiler: CompilerCpus | None = None  # which CPUs it knows; None: nobody has asked it
    options: CompilerOptions | None = None  # which options it knows; None: as above
    raw: tuple[str, ...] = ()  # the words after -- on the command line


def bazel_flags(inputs: BazelInputs) -> tuple[Flag, ...]:
    """The options of ``bazel build`` in their order, each with the line that caused it.

    :raises NothingMatchesError: the release's compiler does not know the configuration's CPU, or upstream's
        .bazelrc a name in ``serving.bazel_configs``.
    :raises UsageError: an argument after ``--`` cannot be given.
    """
    check_bazel_configs(inputs)
    own = (
        *(Flag(Target.BAZEL, text, str(BUILT_IN), "for the log") for text in _OUTPUT),
        *_of_release(inputs),
        *_of_rc_configs(inputs),
        *_of_compile_keys(inputs),
        *_of_serving_keys(inputs),
    )
    check_raw(inputs, own)
    return (*own, *(Flag(Target.BAZEL, text, _AFTER) for text in inputs.raw))


def limits(version: str, jobs: int, memory_mib: int, elsewhere: int | None = None) -> tuple[str, ...]:
    """Options that hold Bazel to ``jobs`` actions and ``memory_mib`` MiB here, as Bazel ``version`` spells
    them. ``elsewhere`` are the actions at a time where a cluster carries them out.

    They come from the engine when the compile starts; no result depends on them, so they are in no key.
    """
    if parse_version(version) >= _LOCAL_RESOURCES:
        return (
            f"--jobs={elsewhere or jobs}",
            f"--local_resources=cpu={jobs}",
            f"--local_resources=memory={memory_mib}",
        )
    return (
        f"--jobs={elsewhere or jobs}",
        f"--local_cpu_resources={jobs}",
        f"--local_ram_resources={memory_mib}",
    )


def check_bazel_configs(inputs: BazelInputs) -> None:
    """Raises :class:`NothingMatchesError` for a --config name that cannot work, before Bazel has started."""
    for index, name in enumerate(inputs.config.values.of(ServingKeys).bazel_configs):
        where = inputs.config.origins.get(f"serving.bazel_configs.{index}", BUILT_IN)
        _check_config(name, str(where), inputs)


def check_raw(inputs: BazelInputs, own: Sequence[Flag]) -> None:
    """Raises :class:`UsageError` for words after ``--`` that are no options, that undo what the plan has, or
    that do nothing as they are; all of them. ``own`` are the options that the plan has without them."""
    remote = inputs.config.values.remote
    network = bool(remote.cache or remote.executor)
    named = {"=".join(flag.text.split("=")[:2]): flag.origin for flag in own if flag.text.startswith(_NAMED)}
    problems: list[str] = []
    for last, word in zip(("", *inputs.raw), inputs.raw, strict=False):
        if not word.startswith("-"):
            problems.append(f"'{word}' after --: only options of Bazel are allowed there")
            continue
        if "TF_REVISION" in word:
            raise tf_revision_refused(f"'{word}' after --")
        name, _, value = word.partition("=")
        problem = (
            word_problem(word, network=network) or repeated(word, named) or _flag_problem(word, last, inputs)
        )
        if problem:
            problems.append(problem)
        elif name == "--config":
            _check_config(value, _AFTER, inputs)
    if problems:
        first, *others = problems
        hint = "the target comes from the release; write --option=value as one word"
        raise UsageError(first, details=tuple(others), hint=hint)


def _flag_problem(word: str, last: str, inputs: BazelInputs) -> str | None:
    """What the compiler has against its flags in ``word``, which it would say after hours. ``last`` is the
    word before it: ``--copt=-include --copt=x.h`` is one flag.

    A CPU by a raw flag wins over compile.march: the compiler has to know it as well.
    """
    option, _, value = word.partition("=")
    if option not in COMPILER_OPTIONS:
        return None
    arch = inputs.way.build_arch if option.startswith("--host_") else inputs.way.arch
    flags = flags_in(option, value)
    in_turn = zip((last.removeprefix(f"{option}="), *flags), flags, strict=False)
    problems = (_compiler_problem(flag, before, arch, inputs) for before, flag in in_turn)
    return next((f"'{word}' after --: {each}" for each in problems if each), None)


def _compiler_problem(flag: str, before: str, arch: Arch, inputs: BazelInputs) -> str | None:
    compiler, options = inputs.compiler, inputs.options
    if found := re.fullmatch(r"-m(arch|tune)=(.+)", flag):
        which: Literal["march", "mtune"] = "march" if found[1] == "arch" else "mtune"
        return compiler.problem(which, found[2], arch) if compiler else None
    return options.problem(flag, arch, before) if options else None


def tf_revision_refused(where: str) -> UsageError:
    """The error for TF_REVISION wherever it is found."""
    return UsageError(
        f"TF_REVISION is set ({where}): it replaces the pinned TensorFlow and drops upstream's checksum",
        details=("tensorflow_serving/repo.bzl of upstream reads it",),
        hint="unset TF_REVISION; for another TensorFlow write a release file of your own",
    )


def _check_config(name: str, where: str, inputs: BazelInputs) -> None:
    release, arch = inputs.release, inputs.config.arch
    if why := _NOT_HERE.get(name):
        raise NothingMatchesError(
            f"Bazel's --config={name} cannot be used", details=(why, f"named at {where}")
        )
    known = inputs.serving.bazelrc_configs
    if name not in known:
        whose = f"the .bazelrc of {release.product} {release.release}"
        raise NothingMatchesError(
            f"{whose} has no config '{name}'{did_you_mean(name, known)}",
            details=(f"named at {where}", f"it has: {', '.join(known)}"),
            hint="choose one of these, or another release: invoke list-releases",
        )
    only = _ONLY_FOR.get(name)
    if only is not None and arch is not only:
        raise NothingMatchesError(
            f"Bazel's --config={name} is for {only}, this build is for {arch}",
            details=(_WHY_ONLY[name], f"named at {where}"),
        )


def _of_release(inputs: BazelInputs) -> Iterator[Flag]:
    """What the release and the way it is built need, whatever the configuration."""
    serving, way = inputs.serving, inputs.way

    def flag(text: str, key: str, reason: str = "") -> Flag:
        return Flag(Target.BAZEL, text, str(inputs.lines.get(key, BUILT_IN)), reason)

    taken = f"serving.ways.{serving.ways.index(way)}"
    for option in way.options:
        yield flag(option, taken, f"{way.arch} on {way.build_arch}")
    if cc := way.cc or serving.compiler.cc:
        yield flag(
            f"--repo_env=CC={cc}", taken if way.cc else "serving.compiler.cc", "the release's compiler"
        )
    for name, value in serving.repository_environment.items():
        yield flag(f"--repo_env={name}={value}", f"serving.repository_environment.{name}")
    for number, define in enumerate(serving.defines):
        if define.arches is None or way.arch in define.arches:
            yield flag(f"--define={define.name}={define.value}", f"serving.defines.{number}", define.reason)
    for number, each in enumerate(serving.overrides):
        text = f"--override_repository={each.repository}={OVERRIDES}/{each.repository}"
        yield flag(text, f"serving.overrides.{number}", each.reason)
    for macro in inputs.release.compile_defines:
        text = macro.name if macro.value is None else f"{macro.name}={macro.value}"
        yield flag(f"--copt=-D{text}", f"compile_defines.{macro.name}", macro.reason)


def _of_rc_configs(inputs: BazelInputs) -> Iterator[Flag]:
    """Before all that this project says itself, so that the configuration's CPU and level win."""
    for index, name in enumerate(inputs.config.values.of(ServingKeys).bazel_configs):
        where = inputs.config.origins.get(f"serving.bazel_configs.{index}", BUILT_IN)
        yield Flag(Target.BAZEL, f"--config={name}", str(where), "upstream's .bazelrc")


def _of_compile_keys(inputs: BazelInputs) -> Iterator[Flag]:
    """The keys that mean the same for every product."""
    config = inputs.config
    keys = config.values.compile

    def of(path: str) -> str:
        return str(config.origins.get(path, BUILT_IN))

    if keys.march:
        # One group for the march: a level that the compiler has no name for is spelled out.
        flags = _march(keys.march, inputs)
        reason = "" if len(flags) == 1 else f"{keys.march}, for a compiler that lacks the name"
        yield from (Flag(Target.BAZEL, f"--copt={flag}", of("compile.march"), reason) for flag in flags)
    if keys.mtune:
        yield Flag(Target.BAZEL, f"--copt=-mtune={keys.mtune}", of("compile.mtune"))
    yield Flag(Target.BAZEL, f"--copt=-O{keys.optimisation}", of("compile.optimisation"))
    if keys.optimisation in {"0", "g"}:
        why = "upstream's -c opt defines it; a build for a debugger asserts"
        yield Flag(Target.BAZEL, "--copt=-UNDEBUG", of("compile.optimisation"), why)
    if keys.debug_info == "separate":
        yield Flag(Target.BAZEL, "--copt=-g", of("compile.debug_info"))
    if keys.lto:
        yield from _lto(inputs, of("compile.lto"))
    strip = "always" if keys.strip and keys.debug_info == "none" else "never"
    yield Flag(
        Target.BAZEL, f"--strip={strip}", of("compile.strip"), "the exported symbols of the server stay"
    )
    for name, value in keys.defines.items():
        text = name if value is None else f"{name}={value}"
        yield Flag(Target.BAZEL, f"--copt=-D{text}", of(f"compile.defines.{name}"))
    yield from _listed("--conlyopt", "compile.cflags", keys.cflags, config)
    yield from _listed("--cxxopt", "compile.cxxflags", keys.cxxflags, config)
    yield from _listed("--linkopt", "compile.ldflags", keys.ldflags, config)


def _march(march: str, inputs: BazelInputs) -> tuple[str, ...]:
    compiler = inputs.serving.compiler
    flags = march_flags(inputs.cpus, compiler.kind, compiler.version, march)
    if flags is None:
        first = ".".join(map(str, since(inputs.cpus, compiler.kind, march) or ()))
        where = inputs.config.origins.get("compile.march", BUILT_IN)
        release = f"{inputs.release.product} {inputs.release.release}"
        raise NothingMatchesError(
            f"-march={march} needs {compiler.kind} {first}, and {release} is built with {compiler.version}",
            details=(f"compile.march is {march} at {where}",),
            hint="take a newer release, or an older CPU: --set compile.march=x86-64-v4",
        )
    return flags


def _lto(inputs: BazelInputs, origin: str) -> Iterator[Flag]:
    """Link-time optimisation. Objects of the tools are not part of the link, so the host needs nothing."""
    # clang's thin form keeps the memory of the link within bounds; gcc takes the number of jobs from make's
    # job server, which there is not, and would use one CPU.
    how = "-flto=thin" if inputs.serving.compiler.kind == "clang" else "-flto=auto"
    for option in ("--copt", "--linkopt"):
        yield Flag(Target.BAZEL, f"{option}={how}", origin)


def _of_serving_keys(inputs: BazelInputs) -> Iterator[Flag]:
    config = inputs.config
    keys = config.values.of(ServingKeys)

    def of(path: str) -> str:
        return str(config.origins.get(f"serving.{path}", BUILT_IN))

    for name, value in keys.bazel_defines.items():
        yield Flag(Target.BAZEL, f"--define={name}={value}", of(f"bazel_defines.{name}"))
    yield from _listed("--copt", "serving.copts", keys.copts, config)
    yield from _listed("--host_copt", "serving.host_copts", keys.host_copts, config)
    yield from _listed("--linkopt", "serving.linkopts", keys.linkopts, config)


def _listed(option: str, path: str, values: Sequence[str], config: ResolvedConfig) -> Iterator[Flag]:
    for index, value in enumerate(values):
        yield Flag(Target.BAZEL, f"{option}={value}", str(config.origins.get(f"{path}.{index}", BUILT_IN)))
