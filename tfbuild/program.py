"""The program ``tfbuild``: the commands of ``tasks.py``, from any folder."""

from __future__ import annotations

from typing import Any

from invoke.config import Config
from invoke.program import Program

from tfbuild import __version__
from tfbuild.base.program_name import as_called, call_it
from tfbuild.cli.usage import exit_with_usage, list_in_groups
from tfbuild.tasks import GROUPS, ns


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
    program = Program(
        version=__version__, namespace=ns, name="tfbuild", binary="tfbuild", config_class=_NoFiles
    )
    exit_with_usage(program)
    list_in_groups(program, GROUPS)
    program.run()
