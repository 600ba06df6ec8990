from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfbuild.machine import host
from tfbuild.machine.host import OsRelease


def _file(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_only_features_that_all_cpus_have_count() -> None:
    cpuinfo = "processor\t: 0\nflags\t\t: avx avx2\nprocessor\t: 1\nflags\t\t: avx\n"
    assert host.parse_cpu_flags(cpuinfo) == {"avx"}
    assert host.parse_cpu_flags("Features : asimd crc32\n") == {"asimd", "crc32"}
    assert host.parse_cpu_flags("") == frozenset()


def test_os_release_of_debian_and_ubuntu() -> None:
    name = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"'
    text = f'{name}\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n'
    found = host.parse_os_release(text)
    assert found == OsRelease("debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)")
    assert found.major == 12
    assert host.parse_os_release("ID='ubuntu'\nVERSION_ID=\"24.04\"\n").major == 24
    assert host.parse_os_release("# nothing\nID=debian\n").major is None


@given(st.text())
def test_any_os_release_is_survived(text: str) -> None:
    assert str(host.parse_os_release(text))


def test_limit_of_a_parent_group_counts_in_version_2(tmp_path: Path) -> None:
    _file(tmp_path, "proc/self/cgroup", "0::/a/b\n")
    _file(tmp_path, "sys/fs/cgroup/a/b/memory.max", "max\n")
    _file(tmp_path, "sys/fs/cgroup/a/memory.max", "4294967296\n")
    assert host.cgroup_memory_limit(tmp_path) == 4 << 30


def test_limit_in_version_1_and_its_way_to_say_none(tmp_path: Path) -> None:
    _file(tmp_path, "proc/self/cgroup", "5:cpu:/x\n4:memory:/x\n")
    limit = "sys/fs/cgroup/memory/x/memory.limit_in_bytes"
    _file(tmp_path, limit, "9223372036854771712\n")
    assert host.cgroup_memory_limit(tmp_path) is None
    _file(tmp_path, limit, "1073741824\n")
    assert host.cgroup_memory_limit(tmp_path) == 1 << 30


def test_a_container_that_sees_the_hosts_path_still_has_its_limit(tmp_path: Path) -> None:
    _file(tmp_path, "proc/self/cgroup", "0::/system.slice/docker-1234.scope\n")
    _file(tmp_path, "sys/fs/cgroup/memory.max", "2147483648\n")
    assert host.cgroup_memory_limit(tmp_path) == 2 << 30


def test_ca_bundle_from_the_environment_comes_before_the_systems(tmp_path: Path) -> None:
    _file(tmp_path, "etc/ssl/certs/ca-certificates.crt", "x")
    _file(tmp_path, "own.pem", "x")
    own = host.find_ca_bundle(
        {"SSL_CERT_FILE": "", "REQUESTS_CA_BUNDLE": str(tmp_path / "own.pem")}, tmp_path
    )
    assert own is not None
    assert (own.path.name, own.source, own.readable) == ("own.pem", "REQUESTS_CA_BUNDLE", True)
    lost = host.find_ca_bundle({"SSL_CERT_FILE": "/nowhere.pem"}, tmp_path)
    assert lost is not None
    assert not lost.readable
    system = host.find_ca_bundle({}, tmp_path)
    assert system is not None
    assert system.source == "system"
    assert host.find_ca_bundle({}, tmp_path / "empty") is None


@pytest.mark.parametrize(
    "value",
    ["http://me:s3cret@proxy.example:3128", "me:s3cret@proxy.example:3128", "http://me:s3cr@t@p.example/"],
)
def test_a_proxys_password_is_never_shown(value: str) -> None:
    (proxy,) = host.find_proxies({"HTTPS_PROXY": value})
    assert "s3cr" not in proxy.shown()
    assert "p" in proxy.shown()
    assert proxy.value == value


def test_free_disk_of_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    assert host.free_disk(tmp_path / "a/b/c") is not None


def test_writable_looks_at_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    assert host.writable(tmp_path / "a/b")
    (tmp_path / "file").write_text("")
    assert not host.writable(tmp_path / "file")
    assert not host.writable(tmp_path / "file/below")


def test_gather_reads_the_machine_below_the_root(tmp_path: Path) -> None:
    _file(tmp_path, "etc/os-release", "ID=debian\nVERSION_ID=13\n")
    _file(tmp_path, "proc/meminfo", "MemTotal:        8000000 kB\nMemFree: 1 kB\n")
    _file(tmp_path, "proc/self/cgroup", "0::/\n")
    _file(tmp_path, "sys/fs/cgroup/memory.max", "1000000\n")
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    found = host.gather(root=tmp_path, env={"USER": "me"}, which=lambda name: f"/usr/bin/{name}")
    assert found.os.major == 13
    assert found.memory == 8000000 * 1024
    assert found.usable_memory == 1000000
    assert found.systemd
    assert found.sudo == Path("/usr/bin/sudo")
    assert found.user == "me"
    assert found.ca_bundle is None
