"""One repository of a registry, as the Distribution specification has it.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlencode, urljoin, urlsplit

from tfbuild.base.errors import TfBuildError, VerificationError
from tfbuild.base.printable import printable
from tfbuild.base.urls import safe_url
from tfbuild.base.values import Reporter
from tfbuild.downloads.attempts import (
    ATTEMPTS,
    CA_HINT,
    AttemptFailed,
    Timeouts,
    backoff,
    is_transient,
    retry_after,
)
from tfbuild.downloads.fetch import explained
from tfbuild.registry.content import MANIFEST_TYPES, Content, Descriptor
from tfbuild.registry.reference import Reference

if TYPE_CHECKING:
    from requests import Response, Session

_CHUNK = 16 << 20
_READ = 1 << 20
# The specification wants registries to take 4 MiB, in its section "Pushing Manifests".
_MAX_MANIFEST = 8 << 20
_LOGIN = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


@dataclass(frozen=True)
class Stored:
    """A manifest as a registry gave it; ``digest`` is that of its bytes."""

    data: bytes
    media_type: str

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"


@dataclass
class _Upload:
    """Where an upload goes on, and how many bytes have arrived."""

    location: str = ""
    sent: int = 0


class Repository:
    """Asks again, with pauses, what failed for the moment; what failed for good is raised as ``error``."""

    def __init__(
        self,
        reference: Reference,
        origin: str,
        session: Session,
        reporter: Reporter,
        error: type[TfBuildError],
        *,
        sleep: Callable[[float], None] = time.sleep,
        timeouts: Timeouts | None = None,
    ) -> None:
        self.reference = reference
        self._base = f"{origin}/v2/{reference.repository}/"
        self._session = session
        self._reporter = reporter
        self._error = error
        self._sleep = sleep
        self._timeouts = timeouts or Timeouts()

    # -- manifests ---------------------------------------------------------------------------------------

    def manifest(self, wanted: str) -> Stored | None:
        """The manifest with the tag or digest ``wanted``; None where there is none.

        :raises VerificationError: what is served under a digest has another one.
        """
        response = self._ask("GET", f"manifests/{wanted}", headers={"Accept": ", ".join(MANIFEST_TYPES)})
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        self._require(response, {HTTPStatus.OK}, f"asking for {wanted}")
        if len(response.content) > _MAX_MANIFEST:
            raise VerificationError(
                f"{self.reference.place} serves a manifest of more than {_MAX_MANIFEST} bytes"
            )
        found = Stored(response.content, response.headers.get("Content-Type", "").partition(";")[0].strip())
        if ":" in wanted and found.digest != wanted:
            raise self._another(wanted, found.digest)
        return found

    def put_manifest(self, name: str, manifest: Content) -> bool:
        """Store ``manifest`` under its digest or a tag; whether the registry took note of its ``subject``."""
        response = self._ask(
            "PUT",
            f"manifests/{name}",
            headers={"Content-Type": manifest.descriptor.media_type},
            data=manifest.text,
        )
        self._require(response, {HTTPStatus.CREATED, HTTPStatus.OK, HTTPStatus.ACCEPTED}, f"storing {name}")
        return bool(response.headers.get("OCI-Subject"))

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """What refers to the manifest ``digest``: as the registry lists it, else under the fallback tag.

        :raises VerificationError: the list cannot be understood.
        """
        response = self._ask("GET", f"referrers/{digest}")
        listed = response.status_code == HTTPStatus.OK and "json" in response.headers.get("Content-Type", "")
        data = response.content if listed else b""
        if not listed:
            stored = self.manifest(fallback_tag(digest))
            data = stored.data if stored else b'{"manifests": []}'
        try:
            return tuple(Descriptor.of(each) for each in json.loads(data)["manifests"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise VerificationError(
                f"{self.reference.place}: the list of what refers to {digest} cannot be understood"
            ) from None

    # -- blobs -------------------------------------------------------------------------------------------

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the registry says that it has all of it."""
        response = self._ask("HEAD", f"blobs/{descriptor.digest}")
        if response.status_code in _LOGIN:
            self._require(response, {HTTPStatus.OK}, "asking for a blob")
        length = response.headers.get("Content-Length")
        return response.status_code == HTTPStatus.OK and length in {None, str(descriptor.size)}

    def put_blob(self, content: Content) -> None:
        """Upload ``content`` in pieces; after a break the registry says how much of it has arrived."""
        descriptor, failures, reached = content.descriptor, 0, 0
        upload = _Upload()
        with content.open() as stream:
            while True:
                try:
                    if not upload.location:
                        upload.location, upload.sent = self._begin(), 0
                    self._send(upload, stream, content)
                    self._finish(upload, descriptor)
                    return
                except AttemptFailed as failure:
                    # What gets further each time is slow, and not lost.
                    failures = 1 if upload.sent > reached else failures + 1
                    reached = max(reached, upload.sent)
                    if failure.permanent or failures >= ATTEMPTS:
                        raise self._failed(f"uploading {content.name}", failure) from failure
                    self._wait(failures, failure, f"uploading {content.name}")
                    upload.location, upload.sent = self._arrived(upload.location, descriptor)

    def _begin(self) -> str:
        response = self._ask("POST", "blobs/uploads/", headers={"Content-Length": "0"}, data=b"")
        self._require(response, {HTTPStatus.ACCEPTED}, "beginning an upload")
        return self._location(response, self._base)

    def _send(self, upload: _Upload, stream: BinaryIO, content: Content) -> None:
        stream.seek(upload.sent)
        while chunk := stream.read(_CHUNK):
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Range": f"{upload.sent}-{upload.sent + len(chunk) - 1}",
            }
            response = self._try("PATCH", upload.location, headers=headers, data=chunk)
            self._require_now(response, HTTPStatus.ACCEPTED)
            upload.location = self._location(response, upload.location)
            upload.sent += len(chunk)
            self._reporter.transfer(content.name, upload.sent, content.descriptor.size)

    def _finish(self, upload: _Upload, descriptor: Descriptor) -> None:
        joint = "&" if urlsplit(upload.location).query else "?"
        url = f"{upload.location}{joint}{urlencode({'digest': descriptor.digest})}"
        response = self._try("PUT", url, headers={"Content-Length": "0"}, data=b"")
        self._require_now(response, HTTPStatus.CREATED)

    def _arrived(self, location: str, descriptor: Descriptor) -> tuple[str, int]:
        """Where to go on, and from which byte; nowhere where the registry has forgotten the upload."""
        if not location:
            return "", 0
        try:
            response = self._try("GET", location)
        except AttemptFailed:
            return "", 0
        first, _, last = response.headers.get("Range", "").removeprefix("bytes=").partition("-")
        known = response.status_code == HTTPStatus.NO_CONTENT and first == "0" and last.isdecimal()
        sent = int(last) + 1 if known else 0
        # An empty upload has the range 0-0 too, as one of a single byte has.
        if not known or sent == 1 or sent > descriptor.size:
            return "", 0
        return self._location(response, location), sent

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Its bytes, as they come; after a break it goes on where it was. Whether they are right is seen at
        the end.

        :raises VerificationError: they are not those of the digest.
        """
        digest, size, failures, reached = hashlib.sha256(), 0, 0, 0
        while True:
            try:
                for chunk in self._body(descriptor, size):
                    digest.update(chunk)
                    size += len(chunk)
                    if size > descriptor.size:
                        break
                    yield chunk
                if size >= descriptor.size:
                    break
                raise AttemptFailed(f"the connection ended after {size} of {descriptor.size} bytes")
            except AttemptFailed as failure:
                failures = 1 if size > reached else failures + 1
                reached = max(reached, size)
                if failure.permanent or failures >= ATTEMPTS:
                    raise self._failed(f"reading {descriptor.digest}", failure) from failure
                self._wait(failures, failure, f"reading {descriptor.short}")
        actual = f"sha256:{digest.hexdigest()}"
        if actual != descriptor.digest or size != descriptor.size:
            raise self._another(descriptor.digest, actual)

    def _body(self, descriptor: Descriptor, start: int) -> Iterator[bytes]:
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
        response = self._try("GET", f"blobs/{descriptor.digest}", headers=headers, stream=True)
        with response:
            if response.status_code not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
                raise AttemptFailed(self._said(response), permanent=not is_transient(response.status_code))
            skip = start if response.status_code == HTTPStatus.OK else 0
            try:
                for chunk in response.iter_content(_READ):
                    kept, skip = chunk[skip:], max(0, skip - len(chunk))
                    if kept:
                        yield kept
            except (OSError, ValueError) as error:
                raise explained(error, self._timeouts) from error

    # -- requests ----------------------------------------------------------------------------------------

    def _ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, data: bytes | None = None
    ) -> Response:
        """An answer that another try would not change."""
        failures = 0
        while True:
            try:
                response = self._try(method, path, headers=headers, data=data)
                if not is_transient(response.status_code):
                    return response
                wait = retry_after(response.headers.get("Retry-After"))
                raise AttemptFailed(self._said(response), delay_s=wait)
            except AttemptFailed as failure:
                failures += 1
                if failure.permanent or failures >= ATTEMPTS:
                    raise self._failed(f"{method} {path}", failure) from failure
                self._wait(failures, failure, f"{method} {path}")

    def _try(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        stream: bool = False,
    ) -> Response:
        timeouts = (self._timeouts.connect_s, self._timeouts.read_s)
        try:
            return self._session.request(
                method,
                urljoin(self._base, url),
                headers=dict(headers or {}),
                data=data,
                stream=stream,
                timeout=timeouts,
            )
        except (OSError, ValueError) as error:
            raise explained(error, self._timeouts) from error

    def _location(self, response: Response, url: str) -> str:
        return urljoin(urljoin(self._base, url), response.headers.get("Location", ""))

    def _wait(self, failures: int, failure: AttemptFailed, what: str) -> None:
        delay = backoff(failures) if failure.delay_s is None else failure.delay_s
        self._reporter.note(f"{self.reference.host}: {what}: {failure.reason}; again in {delay:.0f} s")
        self._sleep(delay)

    def _require_now(self, response: Response, status: int) -> None:
        """Of a piece of an upload: whether another try can help decides the status alone."""
        if response.status_code == status:
            return
        # 404 and 416: the registry has forgotten the upload, or has another idea of how far it is.
        lost = response.status_code in {404, 416}
        wait = retry_after(response.headers.get("Retry-After"))
        permanent = not (is_transient(response.status_code) or lost)
        raise AttemptFailed(self._said(response), permanent=permanent, delay_s=wait)

    def _require(self, response: Response, wanted: set[HTTPStatus], what: str) -> None:
        if response.status_code in wanted:
            return
        raise self._failed(
            what,
            AttemptFailed(self._said(response), permanent=True),
            login=response.status_code in _LOGIN,
        )

    def _said(self, response: Response) -> str:
        """The status, and what a registry says about it in its own form."""
        text = f"HTTP {response.status_code}"
        try:
            first = response.json()["errors"][0]
            text += f" {first['code']}: {first.get('message') or ''}"
        except (ValueError, TypeError, LookupError, OSError, AttributeError):
            text += f" {response.reason or ''}"
        return printable(safe_url(text))[:200].strip()

    def _failed(self, what: str, failure: AttemptFailed, *, login: bool = False) -> TfBuildError:
        host = self.reference.host
        hint = "is it up, and is its name right? Run the same command again: nothing is carried twice"
        if login:
            hint = f"docker login {host}, with a user who may do this in {self.reference.repository}"
        elif failure.untrusted:
            hint = CA_HINT
        return self._error(
            f"the registry {host} cannot be used",
            details=(f"{what}: {failure.reason}",),
            hint=hint,
        )

    def _another(self, wanted: str, found: str) -> VerificationError:
        return VerificationError(
            f"{self.reference.host} serves something else under the digest that it was asked for",
            details=(f"asked:  {wanted}", f"served: {found}", f"in {self.reference.place}"),
            hint="something on the way, or the registry itself, replaced it: do not use it",
        )


def fallback_tag(digest: str) -> str:
    """Where a registry without the API for referrers keeps their list.

    https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema
    """
    return digest.replace(":", "-")
