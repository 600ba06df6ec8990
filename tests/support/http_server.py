"""A server on the loopback interface that misbehaves in the ways that real mirrors do."""

from __future__ import annotations

import base64
import gzip
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_RANGE = re.compile(r"bytes=(\d+)-$")


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the next answer that its path was given; the last one stays."""

    protocol_version = "HTTP/1.1"
    server: LoopbackServer

    def do_GET(self) -> None:
        self.server.seen.append(Seen(self.path, {k.lower(): v for k, v in self.headers.items()}))
        answers = self.server.answers.get(self.path.partition("?")[0])
        if answers is None:
            with suppress(BrokenPipeError, ConnectionResetError):
                self.server.otherwise(self)
            return
        with suppress(BrokenPipeError, ConnectionResetError):
            (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def log_message(self, format: str, *args: object) -> None:
        del format, args

    def reply(self, code: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """``body`` with a right length, unless ``headers`` say otherwise."""
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        """End the connection now."""
        self.close_connection = True
        self.wfile.flush()
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


Answer = Callable[[Handler], None]


@dataclass
class Site:
    """The server as a test sees it: what to answer, and what was asked."""

    server: LoopbackServer
    url: str = field(init=False)

    def __post_init__(self) -> None:
        host, port = self.server.server_address[:2]
        self.url = f"{self.server.scheme}://{host!s}:{port}"

    def on(self, path: str, *answers: Answer) -> str:
        """Answer ``path`` with each of ``answers`` in turn, then always with the last; returns its URL."""
        self.server.answers[path] = list(answers)
        return self.url + path

    @property
    def seen(self) -> list[Seen]:
        return self.server.seen

    @property
    def paths(self) -> list[str]:
        return [seen.path for seen in self.server.seen]


class LoopbackServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, certificate: Path | None, address: str) -> None:
        super().__init__((address, 0), Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.otherwise: Answer = status(404)
        self.seen: list[Seen] = []
        self.closing = threading.Event()
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a client that leaves early is what these tests are about."""


@contextmanager
def running(certificate: Path | None = None, address: str = "127.0.0.1") -> Iterator[Site]:
    """A server on a free port of ``address``; with ``certificate`` (PEM, key included) it speaks TLS."""
    server = LoopbackServer(certificate, address)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Site(server)
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def whole(body: bytes, *, etag: str = "", last_modified: str = "", content_type: str = "") -> Answer:
    """A well-behaved file: ranges, If-Range, 416."""
    headers = {"ETag": etag, "Last-Modified": last_modified, "Content-Type": content_type}
    headers = {name: value for name, value in headers.items() if value}

    def answer(handler: Handler) -> None:
        wanted = _RANGE.match(handler.headers.get("Range", ""))
        condition = handler.headers.get("If-Range")
        if wanted is None or (condition is not None and condition not in {etag, last_modified}):
            handler.reply(200, body, headers)
            return
        start = int(wanted[1])
        if start >= len(body):
            handler.reply(416, b"", {"Content-Range": f"bytes */{len(body)}"})
            return
        content_range = f"bytes {start}-{len(body) - 1}/{len(body)}"
        handler.reply(206, body[start:], {**headers, "Content-Range": content_range})

    return answer


def no_ranges(body: bytes) -> Answer:
    """The whole file, whatever range was asked for."""
    return lambda handler: handler.reply(200, body)


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    """``code``, with headers whose names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.reply(code, body, named)


def html(code: int = 200) -> Answer:
    """An error page that pretends to be the file."""
    page = b"<!DOCTYPE html><title>Sign in</title>"
    return lambda handler: handler.reply(code, page, {"Content-Type": "text/html; charset=utf-8"})


def cut(body: bytes, after: int, *, promised: int | None = None, etag: str = "") -> Answer:
    """The first ``after`` bytes of ``body``, or of the range asked for, and then a closed connection."""

    def answer(handler: Handler) -> None:
        wanted = _RANGE.match(handler.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        rest = body[start:]
        headers = {"Content-Length": str(len(rest) if promised is None else promised)}
        if etag:
            headers["ETag"] = etag
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        handler.reply(206 if wanted else 200, rest[:after], headers)
        handler.hang_up()

    return answer


def cut_chunked(body: bytes, after: int) -> Answer:
    """As :func:`cut`, without a length: chunked, and never ended."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%s\r\n" % (after, body[:after]))
        handler.hang_up()

    return answer


def stall(body: bytes, after: int) -> Answer:
    """The first ``after`` bytes, and then silence until the server ends."""

    def answer(handler: Handler) -> None:
        handler.reply(200, body[:after], {"Content-Length": str(len(body))})
        handler.wfile.flush()
        assert isinstance(handler.server, LoopbackServer)
        handler.server.closing.wait(30)
        handler.hang_up()

    return answer


def hang_up() -> Answer:
    """No answer at all."""
    return lambda handler: handler.hang_up()


def redirect(target: str) -> Answer:
    return lambda handler: handler.reply(302, b"", {"Location": target})


def only_for(login: str, password: str, answer: Answer) -> Answer:
    """``answer`` for who names itself so, 401 for others."""
    expected = "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()

    def guarded(handler: Handler) -> None:
        if handler.headers.get("Authorization") == expected:
            answer(handler)
        else:
            handler.reply(401, b"", {"WWW-Authenticate": 'Basic realm="mirror"'})

    return guarded


def gzipped(body: bytes) -> Answer:
    """Compressed on the way, although nobody asked for it."""
    return lambda handler: handler.reply(200, gzip.compress(body), {"Content-Encoding": "gzip"})
