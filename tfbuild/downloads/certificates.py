"""The files of CA certificates that the environment names, looked at before anything is downloaded."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from tfbuild.base.errors import HostError

_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def require_certificates(env: Mapping[str, str]) -> None:
    """A folder of certificates is looked into only when one is needed: OpenSSL's way.

    :raises HostError: a variable names a file that does not exist, or that has no certificate in it.
    """
    for name in _VARIABLES:
        if env.get(name):
            _require(name, Path(env[name]))


def _require(name: str, bundle: Path) -> None:
    if not bundle.exists():
        raise HostError(f"{name} names a file that does not exist: {bundle}", hint=f"unset {name}")
    if not bundle.is_dir():
        changed = bundle.stat()
        if fault := _fault(bundle, changed.st_mtime_ns, changed.st_size):
            raise HostError(
                f"{name} names a file without certificates: {bundle}",
                details=(fault,),
                hint=f"correct it, it has to be in PEM form; or unset {name}",
            )


@lru_cache
def _fault(bundle: Path, mtime_ns: int, size: int) -> str:
    """Why OpenSSL cannot read ``bundle``; "" if it can.

    Asked for each session, and one state of a file is read once: a whole bundle takes a fifth of a second.
    """
    del mtime_ns, size
    try:
        ssl.create_default_context(cafile=bundle)
    except OSError as error:
        return error.strerror or str(error)
    return ""
