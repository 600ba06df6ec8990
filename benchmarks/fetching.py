"""What a download costs: a lock with 16 sources from a loopback server, against ``curl --parallel``.

    python -m benchmarks.fetching [--rounds N] [--folder DIR]

Ours hashes every byte and gives a file its name only then; curl writes. Then: what it costs to find all of
them right in the cache, and how much of them is read for that. The bytes are random; the sizes are those of
sources, 2 to 60 MB.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, cast

from benchmarks.figures import Spread, Target, machine, paired_ratios, say, table
from tests.support.reporters import SilentReporter
from tfbuild.base.values import Pin
from tfbuild.downloads.fetch import Fetcher
from tfbuild.downloads.store import entry_of

# MB. The sum is about what TFLite with upstream's dependencies takes.
SIZES = (60, 55, 48, 40, 36, 30, 24, 20, 16, 12, 10, 8, 6, 4, 3, 2)
LEAST_RATIO = 0.8
WARM_S = 1.0
_MB = 1_000_000


class _Handler(SimpleHTTPRequestHandler):
    """Hands the file to the kernel: the server must not be what is measured."""

    protocol_version = "HTTP/1.1"

    def copyfile(self, source: Any, outputfile: Any) -> None:
        del outputfile
        self.wfile.flush()
        self.connection.sendfile(cast(BinaryIO, source))

    def log_message(self, format: str, *args: object) -> None:
        del format, args


def serve(folder: Path) -> None:
    """In a process of its own, until it is ended; prints its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    argv = [sys.executable, "-m", "benchmarks.fetching", "--serve", str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def make_files(folder: Path) -> dict[str, str]:
    """Sixteen files of random bytes; their hashes by name."""
    found = {}
    for number, size in enumerate(SIZES):
        name = f"source-{number:02}.tar.gz"
        content = os.urandom(size * _MB)
        (folder / name).write_bytes(content)
        found[name] = hashlib.sha256(content).hexdigest()
    return found


def pins_of(hashes: dict[str, str], base: str) -> tuple[Pin, ...]:
    return tuple(
        Pin(name, (f"{base}/{name}",), sha256, name, size * _MB)
        for (name, sha256), size in zip(hashes.items(), SIZES, strict=True)
    )


def ours(pins: Sequence[Pin], cache: Path) -> None:
    Fetcher(cache, reporter=SilentReporter()).fetch_all(pins)


def curl(pins: Sequence[Pin], folder: Path) -> None:
    words = [word for pin in pins for word in ("--output", str(folder / pin.filename), pin.urls[0])]
    subprocess.run(["curl", "--silent", "--no-progress-meter", "--fail", "--parallel", *words], check=True)


def timed(work: Callable[[Sequence[Pin], Path], None], pins: Sequence[Pin], folder: Path) -> float:
    """Seconds into a fresh folder, and the folder gone again. What is left to write is written before."""
    target = folder / "target"
    target.mkdir()
    os.sync()
    began = time.perf_counter()
    work(pins, target)
    seconds = time.perf_counter() - began
    shutil.rmtree(target)
    return seconds


def bytes_read() -> int:
    """What this process has read through system calls, from the disk or from memory."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("rchar:")))


def warm(pins: Sequence[Pin], folder: Path, rounds: int) -> tuple[list[float], int, bool]:
    """Seconds to find all pins right in a cache, the most bytes read for it, and whether a change is seen."""
    cache = folder / "warm"
    ours(pins, cache)
    seconds, most = [], 0
    for _ in range(rounds):
        before, began = bytes_read(), time.perf_counter()
        Fetcher(cache, reporter=SilentReporter(), offline=True).fetch_all(pins)
        seconds.append(time.perf_counter() - began)
        most = max(most, bytes_read() - before)
    victim = entry_of(cache, pins[0])
    with victim.file.open("r+b") as file:
        file.write(b"!")
    noticed = not victim.is_stamped()
    shutil.rmtree(cache)
    return seconds, most, noticed


def main(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place)
        (folder / "site").mkdir()
        say(f"making {len(SIZES)} files, {sum(SIZES)} MB")
        hashes = make_files(folder / "site")
        times: dict[str, list[float]] = {"ours": [], "curl": []}
        with serving(folder / "site") as base:
            pins = pins_of(hashes, base)
            for work in (ours, curl):
                timed(work, pins, folder)  # everything in memory, and no first time counted
            for number in range(options.rounds):
                order = (ours, curl) if number % 2 else (curl, ours)
                for work in order:
                    times[work.__name__].append(timed(work, pins, folder))
                say(f"round {number + 1} of {options.rounds}")
            found, read, noticed = warm(pins, folder, options.rounds)
    speeds = {name: Spread.of(sum(SIZES) / each for each in times[name]) for name in times}
    # curl's seconds over ours: the share of curl's speed that ours reaches.
    ratio = paired_ratios(times["curl"], times["ours"])
    print(machine())
    rows = [(name, Spread.of(times[name]).text(), speeds[name].text(0)) for name in times]
    print(table(("", "seconds", "MB/s"), rows))
    print(f"ours to curl, by speed: {ratio.text()}")
    verdict = "met" if ratio.median >= LEAST_RATIO else "MISSED"
    print(f"target: at least {LEAST_RATIO}: {ratio.median:.2f}, {verdict}")
    print(Target("a warm cache, seconds", Spread.of(found).median, WARM_S, " s"))
    print(f"read for it: {read} of {sum(SIZES) * _MB} bytes")
    print(f"a changed byte is {'noticed' if noticed else 'MISSED'}")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fetching", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=7, help="times that each side fetches all files [7]")
    parser.add_argument(
        "--folder", help="where to put 1 GB for the time being [the system's temporary folder]"
    )
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    chosen = parse()
    if chosen.serve:
        serve(Path(chosen.serve))
    else:
        raise SystemExit(main(chosen))
