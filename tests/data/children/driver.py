"""Runs a command as the project does, with its signal handlers; 130 when interrupted, else 0.

Usage: driver.py LOG COMMAND...
"""

import os
import sys
from pathlib import Path

from tfbuild.machine.interrupts import install_signal_handlers
from tfbuild.machine.runner import Grace, SubprocessRunner

log, *command = sys.argv[1:]


def repeat(text: str) -> None:
    """One write, so that the lines of several processes do not mix."""
    os.write(1, text.encode() + b"\n")


try:
    with install_signal_handlers():
        SubprocessRunner(Grace(0.3, 0.3)).run(command, log=Path(log), on_line=repeat)
except KeyboardInterrupt:
    sys.exit(130)
