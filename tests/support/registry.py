"""A registry without a network: what requests would send comes here, and faults can be put in the way."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from tests.support.reporters import ListReporter
from tfbuild.base.errors import PackagingError, TfBuildError
from tfbuild.registry.client import Repository
from tfbuild.registry.connect import PUSH, Access
from tfbuild.registry.credentials import Credentials
from tfbuild.registry.reference import parse_reference

HOST = "registry.example"
TOKEN_SERVER = "https://tokens.example/token"
Fault = Callable[["Request"], "Answer | None"]


@dataclass(frozen=True)
class Request:
    """What came: ``path`` is below /v2/REPOSITORY/, or the whole URL where it is of another host."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class FakeRegistry(BaseAdapter):
    """One repository. ``password`` (user:password) is asked for where there is one, with ``tokens`` by way of
    a token server. ``faults`` see each request first: what they answer is sent instead."""

    def __init__(self, password: str = "", *, tokens: bool = False, lists_referrers: bool = True) -> None:
        super().__init__()
        self.password = password
        self.tokens = tokens
        self.lists_referrers = lists_referrers
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.uploads: dict[str, bytearray] = {}
        self.faults: list[Fault] = []
        self.seen: list[Request] = []
        self.token = "t-1"

    # -- requests -----------------------------------------------------------------------------------------

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, **_: Any
    ) -> requests.Response:
        parts = urlsplit(str(request.url))
        path = re.sub(r"^/v2/team/image/", "", parts.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        if parts.hostname != HOST:
            path = f"{parts.scheme}://{parts.netloc}{parts.path}"
        asked = Request(str(request.method), path, query, dict(request.headers), body)
        self.seen.append(asked)
        answer = next((found for fault in list(self.faults) if (found := fault(asked))), None)
        return self._response(request, answer or self._answer(asked))

    def close(self) -> None: ...

    def _response(self, request: requests.PreparedRequest, answer: Answer) -> requests.Response:
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update({"Content-Length": str(len(answer.body)), **answer.headers})
        body = b"" if request.method == "HEAD" else answer.body
        raw = HTTPResponse(io.BytesIO(body), preload_content=False, status=answer.status)
        response.raw = raw
        response.url = str(request.url)
        response.request = request
        response.connection = self  # type: ignore[assignment]
        return response

    def _answer(self, asked: Request) -> Answer:
        if asked.path == TOKEN_SERVER:
            return self._give_token(asked)
        if self.password and not self._is_let_in(asked.headers.get("Authorization", "")):
            ask = f'Bearer realm="{TOKEN_SERVER}",service="{HOST}"' if self.tokens else 'Basic realm="r"'
            return Answer(401, error_body("UNAUTHORIZED"), {"WWW-Authenticate": ask})
        kind, _, name = asked.path.partition("/")
        if kind == "manifests":
            return self._put_manifest(name, asked) if asked.method == "PUT" else self._manifest(name)
        if kind == "referrers" and self.lists_referrers:
            return self._referrers(name)
        if kind == "blobs" and name.startswith("uploads/"):
            return self._upload(name.removeprefix("uploads/"), asked)
        if kind == "blobs" and name in self.blobs:
            return self._blob(self.blobs[name], asked.headers.get("Range", ""))
        return Answer(404, error_body("NOT_FOUND"))

    def _is_let_in(self, header: str) -> bool:
        wanted = f"Basic {base64.b64encode(self.password.encode()).decode()}"
        return header == (f"Bearer {self.token}" if self.tokens else wanted)

    def _give_token(self, asked: Request) -> Answer:
        wanted = f"Basic {base64.b64encode(self.password.encode()).decode()}"
        form = parse_qs(asked.body.decode())
        is_right = asked.headers.get("Authorization") == wanted or form.get("refresh_token") == ["refresh"]
        return Answer(200, json.dumps({"token": self.token}).encode()) if is_right else Answer(401)

    # -- what is there --------------------------------------------------------------------------------------

    def _manifest(self, name: str) -> Answer:
        digest = self.tags.get(name, name)
        if digest not in self.manifests:
            return Answer(404, error_body("MANIFEST_UNKNOWN"))
        return Answer(200, self.manifests[digest], {"Content-Type": self.types[digest]})

    def _put_manifest(self, name: str, asked: Request) -> Answer:
        document = json.loads(asked.body)
        known = {*self.blobs, *self.manifests}
        parts = (document.get("config"), *document.get("layers", ()), *document.get("manifests", ()))
        if missing := [each["digest"] for each in parts if each and each["digest"] not in known]:
            return Answer(400, error_body("MANIFEST_BLOB_UNKNOWN", str(missing)))
        digest = digest_of(asked.body)
        if ":" in name and name != digest:
            return Answer(400, error_body("DIGEST_INVALID"))
        self.manifests[digest] = asked.body
        self.types[digest] = asked.headers["Content-Type"]
        if ":" not in name:
            self.tags[name] = digest
        noted = self.lists_referrers and "subject" in document
        return Answer(201, headers={"OCI-Subject": document["subject"]["digest"]} if noted else {})

    def _referrers(self, digest: str) -> Answer:
        found = []
        for own, data in self.manifests.items():
            document = json.loads(data)
            if document.get("subject", {}).get("digest") == digest:
                entry = {"mediaType": self.types[own], "digest": own, "size": len(data)}
                found.append({**entry, "artifactType": document.get("artifactType", "")})
        body = json.dumps({"schemaVersion": 2, "manifests": found}).encode()
        return Answer(200, body, {"Content-Type": "application/vnd.oci.image.index.v1+json"})

    def _upload(self, name: str, asked: Request) -> Answer:
        if asked.method == "POST":
            name = f"u{len(self.uploads)}"
            self.uploads[name] = bytearray()
            return Answer(202, headers=self._at(name))
        if name not in self.uploads:
            return Answer(404, error_body("BLOB_UPLOAD_UNKNOWN"))
        data = self.uploads[name]
        if asked.method == "GET":
            return Answer(204, headers={**self._at(name), "Range": f"0-{max(0, len(data) - 1)}"})
        if asked.method == "PATCH":
            if int(asked.headers["Content-Range"].partition("-")[0]) != len(data):
                return Answer(416)
            data += asked.body
            return Answer(202, headers=self._at(name))
        if digest_of(bytes(data)) != asked.query["digest"]:
            return Answer(400, error_body("DIGEST_INVALID"))
        self.blobs[asked.query["digest"]] = bytes(self.uploads.pop(name))
        return Answer(201)

    def _at(self, name: str) -> dict[str, str]:
        return {"Location": f"/v2/team/image/blobs/uploads/{name}?state=1"}

    def _blob(self, data: bytes, asked: str) -> Answer:
        if match := re.fullmatch(r"bytes=(\d+)-", asked):
            start = int(match[1])
            return Answer(206, data[start:], {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})
        return Answer(200, data)

    # -- how it is reached ----------------------------------------------------------------------------------

    def session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.mount("https://", self)
        session.mount("http://", self)
        return session

    def open(
        self,
        tag: str = "1.0",
        credentials: Credentials | None = None,
        error: type[TfBuildError] = PackagingError,
        reporter: ListReporter | None = None,
    ) -> Repository:
        """A connection that does not sleep."""
        reporter = reporter or ListReporter()
        access = Access(self.session, lambda _: credentials, reporter)
        mark = "@" if tag.startswith("sha256:") else ":"
        repository = access.open(parse_reference(f"{HOST}/team/image{mark}{tag}"), PUSH, error)
        repository._sleep = lambda _: None
        return repository


def error_body(code: str, message: str = "") -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


def once(method: str, path: str, answer: Answer | Exception, times: int = 1) -> Fault:
    """``answer`` for the first ``times`` requests of this kind; ``path`` is a pattern of its beginning."""
    left = [times]

    def fault(asked: Request) -> Answer | None:
        if asked.method != method or not re.match(path, asked.path) or not left[0]:
            return None
        left[0] -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    return fault


def always(method: str, path: str, answer: Answer) -> Fault:
    return once(method, path, answer, 1 << 30)
