"""The table of known reasons why two builds differ. Pure but for reading it.

The table is ``build_configs/diagnoses/differences.yaml``: patterns, causes, and where they are discussed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tfbuild.config.binding import bound
from tfbuild.config.yaml_source import read_yaml

TABLE = Path("build_configs", "diagnoses", "differences.yaml")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KnownCause(_Model):
    """One row of the table."""

    id: str = Field(pattern="^[a-z0-9]+(-[a-z0-9]+)*$")
    pattern: str = Field(
        min_length=3, description="A regular expression, searched in lines about a difference."
    )
    cause: str = Field(min_length=3)
    fix: str = Field(min_length=3)
    threads: tuple[str, ...] = Field(min_length=1, description="Where it is described.")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return value


class KnownCauses(_Model):
    """The file."""

    differences: tuple[KnownCause, ...]


def load_known_causes(root: Path) -> KnownCauses:
    """The table of the project in ``root``. Raises ConfigError with everything that is wrong in it."""
    return bound(read_yaml(root / TABLE, str(TABLE)), KnownCauses)


def known_causes_schema() -> dict[str, Any]:
    """JSON schema of the table; build_configs/diagnoses/differences.schema.json is its copy."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **KnownCauses.model_json_schema(),
        "title": "Known reasons why two builds of one plan differ",
    }


def causes_of(lines: Iterable[str], known: KnownCauses) -> tuple[KnownCause, ...]:
    """The rows that one of the ``lines`` matches, in the order of the table."""
    told = tuple(lines)
    return tuple(row for row in known.differences if any(re.search(row.pattern, line) for line in told))
