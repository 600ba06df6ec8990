"""Builds of the miniature model server that leave nothing behind, and the same by bare Bazel."""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.lab import HERE, PROJECT, Lab, bake_with
from benchmarks.sampler import Usage, sampled
from benchmarks.trial import Build, Trial, clear, copy_project, forget_build_cache
from tests.support.archives import pack_miniatures
from tfbuild.build.layout import Layout
from tfbuild.plan.words import Words, host_arch
from tfbuild.products.serving.bazel.flags import limits
from tfbuild.products.serving.bazel.request import request_files
from tfbuild.products.table import plan_of

RELEASE = "tests/data/serving-releases/2.19.1-mini.yaml"


@dataclass(frozen=True)
class BazelRun:
    """What Bazel says of itself: ``seconds`` from its start to its end, and what it ran, as it puts it."""

    seconds: float
    processes: str

    @classmethod
    def of(cls, log: str) -> BazelRun:
        """From the log of ``bazel build``."""
        seconds = re.findall(r"INFO: Elapsed time: ([\d.]+)s", log)[-1]
        return cls(float(seconds), re.findall(r"INFO: (\d+ process(?:es)?: .*?)\.?$", log, re.MULTILINE)[-1])


@dataclass(frozen=True)
class Figures:
    """One cold build of one side, in seconds."""

    whole: float
    fetch: float
    compile: float
    bazel: BazelRun
    usage: Usage


@contextmanager
def serving_trial(lab: Lab, *, name: str, base: str, jobs: str = "") -> Iterator[Trial]:
    """A trial of the miniature. Its actions are in no cache: the environment of all of them differs."""
    nonce = uuid.uuid4().hex[:8]
    project = copy_project(lab, f"bench-{name}-{nonce}", {"extends": base})
    (project / RELEASE).parent.mkdir(parents=True)
    shutil.copy(PROJECT / RELEASE, project / RELEASE)
    mirror = project / "mirror"
    mirror.mkdir()
    pack_miniatures(mirror)
    words = Words(
        release=RELEASE,
        config=project.name,
        tag=f"tfbuild-bench/{name}:{nonce}",
        jobs=jobs,
        raw=f"--action_env=TFBUILD_BENCH={nonce}",
    )
    plan = plan_of(project, "serving", words, env=os.environ, build_arch=host_arch())
    environment = {"TFBUILD_MIRRORS": f"https://mini.invalid/={mirror}/"}
    made = Trial(lab, project, plan, RELEASE, words.raw, environment)
    try:
        yield made
    finally:
        clear(made)


def bazel_log(made: Trial) -> str:
    """The log of the compile of the build that ``made`` did last."""
    return next((made.output / "logs").glob("*-compile-compile.log")).read_text(errors="replace")


def ours(lab: Lab, base: str, jobs: int) -> Figures:
    """``invoke build-serving`` with nothing in any cache but downloads, root and builder."""
    with serving_trial(lab, name="cold", base=base, jobs=str(jobs)) as made:
        build: Build = made.invoke()
        steps = build.steps
        return Figures(
            build.seconds, steps["fetch-deps"], steps["compile"], BazelRun.of(bazel_log(made)), build.usage
        )


def bare(lab: Lab, prepared: Trial, jobs: int, *, two_commands: bool = False) -> Figures:
    """``bazel build`` in the builder, of the source that an earlier build has extracted.

    With ``two_commands`` one that only downloads comes before it.
    """
    plan, build_id = prepared.plan, f"bare-{uuid.uuid4().hex[:8]}"
    request, out = lab.scratch / build_id, lab.scratch / f"{build_id}-out"
    part = plan.part
    request.mkdir()
    for name, text in request_files(plan).items():
        (request / name).write_text(text)
    layout = Layout(prepared.project, lab.cache, plan.build_id)
    memory_mib = lab.engine.info().memory >> 20
    target = {
        "context": str(HERE / "builds"),
        "dockerfile": "bare-bazel.Dockerfile",
        "contexts": {
            "builder": "target:builder",
            "source": str(layout.source(plan)),
            "request": str(request),
            "archives": str(layout.archives),
            "toolchains": str(prepared.project / "toolchains" / "bazel"),
        },
        "args": {
            "BUILD_ID": build_id,
            "LIMITS": " ".join(limits(part.bazel.version, jobs, memory_mib)),
            "BINARY": part.binary,
            "FIRST": "--nobuild" if two_commands else "",
        },
        "output": [f"type=local,dest={out}"],
    }
    try:
        with sampled(build_id) as usage:
            began = time.monotonic()
            bake_with(lab, plan, {"bare": target}, prepared.project)
            seconds = time.monotonic() - began
        run = BazelRun.of((out / "compile.log").read_text(errors="replace"))
    finally:
        forget_build_cache(lab, f'"/tfbuild-tree-{build_id}"')
        forget_build_cache(lab, "bare-bazel.sh")
    return Figures(seconds, 0.0, seconds, run, usage)
