from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.reporters import SilentReporter
from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ExitCode, HostError
from tfbuild.doctor.setup import setup
from tfbuild.doctor.setup_plan import (
    DAEMON_JSON,
    PREFERENCES_FILE,
    SOURCES_FILE,
    AptInstall,
    AptUpdate,
    SetupAction,
    SetupFacts,
    StartEngine,
    WriteFile,
    merge_daemon_json,
    plan_setup,
)
from tfbuild.engine.facts import Engine, EngineProblem, EngineUnavailable
from tfbuild.machine.apt import AptSource, parse_deb822
from tfbuild.machine.host import CaBundle, HostFacts, OsRelease

MIRROR = "http://mirror.example/debian"
DEBIAN_12 = OsRelease("debian", "12", "bookworm", "Debian 12")
HOST = HostFacts(
    os=DEBIAN_12,
    machine="x86_64",
    arch=Arch.AMD64,
    is_root=True,
    user="root",
    sudo=None,
    cpus=2,
    cpu_flags=frozenset(),
    memory=8 << 30,
    cgroup_memory_limit=None,
    systemd=False,
    ca_bundle=CaBundle(Path("/ca.crt"), "system", True),
)
READY = SetupFacts(
    host=HOST,
    engine_error=None,
    buildkit_ok=True,
    buildx_ok=True,
    docker_client=True,
    programs=frozenset({"mmdebstrap"}),
    debian_keyring=True,
    apparmor=False,
    for_ordinary_user=False,
    sources=(AptSource((MIRROR,), ("bookworm", "bookworm-updates"), ("main",), "/k.gpg", "/debian.sources"),),
)


def _error(problem: EngineProblem) -> EngineUnavailable:
    return EngineUnavailable(problem, f"the engine: {problem.value}", hint="do this")


BARE = replace(
    READY,
    engine_error=_error(EngineProblem.NOT_INSTALLED),
    buildkit_ok=None,
    buildx_ok=False,
    docker_client=False,
    programs=frozenset(),
)


def _os(facts: SetupFacts, id: str, version: str, codename: str = "") -> SetupFacts:
    return replace(facts, host=replace(facts.host, os=OsRelease(id, version, codename)))


def _packages(actions: tuple[SetupAction, ...]) -> tuple[str, ...]:
    return tuple(p for a in actions if isinstance(a, AptInstall) for p in a.packages)


def _files(actions: tuple[SetupAction, ...]) -> dict[str, str]:
    return {a.path: a.text for a in actions if isinstance(a, WriteFile)}


@pytest.mark.parametrize(
    "os", [DEBIAN_12, OsRelease("fedora", "42"), OsRelease("ubuntu", "20.04"), OsRelease()]
)
def test_a_ready_host_needs_nothing_whatever_it_is(os: OsRelease) -> None:
    assert plan_setup(replace(READY, host=replace(HOST, os=os), packages={"docker-ce": "5:29.0"})) == ()


def test_bare_debian_12_takes_the_engine_from_debian_13_and_nothing_else() -> None:
    actions = plan_setup(BARE)
    assert [type(a) for a in actions] == [WriteFile, WriteFile, AptUpdate, WriteFile, AptInstall, StartEngine]
    assert _packages(actions) == ("docker.io", "docker-cli", "docker-buildx", "mmdebstrap")
    files = _files(actions)
    assert parse_deb822(files[SOURCES_FILE]) == (AptSource((MIRROR,), ("trixie",), ("main",), "/k.gpg"),)
    never, preferred = files[PREFERENCES_FILE].split("\n\n")
    assert never.splitlines() == ["Package: *", "Pin: release n=trixie", "Pin-Priority: -1"]
    assert preferred.splitlines()[0] == "Package: docker.io docker-cli docker-buildx"
    assert preferred.splitlines()[2] == "Pin-Priority: 990"
    assert json.loads(files[DAEMON_JSON]) == {"features": {"containerd-snapshotter": True}}


@pytest.mark.parametrize(
    ("id", "version", "packages"),
    [
        ("debian", "13", ("docker.io", "docker-cli", "docker-buildx", "mmdebstrap")),
        ("debian", "", ("docker.io", "docker-cli", "docker-buildx", "mmdebstrap")),
        ("ubuntu", "22.04", ("docker.io", "docker-buildx", "mmdebstrap")),
        ("ubuntu", "24.04", ("docker.io", "docker-buildx", "mmdebstrap")),
    ],
)
def test_other_releases_take_all_from_their_own_archive(
    id: str, version: str, packages: tuple[str, ...]
) -> None:
    actions = plan_setup(_os(BARE, id, version))
    assert _packages(actions) == packages
    assert set(_files(actions)) == {DAEMON_JSON}


@pytest.mark.parametrize(
    ("id", "version"),
    [("debian", "11"), ("ubuntu", "20.04"), ("fedora", "42"), ("linuxmint", "22"), ("", "")],
)
def test_an_unsupported_system_is_told_what_to_install(id: str, version: str) -> None:
    with pytest.raises(HostError) as caught:
        plan_setup(_os(BARE, id, version))
    assert caught.value.exit_code == ExitCode.HOST_NOT_READY
    assert "mmdebstrap" in caught.value.details[0]
    assert "by hand" in (caught.value.hint or "")


def test_files_that_are_right_are_not_written_again() -> None:
    files = _files(plan_setup(BARE))
    again = plan_setup(replace(BARE, files=files))
    assert [type(a) for a in again] == [AptUpdate, AptInstall, StartEngine]


def test_somebody_elses_newer_suite_is_used_without_a_pin() -> None:
    theirs = AptSource((MIRROR,), ("trixie",), ("main",), "/k.gpg", "/etc/apt/sources.list.d/mine.sources")
    actions = plan_setup(replace(BARE, sources=(*BARE.sources, theirs)))
    assert _packages(actions)[:2] == ("docker.io/trixie", "docker-cli/trixie")
    assert set(_files(actions)) == {DAEMON_JSON}


def test_without_a_debian_source_there_is_no_mirror_to_take() -> None:
    with pytest.raises(HostError, match="bookworm"):
        plan_setup(replace(BARE, sources=()))


def test_an_engine_that_was_there_is_never_configured() -> None:
    stopped = replace(READY, engine_error=_error(EngineProblem.NOT_RUNNING), buildkit_ok=None)
    assert plan_setup(stopped) == (StartEngine(systemd=False),)
    actions = plan_setup(replace(stopped, buildx_ok=False, packages={"docker.io": "26.1.5+dfsg1-9"}))
    assert DAEMON_JSON not in _files(actions)
    assert _packages(actions) == ("docker-buildx",)


@pytest.mark.parametrize("error", [None, EngineProblem.NOT_RUNNING, EngineProblem.TOO_OLD])
def test_the_distributions_own_old_engine_is_updated(error: EngineProblem | None) -> None:
    old = replace(
        READY,
        engine_error=_error(error) if error else None,
        buildkit_ok=False if error is None else None,
        packages={"docker.io": "20.10.24+dfsg1-1+deb12u1"},
    )
    assert "docker.io" in _packages(plan_setup(old))
    assert DAEMON_JSON not in _files(plan_setup(old))


def test_another_vendors_old_engine_is_not_touched() -> None:
    with pytest.raises(HostError, match="too old"):
        plan_setup(replace(READY, buildkit_ok=False, packages={"docker-ce": "5:24.0.1"}))


def test_another_vendors_engine_gets_that_vendors_buildx() -> None:
    actions = plan_setup(replace(READY, buildx_ok=False, packages={"docker-ce": "5:29.0"}))
    assert _packages(actions) == ("docker-buildx-plugin",)


@pytest.mark.parametrize("problem", [EngineProblem.PERMISSION, EngineProblem.UNREACHABLE])
def test_what_setup_cannot_solve_is_said_at_once(problem: EngineProblem) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        plan_setup(replace(READY, engine_error=_error(problem)))
    assert caught.value.hint == "do this"


def test_what_else_may_be_missing() -> None:
    facts = replace(
        BARE,
        host=replace(HOST, ca_bundle=None),
        debian_keyring=False,
        apparmor=True,
        for_ordinary_user=True,
    )
    expected = {"apparmor", "debian-archive-keyring", "uidmap", "ca-certificates"}
    assert expected <= set(_packages(plan_setup(facts)))
    assert not expected & set(_packages(plan_setup(BARE)))


settings = st.dictionaries(st.text(max_size=5), st.booleans() | st.text(max_size=5), max_size=3)


@given(settings, st.none() | settings)
def test_daemon_json_keeps_all_other_settings(
    others: dict[str, object], features: dict[str, object] | None
) -> None:
    others.pop("features", None)
    before = others if features is None else {**others, "features": features}
    merged = merge_daemon_json(json.dumps(before))
    assert merged is not None
    after = json.loads(merged)
    assert after.pop("features") == {**(features or {}), "containerd-snapshotter": True}

    assert after == others
    assert merge_daemon_json(merged) is None


def test_a_decision_in_daemon_json_is_respected() -> None:
    assert merge_daemon_json('{"features": {"containerd-snapshotter": false}}') is None
    kept = {"features": {"containerd-snapshotter": False}, "builder": {"gc": {"enabled": False}}}
    assert merge_daemon_json(json.dumps(kept), "60GB") is None


@pytest.mark.parametrize(
    ("free", "size"), [(100 * 10**9, "60GB"), (3 * 10**9, "1GB"), (10**9, None), (None, None)]
)
def test_a_new_engine_keeps_a_build_cache_of_more_than_half_of_what_is_free(
    free: int | None, size: str | None
) -> None:
    actions = plan_setup(replace(BARE, engine_free=free))
    builder = json.loads(_files(actions)[DAEMON_JSON]).get("builder")
    assert builder == (size and {"gc": {"enabled": True, "defaultKeepStorage": size}})
    assert all(size in str(a) for a in actions if size and isinstance(a, WriteFile) and a.path == DAEMON_JSON)


@pytest.mark.parametrize("text", ["{", "[]", '{"features": 1}', '"x"'])
def test_a_broken_daemon_json_is_an_error_with_its_path(text: str) -> None:
    with pytest.raises(HostError, match=r"daemon\.json"):
        merge_daemon_json(text)


class Notes(SilentReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

    warn = note


class Host:
    """A host on which the commands of setup take effect."""

    def __init__(self, facts: SetupFacts, *, starts: bool = True, install_code: int = 0) -> None:
        self.facts = facts
        self.starts = starts
        self.installed: tuple[str, ...] = ()
        self.written: dict[str, str] = {}
        self._content: dict[str, str] = {}
        self.notes = Notes()
        self.runner = RecordingRunner(
            [
                Reply(("install",), effect=self._keep),
                Reply(("mv",), effect=self._move),
                Reply(
                    ("env", "DEBIAN_FRONTEND=noninteractive"),
                    returncode=install_code,
                    stdout="Setting up docker.io (26.1.5) ...\nE: broken thing\n",
                    effect=self._apt,
                ),
                Reply(
                    ("env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
                    effect=self._start,
                ),
                Reply(("systemctl", "start", "docker"), effect=self._start),
                Reply(("tail",), stdout="failed to mount\n"),
                Reply(("/usr/bin/sudo", "-n", "true"), returncode=1),
            ]
        )

    def _keep(self, argv: tuple[str, ...]) -> None:
        self._content[argv[-1]] = Path(argv[-2]).read_text()

    def _move(self, argv: tuple[str, ...]) -> None:
        self.written[argv[-1]] = self._content.pop(argv[-2])

    def _apt(self, argv: tuple[str, ...]) -> None:
        if "install" in argv:
            self.installed = argv[argv.index("--no-install-recommends") + 1 :]
            self.facts = replace(
                self.facts,
                buildx_ok=True,
                docker_client=True,
                programs=frozenset({"mmdebstrap"}),
                engine_error=self.facts.engine_error and _error(EngineProblem.NOT_RUNNING),
                packages={"docker.io": "26.1.5"},
            )

    def _start(self, _argv: tuple[str, ...]) -> None:
        if self.starts:
            self.facts = replace(self.facts, engine_error=None, buildkit_ok=True)

    def connect(self) -> Engine:
        if self.facts.engine_error:
            raise self.facts.engine_error
        return object()  # type: ignore[return-value]

    def run(self, tmp_path: Path, *, check: bool = False) -> tuple[ExitCode, Mapping[str, tuple[str, ...]]]:
        look: Callable[[], SetupFacts] = lambda: self.facts  # noqa: E731
        report = setup(
            check,
            runner=self.runner,
            reporter=self.notes,
            log_dir=tmp_path,
            facts=look,
            connect=self.connect,
            sleep=lambda _: None,
        )
        return report.exit_code, {"done": report.done, "pending": report.pending}


def test_a_bare_host_becomes_ready_and_the_second_run_does_nothing(tmp_path: Path) -> None:
    host = Host(BARE)
    code, report = host.run(tmp_path)
    assert code == ExitCode.OK
    assert set(host.written) == {SOURCES_FILE, PREFERENCES_FILE, DAEMON_JSON}
    assert host.installed == ("docker.io", "docker-cli", "docker-buildx", "mmdebstrap")
    assert len(report["done"]) == 6
    assert any("docker.io (26.1.5)" in line for line in host.notes.lines)
    calls = len(host.runner.calls)
    assert host.run(tmp_path) == (ExitCode.OK, {"done": (), "pending": ()})
    assert len(host.runner.calls) == calls
    assert "nothing to do" in host.notes.lines[-1]


def test_files_are_there_before_apt_needs_them(tmp_path: Path) -> None:
    host = Host(BARE)
    host.run(tmp_path)
    verbs = [next((w for w in c if w in ("mv", "update", "install")), c[0]) for c in host.runner.commands]
    assert verbs == ["install", "mv", "install", "mv", "update", "install", "mv", "install", "env"]


def test_check_changes_nothing_and_says_what_it_would_do(tmp_path: Path) -> None:
    host = Host(BARE)
    code, report = host.run(tmp_path, check=True)
    assert code == ExitCode.HOST_NOT_READY
    assert host.runner.calls == []
    assert any("would install docker.io" in line for line in host.notes.lines)
    assert len(report["pending"]) == 6
    assert Host(READY).run(tmp_path, check=True)[0] == ExitCode.OK


def test_a_failing_apt_is_an_error_with_its_reason_and_log(tmp_path: Path) -> None:
    host = Host(BARE, install_code=100)
    with pytest.raises(HostError, match=r"apt couldn't install docker\.io") as caught:
        host.run(tmp_path)
    assert caught.value.exit_code == ExitCode.HOST_NOT_READY
    assert caught.value.details == ("E: broken thing",)
    assert caught.value.log is not None
    assert caught.value.log.read_text()
    # A failing update alone is only worth a warning: another source of the host may be broken.
    assert any("update failed: E: broken thing" in line for line in host.notes.lines)


def test_an_engine_that_does_not_come_up_shows_the_end_of_its_log(tmp_path: Path) -> None:
    stopped = replace(READY, engine_error=_error(EngineProblem.NOT_RUNNING), buildkit_ok=None)
    with pytest.raises(HostError, match="did not answer") as caught:
        Host(stopped, starts=False).run(tmp_path)
    assert caught.value.details == ("failed to mount",)


def test_systemd_starts_the_engine_where_it_runs(tmp_path: Path) -> None:
    stopped = replace(
        READY,
        host=replace(HOST, systemd=True),
        engine_error=_error(EngineProblem.NOT_RUNNING),
        buildkit_ok=None,
    )
    host = Host(stopped)
    assert host.run(tmp_path)[0] == ExitCode.OK
    assert host.runner.commands == [("systemctl", "start", "docker")]


def test_what_is_still_missing_afterwards_is_an_error(tmp_path: Path) -> None:
    host = Host(replace(_os(BARE, "ubuntu", "22.04"), debian_keyring=False))
    with pytest.raises(HostError, match="something is still missing") as caught:
        host.run(tmp_path)
    assert any("debian-archive-keyring" in line for line in caught.value.details)


@pytest.mark.parametrize(
    ("sudo", "message"), [(None, "no sudo"), (Path("/usr/bin/sudo"), "asks for a password")]
)
def test_without_privilege_nothing_is_started(sudo: Path | None, message: str, tmp_path: Path) -> None:
    host = Host(replace(BARE, host=replace(HOST, is_root=False, sudo=sudo)))
    with pytest.raises(HostError, match=message) as caught:
        host.run(tmp_path)
    assert "invoke setup" in (caught.value.hint or "")
    assert host.written == {}
