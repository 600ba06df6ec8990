"""Which keys of a configuration do something in which build, and what of them this build cannot do. Pure.

What was asked for happens, or is told: a key that a build has no use for is a note of its plan, and a value
that would have to be ignored is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, ConfigProblem, NothingMatchesError
from tfbuild.base.text import did_you_mean
from tfbuild.config.compilers.cpus import CompilerCpus
from tfbuild.config.compilers.options import CompilerOptions
from tfbuild.config.cpus import Cpus
from tfbuild.config.layers import BUILT_IN
from tfbuild.config.load import DEFAULT_CONFIG, ResolvedConfig
from tfbuild.config.model import ConfigModel, Kind, Section
from tfbuild.releases.keys import Release, Unsupported

# What every product gives to the compiler and the linker as it is.
_FLAGS = ("compile.cflags", "compile.cxxflags", "compile.ldflags")


def _as_it_is(march: str) -> bool:
    del march
    return True


@dataclass(frozen=True, kw_only=True)
class KeyRules:
    """What the keys of a configuration are to one kind of build. All are beginnings of dotted keys.

    ``sections`` are the product's own. ``idle`` are keys that the build does not read, and why; the first
    that fits counts. ``impossible`` are keys that it could not honour, and that nobody would want ignored.
    No name of a build depends on ``unnamed``; the values of ``words`` are words of names; ``late`` is added
    when everything is compiled. ``passes_on`` says whether the compiler gets the name of a CPU as it is
    written. ``flags`` are keys of the product with words for the compiler, ``host_flags`` those for what it
    compiles to run during the build. ``all_compiled`` is why a configuration that is about compiling changes
    nothing.
    """

    sections: tuple[str, ...]
    idle: Mapping[str, str] = field(default_factory=dict)
    impossible: Mapping[str, str] = field(default_factory=dict)
    unnamed: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    passes_on: Callable[[str], bool] = _as_it_is
    flags: tuple[str, ...] = ()
    host_flags: tuple[str, ...] = ()
    all_compiled: str = ""

    def foreign(self, model: ConfigModel) -> tuple[Section, ...]:
        """The sections of other products."""
        return tuple(each for each in model.products if each.name not in self.sections)

    def why_idle(self, path: str, model: ConfigModel) -> str | None:
        """Why a build does not read the key ``path``; None where it does."""
        foreign = {each.name: f"it is a key of {each.command}" for each in self.foreign(model)}
        rules = (*self.idle.items(), *foreign.items())
        return next((why for start, why in rules if f"{path}.".startswith(f"{start}.")), None)

    def reads(self, path: str, model: ConfigModel) -> bool:
        """Whether a build can do anything with the key ``path``."""
        refused = any(f"{path}.".startswith(f"{start}.") for start in self.impossible)
        return not refused and self.why_idle(path, model) is None


def notes_without_effect(config: ResolvedConfig, rules: KeyRules, *, jobs: bool) -> Iterator[str]:
    """A line for each key that was given and that this build does not read; ``jobs``: --jobs was given."""
    # In a file that several products share these sections say themselves whose they are.
    in_files = ("compile.", "remote.", *(f"{each.name}." for each in config.model.products))
    for path in config.model.keys:
        why = rules.why_idle(path, config.model)
        origin = config.origins[path]
        if why is None or origin == BUILT_IN:
            continue
        if str(origin).startswith("--"):
            yield f"{path} changes nothing: {why}"
        elif not path.startswith(in_files):
            yield f"{path} ({origin}) changes nothing: {why}"
    if rules.all_compiled and config.name != DEFAULT_CONFIG and _compiles(config):
        yield f"compile.* of the config '{config.name}' changes nothing: {rules.all_compiled}"
    if jobs and "resources" in rules.idle:
        yield f"--jobs changes nothing: {rules.idle['resources']}"


def _compiles(config: ResolvedConfig) -> bool:
    """Whether a file of the configuration itself has something to say to a compiler."""
    keys = (path for path in config.model.keys if path.startswith("compile."))
    return any(config.origins[path].line for path in keys)


def require_possible(
    config: ResolvedConfig,
    release: Release,
    rules: KeyRules,
    arch: Arch,
    compiler: CompilerCpus | None,
    options: CompilerOptions | None = None,
    build_arch: Arch | None = None,
    cpus: Cpus | None = None,
) -> None:
    """Refuse what would have to be ignored, or would fail hours later. ``compiler`` knows CPUs,
    ``options`` are its own; None: nothing is compiled, or nobody has asked it. ``build_arch`` is what the
    build's own tools run on, where it is not ``arch``; ``cpus`` says what an architecture can have.

    :raises ConfigError: all such values, with their places.
    :raises NothingMatchesError: the release cannot be built so; its file says why.
    """
    problems = (
        *_impossible(config, rules),
        *_unknown_cpus(config, rules, arch, compiler, cpus),
        *_unknown_options(config, rules, options, arch, build_arch or arch),
        *_unknown_keys(config, release),
    )
    if problems:
        raise ConfigError(tuple(problems))
    for each in release.unsupported:
        if where := _asked(config, each):
            value = f"={each.value}" if each.value is not None else ""
            raise NothingMatchesError(
                f"{release.product} {release.release} cannot be built with {each.key}{value}",
                details=(each.reason, f"asked for at {config.origins[where]}"),
                hint=each.instead,
            )


def _impossible(config: ResolvedConfig, rules: KeyRules) -> Iterator[ConfigProblem]:
    for path, why in rules.impossible.items():
        if config.origins[path] == BUILT_IN or not _differs(config, path):
            continue
        places = [key for key in config.origins if key.startswith(f"{path}.")] or [path]
        yield from (config.problem(key, why) for key in places)


def _differs(config: ResolvedConfig, path: str) -> bool:
    """Whether the value is another one than the built-in default."""
    return bool(_value(config, path) != _value_of(type(config.values)(), path))


def _value(config: ResolvedConfig, path: str) -> object:
    return _value_of(config.values, path)


def _value_of(values: object, path: str) -> object:
    for part in path.split("."):
        values = getattr(values, part)
    return values


def _asked(config: ResolvedConfig, unsupported: Unsupported) -> str | None:
    """The key whose value is what the release cannot do, or None."""
    found_setting = _setting(unsupported.key, config.model)
    if found_setting is None:
        return None
    path, entry = found_setting
    found = _value(config, path)
    if entry is not None:
        found = found.get(entry) if isinstance(found, Mapping) else None
    if found is None or config.origins.get(unsupported.key, BUILT_IN) == BUILT_IN:
        return None
    same = unsupported.value is None or _canonical(str(found)) == _canonical(unsupported.value)
    return unsupported.key if same else None


def _canonical(text: str) -> str:
    """One word for all that CMake takes for true: https://cmake.org/cmake/help/latest/command/if.html#constant"""
    return "true" if text.lower() in {"1", "on", "yes", "true", "y"} else text


def _setting(key: str, model: ConfigModel) -> tuple[str, str | None] | None:
    """The key of a configuration that ``key`` names, and the entry where it is a map's."""
    if key in model.keys:
        return key, None
    path, _, entry = key.rpartition(".")
    found = model.keys.get(path)
    return (path, entry) if found and found.kind is Kind.MAP and entry else None


def _unknown_keys(config: ResolvedConfig, release: Release) -> Iterator[ConfigProblem]:
    """What the release's file says of keys that there are not."""
    for each in release.unsupported:
        if _setting(each.key, config.model) is None:
            text = (
                f"'unsupported' names an unknown key '{each.key}'{did_you_mean(each.key, config.model.keys)}"
            )
            yield ConfigProblem(release.path, 1, 1, text)


def _unknown_options(
    config: ResolvedConfig, rules: KeyRules, options: CompilerOptions | None, arch: Arch, build_arch: Arch
) -> Iterator[ConfigProblem]:
    if options is None:
        return
    of_target = ((path, arch) for path in (*_FLAGS, *rules.flags))
    of_host = ((path, build_arch) for path in rules.host_flags)
    for path, target in (*of_target, *of_host):
        if path not in config.model.keys or rules.why_idle(path, config.model):
            continue
        found = _value(config, path)
        flags = found if isinstance(found, tuple) else ()
        for index, (before, flag) in enumerate(zip(("", *flags), flags, strict=False)):
            if problem := options.problem(flag, target, before):
                yield config.problem(f"{path}.{index}", problem)


def _unknown_cpus(
    config: ResolvedConfig, rules: KeyRules, arch: Arch, compiler: CompilerCpus | None, cpus: Cpus | None
) -> Iterator[ConfigProblem]:
    keys = config.values.compile
    if compiler is None:
        return
    passed_on = keys.march and rules.passes_on(keys.march)
    if keys.march and passed_on and (problem := compiler.problem("march", keys.march, arch)):
        yield config.problem("compile.march", problem)
    elif keys.march and cpus and (why := cpus.why_impossible(keys.march, arch)):
        yield config.problem("compile.march", f"-march={keys.march} is not possible for {arch}: {why}")
    if keys.mtune and (problem := compiler.problem("mtune", keys.mtune, arch)):
        yield config.problem("compile.mtune", problem)
