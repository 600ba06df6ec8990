"""The provenance of a build, from its manifest, the hashes of its files and its times. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tfbuild.base.documents import dump
from tfbuild.base.urls import DEBIAN_SCHEME, PYPI_SCHEME
from tfbuild.build.dist.manifest import Manifest, Package
from tfbuild.build.dist.ownership import MANIFEST, VERIFY_REPORT
from tfbuild.plan.plan import Plan
from tfbuild.trust.bill import debian_purl
from tfbuild.trust.provenance import UNNAMED_BUILDER, Provenance, Resource

LOGS = "logs/"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What is not in the manifest: the sha256 of each file by its path, and when the build began and ended,
    in seconds since 1970; versions of what carried it out."""

    hashes: Mapping[str, str]
    started: float
    finished: float
    versions: Mapping[str, str]


def provenance_of(manifest: Manifest[Any], around: Circumstances) -> Provenance:
    """Subjects are all files of the dist folder and the image; dependencies, all that went in."""
    plan = manifest.plan
    revision = (Resource(name="tfbuild", digest={"gitCommit": plan.revision}),) if plan.revision else ()
    return Provenance(
        subjects=(*_files(around.hashes), _image(manifest)),
        external={"plan": dump(plan)},
        internal={"key": manifest.key, "jobs": manifest.jobs},
        dependencies=tuple(_dependencies(manifest)),
        builder_id=plan.signing.builder_id or UNNAMED_BUILDER,
        versions={"tfbuild": manifest.tfbuild, **around.versions},
        builder_dependencies=revision,
        invocation=f"{manifest.key}-{around.started:.0f}",
        started=around.started,
        finished=around.finished,
        byproducts=tuple(
            each
            for each in _files(around.hashes)
            if each.name.startswith(LOGS) or each.name in {MANIFEST, VERIFY_REPORT}
        ),
    )


def _files(hashes: Mapping[str, str]) -> Iterator[Resource]:
    for path in sorted(hashes):
        yield Resource(name=path, digest={"sha256": hashes[path]})


def _image(manifest: Manifest[Any]) -> Resource:
    """By its id in the engine: the digest of its manifest, in the older image store of its configuration."""
    match = _DIGEST.fullmatch(manifest.image.id)
    return Resource(name=manifest.image.name, digest={"sha256": match[1]} if match else {})


def _dependencies(manifest: Manifest[Any]) -> Iterator[Resource]:
    plan = manifest.plan
    for pin in plan.pins:
        uri = pin.urls[0] if pin.urls else ""
        yield Resource(name=pin.filename, uri=_uri(uri), digest={"sha256": pin.sha256})
    yield from _source_tree(plan)
    for patch in plan.patches:
        of = {"dependency": patch.dependency} if patch.dependency else {}
        yield Resource(
            name=patch.path, digest={"sha256": patch.sha256}, annotations={"origin": patch.origin, **of}
        )
    for role, root in sorted(manifest.roots.items()):
        yield Resource(
            name=f"Debian {root.suite} {root.arch} ({role})",
            uri=root.mirror,
            digest={"sha256": root.sha256},
            annotations={"maker": root.maker},
        )
    # What is installed from a download is in no index.
    pinned = {pin.filename: pin.sha256 for pin in plan.pins}
    for package in _packages(manifest):
        suite = manifest.roots["builder"].suite if "builder" in manifest.roots else ""
        yield Resource(
            name=package.package,
            uri=debian_purl(package.package, package.version, package.arch, suite),
            digest={"sha256": digest} if (digest := package.sha256 or pinned.get(_filename(package))) else {},
        )


def _source_tree(plan: Plan[Any]) -> Iterator[Resource]:
    """The content of the source, where its git tree proves it."""
    tree = plan.source.tree if plan.source else None
    if plan.source and tree:
        urls = plan.unhashed.urls if plan.unhashed else ()
        yield Resource(
            name=f"{plan.source.filename}, its content", uri=next(iter(urls), ""), digest={"gitTree": tree}
        )


def _packages(manifest: Manifest[Any]) -> Iterator[Package]:
    """Those of the builder, and those of the image that are from elsewhere."""
    yield from manifest.packages
    known = {(each.package, each.version, each.arch) for each in manifest.packages}
    for each in manifest.image.packages:
        if (each.package, each.version, each.arch) not in known:
            yield each


def _filename(package: Package) -> str:
    """As archives call it: the version is without its epoch, dpkg-name(1)."""
    version = package.version.partition(":")[2] or package.version
    return f"{package.package}_{version}_{package.arch}.deb"


def _uri(address: str) -> str:
    """Addresses of the Debian archive and of a package index as the plan has them: no host is named."""
    return address if "://" in address or address.startswith((DEBIAN_SCHEME, PYPI_SCHEME)) else ""
