"""A bill of materials in SPDX 2.3, JSON: https://spdx.github.io/spdx-spec/v2.3/. Pure."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone

from spdx_tools.spdx.model import (
    Actor,
    ActorType,
    Checksum,
    ChecksumAlgorithm,
    CreationInfo,
    Document,
    ExternalPackageRef,
    ExternalPackageRefCategory,
    ExtractedLicensingInfo,
    File,
    FileType,
    Package,
    PackagePurpose,
    Relationship,
    RelationshipType,
    SpdxNoAssertion,
)
from spdx_tools.spdx.writer.json.json_writer import write_document_to_stream

from tfbuild.trust.bill import Bill, Component, Kind, OwnedFile, Role, component_ids, debian_purl, unique
from tfbuild.trust.licenses import expression, own_references

_DOCUMENT = "SPDXRef-DOCUMENT"
_PURPOSES: Mapping[Kind, PackagePurpose] = {
    Kind.RESULT: PackagePurpose.LIBRARY,
    Kind.IMAGE: PackagePurpose.CONTAINER,
    Kind.DEBIAN: PackagePurpose.INSTALL,
    Kind.SOURCE: PackagePurpose.SOURCE,
    Kind.WHEEL: PackagePurpose.ARCHIVE,
    Kind.FILE: PackagePurpose.FILE,
    Kind.PATCH: PackagePurpose.SOURCE,
    Kind.MODEL: PackagePurpose.FILE,
    Kind.APPLICATION: PackagePurpose.APPLICATION,
}
_FORWARD: Mapping[Role, RelationshipType] = {
    Role.SOURCE: RelationshipType.GENERATED_FROM,
    Role.STATIC: RelationshipType.STATIC_LINK,
    Role.DYNAMIC: RelationshipType.DYNAMIC_LINK,
    Role.CONTAINED: RelationshipType.CONTAINS,
}


def spdx_text(bill: Bill) -> str:
    """The document; equal bills give equal bytes. It is valid by spdx-tools."""
    return _Writer(bill).text()


class _Writer:
    """Collects packages, files and what they are to each other."""

    def __init__(self, bill: Bill) -> None:
        self._bill = bill
        self._ids = {each: f"SPDXRef-{word}" for each, word in component_ids(bill).items()}
        self._taken = set(self._ids.values())
        self._relations: list[Relationship] = []
        self._sources: dict[tuple[str, str], Package] = {}

    def text(self) -> str:
        bill = self._bill
        packages = [self._package(each) for each in (bill.result, bill.image, *bill.components)]
        for each in bill.components:
            self._relate_component(each)
        files = [self._file(each) for each in bill.files]
        document = Document(
            self._creation(),
            packages=[*packages, *self._sources.values()],
            files=files,
            relationships=[*self._described(), *self._relations],
            extracted_licensing_info=list(self._own_licenses()),
        )
        stream = io.StringIO()
        write_document_to_stream(document, stream, validate=True)
        return stream.getvalue() + "\n"

    def _creation(self) -> CreationInfo:
        bill = self._bill
        return CreationInfo(
            spdx_version="SPDX-2.3",
            spdx_id=_DOCUMENT,
            name=bill.name,
            document_namespace=f"https://spdx.org/spdxdocs/tfbuild/{bill.name}-{bill.digest}",
            creators=[Actor(ActorType.TOOL, bill.tool), Actor(ActorType.ORGANIZATION, bill.author)],
            created=datetime.fromtimestamp(bill.created, timezone.utc).replace(tzinfo=None),
            document_comment=f"Not listed: {bill.unlisted}." if bill.unlisted else None,
        )

    def _described(self) -> Iterator[Relationship]:
        for each in (self._bill.result, self._bill.image):
            yield Relationship(_DOCUMENT, RelationshipType.DESCRIBES, self._ids[each])
        result, image = self._ids[self._bill.result], self._ids[self._bill.image]
        yield Relationship(image, RelationshipType.CONTAINS, result)

    def _package(self, each: Component) -> Package:
        declared = expression(each.license)
        return Package(
            spdx_id=self._ids[each],
            name=each.name,
            version=each.version or None,
            supplier=Actor(ActorType.ORGANIZATION, each.supplier),
            download_location=each.location if each.is_web else SpdxNoAssertion(),
            # Only files with code are listed, of the result and of the image.
            files_analyzed=each is self._bill.result or (each is self._bill.image and self._image_is_listed),
            checksums=[Checksum(ChecksumAlgorithm.SHA256, each.sha256)] if each.sha256 else [],
            license_concluded=SpdxNoAssertion(),
            license_declared=SpdxNoAssertion() if declared is None else declared,
            license_comment=f"The text is {each.license_file}." if each.license_file else None,
            copyright_text=SpdxNoAssertion(),
            external_references=list(_references(each)),
            primary_package_purpose=_PURPOSES[each.kind],
            source_info=_origin(each),
            comment=each.note or None,
        )

    @property
    def _image_is_listed(self) -> bool:
        return any(each.in_image for each in self._bill.files)

    def _relate_component(self, each: Component) -> None:
        result, image, own = self._ids[self._bill.result], self._ids[self._bill.image], self._ids[each]
        for role in each.roles:
            self._relations += _relations(role, result, image, own)
        if each.source:
            source = self._source(*each.source, each.supplier)
            self._relations.append(Relationship(own, RelationshipType.GENERATED_FROM, source))

    def _source(self, name: str, version: str, supplier: str) -> str:
        """The id of the Debian source package, which several binary packages are made of."""
        if (name, version) not in self._sources:
            purl = debian_purl(name, version, "source", "")
            self._sources[name, version] = Package(
                spdx_id=unique(f"SPDXRef-source-{name}-{version}", self._taken),
                name=name,
                version=version,
                supplier=Actor(ActorType.ORGANIZATION, supplier),
                download_location=SpdxNoAssertion(),
                files_analyzed=False,
                license_concluded=SpdxNoAssertion(),
                license_declared=SpdxNoAssertion(),
                copyright_text=SpdxNoAssertion(),
                external_references=[_reference("purl", purl)],
                primary_package_purpose=PackagePurpose.SOURCE,
                source_info="Debian source package",
            )
        return self._sources[name, version].spdx_id

    def _file(self, file: OwnedFile) -> File:
        spdx_id = unique(f"SPDXRef-file-{file.name}", self._taken)
        owner = self._bill.owner_of(file)
        place = self._bill.image if file.in_image else self._bill.result
        self._relations.append(Relationship(self._ids[place], RelationshipType.CONTAINS, spdx_id))
        if owner not in {self._bill.result, self._bill.image}:
            copied = file.sha256 == owner.sha256
            how = RelationshipType.COPY_OF if copied else RelationshipType.EXPANDED_FROM_ARCHIVE
            self._relations.append(Relationship(spdx_id, how, self._ids[owner]))
        return File(
            name=f"./{file.name}",
            spdx_id=spdx_id,
            checksums=[
                Checksum(ChecksumAlgorithm.SHA1, file.sha1),
                Checksum(ChecksumAlgorithm.SHA256, file.sha256),
            ],
            file_types=[FileType.ARCHIVE if file.path.endswith((".whl", ".a")) else FileType.BINARY],
            license_concluded=SpdxNoAssertion(),
            copyright_text=SpdxNoAssertion(),
        )

    def _own_licenses(self) -> Iterator[ExtractedLicensingInfo]:
        """SPDX wants the text of each licence that it does not list; the folder has it."""
        places: dict[str, str] = {}
        for each in (self._bill.result, self._bill.image, *self._bill.components):
            for name in own_references(each.license):
                places.setdefault(name, each.license_file or f"with {each.name}")
        for name, place in sorted(places.items()):
            text = f"The text of this licence is {place}."
            yield ExtractedLicensingInfo(license_id=name, extracted_text=text, license_name=name)


def _relations(role: Role, result: str, image: str, own: str) -> Iterator[Relationship]:
    """What the component ``own`` is to the result or the image.

    What a result is made of is also what it depends on: readers follow that to find all that is in it.
    """
    if role in _FORWARD:
        yield Relationship(result, _FORWARD[role], own)
    elif role is Role.IN_IMAGE:
        yield Relationship(image, RelationshipType.CONTAINS, own)
    elif role is Role.TOOL:
        yield Relationship(own, RelationshipType.BUILD_TOOL_OF, result)
    else:
        yield Relationship(own, RelationshipType.PATCH_FOR, result)
    if role in {Role.SOURCE, Role.PATCH}:
        yield Relationship(result, RelationshipType.DEPENDS_ON, own)


def _references(each: Component) -> Iterator[ExternalPackageRef]:
    yield _reference("purl", each.purl)
    if each.cpe:
        yield ExternalPackageRef(ExternalPackageRefCategory.SECURITY, "cpe23Type", each.cpe)
    if each.swhid:
        yield ExternalPackageRef(ExternalPackageRefCategory.PERSISTENT_ID, "swh", each.swhid)


def _reference(kind: str, locator: str) -> ExternalPackageRef:
    return ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, kind, locator)


def _origin(each: Component) -> str | None:
    """Where the bytes are from, when no web address says it."""
    if each.location and not each.is_web:
        return each.location
    return f"built from Debian source package {' '.join(each.source)}" if each.source else None
