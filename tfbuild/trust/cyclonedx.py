"""A bill of materials in CycloneDX 1.6, JSON: https://cyclonedx.org/docs/1.6/json/. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component as Part
from cyclonedx.model.component import ComponentScope, ComponentType, Pedigree, Swhid
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from tfbuild.trust.bill import Bill, Component, Kind, OwnedFile, Role, component_ids, debian_purl
from tfbuild.trust.licenses import known_license

# Of nothing else: makes the names of bills from their digests.
_NAMESPACE = uuid.UUID("7c6a3f2e-6f0c-5b43-9d0a-0f5f1f3b8f11")
_TYPES: Mapping[Kind, ComponentType] = {
    Kind.RESULT: ComponentType.LIBRARY,
    Kind.IMAGE: ComponentType.CONTAINER,
    Kind.DEBIAN: ComponentType.LIBRARY,
    Kind.SOURCE: ComponentType.LIBRARY,
    Kind.WHEEL: ComponentType.LIBRARY,
    Kind.FILE: ComponentType.FILE,
    Kind.PATCH: ComponentType.FILE,
    Kind.MODEL: ComponentType.MACHINE_LEARNING_MODEL,
    Kind.APPLICATION: ComponentType.APPLICATION,
}


def cyclonedx_text(bill: Bill) -> str:
    """The document; equal bills give equal bytes."""
    return _document(bill, (bill.image, *bill.components), _needs(bill))


def inner_text(bill: Bill) -> str:
    """The document of a bill that lies in the image, and so says nothing of the image."""
    return _document(bill, bill.components, {bill.result: bill.components})


def _document(bill: Bill, told: Sequence[Component], needs: Mapping[Component, Sequence[Component]]) -> str:
    ids = component_ids(bill)
    parts = {each: _part(each, ids[each]) for each in (bill.result, *told)}
    for file in bill.files:
        parts[bill.owner_of(file)].components.add(_file_part(file))
    bom = Bom(
        serial_number=uuid.uuid5(_NAMESPACE, bill.digest),
        metadata=_metadata(bill, parts[bill.result]),
        components=[parts[each] for each in told],
        dependencies=[
            Dependency(parts[owner].bom_ref, [Dependency(parts[each].bom_ref) for each in found])
            for owner, found in needs.items()
        ],
    )
    return str(JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def _metadata(bill: Bill, result: Part) -> BomMetaData:
    name, _, version = bill.tool.rpartition("-")
    told = [Property(name="tfbuild:unlisted", value=bill.unlisted)] if bill.unlisted else []
    metadata = BomMetaData(
        timestamp=datetime.fromtimestamp(bill.created, timezone.utc),
        component=result,
        supplier=OrganizationalEntity(name=bill.author),
        properties=told,
    )
    metadata.tools.components.add(Part(name=name, version=version, type=ComponentType.APPLICATION))
    return metadata


def _part(each: Component, ref: str) -> Part:
    expression = known_license(each.license)
    only_tool = set(each.roles) == {Role.TOOL}
    return Part(
        name=each.name,
        type=_TYPES[each.kind],
        bom_ref=ref,
        version=each.version or None,
        supplier=OrganizationalEntity(name=each.supplier),
        purl=PackageURL.from_string(each.purl),
        cpe=each.cpe or None,
        swhids=[Swhid(each.swhid)] if each.swhid else None,
        licenses=[LicenseExpression(expression)] if expression else None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each.sha256)] if each.sha256 else None,
        external_references=list(_references(each)),
        scope=ComponentScope.EXCLUDED if only_tool else None,
        pedigree=_pedigree(each, ref),
        description=each.note or None,
        properties=list(_properties(each)),
    )


def _references(each: Component) -> Iterator[ExternalReference]:
    if each.is_web:
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=each.sha256)] if each.sha256 else None
        yield ExternalReference(
            type=ExternalReferenceType.DISTRIBUTION, url=XsUri(each.location), hashes=hashes
        )


def _properties(each: Component) -> Iterator[Property]:
    for role in each.roles:
        yield Property(name="tfbuild:role", value=str(role))
    if each.location and not each.is_web:
        yield Property(name="tfbuild:location", value=each.location)
    if each.license_file:
        yield Property(name="tfbuild:license-file", value=each.license_file)


def _pedigree(each: Component, ref: str) -> Pedigree | None:
    """A Debian package comes from its source package."""
    if each.source is None:
        return None
    name, version = each.source
    purl = PackageURL.from_string(debian_purl(name, version, "source", ""))
    source = Part(name=name, version=version, type=ComponentType.LIBRARY, purl=purl, bom_ref=f"{ref}-source")
    return Pedigree(ancestors=[source])


def _file_part(file: OwnedFile) -> Part:
    return Part(
        name=file.name,
        type=ComponentType.FILE,
        bom_ref=f"file:{file.name}",
        hashes=[
            HashType(alg=HashAlgorithm.SHA_1, content=file.sha1),
            HashType(alg=HashAlgorithm.SHA_256, content=file.sha256),
        ],
    )


_LINKED = frozenset({Role.SOURCE, Role.STATIC, Role.DYNAMIC, Role.CONTAINED})


def _needs(bill: Bill) -> Mapping[Component, Sequence[Component]]:
    """What the result is made of, and what is in the image; a result without code of its own is the image."""
    linked = [each for each in bill.components if _LINKED & set(each.roles)]
    inside = [each for each in bill.components if Role.IN_IMAGE in each.roles]
    if not linked:
        return {bill.result: [bill.image], bill.image: inside}
    return {bill.result: linked, bill.image: [bill.result, *inside]}
