"""Answers a registry that asks who one is: with a password, or with a token that its token server gives.

https://distribution.github.io/distribution/spec/auth/token/, .../auth/oauth/
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tfbuild.registry.credentials import Credentials

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

_PARAMETER = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_CLIENT = "tfbuild"
_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Challenge:
    """What a registry wants: ``basic`` or ``bearer``, and where such a token is."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenge(header: str) -> Challenge:
    """The header ``WWW-Authenticate`` (RFC 9110, section 11.6.1), as far as registries use it."""
    scheme, _, rest = header.strip().partition(" ")
    return Challenge(scheme.lower(), {name.lower(): value for name, value in _PARAMETER.findall(rest)})


class Authorization:
    """What ``requests`` calls for each request of a session; ``origin`` (``https://HOST``) alone is told.

    The password goes to the registry, and to the token server that the registry names, by https where the
    registry itself speaks it.
    """

    def __init__(
        self,
        origin: str,
        scope: str,
        credentials: Callable[[], Credentials | None],
        new_session: Callable[[], Session],
    ) -> None:
        self._origin = urlsplit(origin)
        self._scope = scope
        self._credentials = credentials
        self._new_session = new_session
        self._header = ""
        self._lock = threading.Lock()
        self.known: Credentials | None = None
        """Those that were used; None where the registry asked for none, or nobody has any."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if self._is_ours(request.url):
            if self._header:
                request.headers["Authorization"] = self._header
            request.register_hook("response", self._answered)  # type: ignore[no-untyped-call]
        return request

    def _is_ours(self, url: str | None) -> bool:
        parts = urlsplit(url or "")
        return (parts.scheme, parts.netloc) == (self._origin.scheme, self._origin.netloc)

    def _answered(self, response: Response, **sending: Any) -> Response:
        """Once more with an answer, where the registry asks; of a second refusal the caller hears."""
        if response.status_code != 401 or not self._is_ours(response.url):
            return response
        header = self._answer(
            parse_challenge(response.headers.get("WWW-Authenticate", "")),
            response.request.headers.get("Authorization", ""),
        )
        if not header:
            return response
        response.close()
        again = response.request.copy()
        again.headers["Authorization"] = header
        again.hooks = {**again.hooks, "response": []}
        answer: Response = response.connection.send(again, **sending)
        answer.history.append(response)
        answer.request = again
        return answer

    def _answer(self, challenge: Challenge, refused: str) -> str:
        with self._lock:
            if self._header and self._header != refused:  # another thread was quicker
                return self._header
            self.known = self.known or self._credentials()
            if challenge.scheme == "bearer":
                self._header = self._bearer(challenge.parameters)
            elif challenge.scheme == "basic" and self.known and not self.known.is_token:
                text = f"{self.known.user}:{self.known.secret}".encode()
                self._header = f"Basic {base64.b64encode(text).decode()}"
            return self._header if self._header != refused else ""

    def _bearer(self, parameters: Mapping[str, str]) -> str:
        realm = parameters.get("realm", "")
        schemes = {"https"} if self._origin.scheme == "https" else {"https", "http"}
        if urlsplit(realm).scheme not in schemes:
            return ""
        asked = {"service": parameters.get("service", ""), "scope": self._scope}
        with self._new_session() as session:
            response = self._ask(session, realm, asked)
        try:
            document = response.json() if response.ok else {}
        except ValueError:
            document = {}
        token = document.get("token") or document.get("access_token") if isinstance(document, dict) else ""
        return f"Bearer {token}" if isinstance(token, str) and token else ""

    def _ask(self, session: Session, realm: str, asked: Mapping[str, str]) -> Response:
        known = self.known
        if known and known.is_token:
            form = {
                **asked,
                "grant_type": "refresh_token",
                "client_id": _CLIENT,
                "refresh_token": known.secret,
            }
            return session.post(realm, data=form, timeout=_TIMEOUT_S)
        login = (known.user, known.secret) if known else None
        return session.get(realm, params=asked, auth=login, timeout=_TIMEOUT_S)
