"""Damaged files: good ones in which bytes flip, fields take extreme values, or parts go missing."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.images import Image, docker_archive, program
from tests.support.wheels import make_wheel
from tfbuild.base.errors import TfBuildError
from tfbuild.base.project import PROJECT
from tfbuild.verify.text import render
from tfbuild.verify.verify import load_policy, verify_path

ELF = PROJECT / "tests" / "data" / "elf"
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF)


@dataclass(frozen=True)
class Outcome:
    """What became of one damaged file."""

    name: str
    seed: int
    result: str  # "report", or the name of an error's class
    seconds: float


def mutated(data: bytes, generator: random.Random) -> bytes:
    """``data`` with one to eight changes of several kinds; sometimes cut short."""
    changed = bytearray(data)
    for _ in range(generator.randint(1, 8)):
        # Headers, where most can go wrong, are as likely as all the rest.
        end = min(256, len(changed)) if generator.random() < 0.5 else len(changed)
        at = generator.randrange(max(end, 1))
        size = generator.choice((1, 2, 4, 8))
        kind = generator.randrange(4)
        if kind == 0:
            changed[at : at + 1] = bytes([generator.randrange(256)])
        elif kind == 1:
            changed[at : at + size] = bytes([generator.choice(EXTREMES)]) * size
        elif kind == 2:
            value = int.from_bytes(changed[at : at + size], "little") + generator.choice((-8, -1, 1, 8))
            changed[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "little")
        else:
            other = generator.randrange(len(changed))
            changed[at : at + size] = changed[other : other + size]
    return bytes(changed[: generator.randrange(len(changed))] if generator.random() < 0.1 else changed)


def originals(folder: Path) -> dict[str, bytes]:
    """Good files of every kind that can be verified, by name; ``folder`` is for building them."""
    found = {
        f"{path.parent.name}-{path.name}": path.read_bytes()
        for arch in ("x86_64", "aarch64")
        for path in sorted((ELF / arch).iterdir())
        if path.is_file()
    }
    wheel = make_wheel(folder, {"pkg/a.so": found["x86_64-isa-new.so"], "pkg/b.so": found["x86_64-good.so"]})
    layer = [program("usr/lib/libtensorflowlite_c.so", found["x86_64-good.so"])]
    image = docker_archive(folder / "image.tar", Image([layer]))
    return {**found, wheel.name: wheel.read_bytes(), image.name: image.read_bytes()}


def damage(count: int, first_seed: int = 0) -> Iterator[Outcome]:
    """Verifies ``count`` damaged files. Whatever is no report and no error of ours comes out as it is."""
    policy = load_policy(PROJECT)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = sorted(originals(folder).items())
        for seed in range(first_seed, first_seed + count):
            label, data = files[seed % len(files)]
            path = folder / label
            path.write_bytes(mutated(data, random.Random(seed)))
            started = time.monotonic()
            try:
                render(verify_path(path, policy))
                result = "report"
            except TfBuildError as error:
                result = type(error).__name__
            except Exception as error:
                raise AssertionError(f"{label}, seed {seed}") from error
            yield Outcome(label, seed, result, time.monotonic() - started)
