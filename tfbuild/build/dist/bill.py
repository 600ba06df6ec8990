"""The bill of materials of a build, from its manifest and what its product knows. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from packageurl import PackageURL
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from tfbuild.base.documents import fingerprint
from tfbuild.base.errors import BuildError
from tfbuild.base.values import Pin
from tfbuild.build.dist.contents import LICENSES, CodeFile, Content, ImageCode, Material, Materials
from tfbuild.build.dist.manifest import Manifest, Package
from tfbuild.plan.plan import Patch
from tfbuild.trust.bill import (
    Bill,
    Component,
    Kind,
    OwnedFile,
    Role,
    debian_purl,
    merged,
    owner_of_repository,
    repository_purl,
)
from tfbuild.trust.known import cpe_of

_LABEL = "org.opencontainers.image."
_DEBIAN = "Debian"
_NOBODY = "whoever ran tfbuild; name yourself with the label org.opencontainers.image.vendor"
# Compilers, assemblers and linkers of Debian, with a target's triplet at their end where they are for one.
_COMPILER = re.compile(
    r"(gcc|g\+\+|cpp|clang|lld|llvm|binutils|bazel-bootstrap)(-[0-9]+)?(-[a-z0-9-]+-linux-gnu[a-z0-9]*)?"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DEB = re.compile(r"([a-z0-9][a-z0-9.+-]+)_([^_]+)_([a-z0-9]+)\.deb")


def bill_of(manifest: Manifest[Any], materials: Materials) -> Bill:
    """Equal manifests give equal bills, whenever and wherever they were made: no time of the build is in it.

    :raises BuildError: a file has an owner that is no ingredient, or none at all: a fault of the recipe.
    """
    return _Maker(manifest, materials).bill()


class _Maker:
    def __init__(self, manifest: Manifest[Any], materials: Materials) -> None:
        self.manifest, self.plan, self.materials = manifest, manifest.plan, materials
        self.labels = dict(manifest.image.labels)
        self.vendor = _plain(self.labels.get(f"{_LABEL}vendor", "")) or _NOBODY
        self.suite = manifest.roots["runtime" if "runtime" in manifest.roots else "builder"].suite
        self.files = {each.sha256: each for each in manifest.files}

    def bill(self) -> Bill:
        plan = self.plan
        components = merged(self._components())
        result, image = self._result(), self._image()
        own = tuple(self._owned(each, components) for each in self.manifest.files)
        files = (*own, *(self._in_image(each, own, image, components) for each in self.manifest.image.files))
        return Bill(
            name=plan.build_id,
            tool=f"tfbuild-{self.manifest.tfbuild}",
            author=self.vendor,
            created=plan.source_date_epoch,
            digest=fingerprint([result, image, components, files, self.materials.unlisted]),
            result=result,
            image=image,
            components=components,
            files=files,
            unlisted=self.materials.unlisted,
        )

    # -- what was made --------------------------------------------------------------------------------------

    def _result(self) -> Component:
        plan = self.plan
        return Component(
            kind=Kind.RESULT,
            name=plan.build_id,
            version=plan.library_version,
            roles=(),
            purl=PackageURL("generic", "tfbuild", plan.build_id, plan.library_version).to_string(),
            supplier=self.vendor,
            license=self.labels.get(f"{_LABEL}licenses", ""),
            note=self.labels.get(f"{_LABEL}title", ""),
        )

    def _image(self) -> Component:
        image, arch = self.manifest.image, str(self.plan.arch)
        name = image.name.rpartition("/")[2].partition(":")[0].lower()
        return Component(
            kind=Kind.IMAGE,
            name=image.name,
            version=image.id,
            roles=(),
            purl=PackageURL("oci", None, name, image.id, {"arch": arch}).to_string(),
            supplier=self.vendor,
        )

    # -- what it was made of --------------------------------------------------------------------------------

    def _components(self) -> Iterator[Component]:
        known = {each.pin: each for each in self.materials.known if each.pin}
        for pin in self.plan.pins:
            yield self._download(pin, known.get(pin.name, Material()))
        yield from self._unhashed_source()
        for each in self.materials.known:
            if not each.pin:
                yield self._told(each)
        yield from (self._patch(each) for each in self.plan.patches)
        yield from self._pinned_packages()
        for content in self.manifest.contents:
            yield self._content(content)
        for package in self.manifest.image.packages:
            yield self._package(package, Role.IN_IMAGE)
        for package in self.manifest.packages:
            if self.plan.source and _COMPILER.fullmatch(package.package):
                yield self._package(package, Role.TOOL)

    def _download(self, pin: Pin, told: Material) -> Component:
        if pin.filename.endswith(".whl"):
            found = self._wheel(pin)
        elif match := _DEB.fullmatch(pin.filename):
            found = self._deb(*match.groups())
        elif self.plan.source and pin.name == self.plan.source.name:
            found = self._source(pin.name)
        else:
            found = self._archive(pin, told)
        roles = told.roles or found.roles
        if pin.sha256 in self.files:
            roles = (*roles, Role.CONTAINED)
        location = pin.urls[0] if pin.urls else ""
        return replace(
            found,
            roles=roles,
            sha256=pin.sha256,
            location=location,
            license=told.license or found.license,
            note=told.note or found.note,
        )

    def _wheel(self, pin: Pin) -> Component:
        try:
            name, version, _, _ = parse_wheel_filename(pin.filename)
        except InvalidWheelFilename:
            name, version = pin.name, ""  # type: ignore[assignment]
        says = next((each for each in self.manifest.wheels if each.filename == pin.filename), None)
        purl = PackageURL("pypi", None, str(name), str(version), {"file_name": pin.filename})
        return Component(
            kind=Kind.WHEEL,
            name=str(name),
            version=str(version),
            roles=(Role.IN_IMAGE,),
            purl=purl.to_string(),
            supplier=_plain(says.author if says else "") or f"the publishers of {name}",
            license=says.license if says else "",
            cpe=cpe_of(str(name), str(version)),
        )

    def _deb(self, name: str, version: str, arch: str) -> Component:
        """A package from elsewhere; the builder has it installed, and knows its source."""
        found = self._find(name)
        if found:
            return self._package(found, Role.STATIC)
        unknown = Package(package=name, version=version, arch=arch, source=name, source_version=version)
        return replace(self._package(unknown, Role.STATIC), source=None)

    def _source(self, name: str) -> Component:
        """The source that is compiled: what the image's labels say of it."""
        plan = self.plan
        repository = self.labels.get(f"{_LABEL}source", "")
        revision = self.labels.get(f"{_LABEL}revision", "")
        commit = revision if _COMMIT.fullmatch(revision) else ""
        tree = plan.source.tree if plan.source else None
        swhid = f"swh:1:rev:{commit}" if commit else f"swh:1:dir:{tree}" if tree else ""
        short = repository.rstrip("/").rpartition("/")[2]
        return Component(
            kind=Kind.SOURCE,
            name=name,
            version=plan.library_version,
            roles=(Role.SOURCE,),
            purl=repository_purl(repository, name, commit or f"v{plan.library_version}"),
            supplier=owner_of_repository(repository) or f"the publishers of {name}",
            license=self.labels.get(f"{_LABEL}licenses", ""),
            license_file=self._license_file(short),
            cpe=cpe_of(short, plan.library_version),
            swhid=swhid,
        )

    def _unhashed_source(self) -> Iterator[Component]:
        """A source that its git tree proves, seen for the first time in this build."""
        source = self.plan.unhashed
        if source:
            location = source.urls[0] if source.urls else ""
            yield replace(self._source(source.name), location=location, swhid=f"swh:1:dir:{source.tree}")

    def _archive(self, pin: Pin, told: Material) -> Component:
        version = told.version or told.ref or told.commit or ""
        purl = repository_purl(told.repository, pin.name, told.commit or version)
        return Component(
            kind=told.kind or Kind.SOURCE,
            name=pin.name,
            version=version or f"sha256:{pin.sha256}",
            roles=told.roles or (Role.SOURCE,),
            purl=purl,
            supplier=owner_of_repository(told.repository)
            or owner_of_repository(pin.urls[0] if pin.urls else "")
            or f"the publishers of {pin.name}",
            license=told.license,
            license_file=self._license_file(pin.name),
            cpe=cpe_of(pin.name, version),
            swhid=f"swh:1:rev:{told.commit}" if told.commit else told.swhid,
        )

    def _told(self, told: Material) -> Component:
        version = told.version or told.ref or told.commit or told.swhid
        own = told.kind in {Kind.MODEL, Kind.APPLICATION}
        return Component(
            kind=told.kind or Kind.SOURCE,
            name=told.name,
            version=version,
            roles=told.roles,
            purl=repository_purl(told.repository, told.name, told.commit or version),
            supplier=self.vendor
            if own
            else owner_of_repository(told.repository) or f"the publishers of {told.name}",
            license=told.license,
            license_file=self._license_file(told.name),
            cpe="" if own else cpe_of(told.name, version),
            sha256=told.sha256,
            location=told.location,
            swhid=f"swh:1:rev:{told.commit}" if told.commit else told.swhid,
            note=told.note,
        )

    def _patch(self, patch: Patch) -> Component:
        name = patch.path.rpartition("/")[2]
        return Component(
            kind=Kind.PATCH,
            name=name,
            version=f"sha256:{patch.sha256}",
            roles=(Role.PATCH,),
            purl=PackageURL("generic", "tfbuild", name, patch.sha256).to_string(),
            supplier="tfbuild" if patch.origin == "release" else self.vendor,
            sha256=patch.sha256,
            note=": ".join(filter(None, (patch.dependency and f"of {patch.dependency}", patch.reason))),
        )

    # -- packages -------------------------------------------------------------------------------------------

    def _pinned_packages(self) -> Iterator[Component]:
        """What is compiled and linked with: as the recipe noted it; else shared where its library is shipped,
        and linked in where it is not."""
        noted = {each.owner for each in self.manifest.contents}
        shipped = {found.source for each in self.manifest.contents if (found := self._find(each.owner))}
        shipped |= {each.source for each in self.manifest.image.packages}
        for text in self.plan.packages:
            package = self._find(text.partition("=")[0])
            if package and package.package not in noted:
                role = Role.DYNAMIC if package.source in shipped else Role.STATIC
                yield self._package(package, role)

    def _content(self, content: Content) -> Component:
        role = Role.CONTAINED if content.how == "copied" else Role.STATIC
        package = self._find(content.owner)
        if package:
            return self._package(package, role)
        pin = next((each for each in self.plan.pins if each.filename == content.owner), None)
        told = next(
            (each for each in self.materials.known if not each.pin and each.name == content.owner), None
        )
        if pin is None and told:
            return self._told(replace(told, roles=(*told.roles, role)))
        if pin is None:
            raise BuildError(
                f"the bill of materials has no {content.owner}",
                details=(
                    f"{content.path} has something of it, but it is neither a package of the builder nor a "
                    "download nor anything that the product lists",
                ),
            )
        told = next((each for each in self.materials.known if each.pin == pin.name), Material())
        found = self._download(pin, told)
        return replace(found, roles=(*found.roles, role))

    def _find(self, name: str) -> Package | None:
        """The package of the builder, that of the target first."""
        same = [each for each in self.manifest.packages if each.package == name]
        mine = [each for each in same if each.arch in {str(self.plan.arch), "all"}]
        return next(iter((*mine, *same)), None)

    def _package(self, package: Package, role: Role) -> Component:
        return Component(
            kind=Kind.DEBIAN,
            name=package.package,
            version=package.version,
            roles=(role,),
            purl=debian_purl(package.package, package.version, package.arch, self.suite),
            supplier=_DEBIAN,
            license_file=self._license_file(package.package),
            sha256=package.sha256 or self._hash_of(package),
            source=(package.source, package.source_version),
        )

    def _hash_of(self, package: Package) -> str:
        """Of its .deb: the builder has the same package, where the image has its files from there."""
        same = (each for each in self.manifest.packages if replace(each, sha256=None) == package)
        return next((each.sha256 for each in same if each.sha256), "")

    def _license_file(self, name: str) -> str:
        return f"{LICENSES}/{name}" if name in self.manifest.licenses else ""

    # -- files ----------------------------------------------------------------------------------------------

    def _owned(self, file: CodeFile, components: tuple[Component, ...]) -> OwnedFile:
        return OwnedFile(
            path=file.path,
            size=file.size,
            sha256=file.sha256,
            sha1=file.sha1,
            owner=self._owner(file, components),
        )

    def _owner(self, file: CodeFile, components: tuple[Component, ...]) -> str | None:
        for each in components:
            if each.sha256 == file.sha256:
                return each.purl
        copied = [each for each in self.manifest.contents if (each.path, each.how) == (file.path, "copied")]
        if copied:
            return self._content(copied[0]).purl
        own = {each.path for each in self.manifest.artifacts}
        # Separate debug information: lib/.debug/NAME.debug of lib/NAME.
        if file.path in own or re.sub(r"\.debug/(.*)\.debug$", r"\1", file.path) in own:
            return None
        raise BuildError(
            f"the bill of materials has no owner for {file.path}",
            details=("it is neither a main result nor noted as a copy of somebody else's file",),
            hint="note_content in dockerfiles/common/results.sh",
        )

    def _in_image(
        self,
        file: ImageCode,
        own: tuple[OwnedFile, ...],
        image: Component,
        components: tuple[Component, ...],
    ) -> OwnedFile:
        """Whose a file of the image is: by its content that of the folder's file, else by the records in the
        image; what no record names is the image's own, and a finding of the verification."""
        same = next((each for each in own if each.sha256 == file.sha256), None)
        if same:
            owner = same.owner
        elif _wheel_of(file.record) in {_wheel_of(each.path) for each in own if each.owner is None} - {""}:
            owner = None
        else:
            owner = next((each for each in components if _is_record(file.record, each)), image).purl
        return OwnedFile(
            path=file.path,
            size=file.size,
            sha256=file.sha256,
            sha1=file.sha1,
            owner=owner,
            in_image=True,
        )


def _is_record(record: str, each: Component) -> bool:
    """Whether a record in the image is that of a component: dpkg's has its name, a wheel's folder, too."""
    if each.kind is Kind.DEBIAN:
        return record == each.name and Role.IN_IMAGE in each.roles
    return each.kind is Kind.WHEEL and _wheel_of(record) == canonicalize_name(each.name)


def _wheel_of(path: str) -> str:
    """The project of a wheel's file, or of the folder ``NAME-VERSION`` of an unpacked one; else empty."""
    name, dash, _ = path.rpartition("/")[2].partition("-")
    is_wheel = path.endswith(".whl") or ("/" not in path and re.match("-[0-9]", path[len(name) :]))
    return canonicalize_name(name) if dash and is_wheel else ""


def _plain(text: str) -> str:
    """A name without what SPDX's form of an actor gives a meaning."""
    return " ".join(re.sub(r"[()\x00-\x1f]", " ", text).split())
