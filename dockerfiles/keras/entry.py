#!/usr/bin/python3 -IS
"""Starts the program of the image: the words of docker run, else the application's command, else Python.

The settings lie in /etc/tfbuild/app.json. Without a GPU the GPU variant says so in one line, in the place of
the page of errors that TensorFlow would print. As the first process of a container it stays and passes
signals on: the kernel ignores SIGTERM for a first process without a handler, and docker would then kill it.
"""

import json
import os
import re
import signal
import sys

SETTINGS = "/etc/tfbuild/app.json"
# The NVIDIA runtime's device files, and those of WSL.
DEVICES = re.compile("nvidia[0-9]+|dxg")
NO_GPU = "keras-entry: no NVIDIA GPU here, TensorFlow computes on the CPU (docker run --gpus all)\n"


def settings() -> dict:
    try:
        with open(SETTINGS, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def has_gpu() -> bool:
    return any(DEVICES.fullmatch(name) for name in os.listdir("/dev"))


def prepare(found: dict) -> None:
    # A read-only root without a /tmp of its own: importing TensorFlow asks for a folder to write to.
    if not os.access("/tmp", os.W_OK):
        os.environ.setdefault("TMPDIR", "/dev/shm")
    if found.get("variant") == "gpu" and not has_gpu():
        sys.stderr.write(NO_GPU)
        sys.stderr.flush()
        # 3: the messages about the missing driver are errors to TensorFlow.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def start(command: list) -> None:
    try:
        os.execvp(command[0], command)
    except FileNotFoundError:
        sys.stderr.write(f"keras-entry: there is no program {command[0]} in this image\n")
        os._exit(127)
    except OSError as error:
        sys.stderr.write(f"keras-entry: {command[0]} cannot be started: {error.strerror}\n")
        os._exit(126)


def stay(child: int) -> int:
    """Pass signals on and collect children until ``child`` has ended; its exit code as a shell says it."""

    def forward(number, _frame) -> None:
        try:
            os.kill(child, number)
        except ProcessLookupError:
            pass

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, forward)
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def main() -> int:
    found = settings()
    words = sys.argv[1:]
    for name, value in found.get("environment", {}).items():
        os.environ.setdefault(name, value)
    if words == ["--healthcheck"]:
        words = found.get("healthcheck") or ["python3", "-c", "raise SystemExit('no healthcheck is set')"]
    else:
        prepare(found)
    command = words or found.get("command") or ["python3"]
    if os.getpid() != 1:
        start(command)
    child = os.fork()
    if child == 0:
        start(command)
    return stay(child)


sys.exit(main())
