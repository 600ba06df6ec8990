"""A remote cache of Bazel in memory: GET and PUT below /ac/ and /cas/
(https://bazel.build/remote/caching#http-caching)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Cache:
    """What it holds by path, and what was asked of it: ``found`` and ``missed`` are paths of GETs."""

    address: str
    blobs: dict[str, bytes] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


@contextmanager
def running(host: str) -> Iterator[Cache]:
    """A cache on a free port of ``host``, an address of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = cache.blobs.get(self.path)
            (cache.missed if body is None else cache.found).append(self.path)
            self._answer(404 if body is None else 200, body or b"")

        def do_PUT(self) -> None:
            cache.blobs[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(200, b"")

        def _answer(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer((host, 0), Handler)
    cache = Cache(f"http://{host}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield cache
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
