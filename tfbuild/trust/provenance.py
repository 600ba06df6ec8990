"""Provenance of one result: an in-toto statement with SLSA's predicate. Pure.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md, https://slsa.dev/spec/v1.0/provenance
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
# What the parameters of a build mean: docs/trust.md.
BUILD_TYPE = "urn:tfbuild:build:v1"
# Of whoever gave no signing.builder_id.
UNNAMED_BUILDER = "urn:tfbuild:builder:unnamed"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A ResourceDescriptor: something with a name or an address, and digests by their algorithm."""

    name: str = ""
    uri: str = ""
    digest: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Its fields that say something."""
        texts = {"name": self.name, "uri": self.uri}
        maps = {"digest": dict(self.digest), "annotations": dict(self.annotations)}
        return {name: value for name, value in (*texts.items(), *maps.items()) if value}


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Who made ``subjects`` of what, when. Times are in seconds since 1970.

    ``external`` are the parameters that whoever asked for the build chose, ``internal`` what the builder
    chose itself; ``versions`` are those of the builder's parts, ``byproducts`` what it left besides.
    """

    subjects: tuple[Resource, ...]
    external: Mapping[str, Any]
    internal: Mapping[str, Any]
    dependencies: tuple[Resource, ...]
    builder_id: str
    versions: Mapping[str, str]
    builder_dependencies: tuple[Resource, ...]
    invocation: str
    started: float
    finished: float
    byproducts: tuple[Resource, ...]

    def to_json(self) -> dict[str, Any]:
        """The statement."""
        builder: dict[str, Any] = {"id": self.builder_id, "version": dict(self.versions)}
        if self.builder_dependencies:
            builder["builderDependencies"] = _all(self.builder_dependencies)
        return {
            "_type": STATEMENT_TYPE,
            "subject": _all(self.subjects),
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": dict(self.external),
                    "internalParameters": dict(self.internal),
                    "resolvedDependencies": _all(self.dependencies),
                },
                "runDetails": {
                    "builder": builder,
                    "metadata": {
                        "invocationId": self.invocation,
                        "startedOn": _time(self.started),
                        "finishedOn": _time(self.finished),
                    },
                    "byproducts": _all(self.byproducts),
                },
            },
        }


def provenance_text(provenance: Provenance) -> str:
    """The statement as JSON."""
    return json.dumps(provenance.to_json(), indent=2, ensure_ascii=False) + "\n"


def _all(resources: tuple[Resource, ...]) -> list[dict[str, Any]]:
    return [each.to_json() for each in resources]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def lost_materials(statement: Mapping[str, Any], plan: Mapping[str, Any] | None = None) -> list[str]:
    """File names of the pins of ``plan`` that the statement's dependencies do not name with their hash;
    ``plan`` is the statement's own unless another is given.

    :raises KeyError, TypeError, AttributeError: the statement is none of SLSA.
    """
    definition = statement["predicate"]["buildDefinition"]
    pins = (definition["externalParameters"]["plan"] if plan is None else plan).get("pins", ())
    materials = {
        (each.get("name"), each.get("digest", {}).get("sha256"))
        for each in definition["resolvedDependencies"]
    }
    return [each["filename"] for each in pins if (each["filename"], each["sha256"]) not in materials]
