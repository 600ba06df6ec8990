"""Load for model servers: throughput and latency of one prediction, by number of clients, as a table.

    python load.py --model half_plus_two --server one=localhost:8500,8501 '{"x": [1.0, 2.0, 5.0]}'

Each client is a thread that asks, waits for the answer, and asks again. Several servers (``--server`` more
than once) are asked one after the other with the same load, so that two ways to start one can be compared,
such as with and without --enable_batching. The last column is the share of one CPU that this program itself
took: near 100 % it is the limit, and the figures say little about the server.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from client import Failed, Grpc, Rest

_WARM_UP = 20
_HEADS = ("server", "api", "clients", "requests", "failed", "per second", "p50 ms", "p99 ms", "own CPU %")


@dataclass(frozen=True)
class Server:
    """Where one is, by the name that the table gives it."""

    name: str
    host: str
    grpc: int
    rest: int


@dataclass
class Heard:
    """What one client saw: seconds of each answer."""

    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def server(text: str) -> Server:
    """NAME=HOST:GRPC,REST

    :raises argparse.ArgumentTypeError: it is not of that form.
    """
    name, equals, place = text.partition("=")
    host, colon, ports = place.rpartition(":")
    grpc, comma, rest = ports.partition(",")
    if not (name and equals and host and colon and comma and grpc.isdecimal() and rest.isdecimal()):
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=HOST:GRPC-PORT,REST-PORT")
    return Server(name, host, int(grpc), int(rest))


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def asker(at: Server, api: str, model: str, inputs: dict[str, Any]) -> Callable[[], object]:
    """A function that asks once, over a connection of its own."""
    rest = Rest(at.host, at.rest)
    if api == "rest":
        return lambda: rest.predict(model, inputs)
    grpc = Grpc(at.host, at.grpc)
    request = grpc.request(model, inputs, rest.types(model))
    rest.close()
    return lambda: grpc.send(request)


def client(ask: Callable[[], object], until: float, heard: Heard) -> None:
    """Asks until the time ``until`` of the monotonic clock."""
    while (began := time.perf_counter()) < until:
        try:
            ask()
        except Failed as error:
            heard.failed.append(str(error))
        else:
            heard.seconds.append(time.perf_counter() - began)


def measure(asks: list[Callable[[], object]], seconds: float) -> tuple[list[Heard], float, float]:
    """What each client saw, seconds that it took, and seconds of CPU of this program."""
    heard = [Heard() for _ in asks]
    began, cpu = time.perf_counter(), time.process_time()
    threads = [
        threading.Thread(target=client, args=(ask, began + seconds, each))
        for ask, each in zip(asks, heard, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return heard, time.perf_counter() - began, time.process_time() - cpu


def row(at: Server, api: str, heard: list[Heard], took: float, cpu: float) -> tuple[str, ...]:
    """One line of the table."""
    answered = [each for one in heard for each in one.seconds]
    failed = sum(len(one.failed) for one in heard)
    times = [f"{percentile(answered, share) * 1000:.2f}" if answered else "-" for share in (0.5, 0.99)]
    counts = (str(len(heard)), str(len(answered)), str(failed), f"{len(answered) / took:.0f}")
    return (at.name, api, *counts, *times, f"{100 * cpu / took:.0f}")


def rows(asked: argparse.Namespace, problems: set[str]) -> Iterator[tuple[str, ...]]:
    """The table, a line as soon as it is known; ``problems`` gets what servers refused."""
    inputs = json.loads(asked.inputs)
    for at in asked.server:
        for api in asked.api:
            for count in asked.clients:
                asks = [asker(at, api, asked.model, inputs) for _ in range(count)]
                for _ in range(_WARM_UP):
                    asks[0]()
                heard, took, cpu = measure(asks, asked.seconds)
                problems |= {text for one in heard for text in one.failed}
                yield row(at, api, heard, took, cpu)


def numbers(text: str) -> list[int]:
    """1,8,64"""
    return [int(each) for each in text.split(",")]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--server", type=server, action="append", help="NAME=HOST:GRPC-PORT,REST-PORT")
    parser.add_argument("--clients", type=numbers, default=[1, 8, 64], help="numbers of clients: 1,8,64")
    parser.add_argument("--api", action="append", choices=("rest", "grpc"), help="by default both")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each line")
    parser.add_argument("--json", action="store_true", help="a JSON object in each line, not a table")
    parser.add_argument("inputs", help='a JSON object: {"NAME": nested lists}')
    asked = parser.parse_args()
    asked.server = asked.server or [Server("localhost", "localhost", 8500, 8501)]
    asked.api = asked.api or ["rest", "grpc"]
    problems: set[str] = set()
    widths = [max(len(head), 7) for head in _HEADS]
    widths[0] = max(len(each.name) for each in [*asked.server, Server(_HEADS[0], "", 0, 0)])
    if not asked.json:
        print("  ".join(head.rjust(width) for head, width in zip(_HEADS, widths, strict=True)))
    try:
        for line in rows(asked, problems):
            cells = zip(_HEADS, line, widths, strict=True)
            if asked.json:
                print(json.dumps({head: text for head, text, _ in cells}), flush=True)
            else:
                print("  ".join(text.rjust(width) for _, text, width in cells), flush=True)
    except Failed as error:
        problems.add(str(error))
    for text in sorted(problems)[:5]:
        print(text, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
