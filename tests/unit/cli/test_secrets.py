"""Marked secrets go everywhere that one can be given, and no result has one.

What a real builder and a real registry keep is searched by tests/engine/test_mirrors.py and test_registry.py.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from tests.support.builds import Build, with_real_ids
from tests.support.bundles import bundled
from tests.support.commands import run_invoke
from tests.support.plans import PROJECT
from tests.support.registry import HOST, FakeRegistry
from tests.support.reporters import ListReporter
from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.arch import Arch
from tfbuild.base.urls import parse_mirror_rules
from tfbuild.build.buildkit.secrets import build_secrets, read_logins
from tfbuild.build.dist.signing import sign_folder
from tfbuild.build.roots import archives_of
from tfbuild.cli import wiring
from tfbuild.cli.registry import access
from tfbuild.machine.cache import prepare_cache
from tfbuild.plan.words import Words
from tfbuild.products.table import plan_of
from tfbuild.registry.connect import Access
from tfbuild.registry.credentials import Credentials, find_credentials
from tfbuild.trust.keys import read_signer

MARKS = {
    "mirror": "mark-of-a-mirror",
    "netrc": "mark-of-the-netrc",
    "proxy": "mark-of-a-proxy",
    "passphrase": "mark-of-the-passphrase",
    "pin": "mark-of-the-hsm-pin",
    "registry": "mark-of-the-registry",
    "helper": "mark-of-the-helper",
    "token": "mark-of-a-token",
}
MIRRORS = f"debian:=http://user:{MARKS['mirror']}@mirror.example/debian"
IMAGE = f"{HOST}/team/image:1.0"


def needles(private: bytes) -> dict[str, tuple[bytes, ...]]:
    """Each secret in the forms in which it could turn up."""
    found = {}
    for name, mark in MARKS.items():
        raw = mark.encode()
        # Base64 of a longer text depends on where in it the secret begins.
        coded = [base64.b64encode(b"x" * shift + raw)[4:-4] for shift in range(3)]
        found[name] = (raw, *coded)
    found["key"] = tuple(line for line in private.splitlines()[1:-1] if len(line) > 20)
    return found


def all_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


class Everything:
    """A build that was given every secret, and all that came of it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        key = ed25519.Ed25519PrivateKey.generate()
        locked = BestAvailableEncryption(MARKS["passphrase"].encode())
        self.private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)
        self.key = folder / "keys" / "release.pem"
        self.key.parent.mkdir()
        self.key.write_bytes(self.private)
        proxy = f"http://user:{MARKS['proxy']}@proxy.example:3128"
        self.env = {
            "TFBUILD_MIRRORS": MIRRORS,
            "TFBUILD_SIGNING_PASSPHRASE": MARKS["passphrase"],
            "https_proxy": proxy,
            "TFBUILD_CACHE_DIR": str(folder / "built" / "cache"),
        }
        for name, value in self.env.items():
            monkeypatch.setenv(name, value)
        self.registry = FakeRegistry(f"user:{MARKS['registry']}", tokens=True)
        self.registry.token = MARKS["token"]
        monkeypatch.setattr(access, "registry_access", lambda _: self.way())

    def way(self) -> Access:
        return Access(self.registry.session, self.credentials, ListReporter())

    def credentials(self, host: str) -> Credentials | None:
        config = self.folder / "keys" / "config.json"
        login = base64.b64encode(f"user:{MARKS['registry']}".encode()).decode()
        config.write_text(json.dumps({"auths": {host: {"auth": login}}, "credsStore": "x"}))
        refused = f"credentials not found in native keychain {MARKS['helper']}"
        runner = RecordingRunner([Reply(("docker-credential-x",), returncode=1, stderr=refused)])
        return find_credentials(host, config, runner)

    def build(self) -> Build:
        command = f"signing.command=[sign-with-hsm, --pin, {MARKS['pin']}]"
        words = Words(release="2.14.1-debian", sets=("policy=default", command, "signing.public_key=x.pub"))
        plan = plan_of(PROJECT, "tflite", words, env=self.env, build_arch=Arch.AMD64)
        rules = parse_mirror_rules(MIRRORS)
        (self.folder / "keys" / "netrc").write_text(
            f"machine other.example login user password {MARKS['netrc']}\n"
        )
        logins = read_logins({"NETRC": str(self.folder / "keys" / "netrc")}, self.folder, rules)
        archives = archives_of(plan.root, ["http://deb.example/debian"], rules=rules)
        secrets = build_secrets(archives, plan.root.suite, logins)
        assert any(MARKS["mirror"] in text for text in secrets.values())
        assert any(MARKS["netrc"] in text for text in secrets.values())
        build = Build(
            self.folder / "built", plan, secrets=secrets, proxies={"https_proxy": self.env["https_proxy"]}
        )
        build.output = self.folder / "built" / "dist" / "tflite" / "2.14.1-debian" / "opt" / "amd64"
        with_real_ids(build)
        return build


@pytest.fixture
def everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Everything:
    return Everything(tmp_path, monkeypatch)


def assert_clean(found: Iterator[tuple[str, bytes]] | list[tuple[str, bytes]], private: bytes) -> None:
    texts = list(found)
    assert texts
    for place, data in texts:
        for name, forms in needles(private).items():
            for form in forms:
                assert form not in data, f"the secret of {name} is in {place}"


def test_no_result_has_a_secret(
    everything: Everything, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    build = everything.build()
    prepare_cache(build.layout.cache)
    build.run()
    passphrase = everything.env["TFBUILD_SIGNING_PASSPHRASE"]
    sign_folder(build.output, read_signer(everything.private, passphrase, "release.pem"))
    bundled(build, everything.folder / "built" / "tflite.bundle")
    image = everything.folder / "built" / "image.tar"
    build.engine.save_image(build.plan.image.tag, image)

    # dist with logs, manifest, bills, provenance, signatures; the cache; the bundle; the image.
    names = {name for name, _ in all_files(everything.folder / "built")}
    assert any("logs/" in name for name in names)
    assert any(name.endswith("bake.json") for name in names)
    assert {"tflite.bundle", "image.tar"} <= names
    assert_clean(all_files(everything.folder / "built"), everything.private)
    # What was told, and what other programs were started with: anybody on this machine sees that.
    told = [repr(build.reporter.events).encode()]
    told += [" ".join(argv).encode() for argv in build.runner.commands]
    assert_clean([("what was told", text) for text in told], everything.private)

    monkeypatch.setattr(wiring, "save_image", build.engine.save_image)
    root = str(everything.folder / "built" / "dist")
    words = ("--output", root, "--sign", str(everything.key), "--json")
    assert run_invoke("push", build.plan.image.tag, IMAGE, *words) == 0
    assert run_invoke("push", str(build.output), f"{IMAGE}-files", "--sign", str(everything.key)) == 0
    kept = {**everything.registry.blobs, **everything.registry.manifests}
    assert len(kept) > 20
    assert_clean(list(kept.items()), everything.private)
    printed = capfdbinary.readouterr()
    assert_clean([("stdout", printed.out), ("stderr", printed.err)], everything.private)
    headers = [each.headers.get("Authorization", "") for each in everything.registry.seen]
    assert f"Bearer {MARKS['token']}" in headers  # it was used, after all


def test_no_plan_has_a_secret(everything: Everything, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    command = f"signing.command=[sign-with-hsm, --pin, {MARKS['pin']}]"
    words = ("build-tflite", "--release", "2.14.1-debian", "--set", command, "--dry-run")
    for more in ((), ("--verbose",), ("--json",)):
        assert run_invoke(*words, *more) == 0
    printed = capfdbinary.readouterr()
    assert_clean([("stdout", printed.out), ("stderr", printed.err)], everything.private)


@pytest.mark.parametrize("tokens", [True, False])
def test_no_error_has_a_secret(
    tokens: bool, everything: Everything, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    """The registry wants another password, and repeats in its answer what it was given."""
    everything.registry.tokens = tokens
    everything.registry.password = "user:another"
    build = everything.build()
    build.run()
    (tmp_path / "wrong.pem").write_bytes(everything.private.replace(b"MI", b"IM", 1))
    for words in (
        ("push", str(build.output), IMAGE),
        ("pull", IMAGE, "--json"),
        ("push", str(build.output), IMAGE, "--sign", str(tmp_path / "wrong.pem")),
    ):
        assert run_invoke(*words) in {2, 5, 8}
    printed = capfdbinary.readouterr()
    assert b"docker login" in printed.err
    assert_clean([("stdout", printed.out), ("stderr", printed.err)], everything.private)
