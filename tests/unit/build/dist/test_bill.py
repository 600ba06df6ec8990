"""The bill of materials of a build: everything that went in has its place, every file its owner."""

from __future__ import annotations

import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import keras
from tests.support.bills import owners_in_cyclonedx, require_valid_cyclonedx, require_valid_spdx
from tests.support.builds import ELF, Build
from tests.support.plans import (
    make_linked_server_plan,
    make_plan,
    make_plan_from_wheel,
    make_server_plan,
)
from tests.support.wheels import make_wheel
from tfbuild.artifacts.wheel import Wheel
from tfbuild.base.arch import Arch
from tfbuild.base.errors import BuildError
from tfbuild.base.values import Pin
from tfbuild.build.dist.bill import bill_of
from tfbuild.build.dist.contents import (
    CodeFile,
    Content,
    ImageCode,
    WheelSays,
    code_files,
    parse_contents,
    wheels_say,
)
from tfbuild.build.dist.folder import Artifact
from tfbuild.build.dist.manifest import BuiltImage, Manifest, Package
from tfbuild.build.roots import RootFacts
from tfbuild.plan.plan import Plan
from tfbuild.products.keras.part import KerasModel
from tfbuild.products.serving.part import OperatorLibraries
from tfbuild.products.table import recipe_of
from tfbuild.trust.bill import Bill, Component, Kind, Role
from tfbuild.trust.cyclonedx import cyclonedx_text
from tfbuild.trust.spdx import spdx_text

ROOT = RootFacts("trixie", "amd64", "http://mirror.example/debian", None, "1" * 64, 1, "mmdebstrap 1")


def package(name: str, version: str, source: str) -> Package:
    return Package(package=name, version=version, arch="amd64", source=source, source_version=version)


ABSL = package("libabsl20240722", "20240722.0-4", "abseil")
LIBC = package("libc6", "2.41-12", "glibc")
GCC = package("g++-14", "14.2.0-19", "gcc-14")


def manifest_of(plan: Plan[Any], **changes: Any) -> Manifest[Any]:
    """What a build of ``plan`` would write, with a few packages."""
    image = BuiltImage(
        name=plan.image.tag,
        id=f"sha256:{'2' * 64}",
        size=1,
        labels=dict(plan.image.labels),
        packages=(LIBC,),
        files=(),
    )
    plain: Manifest[Any] = Manifest(
        build_id=plan.build_id,
        key=plan.key,
        tfbuild="0.1.0",
        distributable=True,
        plan=plan,
        roots={"builder": ROOT},
        packages=(ABSL, GCC, *pinned(plan)),
        tools=(),
        jobs=1,
        artifacts=(),
        files=(),
        contents=(),
        wheels=(),
        licenses=(),
        elf=(),
        smoke=(),
        findings=(),
        image=image,
        seconds={"compile": 1.5},
    )
    return replace(plain, **changes)


def pinned(plan: Plan[Any]) -> tuple[Package, ...]:
    rows = (text.split("=") for text in plan.packages)
    return tuple(package(name, version, f"{name}-source") for name, version in rows)


def bill_for(plan: Plan[Any], **changes: Any) -> Bill:
    return bill_of(manifest_of(plan, **changes), recipe_of(plan).materials(plan.part))


def only(bill: Bill, name: str) -> Component:
    (found,) = [each for each in bill.components if each.name == name]
    return found


MODEL = KerasModel("m/digits.keras", "digits.keras", "keras", "ab" * 20)
PLANS = {
    "Debian's packages": make_plan(),
    "upstream's sources": make_plan("2.14.1"),
    "LiteRT": make_plan("2.2.0-litert"),
    "Python": make_plan("2.14.1-debian", "opt", Arch.AMD64, "runtime.flavour=python"),
    "official wheel": make_plan_from_wheel("2.3.0-litert", Arch.AMD64),
    "server": make_server_plan(),
    "linked server": make_linked_server_plan(),
    "application": keras.make_plan(model=MODEL),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_the_bill_of_every_kind_of_build_is_valid_and_has_every_download(
    plan: Plan[Any], tmp_path: Path
) -> None:
    bill = bill_for(plan)
    path = tmp_path / "sbom.spdx.json"
    path.write_text(spdx_text(bill))
    document = require_valid_spdx(path)
    cyclone = require_valid_cyclonedx(cyclonedx_text(bill))
    hashes = {pin.sha256 for pin in plan.pins} | {patch.sha256 for patch in plan.patches}
    assert hashes
    assert hashes <= {
        each["checksums"][0]["checksumValue"] for each in document["packages"] if "checksums" in each
    }
    assert hashes <= {each["hashes"][0]["content"] for each in cyclone["components"] if "hashes" in each}


def test_no_time_or_place_of_the_build_is_in_it() -> None:
    plan = PLANS["upstream's sources"]
    one = bill_for(plan)
    roots = {"builder": replace(ROOT, mirror="http://other.example")}
    other = bill_for(replace(plan, output="elsewhere"), seconds={"compile": 99.0}, jobs=8, roots=roots)
    assert spdx_text(one) == spdx_text(other)
    assert cyclonedx_text(one) == cyclonedx_text(other)
    assert '"created": "2023-11' in spdx_text(one)  # the day of the source


def test_another_image_or_another_library_is_another_document() -> None:
    one, other = bill_for(make_plan()), bill_for(make_plan(), packages=())
    assert one.digest != other.digest
    assert spdx_text(one).count(one.digest) == 1


def test_what_is_linked_in_has_commit_licence_and_hash() -> None:
    bill = bill_for(PLANS["upstream's sources"], licenses=("ruy",))
    ruy = only(bill, "ruy")
    assert (ruy.roles, ruy.license, ruy.license_file) == ((Role.STATIC,), "Apache-2.0", "share/licenses/ruy")
    assert ruy.purl.startswith("pkg:github/google/ruy@")
    assert ruy.swhid == f"swh:1:rev:{ruy.purl.partition('@')[2]}"
    assert ruy.supplier == "google"
    assert len(ruy.sha256) == 64
    linked = {each.name for each in bill.components if Role.STATIC in each.roles}
    assert linked == {each.name for each in PLANS["upstream's sources"].part.dependencies}


def test_the_source_is_known_to_scanners() -> None:
    source = only(bill_for(make_plan("2.14.1")), "tensorflow-2.14.1")
    assert source.cpe == "cpe:2.3:a:google:tensorflow:2.14.1:*:*:*:*:*:*:*"
    assert source.roles == (Role.SOURCE,)
    assert source.license == "Apache-2.0"


def test_packages_in_the_image_and_compilers_are_told_apart() -> None:
    bill = bill_for(make_plan())
    assert only(bill, "libc6").roles == (Role.IN_IMAGE,)
    assert only(bill, "libc6").source == ("glibc", "2.41-12")
    assert only(bill, "g++-14").roles == (Role.TOOL,)
    # A package of the builder that is neither linked with nor shipped nor compiles is no part of the result.
    assert "libabsl20240722" not in {each.name for each in bill.components}


def test_pinned_packages_are_linked_in_unless_their_library_is_shipped() -> None:
    shared = package("libxnnpack0", "1", "libxnnpack-dev-source")
    plan = make_plan()
    contents = (Content(path="lib/libXNNPACK.so.0", how="copied", owner="libxnnpack0"),)
    bill = bill_for(plan, packages=(shared, *pinned(plan)), contents=contents)
    assert only(bill, "libxnnpack-dev").roles == (Role.DYNAMIC,)
    assert only(bill, "libruy-dev").roles == (Role.STATIC,)
    assert only(bill, "libxnnpack0").roles == (Role.CONTAINED,)


def test_what_the_recipe_noted_as_linked_in_is_no_guess() -> None:
    """Also where the image has a library of the same source, for something else."""
    plan = make_plan()
    shared = package("libabsl20240722", "1", "libabsl-dev-source")
    image = replace(manifest_of(plan).image, packages=(shared,))
    contents = (Content(path="bin/x", how="static", owner="libabsl-dev"),)
    assert only(bill_for(plan, image=image), "libabsl-dev").roles == (Role.DYNAMIC,)
    assert only(bill_for(plan, image=image, contents=contents), "libabsl-dev").roles == (Role.STATIC,)


def in_image(path: str, record: str = "", digest: str = "5") -> ImageCode:
    return ImageCode(path=path, size=1, sha256=digest * 64, sha1="6" * 40, record=record)


def image_owners(plan: Plan[Any], *files: ImageCode, **changes: Any) -> dict[str, str]:
    """The name of the owner of each file of the image."""
    manifest = manifest_of(plan, **changes)
    manifest = replace(manifest, image=replace(manifest.image, files=files))
    bill = bill_of(manifest, recipe_of(plan).materials(plan.part))
    return {each.path: bill.owner_of(each).name for each in bill.files if each.in_image}


def test_each_file_with_code_in_the_image_belongs_to_somebody() -> None:
    plan = PLANS["application"]
    assert image_owners(
        plan,
        in_image("/usr/lib/libc.so.6", "libc6"),
        in_image("/usr/lib/python3/dist-packages/tensorflow/a.so", "tensorflow_cpu-2.21.0"),
        in_image("/opt/nobody.so"),
        in_image("/opt/odd.so", "never-heard-of"),
    ) == {
        "/usr/lib/libc.so.6": "libc6",
        "/usr/lib/python3/dist-packages/tensorflow/a.so": "tensorflow-cpu",
        "/opt/nobody.so": plan.image.tag,
        "/opt/odd.so": plan.image.tag,
    }


def test_what_the_build_made_is_its_own_in_the_image_too() -> None:
    plan = PLANS["Python"]
    wheel = "python/tflite_runtime-2.14.1-cp313-cp313-linux_x86_64.whl"
    library = "lib/libtensorflowlite_c.so"
    made = [
        CodeFile(path=path, size=1, sha256=digest * 64, sha1="6" * 40)
        for path, digest in ((wheel, "7"), (library, "8"))
    ]
    artifacts = tuple(Artifact(path=each.path, size=1, sha256=each.sha256) for each in made)
    assert image_owners(
        plan,
        in_image("/usr/lib/libtensorflowlite_c.so", digest="8"),
        in_image("/usr/local/lib/python3.13/dist-packages/tflite_runtime/x.so", "tflite_runtime-2.14.1"),
        files=tuple(made),
        artifacts=artifacts,
    ) == dict.fromkeys(
        ("/usr/lib/libtensorflowlite_c.so", "/usr/local/lib/python3.13/dist-packages/tflite_runtime/x.so"),
        plan.build_id,
    )


def test_bills_with_files_of_the_image_are_valid(tmp_path: Path) -> None:
    manifest = manifest_of(PLANS["application"])
    files = (in_image("/usr/lib/libc.so.6", "libc6"), in_image("/opt/with space.so"))
    plan, image = manifest.plan, replace(manifest.image, files=files)
    bill = bill_of(replace(manifest, image=image), recipe_of(plan).materials(plan.part))
    (tmp_path / "bill.spdx.json").write_text(spdx_text(bill))
    require_valid_spdx(tmp_path / "bill.spdx.json")
    owners = owners_in_cyclonedx(require_valid_cyclonedx(cyclonedx_text(bill)))
    assert owners["image:/usr/lib/libc.so.6"] == "libc6"


def test_models_and_wheels_are_named_by_their_content() -> None:
    bill = bill_for(
        PLANS["application"],
        wheels=tuple(
            WheelSays(filename=each.filename, author="Google Inc. (x)", license="Apache-2.0")
            for each in PLANS["application"].pins
            if each.filename.startswith("tensorflow_cpu")
        ),
    )
    model = only(bill, "digits.keras")
    assert (model.kind, model.swhid, model.roles) == (Kind.MODEL, f"swh:1:cnt:{'ab' * 20}", (Role.IN_IMAGE,))
    wheel = only(bill, "tensorflow-cpu")
    assert wheel.purl.startswith("pkg:pypi/tensorflow-cpu@2.21.0")
    assert (wheel.supplier, wheel.license) == ("Google Inc. x", "Apache-2.0")
    assert wheel.cpe.startswith("cpe:2.3:a:google:tensorflow:2.21.0:")


def test_libraries_of_operators_belong_to_the_file_that_brought_them() -> None:
    plan = make_linked_server_plan()
    added = OperatorLibraries("my/text.whl", "a" * 64, ("text/_a_op.so",), "my.yaml:3")
    plan = replace(plan, part=replace(plan.part, operators=(added,)))
    contents = (Content(path="lib/operators/_a_op.so", how="copied", owner="text.whl"),)
    bill = bill_for(plan, contents=contents, files=(code("lib/operators/_a_op.so"),))
    wheel = only(bill, "text.whl")
    assert (wheel.kind, wheel.sha256, wheel.roles) == (Kind.WHEEL, "a" * 64, (Role.CONTAINED,))
    assert next(each.owner for each in bill.files) == wheel.purl


def test_wheels_say_who_made_them(tmp_path: Path) -> None:
    said = b"Metadata-Version: 2.4\nName: tflite-runtime\nVersion: 2.14.0\nLicense-Expression: Apache-2.0\n"
    metadata = said + b"Author-email: The Makers <makers@example.com>\n"
    wheel = make_wheel(tmp_path, {}, altered={"tflite_runtime-2.14.0.dist-info/METADATA": metadata})
    pin = Pin(wheel.name, (), "0" * 64, wheel.name)
    (found,) = wheels_say((pin,), {pin.name: wheel})
    assert (found.filename, found.author, found.license) == (wheel.name, "The Makers", "Apache-2.0")


def test_metadata_of_what_a_wheel_brings_along_is_not_its_own(tmp_path: Path) -> None:
    inner = "setuptools/_vendor/jaraco-1.0.dist-info/METADATA"
    wheel = make_wheel(tmp_path, {inner: b"Metadata-Version: 2.1\nName: jaraco\nAuthor: Another\n"})
    with Wheel(wheel) as opened:
        assert opened.facts().name == "tflite-runtime"
        assert opened.origin().author == ""


def test_a_download_that_only_looks_like_a_wheel_says_nothing(tmp_path: Path) -> None:
    """It is pinned by its hash, and an image has it: no reason to fail when all is built."""
    path = tmp_path / "a-1.0-py3-none-any.whl"
    path.write_bytes(b"package")
    (found,) = wheels_say((Pin("a", (), "0" * 64, path.name),), {"a": path})
    assert (found.author, found.license) == ("", "")


@pytest.mark.parametrize(
    ("author", "name"),
    [
        ("Author: Derek Bailey", "Derek Bailey"),
        ("Author-email: derek@example.com", "derek@example.com"),
        ("Author-email: Derek Bailey <derek@example.com>", "Derek Bailey"),
        ("Maintainer-email: tqdm developers <devs@example.com>", "tqdm developers"),
        ("Summary: nobody", ""),
    ],
)
def test_an_author_is_a_name(author: str, name: str, tmp_path: Path) -> None:
    metadata = f"Metadata-Version: 2.4\nName: tflite-runtime\n{author}\n".encode()
    wheel = make_wheel(tmp_path, {}, altered={"tflite_runtime-2.14.0.dist-info/METADATA": metadata})
    with Wheel(wheel) as opened:
        assert opened.origin().author == name


def test_a_label_of_the_user_names_who_built_it() -> None:
    plan = make_plan("2.14.1")
    labels = (*plan.image.labels, ("org.opencontainers.image.vendor", "ACME (Ltd.)"))
    bill = bill_for(replace(plan, image=replace(plan.image, labels=labels)))
    assert bill.author == bill.result.supplier == bill.image.supplier == "ACME Ltd."


def test_a_server_says_what_its_bill_lacks() -> None:
    assert "Bazel fetches" in bill_for(PLANS["server"]).unlisted
    assert bill_for(PLANS["upstream's sources"]).unlisted == ""


# -- owners of files ----------------------------------------------------------------------------------


def code(path: str, digit: str = "a") -> CodeFile:
    return CodeFile(path=path, size=1, sha256=digit * 64, sha1=digit * 40)


def test_a_file_that_nobody_owns_fails_the_build_instead_of_being_claimed() -> None:
    with pytest.raises(BuildError, match=r"no owner for lib/libstranger\.so"):
        bill_for(make_plan(), files=(code("lib/libstranger.so"),))


def test_an_owner_that_is_no_ingredient_fails_the_build() -> None:
    contents = (Content(path="lib/liba.so", how="copied", owner="libnowhere"),)
    with pytest.raises(BuildError, match="has no libnowhere"):
        bill_for(make_plan(), contents=contents, files=(code("lib/liba.so"),))


@pytest.mark.parametrize("table", ["lib/a.so\tcopied\n", "lib/a.so\tborrowed\tx\n", "lib/a.so\tcopied\t\n"])
def test_a_table_of_contents_that_says_something_else_is_refused(table: str) -> None:
    with pytest.raises(BuildError, match="cannot be read"):
        parse_contents(table)


def test_code_is_told_by_its_bytes(tmp_path: Path) -> None:
    for name, data in (
        ("lib/a.so", (ELF / "good.so").read_bytes()),
        ("lib/liba.a", b"!<arch>\n"),
        ("python/a.whl", b"PK"),
        ("include/a.h", b"int a;"),
        ("lib/x.so", b"INPUT(libx.so.1)"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "lib" / "link.so").symlink_to("a.so")
    assert [each.path for each in code_files(tmp_path)] == ["lib/a.so", "lib/liba.a", "python/a.whl"]


# -- in the dist folder ---------------------------------------------------------------------------------


def test_both_documents_lie_beside_the_manifest_and_each_file_with_code_is_owned(tmp_path: Path) -> None:
    build = Build(tmp_path)
    usual = build.compile

    def compile_() -> None:
        usual()
        shutil.copyfile(ELF / "good.so", build.layout.out / "dist" / "lib" / "libabsl_log.so.20240722")
        table = "lib/libabsl_log.so.20240722\tcopied\tlibabsl-dev\n"
        (build.layout.out / "contents.tsv").write_text(table)

    build.compile = compile_  # type: ignore[method-assign, assignment]
    build.run()
    sums = (build.output / "SHA256SUMS").read_text()
    assert "  sbom.spdx.json\n" in sums
    assert "  sbom.cdx.json\n" in sums
    require_valid_spdx(build.output / "sbom.spdx.json")
    owners = owners_in_cyclonedx(require_valid_cyclonedx((build.output / "sbom.cdx.json").read_text()))
    assert {path: owner for path, owner in owners.items() if not path.startswith("image:")} == {
        "bin/benchmark_model": build.plan.build_id,
        "lib/libabsl_log.so.20240722": "libabsl-dev",
        "lib/libtensorflowlite.so": build.plan.build_id,
        "lib/libtensorflowlite_c.so": build.plan.build_id,
    }
    manifest = json.loads((build.output / "manifest.json").read_text())
    inside = {f"image:{each['path']}" for each in manifest["image"]["files"]}
    assert inside == owners.keys() - {path for path in owners if not path.startswith("image:")}
    assert "image:/usr/bin/benchmark_model" in inside
    assert manifest["contents"][0]["owner"] == "libabsl-dev"


def test_the_image_gets_the_bill_of_what_was_compiled(tmp_path: Path) -> None:
    """Scanners read it there: the files that were made, and what was linked into them."""
    build = Build(tmp_path)
    usual = build.compile

    def compile_() -> None:
        usual()
        (build.layout.out / "contents.tsv").write_text("lib/libtensorflowlite.so\tstatic\tlibabsl-dev\n")

    build.compile = compile_  # type: ignore[method-assign, assignment]
    build.run()
    with tarfile.open(build.layout.runtime / "runtime.tar") as tar:
        members = {member.name: member for member in tar}
        place = f"var/lib/db/sbom/{build.plan.build_id}.cdx.json"
    document = require_valid_cyclonedx(_inner(build).decode())
    assert owners_in_cyclonedx(document) == dict.fromkeys(
        ["/usr/bin/benchmark_model", "/usr/lib/libtensorflowlite.so", "/usr/lib/libtensorflowlite_c.so"],
        build.plan.build_id,
    )
    names = {each["name"] for each in document["components"]}
    assert {"tensorflow-2.14.1", "libabsl-dev"} <= names
    assert not names & {"libc6", "gcc", build.plan.image.tag}
    stated = [members[name] for name in ("var", "var/lib/db/sbom", place)]
    assert {member.mtime for member in stated} == {build.plan.source_date_epoch}
    assert [member.mode for member in stated] == [0o755, 0o755, 0o644]


def test_two_builds_of_one_plan_write_the_same_bill(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        build = Build(tmp_path / name)
        build.run()
        texts.append([(build.output / f"sbom.{kind}.json").read_bytes() for kind in ("spdx", "cdx")])
        texts[-1].append(_inner(build))
    assert texts[0] == texts[1]


def _inner(build: Build) -> bytes:
    with tarfile.open(build.layout.runtime / "runtime.tar") as tar:
        (name,) = (name for name in tar.getnames() if name.endswith(".cdx.json"))
        return tar.extractfile(name).read()  # type: ignore[union-attr]
