"""Exit code 2 for a command line that cannot be followed, before anything starts.

invoke answers 1, which means a bug here (https://docs.pyinvoke.org/en/stable/concepts/invoking-tasks.html),
and it ignores what it does not need. Its own way to change that is a program of one's own, but then the
command would not be ``invoke``. The methods of its ``Program`` that are replaced are not its public
interface: pyproject.toml names the versions that this was tested with.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from invoke.collection import Collection
from invoke.exceptions import Exit, ParseError
from invoke.program import Program
from invoke.tasks import Task

from tfbuild.base.errors import ExitCode, UsageError
from tfbuild.cli.line.command_words import Command, Flag, judge
from tfbuild.cli.line.completion import candidates, read_typed
from tfbuild.machine.terminal import prepare_streams, silence, write_lines

# Where this project's commands are; a user's own tasks.py may have more.
_TASKS = "tfbuild.tasks"


def exit_with_usage(program: Program) -> None:
    """Make ``program`` judge the whole command line first, in our words and with our exit code."""
    if "parse_tasks" in vars(program):
        return  # done already: tasks.py can be loaded more than once
    prepare_streams()  # also for what invoke prints itself
    parse, settle = program.parse_tasks, program.update_config

    def parse_tasks() -> None:
        def work() -> None:
            _judge(program)
            try:
                parse()
            except ParseError as error:
                raise UsageError(str(error).rstrip("."), hint="invoke --list") from error

        _usage(work, program.argv)

    def update_config(*arguments: Any, **options: Any) -> None:
        def work() -> None:
            try:
                settle(*arguments, **options)
            except Exception as error:  # it has no class of its own for a file that it cannot read
                raise UsageError(
                    f"invoke cannot read its own configuration: {error}",
                    hint="unset INVOKE_RUNTIME_CONFIG, and the other variables INVOKE_...",
                ) from error

        _usage(work, program.argv)

    program.parse_tasks = parse_tasks  # type: ignore[method-assign]
    program.update_config = update_config  # type: ignore[method-assign]
    _let_readers_leave(program)


def list_in_groups(program: Program, groups: Mapping[str, Sequence[Task[Any]]]) -> Collection:
    """The commands of ``groups``; ``--list`` and a bare ``invoke`` show them by group.

    A ``tasks.py`` of a user's may have more of them.
    """

    def list_flat() -> None:
        named = {group: {task.name for task in tasks} for group, tasks in groups.items()}
        pairs = program._make_pairs(program.scoped_collection)
        width = max(len(name) for name, _ in pairs)
        ours = {name for names in named.values() for name in names}
        named["Of this folder"] = {name.replace("-", "_") for name, _ in pairs} - ours
        for group, names in named.items():
            if not names:
                continue
            write_lines([f"{group}:"])
            program.print_columns(
                [(f"{name:<{width}}", text) for name, text in pairs if name.replace("-", "_") in names]
            )
        write_lines(["invoke --help COMMAND shows the options of a command."])

    program.list_flat = list_flat  # type: ignore[method-assign]

    def no_tasks_given() -> None:
        list_flat()
        raise Exit

    program.no_tasks_given = no_tasks_given  # type: ignore[method-assign]
    return Collection(*(task for tasks in groups.values() for task in tasks))


def _complete(program: Program) -> None:
    """Answer the completion of a shell, where invoke's own answer knows no values."""
    from tfbuild.cli.guide.values import values_of

    typed = read_typed(program.core.remainder)
    found = candidates(typed, commands_of(program.collection), values_of)
    if found is None:
        return
    write_lines(found)
    raise Exit


def _let_readers_leave(program: Program) -> None:
    """What invoke prints itself (``--list | head -1``) ends without a traceback too."""
    answer = program.parse_cleanup

    def parse_cleanup() -> None:
        try:
            if program.args.complete.value:
                _complete(program)
            answer()
        except OSError as error:
            silence(sys.stdout)
            if isinstance(error, BrokenPipeError):
                raise Exit(code=int(ExitCode.OK)) from error
            raise Exit(f"error: {error.strerror}", code=int(ExitCode.HOST_NOT_READY)) from error

    program.parse_cleanup = parse_cleanup  # type: ignore[method-assign]


def _usage(work: Callable[[], None], argv: Sequence[str]) -> None:
    """Do ``work``; what is wrong with the command line ``argv`` ends the program with exit code 2."""
    from tfbuild.cli.console import render_error
    from tfbuild.cli.line.error_document import write_error

    try:
        work()
    except UsageError as error:
        # Whatever else is wrong with the line: who typed it reads JSON.
        if "--json" in (argv[: argv.index("--")] if "--" in argv else argv):
            write_error(error)
        render_error(error)
        raise Exit(code=int(ExitCode.USAGE)) from error


def _judge(program: Program) -> None:
    judged = judge(program.argv[1:], commands_of(program.collection), _flags(program.initial_context))
    if judged.completion:
        return
    if judged.help_for:
        # invoke would take --help for the target of verify.
        program.core[0].args["help"].value = judged.help_for
        program.core.unparsed = []
    for place, name in judged.unnamed:
        program.core.unparsed[place] = f"--{name}={program.core.unparsed[place]}"
    for place, name in reversed(judged.left_out):
        # invoke knows positional arguments without a default only.
        program.core.unparsed.insert(place + 1, f"--{name}=")


def commands_of(collection: Collection) -> dict[str, Command]:
    """The commands of ``collection`` by each of their names."""
    commands: dict[str, Command] = {}
    # invoke takes the help texts out of a task whose options it reads, and reads them again for --help.
    texts = {name: dict(task.help) for name, task in collection.tasks.items()}
    contexts = collection.to_contexts()
    for name, task in collection.tasks.items():
        task.help = texts[name]
    for context in contexts:
        name = str(context.name)
        positional = tuple(arg.names[0] for arg in context.positional_args)
        task = collection.tasks[name]
        command = Command(name, _flags(context), positional, is_ours=task.body.__module__ == _TASKS)
        commands |= dict.fromkeys((name, *context.aliases), command)
    return commands


def _flags(context: Any) -> tuple[Flag, ...]:
    return tuple(
        Flag(
            tuple(f"--{name}" if len(name) > 1 else f"-{name}" for name in arg.names),
            takes_value=arg.takes_value,
            repeatable=arg.kind is list,
            optional=arg.optional,
        )
        for arg in context.args.values()
    )
