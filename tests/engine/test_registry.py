"""Pushed to Debian's registry, with TLS and a password, and looked at with the programs of others.

What is pushed is a miniature: no compiler runs here.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.engine.conftest import PROJECT, Invoke
from tests.support.builds import Build, with_real_ids
from tests.support.debian_registry import PASSWORD, USER, DebianRegistry
from tests.unit.trust.test_how_to_verify import lines
from tfbuild.build.dist.signing import sign_folder
from tfbuild.build.oci_index import Tagged, read_saved, write_archive
from tfbuild.engine.docker_cli import DockerCli
from tfbuild.engine.engine import DockerEngine
from tfbuild.trust.keys import read_signer

_NAME = "tfbuild-test/pushed:1"


@dataclass(frozen=True)
class Pushed:
    """The miniature after ``invoke push``: the image as NAME, its folder as FILES."""

    registry: DebianRegistry
    dist: Path
    keys: Path
    name: str
    files: str
    digest: str

    @property
    def env(self) -> dict[str, str]:
        return self.registry.env


@pytest.fixture(scope="module")
def pushed(
    registry: DebianRegistry,
    engine: DockerEngine,
    invoke: Invoke,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pushed]:
    folder = tmp_path_factory.mktemp("pushed")
    build = Build(folder / "built")
    build.plan = replace(build.plan, image=replace(build.plan.image, tag=_NAME))
    with_real_ids(build)
    build.run()
    for line in lines("Sign")[:2]:
        subprocess.run(["bash", "-c", line], cwd=folder, check=True)
    key = folder / "release.pem"
    sign_folder(build.output, read_signer(key.read_bytes(), "", "key"))
    dist = folder / "dist" / "tflite" / "2.14.1-debian" / "opt" / "amd64"
    shutil.copytree(build.output, dist)
    build.engine.save_image(_NAME, folder / "saved.tar")
    image, archive = read_saved(folder / "saved.tar"), folder / "image.tar"
    write_archive(archive, _NAME, image.manifest, image.media_type, [Tagged(image, _NAME)])
    engine.load_image(archive, _NAME)
    try:
        name, files = (f"{registry.host}/team/tflite:{tag}" for tag in ("1.0", "1.0-files"))
        words = ("--sign", str(key), "--json")
        ran = invoke("push", _NAME, name, "--output", str(folder / "dist"), *words, env=registry.env)
        assert ran.ok, ran.stderr
        digest = json.loads(ran.stdout)["digest"]
        ran = invoke("push", str(dist), files, *words, env=registry.env)
        assert ran.ok, ran.stderr
        registry.put({"release.pub": (folder / "release.pub").read_bytes()})
        yield Pushed(registry, dist, folder, name, files, digest)
    finally:
        engine.remove_image(_NAME)


def test_without_the_password_or_the_authority_nothing_is_sent(
    registry: DebianRegistry, pushed: Pushed, invoke: Invoke, tmp_path: Path
) -> None:
    name = f"{registry.host}/team/other:1.0"
    ran = invoke("push", str(pushed.dist), name, env={**registry.env, "DOCKER_CONFIG": str(tmp_path)})
    assert ran.returncode == 8
    assert f"docker login {registry.host}" in ran.stderr
    wrong = base64.b64encode(b"release:wrong-word").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": wrong}}}))
    ran = invoke("push", str(pushed.dist), name, env={**registry.env, "DOCKER_CONFIG": str(tmp_path)})
    assert ran.returncode == 8
    assert "wrong-word" not in ran.stdout + ran.stderr
    unknown = {"SSL_CERT_FILE": "", "REQUESTS_CA_BUNDLE": "", "DOCKER_CONFIG": str(registry.config)}
    ran = invoke("push", str(pushed.dist), name, env=unknown)
    assert ran.returncode == 8
    assert "SSL_CERT_FILE" in ran.stderr


def test_buildx_shows_the_bill_of_materials_and_the_provenance(pushed: Pushed, cli: DockerCli) -> None:
    def shown(what: str) -> object:
        argv = [*cli.buildx, "imagetools", "inspect", pushed.name, "--format", f"{{{{json .{what}}}}}"]
        env = {**os.environ, **pushed.env}
        return json.loads(subprocess.run(argv, env=env, check=True, capture_output=True, text=True).stdout)

    bill = json.loads((pushed.dist / "sbom.spdx.json").read_text())
    assert shown("SBOM") == {"SPDX": bill}
    provenance = json.loads((pushed.dist / "provenance.json").read_text())
    assert shown("Provenance") == {"SLSA": provenance["predicate"]}


def test_cosign_verifies_the_name_and_the_image_for_a_platform(pushed: Pushed) -> None:
    words = ("cosign", "verify", "--key", "release.pub", "--insecure-ignore-tlog")
    done = pushed.registry.run(*words, pushed.name)
    assert done.returncode == 0, done.stderr
    (signed,) = json.loads(done.stdout)
    assert signed["critical"]["image"]["docker-manifest-digest"] == pushed.digest
    assert signed["critical"]["identity"]["docker-reference"] == pushed.name
    image = json.loads((pushed.dist / "manifest.json").read_text())["image"]["id"]
    place = pushed.name.rpartition(":")[0]
    assert pushed.registry.run(*words, f"{place}@{image}").returncode == 0
    assert pushed.registry.run(*words, pushed.files).returncode == 0


@pytest.fixture
def tools(pushed: Pushed, tmp_path: Path) -> dict[str, str]:
    """The environment of a user, whose cosign is the container's."""
    program = tmp_path / "bin" / "cosign"
    program.parent.mkdir()
    inside = "-e DOCKER_CONFIG=/srv/tests -e SSL_CERT_FILE=/srv/tests/ca.pem -w /srv/tests"
    container = pushed.registry.container.id
    program.write_text(f'#!/bin/sh\nexec docker exec {inside} {container} cosign "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    return {**os.environ, **pushed.env, "PATH": path, "KEY": "release.pub"}


def test_the_documented_lines_verify_the_name_and_no_other(
    pushed: Pushed, tools: dict[str, str], tmp_path: Path
) -> None:
    script = "\n".join(("set -euo pipefail", *lines("How a user verifies an image in a registry")))
    assert len(script.splitlines()) == 6

    def verified(name: str) -> subprocess.CompletedProcess[str]:
        env = {**tools, "REF": name}
        argv = ["bash", "-c", script]
        return subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    done = verified(pushed.name)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "sbom.json").read_text())["SPDX"]["spdxVersion"] == "SPDX-2.3"
    assert "buildDefinition" in json.loads((tmp_path / "provenance.json").read_text())["SLSA"]
    argv = ("oras", "tag", "--registry-config", "config.json", pushed.name, "0.8")
    assert pushed.registry.run(*argv).returncode == 0
    assert verified(pushed.name.replace(":1.0", ":0.8")).returncode != 0


def test_skopeo_takes_what_the_key_signed_under_that_name_alone(pushed: Pushed) -> None:
    policy = {
        "default": [{"type": "reject"}],
        "transports": {"docker": {"": [{"type": "sigstoreSigned", "keyPath": "/srv/tests/release.pub"}]}},
    }
    files = {
        "policy.json": json.dumps(policy).encode(),
        "registries.d/all.yaml": b"default-docker: {use-sigstore-attachments: true}\n",
    }
    pushed.registry.put(files)
    words = ("skopeo", "--policy=policy.json", "--registries.d=registries.d", "copy", "--remove-signatures")
    login = ("--src-authfile=/srv/tests/config.json",)

    def copied(name: str, to: str) -> subprocess.CompletedProcess[str]:
        return pushed.registry.run(*words, *login, f"docker://{name}", f"dir:/tmp/{to}")

    done = copied(pushed.name, "right")
    assert done.returncode == 0, done.stderr
    # The same bytes and signatures under the name of another release.
    renamed = pushed.name.replace(":1.0", ":1.1")
    done = pushed.registry.run("oras", "tag", "--registry-config", "config.json", pushed.name, "1.1")
    assert done.returncode == 0, done.stderr
    done = copied(renamed, "wrong")
    assert done.returncode != 0
    assert f'Signature for identity \\"{pushed.name}\\" is not accepted' in done.stderr


def test_a_replayed_release_is_refused(pushed: Pushed, invoke: Invoke) -> None:
    renamed = pushed.name.replace(":1.0", ":0.9")
    done = pushed.registry.run("oras", "tag", "--registry-config", "config.json", pushed.name, "0.9")
    assert done.returncode == 0, done.stderr
    ran = invoke("pull", renamed, "--key", str(pushed.keys / "release.pub"), "--check", env=pushed.env)
    assert ran.returncode == 7
    assert "it was signed as" in ran.stderr


def test_minisign_verifies_the_checksums_with_the_key_as_documented(pushed: Pushed) -> None:
    page = (PROJECT / "docs" / "trust.md").read_text(encoding="utf-8")
    script = page[page.index("raw() {") :].partition("```")[0] + '\nprintf %s "$MINISIGN_KEY"'
    argv = ["bash", "-euo", "pipefail", "-c", script]
    key = subprocess.run(argv, cwd=pushed.keys, check=True, capture_output=True, text=True).stdout
    sums = (pushed.dist / "SHA256SUMS").read_bytes()
    pushed.registry.put(
        {"SHA256SUMS": sums, "SHA256SUMS.minisig": (pushed.dist / "SHA256SUMS.minisig").read_bytes()}
    )
    words = ("minisign", "-Vm", "SHA256SUMS", "-P", key)
    assert pushed.registry.run(*words).returncode == 0
    pushed.registry.put({"SHA256SUMS": sums + b"\n"})
    assert pushed.registry.run(*words).returncode != 0


DEVICE = {
    "SOFTHSM2_CONF": "/srv/tests/softhsm2.conf",
    "PKCS11_MODULE": "/usr/lib/softhsm/libsofthsm2.so",
    "PKCS11_TOKEN": "release",
    "PKCS11_KEY": "01",
    "PKCS11_PIN": "1234",
}
MAKE_KEY = """\
mkdir /tmp/device && cd /tmp/device
softhsm2-util --init-token --free --label release --so-pin 4321 --pin 1234 >&2
pkcs11-tool --module "$PKCS11_MODULE" --token-label release --login --pin env:PKCS11_PIN \\
  --keypairgen --key-type EC:prime256v1 --id 01 >&2
"""


def test_a_key_that_never_leaves_its_device_signs(pushed: Pushed, invoke: Invoke, tmp_path: Path) -> None:
    """SoftHSM, with the script of examples/ and the documented lines for the public key."""
    script = (PROJECT / "examples" / "signing" / "pkcs11.sh").read_bytes()
    pushed.registry.put({"softhsm2.conf": b"directories.tokendir = /tmp/device\n", "pkcs11.sh": script})
    exports = "".join(f"export {name}={value}\n" for name, value in DEVICE.items())
    page = (PROJECT / "docs" / "trust.md").read_text(encoding="utf-8")
    public = page[page.index("  pkcs11-tool ") :].partition("  ```")[0]
    made = pushed.registry.run("bash", "-euc", f"{exports}{MAKE_KEY}{public}cat release.pub")
    assert made.returncode == 0, made.stderr
    (tmp_path / "device.pub").write_text(made.stdout[made.stdout.index("-----BEGIN") :])
    command = tmp_path / "sign"
    inside = " ".join(f"-e {name}={value}" for name, value in DEVICE.items())
    container = pushed.registry.container.id
    command.write_text(
        f"#!/bin/sh\nexec docker exec -i {inside} {container} bash /srv/tests/pkcs11.sh p256\n"
    )
    command.chmod(0o755)
    signing = {"command": [str(command)], "public_key": str(tmp_path / "device.pub")}
    config = tmp_path / "device.yaml"
    config.write_text(json.dumps({"description": "a device", "extends": "opt", "signing": signing}))
    folder = shutil.copytree(pushed.dist, tmp_path / "amd64")
    signed = invoke("sign", str(folder), "--config", str(config))
    assert signed.ok, signed.stderr
    argv = ("openssl", "dgst", "-sha256", "-verify", "device.pub", "-signature")
    files = (str(folder / "SHA256SUMS.sig"), str(folder / "SHA256SUMS"))
    done = subprocess.run([*argv, *files], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "Verified OK\n", done.stderr
    key = ("--key", str(tmp_path / "device.pub"), "--require", "signature,sbom,provenance")
    assert invoke("verify", str(folder), *key).ok
    command.write_text(command.read_text().replace("PKCS11_PIN=1234", "PKCS11_PIN=0000"))
    shutil.copytree(pushed.dist, folder, dirs_exist_ok=True)
    refused = invoke("sign", str(folder), "--config", str(config))
    assert refused.returncode == 8
    assert "CKR_PIN_INCORRECT" in refused.stderr


def test_oras_finds_the_documents_and_pulls_the_folder(pushed: Pushed) -> None:
    argv = ("oras", "discover", "--registry-config", "config.json", "--format", "json", pushed.name)
    done = pushed.registry.run(*argv)
    assert done.returncode == 0, done.stderr
    found = {each["artifactType"] for each in json.loads(done.stdout)["manifests"]}
    assert {
        "application/spdx+json",
        "application/vnd.cyclonedx+json",
        "application/vnd.in-toto+json",
    } <= found
    done = pushed.registry.run(
        "oras", "pull", "--registry-config", "config.json", "--output", "/tmp/files", pushed.files
    )
    assert done.returncode == 0, done.stderr
    check = "cd /tmp/files && sha256sum --check --strict --quiet SHA256SUMS"
    assert pushed.registry.run("bash", "-c", check).returncode == 0


def test_what_was_pushed_comes_back(
    pushed: Pushed, invoke: Invoke, engine: DockerEngine, tmp_path: Path
) -> None:
    key = ("--key", str(pushed.keys / "release.pub"), "--require", "signature,sbom,provenance")
    ran = invoke("pull", pushed.files, *key, "--output", str(tmp_path), "--json", env=pushed.env)
    assert ran.ok, ran.stderr
    folder = Path(json.loads(ran.stdout)["output"])
    assert (folder / "SHA256SUMS").read_bytes() == (pushed.dist / "SHA256SUMS").read_bytes()
    ran = invoke("pull", pushed.name, *key, env=pushed.env)
    assert ran.ok, ran.stderr
    try:
        image = engine.image(pushed.name)
        assert image is not None
        if engine.info().containerd_store:
            assert image.id == pushed.digest
    finally:
        engine.remove_image(pushed.name)


def test_a_second_push_sends_nothing(pushed: Pushed, invoke: Invoke) -> None:
    key = str(pushed.keys / "release.pem")
    output = str(pushed.dist.parents[3])
    ran = invoke("push", _NAME, pushed.name, "--sign", key, "--output", output, "--json", env=pushed.env)
    assert ran.ok, ran.stderr
    again = json.loads(ran.stdout)
    assert (again["sent"], again["digest"]) == (0, pushed.digest)


def test_the_password_and_the_key_are_nowhere_in_the_registry(pushed: Pushed) -> None:
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode())
    private = (pushed.keys / "release.pem").read_bytes().splitlines()[1]
    files = dict(pushed.registry.stored())
    assert any(b"spdxVersion" in data for data in files.values())  # what is searched is what is there
    for secret in (PASSWORD.encode(), login, private):
        assert not [name for name, data in files.items() if secret in data]
        assert secret not in pushed.registry.log()
        for path in pushed.dist.rglob("*"):
            assert not path.is_file() or secret not in path.read_bytes()
