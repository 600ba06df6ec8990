"""Hashes of frozen values, the same on every machine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any


def fingerprint(value: object) -> str:
    """A hash of a frozen value, the same on every machine."""
    text = json.dumps(value, default=_plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> object:
    return asdict(value) if hasattr(value, "__dataclass_fields__") else str(value)
