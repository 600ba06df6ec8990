"""Images started by ``invoke run``, and asked from this machine."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.support.plans import PROJECT
from tfbuild.base.errors import ExitCode


@contextmanager
def started(*words: str) -> Iterator[dict[str, Any]]:
    """``invoke run WORDS`` while somebody uses what it started, then Ctrl-C; nothing is left of it.

    Gives its document.
    """
    argv = [str(Path(sys.executable).parent / "invoke"), "run", *words, "--json"]
    with subprocess.Popen(
        argv, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout
        try:
            lines = [run.stdout.readline()]
            while lines[-1] not in ("}\n", ""):
                lines.append(run.stdout.readline())
            document: dict[str, Any] = json.loads("".join(lines))
            yield document
        finally:
            run.send_signal(signal.SIGINT)
            _, said = run.communicate(timeout=60)
    assert run.returncode == ExitCode.INTERRUPTED, said
    left = subprocess.run(
        ("docker", "ps", "--all", "--quiet", "--filter", f"name={document['container']}"),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert left.stdout == ""


def answer_of(document: dict[str, Any], container_port: int, path: str, body: str = "") -> tuple[int, Any]:
    """What the server at the port says once it listens, within a minute; status and JSON."""
    (port,) = (each["host"] for each in document["ports"] if each["container"] == container_port)
    for _ in range(120):
        connection = HTTPConnection(document["host"], port, timeout=10)
        with closing(connection), suppress(OSError, HTTPException):
            connection.request("POST" if body else "GET", path, body or None)
            found = connection.getresponse()
            return found.status, json.loads(found.read())
        time.sleep(0.5)
    pytest.fail(f"nothing answers at port {port}")
