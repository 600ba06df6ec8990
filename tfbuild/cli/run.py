"""How a command begins and ends: options become a typed value, what went wrong an exit code."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, TypeVar

from invoke.context import Context

from tfbuild.base.errors import Interrupted, TfBuildError, UsageError
from tfbuild.cli.line.environment import check_environment, debug_wanted
from tfbuild.machine.path_words import expected_error
from tfbuild.machine.terminal import prepare_streams, write_text

if TYPE_CHECKING:
    from tfbuild.plan.words import Words

Command = TypeVar("Command", bound=Callable[..., Any])
Options = TypeVar("Options", bound="SelectOptions | AllOptions")
_HELP = "help"


def _word(help: str) -> str:
    value: str = field(default="", metadata={_HELP: help})
    return value


def _switch(help: str) -> bool:
    value: bool = field(default=False, metadata={_HELP: help})
    return value


def _words(help: str) -> tuple[str, ...]:
    value: tuple[str, ...] = field(default=(), metadata={_HELP: help})
    return value


@dataclass(frozen=True, kw_only=True)
class SelectOptions:
    """The options that say which build is meant: a field each, with its help text."""

    release: str = _word("a pinned release, or a release file; invoke list-releases [the one marked *]")
    config: str = _word("a build configuration, or its file (.yaml); invoke list-configs [opt]")
    arch: str = _word("amd64 or arm64 (also x86_64, aarch64), or several: amd64,arm64 [this machine's]")
    set: tuple[str, ...] = _words("KEY=VALUE over the configuration, as compile.march=x86-64-v2; repeatable")
    json: bool = _switch("machine-readable result (or plan) on stdout")

    def words(self) -> Words:
        """What a plan is made of; the command adds its own options."""
        from tfbuild.cli.line.own_files import config_word, user_places
        from tfbuild.plan.words import Words

        config = config_word(self.config)
        return Words(release=self.release, config=config, arch=self.arch, sets=self.set, places=user_places())


@dataclass(frozen=True, kw_only=True)
class BuildOptions(SelectOptions):
    """The options that all build commands have."""

    jobs: str = _word("parallel compile jobs [from the engine's CPUs and memory]")
    name: str = _word("a word that names your changes to the configuration in the build's name [a hash]")
    tag: str = _word("name of the runtime image [tfbuild/PRODUCT:RELEASE-CONFIG-ARCH]")
    output: str = _word("folder for the results [dist]")
    on: str = _word("the docker context whose engine builds; the image is brought here [the engine in use]")
    dry_run: bool = _switch("print the plan; no engine, no network")
    verbose: bool = _switch("with --dry-run: each flag, file and package, with the line that gave it")
    sign: str = _word("private key file (Ed25519, ECDSA) that signs the results [signing.key]")
    push: str = _word("name in a registry that the image is pushed to, with its documents")
    offline: bool = _switch("download nothing: a file that is not here is an error")

    def words(self) -> Words:
        from tfbuild.cli.line.signing import sign_words

        words = super().words()
        return replace(
            words,
            jobs=self.jobs,
            name=self.name,
            tag=self.tag,
            output=self.output,
            sets=(*words.sets, *sign_words(self.sign)),
        )


@dataclass(frozen=True, kw_only=True)
class AllOptions:
    """The options of ``build-all``."""

    output: str = _word("folder for the results [dist]")
    at_once: str = _word("builds at a time, at most, on each engine [as its CPUs and memory allow]")
    keep_going: bool = _switch("after a failure, still start the remaining builds")
    dry_run: bool = _switch("print what would be built, and what is there; no engine, no network")
    sign: str = _word("private key file (Ed25519, ECDSA) that signs the results [signing.key]")
    offline: bool = _switch("download nothing: a file that is not here is an error")
    junit: str = _word("write what became of each build to this file, as JUnit XML for CI services")
    json: bool = _switch("machine-readable result (or plan) on stdout")


def help_of(options: type[SelectOptions | AllOptions]) -> dict[str, str]:
    """The help text of each option, as :func:`invoke.tasks.task` takes them."""
    return {each.name.replace("_", "-"): each.metadata[_HELP] for each in fields(options)}


def with_options(
    options: type[Options],
) -> Callable[[Callable[Concatenate[Context, Options, ...], int]], Callable[..., int]]:
    """Decorator of tasks: ``options`` is the second argument, and its fields are options of the command.

    invoke reads the signature of a task; a repeatable option is a list there, None by default.
    """
    shared = tuple(
        inspect.Parameter(
            each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default if each.default != () else None
        )
        for each in fields(options)
    )

    def decorate(command: Callable[Concatenate[Context, Options, ...], int]) -> Callable[..., int]:
        context, _, *own = inspect.signature(command).parameters.values()

        @functools.wraps(command)
        def wrapper(context: Context, **typed: Any) -> int:
            given = {each.name: typed.pop(each.name, each.default) for each in shared}
            # Of a repeatable option invoke gives a list, or None.
            lists = {each.name: tuple(given[each.name] or ()) for each in shared if each.default is None}
            found = options(**{**given, **lists})
            return command(context, found, **typed)

        parameters = [context, *shared, *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own)]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return wrapper

    return decorate


def run_command(command: Callable[[], int], typed: Sequence[str] = (), *, as_json: bool = False) -> int:
    """Run ``command`` and turn what went wrong into text on stderr and an exit code; ``as_json`` also into a
    document on stdout.

    ``typed`` are the words of the command line: a file that one of them names and that cannot be used is a
    wrong argument. TFBUILD_DEBUG=1 shows the traceback of an expected error too.
    """
    from tfbuild.artifacts.kept import kept_below
    from tfbuild.cli.console import render_error
    from tfbuild.cli.line.error_document import write_error
    from tfbuild.machine.cache import cache_root
    from tfbuild.machine.interrupts import install_signal_handlers

    prepare_streams()
    try:
        _require_folder()
        check_environment(os.environ)
        with install_signal_handlers(), kept_below(lambda: cache_root(os.environ)):
            return int(command())
    except TfBuildError as error:
        expected = error
    except KeyboardInterrupt:
        expected = Interrupted("interrupted", hint="the same command continues")
    except (OSError, ValueError) as error:
        found = expected_error(error, typed)
        if found is None:
            raise
        found.__cause__ = error
        expected = found
    if debug_wanted(os.environ):
        write_text("".join(traceback.format_exception(expected)), sys.stderr)
    if as_json:
        write_error(expected)
    render_error(expected)
    return int(expected.exit_code)


def _require_folder() -> None:
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise UsageError("the current folder is not there any more", hint="cd to another one") from error


def friendly(command: Command) -> Command:
    """Decorator of tasks: whatever the task returns or raises becomes the exit code of ``invoke``."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        typed = tuple(_strings([*args, *kwargs.values()]))
        as_json = bool(kwargs.get("json"))
        code = run_command(lambda: command(*args, **kwargs) or 0, typed, as_json=as_json)
        if code:
            raise SystemExit(code)

    return wrapper  # type: ignore[return-value]


def _strings(values: Sequence[Any]) -> Iterator[str]:
    """The words among the arguments of a task, those of repeatable options too."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from _strings(value)
