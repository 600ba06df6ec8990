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
import time

SETTINGS = "/etc/tfbuild/app.json"
# The NVIDIA runtime's device files, and those of WSL.
DEVICES = re.compile("nvidia[0-9]+|dxg")
NO_GPU = "keras-entry: no NVIDIA GPU here, TensorFlow computes on the CPU (docker run --gpus all)\n"


# What TensorFlow's libraries tell while they are loaded, before any level holds: informations and warnings
# with the time that absl has before it is initialised, and the lines around them.
EARLY = re.compile(
    rb"[IW]0000 00:00:[0-9.]+ +[0-9]+ [a-z_]+\.cc:[0-9]+\] "
    rb"|WARNING: All log messages before absl::InitializeLog"
    rb"|To enable the following instructions: "
)
LONGEST = 200  # bytes of a line that decide whether it is one of those


def settings() -> dict:
    try:
        with open(SETTINGS, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def has_gpu() -> bool:
    return any(DEVICES.fullmatch(name) for name in os.listdir("/dev"))


def prepare(found: dict) -> "int | None":
    """Sets what the program runs with; the id of the process that filters stderr, if there is one."""
    # A read-only root without a /tmp of its own: importing TensorFlow asks for a folder to write to.
    if not os.access("/tmp", os.W_OK):
        os.environ.setdefault("TMPDIR", "/dev/shm")
    if found.get("variant") == "gpu" and not has_gpu():
        sys.stderr.write(NO_GPU)
        sys.stderr.flush()
        # 3: the messages about the missing driver are errors to TensorFlow. Who set a level wants more.
        if "TF_CPP_MIN_LOG_LEVEL" not in os.environ:
            os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
            return filter_stderr()
    return None


def filter_stderr() -> int:
    """From here on a process of its own reads stderr and leaves the early lines out; its id."""
    reading, writing = os.pipe()
    sys.stderr.flush()
    reader = os.fork()
    if reader == 0:
        os.close(writing)
        pump(reading, 2)
        os._exit(0)
    os.close(reading)
    os.dup2(writing, 2)
    os.close(writing)
    return reader


def pump(source: int, target: int) -> None:
    """Copy lines as they come; only the beginning of one that may be dropped waits for its end."""
    pending, dropping, start = b"", False, True
    while chunk := os.read(source, 65536):
        for piece in chunk.splitlines(keepends=True):
            pending += piece
            ended = pending.endswith((b"\n", b"\r"))
            if start and not ended and len(pending) < LONGEST and pending[:1] in (b"I", b"W", b"T"):
                continue
            if start:
                dropping = EARLY.match(pending) is not None
            if not dropping:
                os.write(target, pending)
            pending, start = b"", ended
    os.write(target, pending)


def start(command: list) -> None:
    try:
        os.execvp(command[0], command)
    except FileNotFoundError:
        sys.stderr.write(f"keras-entry: there is no program {command[0]} in this image\n")
        os._exit(127)
    except OSError as error:
        sys.stderr.write(f"keras-entry: {command[0]} cannot be started: {error.strerror}\n")
        os._exit(126)


def stay(child: int, reader: "int | None") -> int:
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
            if reader:
                wait_briefly(reader)
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def wait_briefly(reader: int) -> None:
    """Let the filter write what it has: the kernel would end it with this process. Not for long: what the
    program left behind may keep its stderr open for ever."""
    os.close(2)
    for _ in range(100):
        try:
            if os.waitpid(reader, os.WNOHANG)[0]:
                return
        except ChildProcessError:
            return
        time.sleep(0.02)


def main() -> int:
    found = settings()
    words = sys.argv[1:]
    for name, value in found.get("environment", {}).items():
        os.environ.setdefault(name, value)
    if words == ["--healthcheck"]:
        reader = None
        words = found.get("healthcheck") or ["python3", "-c", "raise SystemExit('no healthcheck is set')"]
    else:
        reader = prepare(found)
    command = words or found.get("command") or ["python3"]
    if os.getpid() != 1:
        start(command)
    child = os.fork()
    if child == 0:
        start(command)
    return stay(child, reader)


sys.exit(main())
