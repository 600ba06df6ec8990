"""Who one is at a registry, from the configuration that ``docker login`` writes.

https://docs.docker.com/reference/cli/docker/login/#credential-stores,
https://github.com/docker/docker-credential-helpers
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfbuild.base.errors import HostError
from tfbuild.machine.programs import Runner

_TIMEOUT_S = 60.0
# What a helper answers as the user name when the secret is a token.
_TOKEN_USER = "<token>"  # noqa: S105


@dataclass(frozen=True)
class Credentials:
    """A password, or a token that a token server takes instead (OAuth 2)."""

    user: str
    secret: str = field(repr=False)
    is_token: bool = False


def config_path(env: Mapping[str, str], home: Path) -> Path:
    """Docker's configuration."""
    return Path(env.get("DOCKER_CONFIG") or home / ".docker") / "config.json"


def find_credentials(host: str, config: Path, runner: Runner) -> Credentials | None:
    """Those for the registry ``host``: of its own helper, else of the store, else of the file itself.

    :raises HostError: the file cannot be read, or a helper that it names does not work.
    """
    document = _read(config)
    helpers = document.get("credHelpers")
    named = helpers.get(host) if isinstance(helpers, dict) else None
    for helper in (named, document.get("credsStore")):
        if isinstance(helper, str) and helper and (found := _of_helper(helper, host, runner)):
            return found
    entries = document.get("auths")
    entries = entries if isinstance(entries, dict) else {}
    # docker login has also written https://HOST, and https://HOST/v1/ in its early days.
    names = (host, f"https://{host}", f"https://{host}/", f"https://{host}/v1/", f"https://{host}/v2/")
    for name in names:
        if isinstance(entry := entries.get(name), dict) and (found := _of_entry(entry)):
            return found
    return None


def _read(config: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(config.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        # Not its text: there are passwords in it.
        raise HostError(
            f"{config} cannot be read: {getattr(error, 'strerror', None) or 'it is no JSON'}",
            hint="docker login writes it; or DOCKER_CONFIG=FOLDER",
        ) from None
    return document if isinstance(document, dict) else {}


def _of_entry(entry: Mapping[str, Any]) -> Credentials | None:
    if isinstance(token := entry.get("identitytoken"), str) and token:
        return Credentials("", token, is_token=True)
    try:
        text = base64.b64decode(str(entry.get("auth") or ""), validate=True).decode()
    except ValueError:  # of base64 or of UTF-8, or there are other letters than ASCII's
        text = ""
    user, colon, password = text.partition(":")
    if not colon:
        user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    return Credentials(user, password.rstrip("\0")) if user else None


def _of_helper(helper: str, host: str, runner: Runner) -> Credentials | None:
    program = f"docker-credential-{helper}"
    done = runner.capture((program, "get"), input=host.encode(), timeout_s=_TIMEOUT_S)
    if not done.ok:
        if "credentials not found" in done.stdout + done.stderr:
            return None
        lines = tuple((done.stderr or done.stdout).splitlines()[-3:])
        raise HostError(f"{program} gives no password for {host}", details=lines, hint=f"docker login {host}")
    try:
        answer = json.loads(done.stdout)
        user, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise HostError(
            f"{program} answers something else than its protocol has", hint=f"docker login {host}"
        ) from None
    return Credentials("", secret, is_token=True) if user == _TOKEN_USER else Credentials(user, secret)
