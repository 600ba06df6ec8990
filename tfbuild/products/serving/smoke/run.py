"""The smoke test of a model server: containers of the candidate image, asked by a program beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfbuild.base.arch import Arch
from tfbuild.base.values import Finding, SmokeOutcome
from tfbuild.build.run import Run
from tfbuild.build.smoke import FOLDER, emulator, run_program, smoke_files
from tfbuild.engine.facts import RunOptions
from tfbuild.products.serving.part import ServerPart
from tfbuild.products.serving.smoke.cases import Case, read_cases
from tfbuild.products.serving.smoke.judge import STOP_GRACE_S, Heard, Ran, judge_server, judge_version
from tfbuild.products.serving.smoke.questions import (
    MODEL,
    Question,
    about_half_plus_two,
    about_models,
    arguments_for,
    metrics_path,
    models_config,
    server_arguments,
    state_of,
)

_MODELS_CONFIG = "models.config"
_SERVER = "/usr/bin/tensorflow_model_server"
_ENTRY = "/usr/bin/tf_serving_entrypoint"
# The probe has its own loader and libraries: the image need not have them.
_PROBE = (f"{FOLDER}/lib/loader", "--library-path", f"{FOLDER}/lib", f"{FOLDER}/probe")
# A real server loads its first model in seconds; under an emulator, in minutes.
_START_S = 120
_START_EMULATED_S = 900
# The server starts 256 threads for each model that it loads, to add up the sizes of its files, and ends
# where it gets none (tensorflow_serving/servables/tensorflow/util.cc); all models load at a time.
_THREADS = 4096
# The largest difference to TensorFlow's own answers; on amd64 none. The models are made for that
# (make_models.py); libraries of arm64 have convolutions that transform their input.
_TOLERANCE: Mapping[Arch, float] = {Arch.AMD64: 0.0}
_TOLERANCE_ELSEWHERE = 1e-6


def smoke(run: Run[Any]) -> tuple[list[SmokeOutcome], list[Finding]]:
    """The server in fresh containers of the candidate: with upstream's test model as upstream's documentation
    starts it, with real models and a configuration file, and with the image's own model."""
    part: ServerPart = run.plan.part
    test = _Test(run)
    version = run_program(run, (_SERVER, "--version"))
    findings = list(judge_version(version, part.version_pattern))
    first = version.stdout.strip().partition("\n")[0]
    outcomes = [SmokeOutcome("version", version.exit_code, first, (), None, ())]
    for server in test.servers():
        run.log(f"smoke-{server.name}").write_text(server.log)
        told, wrong = judge_server(server)
        outcomes += told
        findings += wrong
        if wrong:
            break
    return outcomes, findings


def _wanted(folder: Path, models: Sequence[str]) -> tuple[Case, ...]:
    """The questions to ``models``; writes the configuration file of a server that has them."""
    cases = read_cases((folder / "cases.json").read_text(encoding="utf-8"))
    wanted = tuple(case for case in cases if case.model in models)
    (folder / _MODELS_CONFIG).write_text(models_config(wanted, FOLDER), encoding="utf-8")
    return wanted


class _Test:
    """What all servers of one smoke test share."""

    def __init__(self, run: Run[Any]) -> None:
        self._run = run
        self._part: ServerPart = run.plan.part
        self._emulator = emulator(run)
        self._cases = _wanted(run.layout.smoke, self._part.smoke_models)
        self._start_s = _START_EMULATED_S if self._emulator else _START_S
        self._files = smoke_files(run)

    def servers(self) -> Iterator[Ran]:
        """Each server, when it has been stopped."""
        part, metrics = self._part, metrics_path(self._part)
        monitoring = server_arguments(part, FOLDER)
        half = {"MODEL_BASE_PATH": FOLDER, "MODEL_NAME": MODEL}
        yield self._serve("server", monitoring, half, about_half_plus_two(self._start_s, metrics))
        if cases := self._cases:
            tolerance = _TOLERANCE.get(self._run.plan.arch, _TOLERANCE_ELSEWHERE)
            services = part.smoke_services
            questions = about_models(cases, self._start_s, metrics, tolerance, FOLDER, services)
            arguments = (
                *monitoring,
                *arguments_for(part.smoke_models, services, FOLDER),
                f"--model_config_file={FOLDER}/{_MODELS_CONFIG}",
                "--enable_batching=true",
            )
            # The server does not heed the name; the health check, in a container of its own, asks for it.
            named = {"MODEL_NAME": cases[0].model}
            ca_file = f"{FOLDER}/ca.pem" if "tls" in services else ""
            yield self._serve("models", arguments, named, tuple(questions), ca_file)
        if part.model:
            name = part.model.name
            # As a user starts it: the image itself says which model it has.
            yield self._serve("model", (), {}, (state_of(name, self._start_s, f"model {name}"),))

    def _serve(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        questions: tuple[Question, ...],
        ca_file: str = "",
    ) -> Ran:
        """``ca_file``: gRPC is asked through TLS."""
        options = RunOptions(
            platform=self._run.plan.image.platform,
            # The kernel starts no foreign program: the build machine's entry program starts the emulator.
            entrypoint=(f"{FOLDER}/entry",) if self._emulator else None,
            files=self._files,
            mount=FOLDER,
            pids=_THREADS,
            env=environment,
            timeout_s=self._start_s + 60,
        )
        named = [{"id": each.id, **each.asked} for each in questions]
        asked = json.dumps({"questions": named, "caFile": ca_file})
        engine, limit = self._run.effects.engine, self._start_s + 300
        with engine.serve(self._run.layout.candidate, arguments, options) as server:
            self._run.effects.reporter.progress(0, 0, questions[-1].id)
            heard = Heard(questions, server.beside((*_PROBE, asked), limit, speaks=True))
            # A health check that is well says nothing.
            health = server.beside((*self._emulator, _ENTRY, "--healthcheck"), 60, speaks=False)
            return Ran(name, heard, server.stop(STOP_GRACE_S), health)
