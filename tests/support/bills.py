"""Judges bills of materials by programs of others, and small bills."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from ntia_conformance_checker.sbom_checker import SbomChecker
from spdx_tools.spdx.parser.json import json_parser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from tfbuild.trust.bill import Bill, Component, Kind, OwnedFile, Role, debian_purl


def require_valid_spdx(path: Path) -> dict[str, Any]:
    """The document, if spdx-tools and the NTIA checker have nothing against it."""
    document = json_parser.parse_from_file(str(path))
    assert [each.validation_message for each in validate_full_spdx_document(document)] == []
    checker = SbomChecker(str(path))
    assert checker.compliant, checker.get_components_without_suppliers()
    loaded: dict[str, Any] = json.loads(path.read_text())
    # What no relation leads to, the checker does not look at: tools, and sources of packages.
    related = {
        each["spdxElementId"]
        for each in loaded["relationships"]
        if each["relationshipType"] == "BUILD_TOOL_OF"
    }
    floating = {
        each["SPDXID"]
        for each in loaded["packages"]
        if each["SPDXID"] not in _reached(loaded) and each.get("sourceInfo") != "Debian source package"
    }
    assert floating <= related
    return loaded


def _reached(document: dict[str, Any]) -> set[str]:
    forward = {"DESCRIBES", "CONTAINS", "DEPENDS_ON", "DYNAMIC_LINK", "STATIC_LINK"}
    edges = [
        (each["spdxElementId"], each["relatedSpdxElement"])
        for each in document["relationships"]
        if each["relationshipType"] in forward
    ]
    reached = {"SPDXRef-DOCUMENT"}
    while new := {to for start, to in edges if start in reached} - reached:
        reached |= new
    return reached


def require_valid_cyclonedx(text: str) -> dict[str, Any]:
    """The document, if the schema of CycloneDX 1.6 allows it."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def owners_in_cyclonedx(document: dict[str, Any]) -> dict[str, str]:
    """The component that each file belongs to, by the file's path."""
    components = (document["metadata"]["component"], *document.get("components", ()))
    return {
        each["name"]: component["name"]
        for component in components
        for each in component.get("components", ())
        if each["type"] == "file"
    }


def component(name: str = "libabsl20240722", **changes: Any) -> Component:
    """A Debian package in the image, but for ``changes``."""
    plain = Component(
        kind=Kind.DEBIAN,
        name=name,
        version="20240722.0-4",
        roles=(Role.IN_IMAGE,),
        purl=debian_purl(name, "20240722.0-4", "amd64", "trixie"),
        supplier="Debian",
        source=("abseil", "20240722.0-4"),
    )
    return replace(plain, **changes)


def bill(*components: Component, **changes: Any) -> Bill:
    """A bill of a result with one library of its own."""
    result = component(
        "tool-1.0-opt-amd64",
        kind=Kind.RESULT,
        version="1.0",
        roles=(),
        purl="pkg:generic/tfbuild/tool@1.0",
        source=None,
        license="Apache-2.0",
    )
    image = component("tool:1.0", kind=Kind.IMAGE, version=f"sha256:{'1' * 64}", roles=(), source=None)
    plain = Bill(
        name="tool-1.0-opt-amd64",
        tool="tfbuild-0.1.0",
        author="somebody",
        created=1_700_000_000,
        digest="2" * 64,
        result=result,
        image=replace(image, purl=f"pkg:oci/tool@sha256:{'1' * 64}"),
        components=components,
        files=(OwnedFile(path="lib/libtool.so", size=3, sha256="3" * 64, sha1="4" * 40, owner=None),),
        unlisted="",
    )
    return replace(plain, **changes)
