"""The lines that the documentation gives to users of our results: they pass, and each attack stops them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.builds import Build
from tests.support.plans import PROJECT
from tfbuild.build.dist.signing import sign_folder
from tfbuild.trust.keys import read_signer

PAGE = PROJECT / "docs" / "trust.md"
pytestmark = pytest.mark.real_processes


def lines(heading: str) -> list[str]:
    """The first block of code below ``heading``."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1]
    return re.split(r"^```\w*\n", section, flags=re.MULTILINE)[1].strip().splitlines()


@pytest.fixture
def received(tmp_path: Path) -> Path:
    """A signed folder beside its public key, and an engine that has the image."""
    build = Build(tmp_path / "built")
    build.run()
    folder: Path = shutil.copytree(build.output, tmp_path / "received")
    for line in lines("Sign")[:2]:
        subprocess.run(["bash", "-c", line], cwd=tmp_path, check=True)
    sign_folder(folder, read_signer((tmp_path / "release.pem").read_bytes(), "", "release.pem"))
    image = json.loads((folder / "manifest.json").read_text())["image"]["id"]
    has_image(tmp_path, image)
    return folder


def has_image(folder: Path, image: str) -> None:
    """What stands in for the docker program says that the image has this id."""
    program = folder / "bin" / "docker"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\n[ "$1 $2" = "image inspect" ] && echo "{image}"\n')
    program.chmod(0o755)


def verified(folder: Path) -> subprocess.CompletedProcess[str]:
    script = "\n".join(("set -euo pipefail", *lines("How a user verifies a result")))
    path = f"{folder.parent / 'bin'}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "KEY": "../release.pub", "IMAGE": "tfbuild/tflite:2.14.1"}
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def test_the_documented_lines_are_five_and_pass(received: Path) -> None:
    assert len(lines("How a user verifies a result")) == 5
    done = verified(received)
    assert done.returncode == 0, done.stderr
    assert "urn:tfbuild:builder:unnamed" in done.stdout


@pytest.mark.parametrize(
    "name", ["lib/libtensorflowlite.so", "manifest.json", "SHA256SUMS", "SHA256SUMS.sig"]
)
def test_a_changed_byte_stops_them(name: str, received: Path) -> None:
    data = bytearray((received / name).read_bytes())
    data[len(data) // 2] ^= 1
    (received / name).write_bytes(bytes(data))
    assert verified(received).returncode != 0


def test_another_key_and_another_image_stop_them(received: Path) -> None:
    has_image(received.parent, f"sha256:{'f' * 64}")
    assert verified(received).returncode != 0
    has_image(received.parent, json.loads((received / "manifest.json").read_text())["image"]["id"])
    assert verified(received).returncode == 0
    for line in lines("Sign")[:2]:
        subprocess.run(["bash", "-c", line], cwd=received.parent, check=True)
    assert verified(received).returncode != 0
