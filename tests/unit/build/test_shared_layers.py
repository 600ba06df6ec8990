"""A team's registry: who fills it, who takes from it, and what of it nobody takes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.builds import Build
from tests.support.registry import HOST, Answer, FakeRegistry, always, digest_of, once
from tfbuild.base.errors import ChecksumError, DownloadError, ExitCode, PackagingError, TfBuildError
from tfbuild.build.roots import read_facts
from tfbuild.build.shared.store import LayerStore
from tfbuild.plan.remote.layers import SharedLayers
from tfbuild.trust.keys import FileSigner, read_signer

MADE, TAKEN = ["mmdebstrap", "export-builder", "builder"], ["builder"]
PLACE = f"{HOST}/team/image"


def new_signer() -> FileSigner:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return read_signer(pem, "", "key")


TEAM, OTHER = new_signer(), new_signer()


def machine(
    folder: Path,
    registry: FakeRegistry,
    *,
    upload: bool = False,
    signer: FileSigner | None = None,
    trusted: FileSigner | None = TEAM,
    fallback: str = "none",
) -> Build:
    """A build on a machine with an empty cache."""
    folder.mkdir()
    build = Build(folder)
    layers = SharedLayers(PLACE, "team.pub" if trusted else "", upload, False, fallback, ())
    build.plan = replace(build.plan, layers=layers)
    build.layers = LayerStore(
        layers=layers,
        open=lambda tag, _, error: registry.open(tag, error=error),
        key=trusted.key if trusted else None,
        signer=signer,
        reporter=build.reporter,
        scratch=folder / "scratch",
    )
    return build


@pytest.fixture
def registry(tmp_path: Path) -> FakeRegistry:
    """What CI has filled, with the key of the team."""
    made = FakeRegistry()
    ci = machine(tmp_path / "ci", made, upload=True, signer=TEAM)
    ci.run()
    assert ci.done[:3] == MADE
    made.seen.clear()
    return made


def names(registry: FakeRegistry) -> dict[str, str]:
    """Root and builder by the beginnings of their names."""
    return {tag.partition("-")[0]: tag for tag in registry.tags if not tag.endswith(".sig")}


def test_a_colleague_makes_neither_root_nor_builder_and_pushes_nothing(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    colleague = machine(tmp_path / "colleague", registry)
    colleague.run()
    assert colleague.done[0] == "builder"
    assert {request.method for request in registry.seen} == {"GET"}
    # The same files as in CI: also the caches of what is compiled know them by their hash.
    folder = colleague.layout.builder(colleague.plan, "builder")
    assert (folder / "rootfs.tar").read_text() == f"builder of {tmp_path / 'ci'}"
    assert json.loads(colleague.layout.bake_file.read_text())["target"]["builder"]["context"] == str(folder)
    manifest = json.loads((colleague.output / "manifest.json").read_text())
    first = json.loads((tmp_path / "ci" / "dist" / "amd64" / "manifest.json").read_text())
    assert set(manifest["roots"]) == {"builder", "builder image"}
    assert manifest["roots"] == first["roots"]
    assert manifest["plan"]["layers"]["public_key"] == ""
    provenance = json.loads((colleague.output / "provenance.json").read_text())
    used = {each["name"]: each for each in provenance["predicate"]["buildDefinition"]["resolvedDependencies"]}
    sha256 = manifest["roots"]["builder image"]["sha256"]
    assert used["Debian trixie amd64 (builder image)"]["digest"] == {"sha256": sha256}


def test_what_is_there_already_is_neither_made_nor_pushed_again(
    registry: FakeRegistry, tmp_path: Path
) -> None:
    again = machine(tmp_path / "again", registry, upload=True, signer=TEAM)
    again.run()
    assert again.done[0] == "builder"
    assert {request.method for request in registry.seen} == {"GET"}
    # One that has them, and finds the registry empty.
    registry.tags.clear()
    shutil.rmtree(again.output)
    again.run()
    assert set(names(registry)) == {"root", "tflite"}


def flip(data: bytes) -> bytes:
    return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]


def poison_blob(registry: FakeRegistry) -> None:
    digest = max(registry.blobs, key=lambda each: registry.blobs[each][:2] == b"\x1f\x8b")
    registry.blobs[digest] = flip(registry.blobs[digest])


def poison_manifest(registry: FakeRegistry) -> None:
    """A manifest by somebody who may write, and who has no key."""
    tag = names(registry)["root"]
    data = registry.manifests[registry.tags[tag]].replace(b'"schemaVersion":2', b'"schemaVersion": 2')
    digest = digest_of(data)
    registry.types[digest] = registry.types[registry.tags[tag]]
    registry.manifests[digest] = data
    registry.tags[tag] = digest


def poison_name(registry: FakeRegistry) -> None:
    """A builder that the team signed, under the name of a root filesystem."""
    found = names(registry)
    registry.tags[found["root"]] = registry.tags[found["tflite"]]


def poison_signature(registry: FakeRegistry) -> None:
    for tag in [each for each in registry.tags if each.endswith(".sig")]:
        del registry.tags[tag]


@pytest.mark.parametrize("poison", [poison_blob, poison_manifest, poison_name, poison_signature])
def test_what_was_changed_is_refused_and_nothing_of_it_stays(
    poison: Callable[[FakeRegistry], None], registry: FakeRegistry, tmp_path: Path
) -> None:
    poison(registry)
    colleague = machine(tmp_path / "colleague", registry, fallback="local")
    with pytest.raises(ChecksumError) as refused:
        colleague.run()
    assert refused.value.exit_code == ExitCode.DOWNLOAD
    assert f"{PLACE}:" in refused.value.message
    assert "cache.registry" in (refused.value.hint or "")
    assert "builder" not in colleague.done
    assert "mmdebstrap" not in colleague.done
    folders = [path.parent for path in (tmp_path / "colleague").rglob("rootfs.tar*")]
    assert not [folder for folder in folders if "builder of" in (folder / "rootfs.tar").read_text()]
    assert not list((tmp_path / "colleague").rglob("*.part"))


def test_the_key_of_somebody_else_is_none(registry: FakeRegistry, tmp_path: Path) -> None:
    colleague = machine(tmp_path / "colleague", registry, trusted=OTHER)
    with pytest.raises(ChecksumError, match="is refused"):
        colleague.run()
    assert read_facts(colleague.layout.root(colleague.plan.root)) is None


def test_without_a_key_every_byte_is_still_that_of_its_digest(registry: FakeRegistry, tmp_path: Path) -> None:
    trusting = machine(tmp_path / "trusting", registry, trusted=None)
    trusting.run()
    assert trusting.done[0] == "builder"
    poison_blob(registry)
    with pytest.raises(ChecksumError, match="is refused"):
        machine(tmp_path / "next", registry, trusted=None).run()


def test_what_nobody_has_pushed_is_made_here(tmp_path: Path) -> None:
    registry = FakeRegistry()
    first = machine(tmp_path / "first", registry)
    first.run()
    assert first.done[:2] == ["mmdebstrap", "builder"]
    assert not registry.tags


@pytest.mark.parametrize(("upload", "error"), [(False, DownloadError), (True, PackagingError)])
def test_a_registry_that_is_gone_ends_the_build_or_is_told(
    upload: bool, error: type[TfBuildError], tmp_path: Path
) -> None:
    registry = FakeRegistry()
    method = "PUT" if upload else "GET"
    registry.faults.append(always(method, "manifests", Answer(403)))
    with pytest.raises(error) as ended:
        machine(tmp_path / "strict", registry, upload=upload).run()
    assert f"docker login {HOST}" in (ended.value.hint or "")
    assert "--set cache." in (ended.value.hint or "")
    going_on = machine(tmp_path / "local", registry, upload=upload, fallback="local")
    registry.seen.clear()
    going_on.run()
    (warning,) = (text for (text,) in going_on.reporter.of("warn") if "registry" in text)
    assert "made here" in warning
    asked = [request for request in registry.seen if request.method == method]
    assert len([each for each in asked if each.path.startswith("manifests")]) == 1


def test_a_break_in_the_middle_of_a_layer_costs_nothing(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.faults.append(once("GET", "blobs", requests.ConnectionError("reset")))
    colleague = machine(tmp_path / "colleague", registry)
    colleague.run()
    assert colleague.done[0] == "builder"
