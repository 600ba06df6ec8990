"""User names and passwords for downloads: read where every program looks, handed on as build secrets.

Our own downloads read ~/.netrc by themselves. Bazel and apt in builders cannot see it, so they get theirs as
secrets; nothing of it is in a layer, a bake file or a log.
"""

from __future__ import annotations

import hashlib
import netrc
import re
import ssl
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from tfbuild.base.errors import HostError
from tfbuild.base.urls import MirrorRule
from tfbuild.build.roots import Archive
from tfbuild.build.run import APT_AUTH, APT_SOURCES, NETRC, Run
from tfbuild.plan.remote.section import BAZEL_RC, SECRET_FILES, TOKEN, Remote


def secret_options(run: Run[Any]) -> tuple[str, ...]:
    """The secrets as buildx takes them: by the variable that has them, so that no file does."""
    found = tuple(f"id={name},env={secret_variable(name)}" for name in run.secrets)
    remote = run.plan.remote
    files = remote.files.items() if remote else ()
    own = tuple(f"id={name},src={run.layout.project / path}" for name, path in files)
    return (*found, *own, *run.recipe.secrets(run))


def remote_secrets(remote: Remote | None, project: Path) -> Mapping[str, str]:
    """The token of a cluster by its ids: as it is, and as a file for Bazel, whose command line others see.

    :raises HostError: a file of the section ``remote`` cannot be read, or is empty.
    """
    if remote is None:
        return {}
    for key in (*SECRET_FILES, "token"):
        if path := getattr(remote, key):
            _require_readable(project / path, key)
    if not remote.token:
        return {}
    token = (project / remote.token).read_text(encoding="utf-8", errors="replace").strip()
    if not _TOKEN.fullmatch(token):
        raise HostError(
            f"remote.token: {project / remote.token} holds no token",
            hint="the file holds one word, the one that follows 'Authorization: Bearer'",
        )
    # https://bazel.build/run/bazelrc
    return {TOKEN: token, BAZEL_RC: f"build '--remote_header=Authorization=Bearer {token}'\n"}


def _require_readable(path: Path, key: str) -> None:
    try:
        empty = not path.read_bytes()
    except OSError as error:
        raise HostError(
            f"remote.{key}: {path} cannot be read ({error.strerror})",
            hint=f"the key remote.{key} names a file, relative to the file that has the key",
        ) from error
    if empty:
        raise HostError(f"remote.{key}: {path} is empty", hint=f"write it, or leave remote.{key} out")


def java_secret(run: Run[Any]) -> tuple[str, ...]:
    """The CA bundle as Java wants it; certificates are no secret, but a secret is what is in no layer.

    :raises HostError: the bundle holds what is no certificate.
    """
    bundle = run.effects.ca_bundle
    if not bundle:
        return ()
    store = run.layout.work / "trust-store.jks"
    try:
        store.write_bytes(java_trust_store(bundle.read_text(encoding="utf-8", errors="replace")))
    except ValueError as error:
        raise HostError(
            f"{bundle} holds a certificate that cannot be read: {error}",
            hint="SSL_CERT_FILE and REQUESTS_CA_BUNDLE name a file in PEM form",
        ) from error
    return (f"id=ca-java,src={store}",)


def secret_variable(name: str) -> str:
    """The environment variable of buildx that has the secret ``name``."""
    return f"TFBUILD_SECRET_{name.upper().replace('-', '_')}"


_DEFAULT = "default"
# https://www.rfc-editor.org/rfc/rfc6750#section-2.1
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True)
class Login:
    """Who to be for ``machine``, a host name without port, or ``default``."""

    machine: str
    login: str
    password: str = field(repr=False)


def read_logins(env: Mapping[str, str], home: Path, rules: Iterable[MirrorRule]) -> tuple[Login, ...]:
    """The entries of the file that NETRC names, else of ~/.netrc, and those in the URLs of ``rules``.

    A file that cannot be read or understood is left out, as curl and requests do.
    """
    path = Path(env["NETRC"]) if env.get("NETRC") else home / ".netrc"
    try:
        hosts = netrc.netrc(str(path)).hosts
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        hosts = {}
    found = [Login(machine, entry[0], entry[2] or "") for machine, entry in hosts.items()]
    own = (_of_url(urlsplit(rule.replacement)) for rule in rules if "//" in rule.replacement)
    # What a rule says of its host is said more closely than what the file says.
    return tuple(
        {each.machine: each for each in (*found, *filter(None, own)) if _can_be_written(each)}.values()
    )


def netrc_text(logins: Sequence[Login]) -> str:
    """For Bazel, whose netrc knows no quotes."""
    ordered = sorted(logins, key=lambda each: each.machine == _DEFAULT)
    return "".join(f"{_machine(each)} login {each.login} password {each.password}\n" for each in ordered)


def auth_conf(logins: Sequence[Login], addresses: Iterable[str]) -> str:
    """For apt (apt_auth.conf(5)), for the hosts of ``addresses`` alone.

    With scheme and port: without them apt sends nothing over plain http, which an internal mirror may use.
    """
    by_host = {each.machine: each for each in logins}
    lines: dict[str, None] = {}
    for parts in map(urlsplit, addresses):
        login = by_host.get(parts.hostname or "") or by_host.get(_DEFAULT)
        if login:
            where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
            lines[f"machine {where} login {login.login} password {login.password}\n"] = None
    return "".join(lines)


def build_secrets(archives: Sequence[Archive], suite: str, logins: Sequence[Login]) -> Mapping[str, str]:
    """The secrets of a builder: where apt looks, and who apt and Bazel are there. Empty ones are left out."""
    addresses = [each for archive in archives for each in (archive.main, archive.security) if each]
    sources = "#\n".join("".join(f"{line}\n" for line in each.sources(suite)) for each in archives)
    found = {APT_SOURCES: sources, APT_AUTH: auth_conf(logins, addresses), NETRC: netrc_text(logins)}
    return {name: text for name, text in found.items() if text}


def _machine(login: Login) -> str:
    return _DEFAULT if login.machine == _DEFAULT else f"machine {login.machine}"


def _of_url(parts: SplitResult) -> Login | None:
    if not parts.username or not parts.hostname:
        return None
    return Login(parts.hostname, unquote(parts.username), unquote(parts.password or ""))


def _can_be_written(login: Login) -> bool:
    words = (login.machine, login.login, login.password)
    return all(word and not any(char.isspace() or char in "\"'#" for char in word) for word in words)


_MAGIC, _VERSION, _TRUSTED = 0xFEEDFEED, 2, 2
# Every Java knows this one; it protects nothing, and Java asks for none to read certificates.
_PASSWORD = "changeit"  # noqa: S105
_WHITENER = b"Mighty Aphrodite"
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def java_trust_store(pem: str) -> bytes:
    """The certificates in ``pem`` as a JKS key store; anything else in the text is left out.

    :raises ValueError: a block holds no certificate.
    """
    found = dict.fromkeys(ssl.PEM_cert_to_DER_cert(block) for block in _BLOCK.findall(pem))
    if not all(each.startswith(b"\x30") for each in found):  # every certificate is a SEQUENCE
        raise ValueError("something else than a certificate")
    body = struct.pack(">III", _MAGIC, _VERSION, len(found))
    for number, certificate in enumerate(found):
        # Alias, time in ms since 1970, kind, length.
        body += struct.pack(">I", _TRUSTED) + _text(f"ca-{number}") + struct.pack(">Q", 0)
        body += _text("X.509") + struct.pack(">I", len(certificate)) + certificate
    # The form's own checksum; who may be trusted is not decided by it.
    return body + hashlib.sha1(_PASSWORD.encode("utf-16-be") + _WHITENER + body).digest()  # noqa: S324


def _text(value: str) -> bytes:
    raw = value.encode("ascii")
    return struct.pack(">H", len(raw)) + raw
