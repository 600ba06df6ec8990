"""``invoke push`` and ``invoke pull`` against a registry that is honest, and against one that is not."""

from __future__ import annotations

import base64
import io
import json
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.support.builds import Build, with_real_ids
from tests.support.commands import run_invoke
from tests.support.plans import PROJECT
from tests.support.registry import HOST, FakeRegistry, digest_of
from tests.support.reporters import ListReporter
from tfbuild.base.errors import ExitCode
from tfbuild.build.dist.folder import write_checksums
from tfbuild.build.dist.signing import sign_folder
from tfbuild.build.publish.image import ATTACHED, PREDICATE, SPDX_PREDICATE
from tfbuild.build.run import BuildResult
from tfbuild.cli import wiring
from tfbuild.cli.registry import access
from tfbuild.registry.connect import Access
from tfbuild.registry.content import EMPTY
from tfbuild.registry.signature import signature_tag
from tfbuild.trust.keys import FileSigner
from tfbuild.trust.provenance import PREDICATE_TYPE

IMAGE = f"{HOST}/team/image:1.0"
FAILED = ExitCode.VERIFICATION_FAILED
KEYS: dict[str, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey] = {
    "own": ed25519.Ed25519PrivateKey.generate(),
    "other": ec.generate_private_key(ec.SECP256R1()),
}


class World:
    """A finished build, its keys and a registry; commands run in a folder of their own."""

    def __init__(self, folder: Path, build: Build, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.build = build
        self.registry = FakeRegistry(lists_referrers=False)
        self.loaded: dict[str, Path] = {}
        self._capsys = capsys

    @property
    def dist(self) -> Path:
        return self.folder / "dist" / "tflite" / "2.14.1-debian" / "opt" / "amd64"

    @property
    def image(self) -> str:
        return str(json.loads((self.dist / "manifest.json").read_text())["image"]["name"])

    def run(self, *words: str) -> tuple[int, str]:
        """The exit code, and all that was told."""
        self._capsys.readouterr()
        code = run_invoke(*words)
        told = self._capsys.readouterr()
        return code, told.out + told.err

    def push(self, target: str = "", reference: str = IMAGE, key: str = "own") -> None:
        sign = ("--sign", str(self.folder / f"{key}.pem")) if key else ()
        code, told = self.run(
            "push", target or self.image, reference, "--output", str(self.folder / "dist"), *sign
        )
        assert code == 0, told

    def pull(self, reference: str = IMAGE, key: str = "own", *words: str) -> tuple[int, str]:
        by = ("--key", str(self.folder / f"{key}.pub")) if key else ()
        return self.run("pull", reference, *by, "--output", str(self.folder / "pulled"), *words)

    def json_of(self, digest: str) -> Any:
        return json.loads(self.registry.manifests[digest])

    @property
    def top(self) -> Any:
        return self.json_of(self.registry.tags["1.0"])

    def put_blob(self, data: bytes) -> str:
        self.registry.blobs[digest_of(data)] = data
        return digest_of(data)

    def put_manifest(self, document: Any, *tags: str) -> str:
        data = json.dumps(document).encode()
        digest = digest_of(data)
        self.registry.manifests[digest] = data
        self.registry.types[digest] = document["mediaType"]
        for tag in tags:
            self.registry.tags[tag] = digest
        return digest


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Build:
    build = Build(tmp_path_factory.mktemp("built"))
    with_real_ids(build)
    build.run()
    sign_folder(build.output, FileSigner(KEYS["own"], False))
    (build.output / "bin" / "benchmark_model").chmod(0o755)
    return build


@pytest.fixture
def world(
    finished: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> World:
    found = World(tmp_path, finished, capsys)
    shutil.copytree(finished.output, found.dist, symlinks=True)
    for name, private in KEYS.items():
        (tmp_path / f"{name}.pem").write_bytes(
            private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        (tmp_path / f"{name}.pub").write_bytes(
            private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )

    def load(archive: Path, name: str) -> None:
        found.loaded[name] = shutil.copyfile(archive, tmp_path / "loaded.tar")

    monkeypatch.setenv("TFBUILD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(wiring, "save_image", finished.engine.save_image)
    monkeypatch.setattr(wiring, "load_image", load)
    way = Access(found.registry.session, lambda _: None, ListReporter())
    monkeypatch.setattr(access, "registry_access", lambda _: way)
    return found


# -- what is right ------------------------------------------------------------------------------------------


def test_an_image_has_its_attestations_where_buildkit_puts_them(world: World) -> None:
    world.push()
    image, attested = world.top["manifests"]
    assert image["platform"] == {"architecture": "amd64", "os": "linux"}
    assert image["digest"] == json.loads((world.dist / "manifest.json").read_text())["image"]["id"]
    assert attested["platform"] == {"architecture": "unknown", "os": "unknown"}
    assert attested["annotations"] == {
        "vnd.docker.reference.digest": image["digest"],
        "vnd.docker.reference.type": "attestation-manifest",
    }
    layers = world.json_of(attested["digest"])["layers"]
    assert [each["annotations"][PREDICATE] for each in layers] == [SPDX_PREDICATE, PREDICATE_TYPE]
    statement, provenance = (world.registry.blobs[each["digest"]] for each in layers)
    assert json.loads(statement)["predicate"] == json.loads((world.dist / "sbom.spdx.json").read_text())
    assert json.loads(statement)["subject"][0]["digest"]["sha256"] == image["digest"][7:]
    assert provenance == (world.dist / "provenance.json").read_bytes()


def test_each_document_refers_to_the_image_and_to_its_name(world: World) -> None:
    world.push()
    repository = world.registry.open()
    for digest in (world.registry.tags["1.0"], world.top["manifests"][0]["digest"]):
        found = {
            each.annotations.get("org.opencontainers.image.title") for each in repository.referrers(digest)
        }
        assert found - {None} == {name for name in ATTACHED if (world.dist / name).is_file()}


def test_a_pulled_image_is_the_one_that_was_pushed(world: World) -> None:
    world.push()
    code, told = world.pull(IMAGE, "own", "--require", "signature,sbom,provenance", "--json")
    assert code == 0, told
    document = json.JSONDecoder().raw_decode(told)[0]  # what is told besides goes to stderr
    assert document["image"] == IMAGE
    assert document["digest"] == world.registry.tags["1.0"]
    assert set(document["documents"]) == {name for name in ATTACHED if (world.dist / name).is_file()}
    with tarfile.open(world.loaded[IMAGE]) as tar:
        names = set(tar.getnames())
        index = json.load(tar.extractfile("index.json") or io.BytesIO())
    assert index["manifests"][0]["digest"] == document["digest"]
    digests = {each["digest"] for each in world.top["manifests"]}
    assert {f"blobs/{each.replace(':', '/')}" for each in digests} <= names


def test_a_pulled_folder_is_the_one_that_was_pushed(world: World) -> None:
    (world.dist / "lib" / "libtensorflowlite.so.2").symlink_to("libtensorflowlite.so")
    write_checksums_again(world.dist)
    world.push(str(world.dist))
    code, told = world.pull()
    assert code == 0, told
    pulled = world.folder / "pulled" / world.dist.relative_to(world.folder / "dist")
    assert tree(pulled) == tree(world.dist)
    assert world.pull()[0] == 0  # over itself


def write_checksums_again(folder: Path) -> None:
    """With the signatures where :func:`write_checksums` does not see them."""
    kept = {path: path.read_bytes() for path in folder.glob("*.dsse.json")} | {
        path: path.read_bytes() for path in folder.glob("SHA256SUMS.*")
    }
    for path in kept:
        path.unlink()
    write_checksums(folder)
    for path, data in kept.items():
        path.write_bytes(data)


def tree(folder: Path) -> dict[str, tuple[bytes | str, int]]:
    found: dict[str, tuple[bytes | str, int]] = {}
    for path in folder.rglob("*"):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = (str(path.readlink()), 0)
        elif path.is_file():
            is_program = stat.S_IMODE(path.stat().st_mode) & 0o111
            found[str(path.relative_to(folder))] = (path.read_bytes(), is_program)
    return found


def test_check_changes_nothing(world: World) -> None:
    world.push()
    assert world.pull(IMAGE, "own", "--check")[0] == 0
    world.push(str(world.dist), f"{HOST}/team/image:files")
    assert world.pull(f"{HOST}/team/image:files", "own", "--check")[0] == 0
    assert not world.loaded
    assert not (world.folder / "pulled").exists()


def test_a_broken_pull_goes_on_with_what_it_has(world: World) -> None:
    world.push(str(world.dist))
    library = digest_of((world.dist / "lib" / "libtensorflowlite.so").read_bytes())
    kept = world.registry.blobs.pop(library)
    assert world.pull()[0] == ExitCode.DOWNLOAD
    before = len(world.registry.seen)
    world.registry.blobs[library] = kept
    assert world.pull()[0] == 0
    again = [each.path for each in world.registry.seen[before:] if each.path.startswith("blobs/")]
    assert f"blobs/{digest_of((world.dist / 'manifest.json').read_bytes())}" not in again


def test_two_names_of_one_image_are_both_signed(world: World) -> None:
    world.push()
    world.push(reference=f"{HOST}/team/image:stable", key="own")
    assert world.pull()[0] == 0
    assert world.pull(f"{HOST}/team/image:stable")[0] == 0
    world.push(key="other")
    assert world.pull()[0] == 0
    assert world.pull(IMAGE, "other")[0] in {0, FAILED}  # its folder has signatures of the first key


def test_by_its_digest_any_name_will_do(world: World) -> None:
    world.push()
    code, told = world.pull(f"{HOST}/team/image@{world.registry.tags['1.0']}")
    assert code == 0, told


def test_what_is_not_there_is_told(world: World) -> None:
    code, told = world.pull(f"{HOST}/team/image:2.0")
    assert (code, "there is no" in told) == (ExitCode.NOTHING_MATCHES, True)


def test_an_image_that_no_build_made_is_not_pushed(world: World) -> None:
    code, told = world.run("push", "debian:13", IMAGE, "--output", str(world.folder / "dist"))
    assert (code, "its bill of materials" in told) == (ExitCode.NOTHING_MATCHES, True)


def test_an_image_that_took_the_name_is_not_pushed(world: World) -> None:
    manifest = json.loads((world.dist / "manifest.json").read_text())
    manifest["image"]["id"] = f"sha256:{'0' * 64}"
    (world.dist / "manifest.json").write_text(json.dumps(manifest))
    write_checksums_again(world.dist)
    code, told = world.run("push", world.image, IMAGE, "--output", str(world.folder / "dist"))
    assert (code, "is not the one that" in told) == (FAILED, True)
    assert not world.registry.tags


def test_a_changed_folder_is_not_pushed(world: World) -> None:
    (world.dist / "lib" / "libtensorflowlite.so").write_bytes(b"other")
    for target in (str(world.dist), world.image):
        code, told = world.run("push", target, IMAGE, "--output", str(world.folder / "dist"))
        assert (code, "is not pushed" in told) == (FAILED, True)


def test_a_build_pushes_its_image_when_it_is_finished(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    image = json.loads((world.dist / "manifest.json").read_text())["image"]
    done = BuildResult(True, world.dist, image["name"], image["id"], (), (), 1.0)
    monkeypatch.setattr(wiring, "build_plan", lambda *_, **__: done)
    monkeypatch.chdir(PROJECT)
    words = ("build-tflite", "--release", "2.14.1-debian", "--push", IMAGE, "--json")
    code, told = world.run(*words, "--sign", str(world.folder / "own.pem"))
    assert code == 0, told
    document = json.JSONDecoder().raw_decode(told)[0]
    schema = json.loads((PROJECT / "schemas" / "build-result.schema.json").read_text())
    jsonschema.validate(document, schema)
    assert document["pushed"] == {"reference": IMAGE, "digest": world.registry.tags["1.0"]}
    assert world.pull()[0] == 0


def test_a_registry_that_wants_a_password_is_told_before_the_build(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object, **__: object) -> None:
        raise AssertionError("it was built")

    monkeypatch.setattr(wiring, "build_plan", build)
    monkeypatch.chdir(PROJECT)
    world.registry.password = "me:secret-word"
    code, told = world.run("build-tflite", "--release", "2.14.1-debian", "--push", IMAGE)
    assert (code, f"docker login {HOST}" in told) == (ExitCode.PACKAGING_FAILED, True), told


def test_a_name_that_is_none_is_told_before_the_build(world: World) -> None:
    code, told = world.run("build-tflite", "--release", "2.14.1-debian", "--push", "team/image:1.0")
    assert (code, "names no registry" in told) == (ExitCode.USAGE, True)
    code, told = world.run("build-tflite", "--release", "2.14.1-debian", "--push", IMAGE, "--offline")
    assert (code, "needs the network" in told) == (ExitCode.USAGE, True)


@pytest.mark.parametrize(("name", "words"), [("push", ("--json",)), ("pull", ("--check", "--json"))])
def test_what_is_printed_is_as_its_schema_says(name: str, words: tuple[str, ...], world: World) -> None:
    world.push()
    if name == "push":
        code, told = world.run("push", world.image, IMAGE, "--output", str(world.folder / "dist"), *words)
    else:
        code, told = world.pull(IMAGE, "own", *words)
    assert code == 0, told
    schema = json.loads((PROJECT / "schemas" / f"{name}.schema.json").read_text())
    jsonschema.validate(json.JSONDecoder().raw_decode(told)[0], schema)


# -- attacks ------------------------------------------------------------------------------------------------


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def layer(world: World) -> str:
    return str(world.json_of(world.top["manifests"][0]["digest"])["layers"][0]["digest"])


def config(world: World) -> str:
    return str(world.json_of(world.top["manifests"][0]["digest"])["config"]["digest"])


def bill(world: World) -> str:
    return str(world.json_of(world.top["manifests"][1]["digest"])["layers"][0]["digest"])


def bill_beside(world: World) -> str:
    return digest_of((world.dist / "sbom.cdx.json").read_bytes())


def signature(world: World) -> str:
    return str(
        world.json_of(world.registry.tags[signature_tag(world.registry.tags["1.0"])])["layers"][0]["digest"]
    )


@pytest.mark.parametrize("which", [layer, config, bill, bill_beside, signature])
def test_a_changed_byte_in_any_part_of_an_image_is_found(which: Callable[[World], str], world: World) -> None:
    world.push()
    digest = which(world)
    world.registry.blobs[digest] = flipped(world.registry.blobs[digest])
    code, told = world.pull()
    assert (code, "something else under the digest" in told) == (FAILED, True), told
    assert not world.loaded


@pytest.mark.parametrize(
    "name", ["lib/libtensorflowlite.so", "manifest.json", "sbom.spdx.json", "SHA256SUMS.sig"]
)
def test_a_changed_byte_in_any_file_of_a_folder_is_found(name: str, world: World) -> None:
    world.push(str(world.dist))
    digest = digest_of((world.dist / name).read_bytes())
    world.registry.blobs[digest] = flipped(world.registry.blobs[digest])
    code, told = world.pull()
    assert (code, "something else under the digest" in told) == (FAILED, True), told
    assert not (world.folder / "pulled").exists()


@pytest.mark.parametrize("number", [0, 1])
def test_another_manifest_under_its_digest_is_found(number: int, world: World) -> None:
    world.push()
    one, other = (each["digest"] for each in world.top["manifests"])
    digest, instead = (one, other) if number == 0 else (other, one)
    world.registry.manifests[digest] = world.registry.manifests[instead]
    code, told = world.pull()
    assert (code, "something else under the digest" in told) == (FAILED, True), told


def test_another_image_under_the_name_is_found(world: World) -> None:
    world.push()
    changed = {**world.top, "annotations": {"x": "y"}}
    world.put_manifest(changed, "1.0")
    code, told = world.pull()
    assert (code, "nobody signed" in told) == (FAILED, True), told


def test_a_signature_by_another_key_is_found(world: World) -> None:
    world.push(key="other")
    code, told = world.pull()
    assert (code, "is not one by the key" in told) == (FAILED, True), told


def test_a_changed_signature_is_found(world: World) -> None:
    world.push()
    tag = signature_tag(world.registry.tags["1.0"])
    document = world.json_of(world.registry.tags[tag])
    annotations = document["layers"][0]["annotations"]
    for name, value in annotations.items():
        annotations[name] = base64.b64encode(flipped(base64.b64decode(value))).decode()
    world.put_manifest(document, tag)
    code, told = world.pull()
    assert (code, "a byte was changed" in told) == (FAILED, True), told


def test_a_signature_for_another_artifact_is_found(world: World) -> None:
    world.push()
    changed = world.put_manifest({**world.top, "annotations": {"x": "y"}}, "1.0")
    image = world.top["manifests"][0]["digest"]
    world.registry.tags[signature_tag(changed)] = world.registry.tags[signature_tag(image)]
    code, told = world.pull()
    assert (code, "the signature is of another artifact" in told) == (FAILED, True), told


def test_an_older_release_under_the_name_of_a_newer_is_found(world: World) -> None:
    """All of it is whole and signed by the right key: as release 1.0."""
    world.push()
    world.registry.tags["1.1"] = world.registry.tags["1.0"]
    code, told = world.pull(f"{HOST}/team/image:1.1")
    assert (code, f"it was signed as {IMAGE}, not as" in told) == (FAILED, True), told


def test_an_unsigned_image_is_told(world: World) -> None:
    world.push(key="")
    assert world.pull(key="")[0] == 0
    code, told = world.pull()
    assert (code, "nobody signed" in told) == (FAILED, True), told


def attested_anew(world: World, change: Callable[[list[Any]], None]) -> None:
    """Other statements in the index, signed by somebody who has the key."""
    world.push()
    top = world.top
    attestation = world.json_of(top["manifests"][1]["digest"])
    statements = [json.loads(world.registry.blobs[each["digest"]]) for each in attestation["layers"]]
    change(statements)
    for entry, statement in zip(attestation["layers"], statements, strict=True):
        data = json.dumps(statement).encode()
        entry.update(digest=world.put_blob(data), size=len(data))
    digest = world.put_manifest(attestation)
    top["manifests"][1].update(digest=digest, size=len(world.registry.manifests[digest]))
    world.put_manifest(top, "1.0")
    # Nothing refers to the image any more but what the index says.
    for tag in [tag for tag in world.registry.tags if tag.startswith("sha256-")]:
        del world.registry.tags[tag]


def test_a_provenance_with_other_materials_than_the_plan_is_found(world: World) -> None:
    def change(statements: list[Any]) -> None:
        definition = statements[1]["predicate"]["buildDefinition"]
        name = definition["externalParameters"]["plan"]["pins"][0]["filename"]
        for each in definition["resolvedDependencies"]:
            if each["name"] == name:
                each["digest"]["sha256"] = "0" * 64

    attested_anew(world, change)
    code, told = world.pull(key="")
    assert (code, "names other materials than the plan has" in told) == (FAILED, True), told


@pytest.mark.parametrize(("number", "what"), [(0, "bill of materials"), (1, "provenance")])
def test_statements_about_another_image_are_found(number: int, what: str, world: World) -> None:
    def change(statements: list[Any]) -> None:
        for subject in statements[number]["subject"]:
            subject["digest"]["sha256"] = "0" * 64

    attested_anew(world, change)
    code, told = world.pull(key="")
    assert (code, f"its {what} is of another image" in told) == (FAILED, True), told


@pytest.mark.parametrize("statement", [[], {}, None, {"subject": [1]}, {"subject": 1, "predicate": {}}])
@pytest.mark.parametrize("number", [0, 1])
def test_statements_without_their_form_are_found(number: int, statement: Any, world: World) -> None:
    attested_anew(world, lambda statements: statements.__setitem__(number, statement))
    code, told = world.pull(key="")
    assert (code, "is none in" in told) == (FAILED, True), told


def test_a_required_document_that_is_missing_is_told(world: World) -> None:
    world.push()
    world.put_manifest({**world.top, "manifests": world.top["manifests"][:1]}, "1.0")
    for tag in [tag for tag in world.registry.tags if tag.startswith("sha256-")]:
        del world.registry.tags[tag]
    assert world.pull(key="")[0] == 0
    code, told = world.pull(IMAGE, "", "--require", "sbom,provenance")
    assert code == FAILED
    assert "its index has no provenance of it" in told
    assert "its index has no bill of materials of it" in told


def judged_again(world: World, *, equal: bool = True, sums: str = "") -> None:
    """What ``invoke reproduce`` leaves, signed."""
    actual = digest_of((world.dist / "SHA256SUMS").read_bytes())[7:]
    verdict = {"version": 1, "equal": equal, "sums_sha256": sums or actual, "made": "today", "builds": []}
    (world.dist / "reproducible.json").write_text(json.dumps(verdict))
    sign_folder(world.dist, FileSigner(KEYS["own"], False))


def test_that_it_was_built_again_is_proven_by_a_signed_verdict(world: World) -> None:
    judged_again(world)
    world.push()
    code, told = world.pull(IMAGE, "own", "--require", "reproducible")
    assert code == 0, told


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        ({"equal": False}, "building it again gave other bytes"),
        ({"sums": "0" * 64}, "is about other files"),
        (None, "nobody built it again"),
    ],
)
def test_a_verdict_that_proves_nothing_is_told(
    verdict: dict[str, Any] | None, text: str, world: World
) -> None:
    if verdict is not None:
        judged_again(world, **verdict)
    world.push()
    code, told = world.pull(IMAGE, "own", "--require", "reproducible")
    assert (code, text in told) == (FAILED, True), told


def test_a_verdict_that_nobody_signed_is_told(world: World) -> None:
    judged_again(world)
    (world.dist / "reproducible.dsse.json").unlink()
    world.push()
    code, told = world.pull(IMAGE, "own", "--require", "reproducible")
    assert (code, "nobody signed reproducible.json" in told) == (FAILED, True), told


@pytest.mark.parametrize(
    "name", ["sbom.cdx.json", "sbom.spdx.json", "provenance.json", "provenance.dsse.json"]
)
def test_a_document_beside_the_image_that_is_another_is_found(name: str, world: World) -> None:
    """Whole by its digest, and beside the image: whoever can write to the registry can put it there."""
    world.push()
    image = world.top["manifests"][0]["digest"]
    tag = f"sha256-{image[7:]}"
    listing = world.json_of(world.registry.tags[tag])
    data = flipped((world.dist / name).read_bytes())
    for entry in listing["manifests"]:
        if entry.get("annotations", {}).get("org.opencontainers.image.title") == name:
            document = world.json_of(entry["digest"])
            document["layers"][0].update(digest=world.put_blob(data), size=len(data))
            digest = world.put_manifest(document)
            entry.update(digest=digest, size=len(world.registry.manifests[digest]))
    world.put_manifest(listing, tag)
    code, told = world.pull()
    assert code == FAILED, told
    assert f"{name}" in told


def test_a_document_about_something_else_is_found(world: World) -> None:
    world.push()
    tags = [
        f"sha256-{digest[7:]}" for digest in (world.registry.tags["1.0"], world.top["manifests"][0]["digest"])
    ]
    world.registry.tags[tags[1]] = world.registry.tags[tags[0]]
    code, told = world.pull()
    assert (code, "that it is not about" in told) == (FAILED, True), told


# -- folders that nobody pushed ------------------------------------------------------------------------------


def artifact(world: World) -> Iterator[Any]:
    """The manifest of a folder, to be changed; then it has the name."""
    world.push(str(world.dist))
    document = world.top
    yield document
    world.put_manifest(document, "1.0")


def _escape(document: Any) -> None:
    document["layers"][0]["annotations"]["org.opencontainers.image.title"] = "../../evil"


def _absolute(document: Any) -> None:
    document["layers"][0]["annotations"]["org.opencontainers.image.title"] = "/tmp/evil"


def _link(document: Any) -> None:
    document["layers"][0]["annotations"]["vnd.tfbuild.link"] = "../../../../etc"


def _absolute_link(document: Any) -> None:
    document["layers"][0]["annotations"]["vnd.tfbuild.link"] = "/etc"


def _twice(document: Any) -> None:
    document["layers"].append(document["layers"][0])


def _below(document: Any) -> None:
    title = document["layers"][0]["annotations"]["org.opencontainers.image.title"]
    annotations = {"org.opencontainers.image.title": f"{title}/x"}
    document["layers"].append({**document["layers"][0], "annotations": annotations})


def _place(document: Any) -> None:
    document["annotations"]["vnd.tfbuild.place"] = "a/../../b"


def _nothing(document: Any) -> None:
    document["layers"] = []


def _unlisted(document: Any) -> None:
    annotations = {"org.opencontainers.image.title": "lib/evil.so"}
    document["layers"].append({**document["layers"][0], "annotations": annotations})


def _missing(document: Any) -> None:
    names = [each["annotations"]["org.opencontainers.image.title"] for each in document["layers"]]
    del document["layers"][names.index("lib/libtensorflowlite.so")]


def _no_manifest(document: Any) -> None:
    for each in document["layers"]:
        if each["annotations"]["org.opencontainers.image.title"] == "manifest.json":
            each.update(digest=EMPTY.descriptor.digest, size=2)


ATTACKS = (
    _escape, _absolute, _link, _absolute_link, _twice, _below,
    _place, _nothing, _unlisted, _missing, _no_manifest,
)  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_folder_that_is_not_one_of_ours_is_not_made(attack: Callable[[Any], None], world: World) -> None:
    for document in artifact(world):
        attack(document)
    code, told = world.pull(key="")
    assert code == FAILED, told
    assert not (world.folder / "pulled").exists()
    assert not Path("/tmp/evil").exists()


def test_what_lies_in_the_place_of_a_folder_stays(world: World) -> None:
    world.push(str(world.dist))
    target = world.folder / "pulled" / world.dist.relative_to(world.folder / "dist")
    target.mkdir(parents=True)
    (target / "mine").write_text("x")
    code, told = world.pull()
    assert (code, "nothing is replaced" in told) == (ExitCode.USAGE, True), told
    assert (target / "mine").read_text() == "x"


def test_a_folder_that_was_built_again_comes_back_with_its_verdict(world: World) -> None:
    judged_again(world)
    world.push(str(world.dist))
    code, told = world.pull(IMAGE, "own", "--require", "reproducible")
    assert code == 0, told
    assert list((world.folder / "pulled").glob("*/*/*/*/reproducible.json"))
