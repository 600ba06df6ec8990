"""A container that somebody uses: reachable from this machine alone, its output passed on as it comes."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Attention:
    """``ports`` of the container are reachable from this machine; ``on_start`` gets the container's name and
    where they are, ``on_line`` what it prints."""

    ports: Collection[int]
    on_start: Callable[[str, Mapping[int, int]], None]
    on_line: Callable[[str], None]


def port_bindings(ports: Iterable[int]) -> dict[int, tuple[str, None]]:
    """Each port of the container at a free port of this machine's loopback."""
    return dict.fromkeys(ports, (LOOPBACK, None))


def published(state: Mapping[str, Any]) -> dict[int, int]:
    """The ports of this machine by those of the container, in the engine's answer to an inspection."""
    found = (state.get("NetworkSettings") or {}).get("Ports") or {}
    return {
        int(name.partition("/")[0]): int(bindings[0]["HostPort"])
        for name, bindings in found.items()
        if bindings
    }


def follow(chunks: Iterable[bytes], on_line: Callable[[str], None]) -> None:
    """Pass the output of a container on, line by line, to its end; tabs as the spaces that they stand for."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    for chunk in chunks:
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        for line in lines:
            on_line(line.rstrip("\r").expandtabs())
    if last := rest + decoder.decode(b"", final=True):
        on_line(last.expandtabs())
