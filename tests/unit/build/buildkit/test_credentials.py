"""Who to be for a mirror: where that is read, and in what form Bazel and apt get it."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.builds import Build
from tests.support.plans import PROJECT, make_server_plan
from tfbuild.base.arch import Arch
from tfbuild.base.errors import HostError
from tfbuild.base.urls import parse_mirror_rules
from tfbuild.build.buildkit.secrets import (
    Login,
    auth_conf,
    build_secrets,
    java_trust_store,
    netrc_text,
    read_logins,
    secret_options,
)
from tfbuild.build.layout import Layout
from tfbuild.build.roots import Archive
from tfbuild.build.run import Run
from tfbuild.products.table import recipe_of

CA = PROJECT / "tests" / "data" / "tls" / "ca.pem"
ME = Login("mirror.example", "me", "s3cr3t")


def test_netrc_is_where_every_program_looks_for_it(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine home.example login h password p\n")
    (tmp_path / "other").write_text(
        "machine mirror.example login me password s3cr3t\ndefault login d password q\n"
    )
    assert read_logins({}, tmp_path, ()) == (Login("home.example", "h", "p"),)
    named = read_logins({"NETRC": str(tmp_path / "other")}, tmp_path, ())
    assert named == (ME, Login("default", "d", "q"))
    assert read_logins({"NETRC": str(tmp_path / "gone")}, tmp_path, ()) == ()


@pytest.mark.parametrize("text", ["machine", "machine a login", "\udcff", "machine a password"])
def test_a_file_that_is_none_is_left_out(text: str, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(text, errors="surrogateescape")
    assert read_logins({}, tmp_path, ()) == ()


def test_what_a_mirror_rule_says_of_its_host_wins(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine mirror.example login other password p\n")
    rules = parse_mirror_rules("https://a/=https://me:s3cr3t@mirror.example:8443/x https://b/=/srv/b")
    assert read_logins({}, tmp_path, rules) == (ME,)
    quoted = parse_mirror_rules("https://a/=https://me:p%40ss@mirror.example/")
    assert read_logins({}, tmp_path, quoted)[0].password == "p@ss"


@pytest.mark.parametrize("password", ["a b", 'a"b', "a\nmachine x", "#", ""])
def test_a_password_that_would_break_the_file_is_left_out(password: str, tmp_path: Path) -> None:
    rules = parse_mirror_rules(f"https://a/=https://me:{quote(password)}@mirror.example/")
    assert read_logins({}, tmp_path, rules) == ()


def test_no_password_is_shown_where_a_login_is_printed() -> None:
    assert "s3cr3t" not in repr(ME)


def test_bazel_gets_the_default_last_and_apt_each_address_with_its_scheme() -> None:
    default = Login("default", "d", "q")
    assert netrc_text((default, ME)) == (
        "machine mirror.example login me password s3cr3t\ndefault login d password q\n"
    )
    addresses = [
        "http://mirror.example:8080/debian",
        "https://other.example/debian",
        "http://mirror.example:8080/s",
    ]
    assert auth_conf((ME,), addresses) == "machine http://mirror.example:8080 login me password s3cr3t\n"
    assert "machine https://other.example login d password q\n" in auth_conf((ME, default), addresses)


def test_a_builder_gets_its_sources_in_sets() -> None:
    found = build_secrets(
        (Archive("http://mirror.example/d", "http://mirror.example/s"), Archive("http://b")), "trixie", (ME,)
    )
    assert found["apt-sources"] == (
        "deb http://mirror.example/d trixie main\ndeb http://mirror.example/s trixie-security main\n"
        "#\ndeb http://b trixie main\n"
    )
    assert set(found) == {"apt-sources", "apt-auth", "netrc"}
    assert build_secrets((), "trixie", ()) == {}


def test_secrets_reach_buildx_by_variables_and_no_file(tmp_path: Path) -> None:
    build = Build(tmp_path)
    build.secrets = {"netrc": netrc_text((ME,))}
    proxies = {"http_proxy": "http://me:s3cr3t@p.example:1", "no_proxy": "localhost, .example"}
    build.proxies = proxies
    build.run()
    baked = [call for call in build.runner.calls if "bake" in call.argv]
    assert baked
    for call in baked:
        assert (call.env or {})["TFBUILD_SECRET_NETRC"] == netrc_text((ME,))
        lines = (call.env or {})["TFBUILD_SECRET_PROXIES"].splitlines()
        assert lines == [f"{name}={value}" for name, value in proxies.items()]
    assert '"id=netrc,env=TFBUILD_SECRET_NETRC"' in build.layout.bake_file.read_text()
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"s3cr3t" not in file.read_bytes(), file


# -- Java ----------------------------------------------------------------------------------------------


def test_javas_trust_store_has_the_certificates_and_nothing_else() -> None:
    pem = CA.read_text()
    store = java_trust_store(f"# a comment\n{pem}\n{pem}")
    assert store == java_trust_store(pem)
    certificate = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN") :].strip())
    assert store.count(certificate) == 1
    assert store[:12].hex() == "feedfeed" + "00000002" + "00000001"
    digest = hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + store[:-20])
    assert store[-20:] == digest.digest()
    assert java_trust_store("")[8:12] == bytes(4)


def test_a_bundle_becomes_a_store_for_bazel_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    plan = make_server_plan("2.19.1", "opt", Arch.AMD64)
    layout = Layout(PROJECT, tmp_path / "cache", plan.build_id)
    layout.work.mkdir(parents=True)
    run = Run(
        plan, recipe_of(plan), layout, replace(Build(tmp_path).effects(), ca_bundle=bundle), tmp_path / "out"
    )
    bundle.write_text(CA.read_text())
    (option,) = secret_options(run)
    assert Path(option.removeprefix("id=ca-java,src=")).read_bytes() == java_trust_store(CA.read_text())
    bundle.write_text("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----")
    with pytest.raises(HostError, match=r"ca\.pem holds a certificate that cannot be read"):
        secret_options(run)
