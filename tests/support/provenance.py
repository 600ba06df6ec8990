"""Judges provenance by the types that in-toto publishes for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement


def require_valid_provenance(path: Path) -> dict[str, Any]:
    """The statement, if each of its fields is one of in-toto's and SLSA's, and none is missing."""
    text = path.read_text(encoding="utf-8")
    statement = json_format.Parse(text, statement_pb2.Statement())
    Statement.copy_from_pb(statement).validate()
    loaded: dict[str, Any] = json.loads(text)
    predicate = json_format.ParseDict(loaded["predicate"], provenance_pb2.Provenance())
    assert predicate.build_definition.build_type
    assert predicate.run_details.builder.id
    materials = predicate.build_definition.resolved_dependencies
    for each in (*materials, *predicate.run_details.byproducts):
        ResourceDescriptor.copy_from_pb(each).validate()
    return loaded
