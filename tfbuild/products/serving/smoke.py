"""Smoke test of the model server: what is asked and what a right answer is; pure.

half_plus_two is upstream's own test model (y = x / 2 + 2), and the question is the one of its documentation:
https://www.tensorflow.org/tfx/serving/docker. ``dockerfiles/serving/smoke`` has the program that asks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tfbuild.base.values import Finding, SmokeOutcome
from tfbuild.build.smoke import no_output, repeated
from tfbuild.engine.facts import RunResult
from tfbuild.products.serving.files import MONITORING
from tfbuild.products.serving.part import ServerPart

MODEL = "half_plus_two"
VALUES = (1.0, 2.0, 5.0)
ANSWERS = (2.5, 3.0, 4.5)
# What a user waits at most for "docker stop"; the engine's own limit is twice that.
STOP_GRACE_S = 5
_METRICS = "/monitoring/prometheus/metrics"
_PATH = re.compile(r'path:\s*"([^"]+)"')


@dataclass(frozen=True)
class Probe:
    """One question to the running server, and how the program that asked it ended."""

    id: str
    command: tuple[str, ...]
    result: RunResult | None = None

    @property
    def speaks(self) -> bool:
        """Whether the program that asks always prints something; a health check that is well does not."""
        return self.id != "health"


@dataclass(frozen=True)
class Questions:
    """What is asked; the files of the smoke test lie in ``folder``."""

    folder: str
    start_s: int  # how long the server may take to load the model
    metrics: str
    # The probe has its own loader and libraries: the image need not have them.
    _program: tuple[str, ...] = field(default=("lib/loader", "--library-path", "lib", "probe"), repr=False)

    def server_arguments(self, part: ServerPart) -> tuple[str, ...]:
        """Monitoring is on in the test, with the image's own file where it has one."""
        if any(file.name == MONITORING for file in part.server_files):
            return ()
        return (f"--monitoring_config_file={self.folder}/monitoring.config",)

    def probes(self, entry: Sequence[str]) -> Iterator[Probe]:
        """``entry`` starts the image's entry program."""
        values = tuple(f"{value:g}" for value in VALUES)
        yield Probe("half_plus_two", (*self._probe(), MODEL, str(self.start_s), self.metrics, *values))
        yield Probe("health", (*entry, "--healthcheck"))

    def state_of(self, model: str) -> Probe:
        """Whether the image's own model gets AVAILABLE."""
        return Probe(f"model {model}", (*self._probe(), model, str(self.start_s)))

    def _probe(self) -> tuple[str, ...]:
        loader, option, libraries, program = self._program
        return (f"{self.folder}/{loader}", option, f"{self.folder}/{libraries}", f"{self.folder}/{program}")


def metrics_path(part: ServerPart) -> str:
    """Where the metrics page is: as the image's own monitoring file says, else where the test's says."""
    text = next((file.text for file in part.server_files if file.name == MONITORING), "")
    found = _PATH.search(text)
    return found[1] if found else _METRICS


def judge_version(ran: RunResult, pattern: str) -> tuple[Finding, ...]:
    """What is wrong with the answer to --version; ``pattern`` is the release's."""
    if ran.exit_code != 0:
        return (_crash("--version", ran.exit_code, ran.stderr),)
    if ran.silent:
        return (no_output("--version"),)
    first = ran.stdout.strip().partition("\n")[0]
    if re.match(pattern, first):
        return repeated("--version", ran)
    return (Finding("smoke-version", "error", f"the server says {first!r}", (f"expected {pattern}",)),)


def judge_server(
    probes: Sequence[Probe], stopped: RunResult, log: str
) -> tuple[list[SmokeOutcome], list[Finding]]:
    """Outcomes and what is wrong with them."""
    tail = tuple(log.strip().splitlines()[-15:])
    outcomes: list[SmokeOutcome] = []
    findings: list[Finding] = []
    for probe in probes:
        ran = probe.result
        if ran is None:
            continue
        heard = _lines(ran.stdout)
        outputs = _numbers(heard.get("rest", ""))
        outcomes.append(SmokeOutcome(probe.id, ran.exit_code, heard.get("state", ""), outputs, None, ()))
        if probe.id == "health":
            if ran.exit_code != 0:
                evidence = (*ran.stderr.strip().splitlines()[-3:], *tail)
                findings.append(Finding("smoke-health", "error", "the health check fails", evidence))
            continue
        findings += _judge_answers(probe, heard, ran, tail)
    if stopped.timed_out:
        message = f"the server did not end within {STOP_GRACE_S} s of SIGTERM"
        findings.append(Finding("smoke-stop", "error", message, tail))
    elif stopped.exit_code != 0:
        findings.append(_crash("the server", stopped.exit_code, log))
    return outcomes, findings


def _judge_answers(
    probe: Probe, heard: dict[str, str], ran: RunResult, tail: tuple[str, ...]
) -> Iterator[Finding]:
    state = heard.get("state", "")
    yield from repeated(probe.id, ran)
    if ran.exit_code == 0 and ran.silent:
        yield no_output(probe.id)
        return
    if state != "AVAILABLE":
        said = state or f"nothing (exit code {ran.exit_code}: {ran.stderr.strip()[-200:]})"
        yield Finding("smoke-model", "error", f"{probe.id}: the model is not AVAILABLE but {said}", tail)
        return
    if probe.id != MODEL:
        return
    errors = [line.removeprefix("error ") for line in ran.stdout.splitlines() if line.startswith("error ")]
    for api in ("rest", "grpc"):
        got = _numbers(heard.get(api, ""))
        right = len(got) == len(ANSWERS) and all(map(_close, got, ANSWERS))
        if not right:
            said = next((line for line in errors if line.startswith(api)), _text(got) or "nothing")
            evidence = (f"expected {_text(ANSWERS)}", f"got      {said}", *tail)
            yield Finding("smoke-answer", "error", f"{MODEL} through {api}: a wrong answer", evidence)
    if not heard.get("metrics", "0").isdecimal() or int(heard.get("metrics", "0")) == 0:
        said = next((line for line in errors if line.startswith("metrics")), "no series of the server")
        yield Finding("smoke-metrics", "error", "monitoring is on, and the metrics page has nothing", (said,))


def _crash(what: str, code: int, log: str) -> Finding:
    cause = {
        132: "an illegal instruction: the CPU is older than -march",
        139: "a segmentation fault",
        127: "it cannot be started",
        126: "it cannot be started",
    }
    evidence = tuple(log.strip().splitlines()[-15:])
    return Finding("smoke-crash", "error", f"{what}: {cause.get(code, f'exit code {code}')}", evidence)


def _lines(text: str) -> dict[str, str]:
    pairs = (line.partition(" ") for line in text.splitlines())
    return {word: rest.strip() for word, _, rest in pairs if word != "error"}


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split())
    except ValueError:
        return ()


def _close(got: float, want: float) -> bool:
    return math.isclose(got, want, rel_tol=1e-5)


def _text(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)
