"""What doctor asks of the network."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.errors import HostError, UsageError
from tfbuild.doctor.reach import SOURCES, ask
from tfbuild.machine.host import Proxy

INDEX = "https://index.example/simple"


def runner() -> RecordingRunner:
    return RecordingRunner([Reply((), stdout=f"global.index-url='{INDEX}'\n")])


class Prober:
    """Answers of addresses that are asked, with whether the environment's proxies were left out."""

    def __init__(self, **dead: str) -> None:
        self.dead = {"https://dead.example/": "Connection refused", **dead}
        self.asked: dict[str, bool] = {}

    def __call__(self, url: str, direct: bool) -> str:
        self.asked[url] = direct
        return self.dead.get(url, "")


def test_the_hosts_of_sources_and_packages_are_asked() -> None:
    probe = Prober()
    reach = ask({}, (), runner(), probe)
    assert reach.hosts == {SOURCES: "", INDEX: ""}
    assert probe.asked == {SOURCES: False, INDEX: False}
    assert (reach.proxies, reach.mirrors, reach.unknown) == ({}, {}, None)


def test_a_host_that_a_mirror_stands_for_is_not_asked(tmp_path: Path) -> None:
    github = "https://github.com/=https://me:s3cr3t@dead.example/"
    env = {"TFBUILD_MIRRORS": f"{github} debian:={tmp_path} pypi:=/nope"}
    probe = Prober(**{"https://me:s3cr3t@dead.example/": "Connection refused"})
    reach = ask(env, (), runner(), probe)
    assert reach.hosts == {}
    assert reach.mirrors == {
        "https://dead.example/": "Connection refused",
        str(tmp_path): "",
        "/nope": "there is no such file or folder",
    }
    assert "s3cr3t" not in str(reach)


def test_a_proxy_is_asked_without_a_proxy() -> None:
    proxies = (
        Proxy("http_proxy", "dead.example/"),
        Proxy("HTTPS_PROXY", "https://dead.example/"),
        Proxy("no_proxy", "localhost"),
    )
    probe = Prober(**{"http://dead.example/": "Connection refused"})
    reach = ask({}, proxies, runner(), probe)
    assert reach.proxies == {"http_proxy": "Connection refused", "HTTPS_PROXY": "Connection refused"}
    assert {url for url, direct in probe.asked.items() if direct} == {
        "http://dead.example/",
        "https://dead.example/",
    }


def test_rules_that_cannot_be_understood_are_told() -> None:
    assert isinstance(ask({"TFBUILD_MIRRORS": "foo"}, (), runner(), Prober()).unknown, UsageError)


def test_a_private_ca_that_is_not_there_is_what_a_download_would_meet(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("root:x:0:0")
    for place in ("/nope", str(tmp_path / "no.pem")):
        reach = ask({"SSL_CERT_FILE": place}, (), runner())
        assert isinstance(reach.untrusted, HostError)
        assert place in reach.untrusted.message
        assert reach.unknown is None


@pytest.mark.real_sockets
def test_the_words_of_a_connection_that_is_refused() -> None:
    env = {"TFBUILD_MIRRORS": "https://github.com/=http://127.0.0.1:1/x pypi:=/"}
    reach = ask(
        env, (Proxy("http_proxy", "http://127.0.0.1:1"), Proxy("all_proxy", "socks5://x:1")), runner()
    )
    assert reach.mirrors["http://127.0.0.1:1/x"] == "Connection refused"
    socks = "" if find_spec("socks") else "downloads through it need the Python package PySocks"
    assert reach.proxies == {"http_proxy": "Connection refused", "all_proxy": socks}
