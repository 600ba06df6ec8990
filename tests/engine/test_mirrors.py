"""Downloads that programs in builders make: through mirrors, with credentials and a private CA."""

from __future__ import annotations

import json
import os
import secrets
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import trustme

from tests.support import http_server as web
from tests.support import proxy_server
from tests.support.archives import fresh_archive, miniature_that_downloads
from tests.support.reporters import SilentReporter
from tfbuild.base.arch import Arch
from tfbuild.base.errors import BuildError
from tfbuild.base.urls import parse_mirror_rules
from tfbuild.build.buildkit.bake import root_target
from tfbuild.build.buildkit.buildx import bake
from tfbuild.build.buildkit.secrets import auth_conf, build_secrets, read_logins, secret_variable
from tfbuild.build.roots import archives_of, bootstrap
from tfbuild.engine.docker_cli import DockerCli
from tfbuild.engine.engine import DockerEngine
from tfbuild.machine.apt import debian_archive_mirrors
from tfbuild.machine.cache import cache_root
from tfbuild.machine.host import gather
from tfbuild.machine.programs import Captured
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.plan.roots import Root

PROJECT = Path(__file__).resolve().parents[2]
LOGIN, PASSWORD = "builder", "s3cr3t-of-the-mirror"


@pytest.fixture(scope="session")
def debian(runner: SubprocessRunner) -> str:
    """The Debian mirror of this machine."""
    host = gather()
    found = debian_archive_mirrors(runner, os_id=host.os.id, codename=host.os.codename)
    if not found:
        pytest.skip("this machine's apt has no Debian mirror")
    return found[0]


def relay(prefix: str, target: str) -> web.Answer:
    """What ``target`` has for a path below ``prefix``."""

    def answer(handler: web.Handler) -> None:
        if not handler.path.startswith(prefix):
            web.status(404)(handler)
            return
        url = target + handler.path.removeprefix(prefix)
        with requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=60) as found:
            handler.reply(found.status_code, found.content)

    return answer


@pytest.fixture
def site(gateway: str, debian: str) -> Iterator[web.Site]:
    with web.running(address=gateway) as server:
        server.server.otherwise = web.only_for(LOGIN, PASSWORD, relay("/debian", debian))
        yield server


def test_apt_takes_the_mirror_that_works_and_leaves_no_password(
    site: web.Site, cli: DockerCli, runner: SubprocessRunner, tmp_path: Path
) -> None:
    """mmdebstrap, and then apt in a builder; the first mirror has nothing."""
    address = site.url.removeprefix("http://")
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {address.partition(':')[0]} login {LOGIN} password {PASSWORD}\n")
    rules = parse_mirror_rules(f"debian:=http://{address}/gone debian:=http://{address}/debian")
    root = Root("trixie", Arch.AMD64, (), None, None, 1_700_000_000)
    archives = archives_of(root, ["http://mirror.invalid/debian"], rules=rules)
    logins = read_logins({"NETRC": str(netrc)}, tmp_path, rules)
    host = gather()
    facts = bootstrap(
        root,
        tmp_path / "root",
        archives,
        runner=runner,
        log=tmp_path / "root.log",
        host=host.arch or root.arch,
        is_root=host.is_root,
        auth=auth_conf(logins, [archive.main for archive in archives]),
    )
    assert facts.mirror == f"{site.url}/debian"
    asked = [seen.path for seen in site.seen]
    assert any(path.startswith("/gone/") for path in asked)
    assert any(path.endswith(".deb") for path in asked)
    with tarfile.open(tmp_path / "root" / "rootfs.tar") as tar:
        assert "./etc/apt/auth.conf" not in tar.getnames()

    site.seen.clear()
    hidden = build_secrets(archives, root.suite, logins)
    target = {
        "context": str(PROJECT / "tests/engine/apt"),
        "contexts": {"base": "target:root", "common": str(PROJECT / "dockerfiles/common")},
        "args": {"NONCE": secrets.token_hex()},
        "secret": [f"id={name},env={secret_variable(name)}" for name in hidden],
        "output": [f"type=tar,dest={tmp_path / 'builder.tar'}"],
    }
    definition = {"target": {"root": root_target(PROJECT / "dockerfiles", tmp_path / "root"), "apt": target}}
    (tmp_path / "bake.json").write_text(json.dumps(definition))
    bake(
        cli,
        tmp_path / "bake.json",
        ["apt"],
        runner=runner,
        reporter=SilentReporter(),
        log=tmp_path / "bake.log",
        secrets={secret_variable(name): text for name, text in hidden.items()},
    )
    asked = [seen.path for seen in site.seen]
    assert any(path.startswith("/gone/") for path in asked)
    assert any("/hello_" in path for path in asked)
    for file in ("root/rootfs.tar", "root/root.json", "builder.tar", "bake.json", "bake.log", "root.log"):
        assert PASSWORD.encode() not in (tmp_path / file).read_bytes(), file


def test_without_the_password_every_mirror_is_told(
    site: web.Site, runner: SubprocessRunner, tmp_path: Path
) -> None:
    root = Root("trixie", Arch.AMD64, (), None, None, 1_700_000_000)
    archives = archives_of(root, [f"{site.url}/debian"], rules=parse_mirror_rules(f"debian:={site.url}/gone"))
    with pytest.raises(BuildError) as failure:
        bootstrap(
            root,
            tmp_path / "root",
            archives,
            runner=runner,
            log=tmp_path / "log",
            host=Arch.AMD64,
            is_root=gather().is_root,
        )
    told = "\n".join(failure.value.details)
    assert f"mirror: {site.url}/gone" in told
    assert f"mirror: {site.url}/debian" in told
    assert list((tmp_path / "root").iterdir()) == []


@dataclass(frozen=True)
class Download:
    """A build of the miniature that downloads ``archive`` by https, with a certificate of a private CA."""

    folder: Path
    archive: bytes
    words: tuple[str, ...]
    tag: str
    build_id: str

    @property
    def certificate(self) -> Path:
        return self.folder / "server.pem"

    @property
    def authority(self) -> dict[str, str]:
        return {"SSL_CERT_FILE": str(self.folder / "ca.pem")}

    @property
    def own_sources(self) -> dict[str, str]:
        """Where the rest of the miniature is."""
        return {"TFBUILD_MIRRORS": f"https://mini.invalid/={self.folder / 'mini'}/"}

    @property
    def state(self) -> Path:
        return cache_root(os.environ) / "state" / self.build_id

    def assert_no_password(self, ran: Captured) -> None:
        """Neither in the image, nor in what the build printed, gave or left behind."""
        for file in [self.folder / "image.tar", *(self.folder / "dist").rglob("*"), *self.state.rglob("*")]:
            if file.is_file():
                assert PASSWORD.encode() not in file.read_bytes(), file
        assert PASSWORD not in ran.stdout + ran.stderr


def a_download(folder: Path, name: str, host: str) -> Download:
    """``host`` is whom the certificate names."""
    archive, sha256 = fresh_archive(folder)
    url = "https://downloads.invalid/x/fresh.tar"
    release = miniature_that_downloads(folder / "mini", f"2.19.1-{name}", url, sha256)
    authority = trustme.CA()
    authority.issue_cert(host).private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    tag = f"tfbuild-test/serving-{name}:1"
    words = ("build-serving", "--release", str(release), "--set", "policy=default", "--tag", tag)
    output = ("--output", str(folder / "dist"), "--json")
    return Download(folder, archive.read_bytes(), (*words, *output), tag, f"serving-2.19.1-{name}-opt-amd64")


def test_bazels_own_downloads_go_through_the_proxy(
    gateway: str,
    invoke: Callable[..., Captured],
    tmp_path: Path,
    engine: DockerEngine,
) -> None:
    """A proxy with a password, which inspects: what it shows as the host's certificate is of a private CA."""
    build = a_download(tmp_path, "proxy", "downloads.invalid")
    with web.running(build.certificate, address=gateway) as site:
        site.on("/x/fresh.tar", web.whole(build.archive))
        way = {"downloads.invalid:443": (gateway, site.server.server_address[1])}
        with proxy_server.running(gateway, f"{LOGIN}:{PASSWORD}", way) as proxy:
            address = f"http://{LOGIN}:{PASSWORD}@{proxy.address[0]}:{proxy.address[1]}"
            env = {**build.own_sources, "https_proxy": address}
            ran = invoke(*build.words, env=env)
            assert ran.returncode == 5, ran.stderr[-4000:]
            assert PASSWORD not in ran.stdout + ran.stderr
            assert "***@" in next((build.state / "logs").glob("*-bazel-java.log")).read_text()
            ran = invoke(*build.words, env=env | build.authority)
            try:
                assert ran.ok, ran.stderr[-8000:]
                assert ("downloads.invalid:443", True) in proxy.asked
                assert site.paths == ["/x/fresh.tar"]
                engine.save_image(build.tag, tmp_path / "image.tar")
            finally:
                engine.remove_image(build.tag)
    build.assert_no_password(ran)


def test_bazels_own_downloads_go_through_the_mirror(
    gateway: str,
    invoke: Callable[..., Captured],
    tmp_path: Path,
    engine: DockerEngine,
) -> None:
    """By https with a certificate of a private CA, with the password in .netrc; nowhere does it stay."""
    build = a_download(tmp_path, "mirror", gateway)
    (tmp_path / "netrc").write_text(f"machine {gateway} login {LOGIN} password {PASSWORD}\n")
    with web.running(build.certificate, address=gateway) as site:
        site.on("/mirror/x/fresh.tar", web.only_for(LOGIN, PASSWORD, web.whole(build.archive)))
        rule = f"mirrors=https://downloads.invalid/={site.url}/mirror/"

        ran = invoke(*build.words, "--set", rule, env=build.own_sources)
        assert ran.returncode == 5, ran.stderr[-4000:]
        assert "SSL_CERT_FILE" in ran.stderr
        told = next((build.state / "logs").glob("*-compile-fetch.log")).read_text()
        assert "unable to find valid certification path" in told
        assert site.paths == []

        env = build.own_sources | build.authority | {"NETRC": str(tmp_path / "netrc")}
        ran = invoke(*build.words, "--set", rule, env=env)
        try:
            assert ran.ok, ran.stderr[-8000:]
            assert "/mirror/x/fresh.tar" in site.paths
            engine.save_image(build.tag, tmp_path / "image.tar")
        finally:
            engine.remove_image(build.tag)
    build.assert_no_password(ran)
    manifest = json.loads(next((tmp_path / "dist").rglob("manifest.json")).read_text())
    rules = [each["prefix"] for each in manifest["plan"]["mirrors"]]
    assert rules == ["https://mini.invalid/", "https://downloads.invalid/"]
