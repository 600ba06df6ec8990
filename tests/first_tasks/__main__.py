"""Walks docs/first-tasks.md on a bare machine, in a container beside this machine's engine.

    python -m tests.first_tasks                     compare what is said with the page; 1 where it differs
    python -m tests.first_tasks --update            write what is said into the page
    --task N                                        the first N tasks alone
    --mount PATH, --env NAME                        what the machine needs of this one, for apt and pip

It needs root, an engine, mmdebstrap, and the network that builds need; it takes about half an hour.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.first_tasks.bare import Machine, bare_machine
from tests.first_tasks.page import Step, fits, read_steps, updated
from tfbuild.base.errors import HostError
from tfbuild.base.project import PROJECT
from tfbuild.machine.interrupts import install_signal_handlers
from tfbuild.machine.runner import SubprocessRunner

PAGE = PROJECT / "docs" / "first-tasks.md"
INSTALL = """set -e
python3 -m venv /opt/tfbuild
/opt/tfbuild/bin/pip install --quiet {wheel}
ln -s /opt/tfbuild/bin/tfbuild /usr/local/bin/tfbuild
cp {folder}/model.tflite .
export EXAMPLES={folder}/examples
echo installed"""
MODEL = PROJECT / "dockerfiles" / "tflite" / "smoke" / "models" / "conv_float32.tflite"


def main(words: list[str]) -> int:
    options = _parser().parse_args(words)
    text = PAGE.read_text(encoding="utf-8")
    steps = read_steps(text)
    tasks = list(dict.fromkeys(step.task for step in steps))[: options.task]
    runner = SubprocessRunner()
    with install_signal_handlers(), tempfile.TemporaryDirectory() as name:
        wheel = _wheel(runner, Path(name))
        shutil.copytree(PROJECT / "examples", Path(name) / "examples")
        shutil.copyfile(MODEL, Path(name) / "model.tflite")
        with bare_machine(runner, Path(name), (*options.mount, name), options.env) as machine:
            said = machine.run(INSTALL.format(wheel=wheel, folder=name))
            if not said.rstrip().endswith("installed"):
                raise HostError("tfbuild cannot be installed on the bare machine", details=(said[-2000:],))
            outputs = _walk(machine, [step for step in steps if step.task in tasks], show=not options.update)
    if options.update:
        PAGE.write_text(updated(text, outputs), encoding="utf-8")
        return 0
    return int(any(not fits(step.answer, outputs[step.line]) for step in steps if step.line in outputs))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.first_tasks")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--task", type=int, default=None)
    parser.add_argument("--mount", action="append", default=[])
    parser.add_argument("--env", action="append", default=[])
    return parser


def _wheel(runner: SubprocessRunner, folder: Path) -> Path:
    argv = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), ".")
    made = runner.capture(argv, cwd=PROJECT, timeout_s=600)
    if not made.ok:
        raise HostError("no wheel could be made", details=(made.stderr[-2000:],))
    return next(folder.glob("*.whl"))


def _walk(machine: Machine, steps: list[Step], *, show: bool) -> dict[int, str]:
    """What each step says, by its line; a task goes on after a step that says something else."""
    outputs: dict[int, str] = {}
    for step in steps:
        print(f"{step.line}: {step.command.splitlines()[0]}", flush=True)
        outputs[step.line] = machine.run(step.command)
        if show and not fits(step.answer, outputs[step.line]):
            print(f"docs/first-tasks.md:{step.line} shows something else; this was said:")
            print(outputs[step.line], flush=True)
    return outputs


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except HostError as error:
        sys.exit("\n".join((error.message, *error.details)))
