"""A proxy as companies have one: a tunnel (CONNECT) for those who know the password, to chosen hosts.

https://datatracker.ietf.org/doc/html/rfc9110#section-9.3.6
"""

from __future__ import annotations

import http.client
import selectors
import socket
import socketserver
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

Address = tuple[str, int]


@dataclass
class Proxy:
    """Where it listens, and what it was asked for: ``host:port``, and whether the password was right."""

    address: Address
    asked: list[tuple[str, bool]] = field(default_factory=list)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: str, login: str, ways: Mapping[str, Address]) -> None:
        super().__init__((address, 0), _Tunnel)
        self.login = f"Basic {b64encode(login.encode()).decode()}"
        self.ways = ways
        self.proxy = Proxy((address, self.server_address[1]))


class _Tunnel(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        # A client that has no password at first asks again on the same connection, or on another.
        while line := self.rfile.readline().decode("latin-1"):
            method, target = line.split()[:2]
            told = http.client.parse_headers(self.rfile).get("Proxy-Authorization", "")
            known = told == self.server.login
            self.server.proxy.asked.append((target, known))
            if method != "CONNECT" or target not in self.server.ways:
                self._say(403, "Forbidden")
            elif not known:
                self._say(407, "Proxy Authentication Required", "Proxy-Authenticate: Basic realm=proxy")
            else:
                with socket.create_connection(self.server.ways[target]) as other:
                    self._say(200, "Connection established")
                    _join(self.connection, other)
                return

    def _say(self, code: int, reason: str, *headers: str) -> None:
        length = () if code == http.client.OK else ("Content-Length: 0",)
        lines = (f"HTTP/1.1 {code} {reason}", *headers, *length, "", "")
        self.wfile.write("\r\n".join(lines).encode())


def _join(one: socket.socket, other: socket.socket) -> None:
    """Pass on what either says until one of them ends."""
    with selectors.DefaultSelector() as waiting:
        waiting.register(one, selectors.EVENT_READ, other)
        waiting.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in waiting.select():
                source, target = key.fileobj, key.data
                assert isinstance(source, socket.socket)
                try:
                    said = source.recv(1 << 16)
                    target.sendall(said)
                except OSError:
                    return
                if not said:
                    return


@contextmanager
def running(address: str, login: str, ways: Mapping[str, Address]) -> Iterator[Proxy]:
    """A proxy on a free port; ``login`` is ``user:password``, ``ways`` lead from ``host:port`` to servers."""
    with _Server(address, login, ways) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server.proxy
        finally:
            server.shutdown()
            thread.join()
