"""The program ``tfbuild``: the commands of ``tasks.py``, from any folder."""

from __future__ import annotations

import sys
from typing import Any

from invoke.config import Config
from invoke.exceptions import Exit
from invoke.program import Program

from tfbuild import __version__
from tfbuild.base.errors import ExitCode, UsageError
from tfbuild.base.program_name import as_called, call_it
from tfbuild.cli.console import render_error
from tfbuild.cli.line.completion_script import completion_script
from tfbuild.cli.usage import exit_with_usage, list_in_groups
from tfbuild.machine.terminal import write_text
from tfbuild.tasks import GROUPS, ns


class _Program(Program):
    """With scripts of our own for the completion of some shells."""

    def parse_core(self, argv: list[str] | None) -> None:
        words = (sys.argv if argv is None else argv)[1:]
        try:
            script = completion_script(words, self.binary or self.name)
        except UsageError as error:
            render_error(error)
            raise Exit(code=int(ExitCode.USAGE)) from error
        if script is not None:
            write_text(script)
            raise Exit
        super().parse_core(argv)


class _NoFiles(Config):
    """None of invoke's own files (``~/.invoke.yaml``, ``INVOKE_...``): they change nothing here, and one that
    cannot be read would end every command with a traceback."""

    def _load_file(self, *_arguments: Any, **_options: Any) -> None:
        return

    def load_shell_env(self) -> None:
        return


def main() -> None:
    """Run the command line of this process."""
    call_it("tfbuild", ns.task_names)
    for task in ns.tasks.values():
        task.__doc__ = as_called(task.__doc__ or "")
        task.help = {name: as_called(text) for name, text in task.help.items()}
    program = _Program(
        version=__version__, namespace=ns, name="tfbuild", binary="tfbuild", config_class=_NoFiles
    )
    exit_with_usage(program)
    list_in_groups(program, GROUPS)
    program.run()
