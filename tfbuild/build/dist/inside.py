"""The bill of materials that lies in an image: of what was compiled, which no package's record there names.

Scanners of images read it where it lies: Trivy takes each file whose name ends with ``.cdx.json``
(pkg/fanal/analyzer/sbom/sbom.go). The folder is the one in which apko has the bills of its packages.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from tfbuild.artifacts.image.facts import Package as InImage
from tfbuild.artifacts.image.facts import is_status, parse_dpkg_status
from tfbuild.artifacts.image.owners import BILLS
from tfbuild.base.documents import fingerprint
from tfbuild.build.dist.contents import CodeFile, ImageCode
from tfbuild.build.dist.manifest import Package, package_of
from tfbuild.trust.bill import Bill, Kind, Role

_LINKED = frozenset({Role.SOURCE, Role.STATIC, Role.PATCH})


def inner_bill(bill: Bill) -> Bill:
    """What of ``bill`` no other record in the image tells: what was linked in, and the files that were made.

    Debian's own files have dpkg's records.
    """
    debian = {each.purl for each in bill.components if each.kind is Kind.DEBIAN}
    files = tuple(
        replace(each, in_image=False) for each in bill.files if each.in_image and each.owner not in debian
    )
    owners = {each.owner for each in files}
    components = tuple(each for each in bill.components if _LINKED & set(each.roles) or each.purl in owners)
    digest = fingerprint([bill.result, components, files, bill.unlisted])
    return replace(bill, components=components, files=files, digest=digest)


def recorded_packages(*tars: Path) -> tuple[Package, ...]:
    """Debian's packages that the image will have records of: those in its files, and in what lies below."""
    found: set[InImage] = set()
    for path in tars:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                stream = tar.extractfile(member) if is_status(str(PurePosixPath("/") / member.name)) else None
                if stream is not None:
                    found.update(parse_dpkg_status(stream.read().decode("utf-8", errors="replace")))
    return tuple(package_of(each) for each in sorted(found))


def made_files(runtime: Path, made: Iterable[CodeFile]) -> tuple[ImageCode, ...]:
    """Those files of the image's tar ``runtime`` that have the bytes of one of ``made``, sorted by path."""
    known = {(each.size, each.sha256) for each in made}
    sizes = {size for size, _ in known}
    found = []
    with tarfile.open(runtime, "r:") as tar:
        for member in tar:
            if not member.isreg() or member.size not in sizes:
                continue
            stream = tar.extractfile(member)
            data = stream.read() if stream else b""
            sha256 = hashlib.sha256(data).hexdigest()
            if (member.size, sha256) in known:
                path = str(PurePosixPath("/") / member.name)
                sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
                found.append(ImageCode(path=path, size=member.size, sha256=sha256, sha1=sha1, record=""))
    return tuple(sorted(found, key=lambda each: each.path))


def add_bill(runtime: Path, bill: Bill) -> None:
    """Append the document to the tar. Equal bills give equal bytes: its time is that of the source."""
    from tfbuild.trust.cyclonedx import inner_text

    place = PurePosixPath(BILLS.lstrip("/")) / f"{bill.name}.cdx.json"
    data = inner_text(bill).encode()
    with tarfile.open(runtime, "a:") as tar:
        present = {str(PurePosixPath(name)) for name in tar.getnames()}
        for folder in _missing(place, present):
            tar.addfile(_member(f"{folder}/", bill.created, tarfile.DIRTYPE, 0o755))
        member = _member(str(place), bill.created, tarfile.REGTYPE, 0o644)
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))


def _missing(place: PurePosixPath, present: set[str]) -> Iterator[str]:
    """The folders above it that are not there, the outermost first."""
    yield from (str(folder) for folder in reversed(place.parents[:-1]) if str(folder) not in present)


def _member(name: str, time: int, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = kind, mode, time
    return member
