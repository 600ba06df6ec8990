"""Make a Debian or Ubuntu host ready: gather facts, plan (:mod:`tfbuild.doctor.setup_plan`), do, look
again."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tfbuild.base.errors import ExitCode, HostError
from tfbuild.base.values import Reporter
from tfbuild.doctor.setup_plan import (
    DEBIAN_KEYRING,
    ENGINE_DATA,
    MANAGED_FILES,
    AptInstall,
    AptUpdate,
    SetupAction,
    SetupFacts,
    StartEngine,
    WriteFile,
    plan_setup,
    temporary_name,
)
from tfbuild.engine import engine
from tfbuild.engine.docker_cli import buildkit_is_new_enough, current_builder, find_docker_cli
from tfbuild.engine.facts import Engine, EngineUnavailable
from tfbuild.machine.apt import read_sources
from tfbuild.machine.host import find_program, free_disk, gather
from tfbuild.machine.programs import Completed, Runner

ENGINE_LOG = Path("/var/log/tfbuild-dockerd.log")
_ENGINE_PACKAGES = ("docker.io", "docker-ce")
_PROGRAMS = ("mmdebstrap", "newuidmap", "apparmor_parser")
# Another apt (unattended-upgrades) may hold dpkg's lock for minutes after a boot.
_APT_OPTIONS = ("-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3")
# A configuration file that the administrator changed stays as it is, without a question.
_DPKG_OPTIONS = ("-o", "Dpkg::Options::=--force-confold")
# The first start makes an image store and network rules: seconds, on a slow disk tens of them.
_ENGINE_START_S = 90.0
_POLL_S = 0.5
# What sudo takes out of the environment and apt needs. Names only, so no password shows in the arguments.
_KEPT_VARIABLES = "http_proxy,https_proxy,no_proxy,HTTP_PROXY,HTTPS_PROXY,NO_PROXY"
_LOG_EXCERPT = 12


@dataclass(frozen=True)
class SetupReport:
    """What was done (``done``), or with ``--check`` would be (``pending``); both empty: ready already."""

    done: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.HOST_NOT_READY if self.pending else ExitCode.OK


def setup(
    check: bool,
    *,
    runner: Runner,
    reporter: Reporter,
    log_dir: Path,
    facts: Callable[[], SetupFacts] | None = None,
    connect: Callable[[], Engine] = engine.connect,
    sleep: Callable[[float], None] = time.sleep,
) -> SetupReport:
    """Install and start what is missing, and say so line by line; a ready host is left as it is.

    With ``check`` nothing is changed. Logs of apt go to ``log_dir``.
    Raises HostError (exit 4): unsupported system, no root and no sudo, apt failed, the engine does not start.
    """
    look = facts or (lambda: gather_setup_facts(runner, connect=connect))
    found = look()
    actions = plan_setup(found)
    if not actions:
        reporter.note("nothing to do: the engine, buildx and mmdebstrap are here and new enough")
        return SetupReport()
    if check:
        for action in actions:
            reporter.note(f"would {action}")
        return SetupReport(pending=tuple(str(action) for action in actions))
    doer = _Doer(runner, reporter, log_dir, _privilege(runner, found), connect, sleep)
    for action in actions:
        reporter.note(str(action))
        doer.do(action)
    remaining = plan_setup(look())
    if remaining:
        raise HostError(
            "setup has finished, but something is still missing",
            details=tuple(f"still to do: {action}" for action in remaining),
            hint="invoke doctor shows the versions that were found",
        )
    reporter.note("the host is ready")
    return SetupReport(done=tuple(str(action) for action in actions))


def gather_setup_facts(
    runner: Runner,
    *,
    connect: Callable[[], Engine] = engine.connect,
    root: Path = Path("/"),
    env: Mapping[str, str] = os.environ,
) -> SetupFacts:
    """Look at the host; changes nothing and needs no privilege."""
    host = gather(root=root, env=env)
    engine_error, buildkit_ok, cli = None, None, None
    with suppress(HostError):
        cli = find_docker_cli(runner, env=env)
    try:
        version = connect().info().version
        buildkit_ok = buildkit_is_new_enough(current_builder(runner, cli) if cli else None, version)
    except EngineUnavailable as error:
        engine_error = error
    return SetupFacts(
        host=host,
        engine_error=engine_error,
        buildkit_ok=buildkit_ok,
        buildx_ok=cli is not None,
        docker_client=find_program("docker") is not None,
        programs=frozenset(name for name in _PROGRAMS if find_program(name)),
        debian_keyring=(root / DEBIAN_KEYRING.lstrip("/")).is_file(),
        apparmor=_text(root / "sys/module/apparmor/parameters/enabled").strip() == "Y",
        for_ordinary_user=not host.is_root or "SUDO_USER" in env,
        packages=_installed(runner),
        sources=read_sources(root),
        files={path: text for path in MANAGED_FILES if (text := _text(root / path.lstrip("/")))},
        engine_free=free_disk(root / ENGINE_DATA.lstrip("/")),
    )


def _installed(runner: Runner) -> Mapping[str, str]:
    form = "${db:Status-Status} ${Package} ${Version}\\n"
    try:
        answer = runner.capture(("dpkg-query", "--show", f"--showformat={form}", *_ENGINE_PACKAGES))
    except HostError:  # not a Debian
        return {}
    rows = (line.split() for line in answer.stdout.splitlines())
    return {row[1]: row[2] for row in rows if len(row) == 3 and row[0] == "installed"}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _privilege(runner: Runner, facts: SetupFacts) -> tuple[str, ...]:
    """What to put before a command so that root runs it."""
    if facts.host.is_root:
        return ()
    again = f"{sys.executable} -m invoke setup"
    if facts.host.sudo is None:
        raise HostError("setup needs root, and there is no sudo here", hint=f"as root: {again}")
    # It could not ask: programs that we start have no terminal.
    if not runner.capture((str(facts.host.sudo), "-n", "true")).ok:
        raise HostError("setup needs root, and sudo asks for a password", hint=f"sudo {again}")
    return (str(facts.host.sudo), "-n", f"--preserve-env={_KEPT_VARIABLES}")


class _Doer:
    """Carries actions out; stops at the first that fails."""

    def __init__(
        self,
        runner: Runner,
        reporter: Reporter,
        log_dir: Path,
        privilege: tuple[str, ...],
        connect: Callable[[], Engine],
        sleep: Callable[[float], None],
    ) -> None:
        self._runner = runner
        self._reporter = reporter
        self._log_dir = log_dir
        self._privilege = privilege
        self._connect = connect
        self._sleep = sleep

    def do(self, action: SetupAction) -> None:
        if isinstance(action, WriteFile):
            self._write(action)
        elif isinstance(action, AptUpdate):
            self._update()
        elif isinstance(action, AptInstall):
            self._install(action.packages)
        else:
            self._start(action)

    def _write(self, action: WriteFile) -> None:
        beside = temporary_name(action.path)
        with tempfile.TemporaryDirectory(prefix="tfbuild-") as folder:
            source = Path(folder) / "content"
            source.write_text(action.text, encoding="utf-8")
            for argv in (
                ("install", "-D", "-m", "0644", str(source), beside),
                ("mv", "--no-target-directory", beside, action.path),
            ):
                done = self._as_root(argv, "setup-files.log")
                if not done.ok:
                    raise self._failed(f"couldn't write {action.path}", done, "setup-files.log")

    def _update(self) -> None:
        done = self._apt(("update",), "setup-apt-update.log")
        if not done.ok:
            # Some other source of the host may be broken; what we need may be there all the same.
            self._reporter.warn(f"apt-get update failed: {_first_error(done)}")

    def _install(self, packages: tuple[str, ...]) -> None:
        log = "setup-apt-install.log"
        done = self._apt((*_DPKG_OPTIONS, "install", "--yes", "--no-install-recommends", *packages), log)
        if not done.ok:
            raise self._failed(f"apt couldn't install {' '.join(packages)}", done, log)

    def _apt(self, arguments: Sequence[str], log: str) -> Completed:
        return self._as_root(
            ("env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "apt-get", *_APT_OPTIONS, *arguments), log
        )

    def _start(self, action: StartEngine) -> None:
        # The package may have started it already.
        if self._answers():
            return
        log = "setup-engine.log"
        done = self._as_root(_start_command(systemd=action.systemd), log)
        if not done.ok:
            raise self._failed("the engine couldn't be started", done, log)
        for _ in range(int(_ENGINE_START_S / _POLL_S)):
            if self._answers():
                return
            self._sleep(_POLL_S)
        said = ("journalctl", "--unit=docker", "--no-pager", f"--lines={_LOG_EXCERPT}")
        shown = said if action.systemd else ("tail", f"--lines={_LOG_EXCERPT}", str(ENGINE_LOG))
        excerpt = self._runner.capture((*self._privilege, *shown)).stdout.splitlines()
        raise HostError(
            f"the engine was started and did not answer within {_ENGINE_START_S:.0f} s",
            details=tuple(excerpt),
            hint="read its log for the reason, then run invoke setup again",
            log=None if action.systemd else ENGINE_LOG,
        )

    def _answers(self) -> bool:
        try:
            self._connect()
        except EngineUnavailable as error:
            # An ordinary user may lack permission; the engine runs nevertheless.
            return error.problem.name in ("PERMISSION", "TOO_OLD")
        return True

    def _as_root(self, argv: Sequence[str], log: str) -> Completed:
        return self._runner.run((*self._privilege, *argv), log=self._log_dir / log, on_line=self._report)

    def _report(self, line: str) -> None:
        # dpkg's word for a finished package, with its version.
        if line.startswith("Setting up "):
            self._reporter.note(f"  {line.rstrip(' .')}")

    def _failed(self, message: str, done: Completed, log: str) -> HostError:
        errors = tuple(line for line in done.tail if line.startswith("E: "))
        return HostError(
            message,
            details=errors or done.tail[-_LOG_EXCERPT:],
            hint="read the log, then run invoke setup again",
            log=self._log_dir / log,
        )


def _start_command(*, systemd: bool) -> tuple[str, ...]:
    if systemd:
        return ("systemctl", "start", "docker")
    # start-stop-daemon (part of dpkg) detaches it into a session of its own, so it outlives us.
    folders = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return (
        *("env", f"PATH={folders}"),
        *("start-stop-daemon", "--start", "--background", "--pidfile", "/var/run/docker.pid"),
        *("--output", str(ENGINE_LOG), "--exec", find_program("dockerd") or "/usr/sbin/dockerd"),
    )


def _first_error(done: Completed) -> str:
    return next((line for line in done.tail if line.startswith(("E: ", "W: "))), "no reason given")
