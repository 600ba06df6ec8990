"""The steps that only a model server's build has."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfbuild.base.errors import BuildError, DownloadError
from tfbuild.base.values import Finding, SmokeOutcome
from tfbuild.build.hints import cause_of
from tfbuild.build.run import Run
from tfbuild.build.steps import (
    bake_targets,
    copy_patches,
    empty_folders,
    explained,
    unpack_source,
    write_fetch_log,
)
from tfbuild.engine.facts import RunOptions, RunResult
from tfbuild.machine.files import mark_files
from tfbuild.products.serving.bazel.request import request_files
from tfbuild.products.serving.part import ServerPart, ServingPart
from tfbuild.products.serving.smoke import (
    MODEL,
    STOP_GRACE_S,
    Probe,
    Questions,
    judge_server,
    judge_version,
    metrics_path,
)

# What every Bazel says: DownloadManager.java and StarlarkBaseExternalContext.java.
_DOWNLOAD = "Error downloading ["
ARTIFACTS = ("bin/tensorflow_model_server",)
# Why a build with servers of its own fails.
CAUSES = (
    cause_of(
        "remote cache of Bazel",
        "the remote cache no longer has what it said it has: run the same command again, or leave the cache "
        "out with '--set serving.remote_cache=null'",
        r"^tfbuild: Bazel ended with exit code 39\b",
        r"Failed to fetch blobs because they do not exist remotely",
    ),
    cause_of(
        "remote cache or executor out of reach",
        "Bazel could not use its remote cache or executor: check that the address is right and can be "
        "reached from a container, or leave it out with '--set serving.remote_cache=null' or "
        "'--set serving.remote_executor=null'",
        r"^tfbuild: Bazel ended with exit code 34\b",
        r"Failed to query remote execution capabilities",
    ),
)

_FOLDER = "/smoke"
_SERVER = "/usr/bin/tensorflow_model_server"
_ENTRY = "/usr/bin/tf_serving_entrypoint"
# A real server loads its first model in seconds; under an emulator, in minutes.
_START_S = 120
_START_EMULATED_S = 900


def fetch(run: Run[ServingPart]) -> str:
    """Downloads, the source, and what BuildKit gets to see of them."""
    plan, layout = run.plan, run.layout
    run.downloads = run.effects.fetch_all(plan.pins, plan.unhashed)
    unpack_source(run)
    empty_folders(layout.request, layout.downloads, layout.archives, layout.model, layout.out)
    layout.repositories.mkdir(parents=True, exist_ok=True)
    for name, text in request_files(plan).items():
        (layout.request / name).write_text(text)
    copy_patches(run)
    for pin in plan.pins:
        if pin.name == plan.tree.name:
            continue
        place = layout.downloads if pin.name == plan.part.bazel.pin else layout.archives
        shutil.copyfile(run.downloads[pin.name], place / pin.filename)
    model = plan.part.model
    if model:
        shutil.copytree(Path(model.path), layout.model / model.name)
        mark_files(layout.model)
    return write_fetch_log(run)


def fetch_dependencies(run: Run[ServingPart]) -> str:
    """Bazel looks at its flags and targets, and fetches all that they need.

    :raises DownloadError: a download of Bazel's failed.
    :raises BuildError: anything else did.
    """
    try:
        bake_targets(run, ("fetch",), run.log("fetch-deps"), BuildError)
    except BuildError as error:
        found = explained(run, error)
        if found.log and found.log.exists() and _DOWNLOAD in found.log.read_text(errors="replace"):
            raise DownloadError(
                "Bazel could not download what the build needs",
                details=found.details,
                hint=found.hint or "with a mirror: TFBUILD_MIRRORS, or the key 'mirrors' of a configuration",
                log=found.log,
            ) from error
        raise found from error
    return "flags and targets are known to Bazel"


def smoke(run: Run[Any]) -> tuple[list[SmokeOutcome], list[Finding]]:
    """The server in a fresh container of the candidate, asked by a second one in the same network."""
    part: ServerPart = run.plan.part
    emulator = (f"{_FOLDER}/qemu",) if (run.layout.smoke / "qemu").exists() else ()
    version = _version(run, emulator)
    findings = list(judge_version(version, part.version_pattern))
    answers, log, stopped = _ask(run, emulator)
    run.log("smoke-server").write_text(log)
    outcomes, wrong = judge_server(answers, stopped, log)
    first = version.stdout.strip().partition("\n")[0]
    return [SmokeOutcome("version", version.exit_code, first, (), None, ()), *outcomes], [*findings, *wrong]


def _files(run: Run[Any]) -> dict[str, Path]:
    folder = run.layout.smoke
    return {
        f"{_FOLDER}/{path.relative_to(folder)}": path for path in sorted(folder.rglob("*")) if path.is_file()
    }


def _version(run: Run[Any], emulator: tuple[str, ...]) -> RunResult:
    command = (*emulator, _SERVER, "--version")
    files = {name: path for name, path in _files(run).items() if name == f"{_FOLDER}/qemu"}
    options = RunOptions(
        platform=run.plan.image.platform,
        entrypoint=command[:1],
        files=files,
        mount=_FOLDER,
        timeout_s=300,
        speaks=True,
    )
    return run.effects.engine.run_once(run.layout.candidate, command[1:], options)


def _ask(run: Run[Any], emulator: tuple[str, ...]) -> tuple[list[Probe], str, RunResult]:
    """What the probes heard, the server's log, and how it ended when it was asked to."""
    plan = run.plan
    part: ServerPart = plan.part
    questions = Questions(_FOLDER, _START_EMULATED_S if emulator else _START_S, metrics_path(part))
    options = RunOptions(
        platform=plan.image.platform,
        # The kernel starts no foreign program: the entry program of the build machine starts the emulator.
        entrypoint=(f"{_FOLDER}/entry",) if emulator else None,
        files=_files(run),
        mount=_FOLDER,
        env={"MODEL_BASE_PATH": _FOLDER, "MODEL_NAME": MODEL},
        timeout_s=questions.start_s + 60,
    )
    engine, tag = run.effects.engine, run.layout.candidate
    probes = []
    with engine.serve(tag, questions.server_arguments(part), options) as server:
        for probe in questions.probes((*emulator, _ENTRY)):
            run.effects.reporter.progress(0, 0, probe.id)
            ran = server.beside(probe.command, questions.start_s + 60, speaks=probe.speaks)
            probes.append(Probe(probe.id, probe.command, ran))
            if ran.exit_code != 0:
                break
        stopped = server.stop(STOP_GRACE_S)
    model = part.model
    if model and not any(probe.result and probe.result.exit_code for probe in probes):
        own = RunOptions(
            platform=plan.image.platform,
            entrypoint=options.entrypoint,
            files=_files(run),
            mount=_FOLDER,
            env={"MODEL_NAME": model.name},
            timeout_s=options.timeout_s,
        )
        with engine.serve(tag, (), own) as server:
            probe = questions.state_of(model.name)
            ran = server.beside(probe.command, own.timeout_s, speaks=True)
            probes.append(Probe(probe.id, probe.command, ran))
            server.stop(STOP_GRACE_S)
    return probes, re.sub(r"\r\n?", "\n", stopped.stdout + stopped.stderr), stopped


def repositories(run: Run[ServingPart]) -> Iterator[tuple[str, Path]]:
    """What Bazel took from its repository cache when it fetched everything anew, without a network: where
    each file belongs below our cache, and where it is.

    :raises BuildError: Bazel needs something that no cache can hold.
    """
    folder = run.layout.collected
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        bake_targets(run, ("collect-repositories",), run.log("collect-repositories"), BuildError)
    except BuildError as error:
        raise BuildError(
            "Bazel needs something that its repository cache does not hold: this build cannot be bundled",
            details=error.details,
            hint="a repository rule without a hash, or one that runs git: override it, as for org_boost",
            log=error.log,
        ) from error
    place = run.layout.repositories.relative_to(run.layout.cache)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield (place / path.relative_to(folder)).as_posix(), path
