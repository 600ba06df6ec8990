"""Builds that leave nothing behind, and what ninja says that they did.

A trial is a copy of the project with a config of its own, and so with a build tree of its own.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.lab import HERE, PROJECT, Lab, bake_with, plan_for
from benchmarks.sampler import CLIENT_VARIABLE, Usage, sampled
from tfbuild.base.errors import BuildError, TfBuildError
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words

# What a build needs of the project.
_PARTS = ("build_configs", "dockerfiles", "tfbuild", "toolchains", "tasks.py")


@dataclass(frozen=True)
class NinjaState:
    """What ninja knows of a build tree: its log (each edge's start and end in milliseconds, and its outputs),
    its dependencies (object → files), the number of edges, and the bytes of everything in the tree."""

    log: dict[tuple[int, int, str], frozenset[str]]
    dependencies: dict[str, frozenset[str]]
    edges: int
    size: int

    def executed_since(self, earlier: NinjaState) -> list[frozenset[str]]:
        """The outputs of each edge that ran after ``earlier`` was read."""
        return [outputs for key, outputs in self.log.items() if key not in earlier.log]

    @property
    def seconds(self) -> float:
        """From the first edge's start to the last one's end."""
        return (max(end for _, end, _ in self.log) - min(start for start, _, _ in self.log)) / 1000


def read_ninja_state(folder: Path) -> NinjaState:
    """What probe.sh wrote to ``folder``.

    A line of the log (https://ninja-build.org/manual.html#ref_log): start, end, time of the file, output and
    hash of the command, with tabs between.
    """
    log: dict[tuple[int, int, str], frozenset[str]] = {}
    for line in (folder / "ninja_log").read_text().splitlines():
        if line.startswith("#"):
            continue
        start, end, _, output, command = line.split("\t")
        key = (int(start), int(end), command)
        log[key] = log.get(key, frozenset()) | {output}
    dependencies: dict[str, frozenset[str]] = {}
    for block in (folder / "deps").read_text().split("\n\n"):
        head, *files = block.strip().splitlines() or [""]
        name, _, rest = head.partition(": #deps ")
        if rest:
            dependencies[name] = frozenset(file.strip() for file in files)
    return NinjaState(
        log, dependencies, int((folder / "edges").read_text()), int((folder / "bytes").read_text())
    )


@dataclass(frozen=True)
class Build:
    """One run of ``invoke build-…``: ``seconds`` of the process, ``steps`` of the manifest."""

    seconds: float
    steps: dict[str, float]
    fresh: bool
    usage: Usage


@dataclass(frozen=True)
class Trial:
    """A copy of the project with one more config. ``release`` is the word for it on the command line, ``raw``
    what stands after ``--``."""

    lab: Lab
    project: Path
    plan: Plan[Any]
    release: str
    raw: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def output(self) -> Path:
        return self.project / self.plan.output

    def invoke(self, *sets: str) -> Build:
        """Run ``invoke build-…`` with ``--set`` each of ``sets``. Raises :class:`BuildError`."""
        options = {"release": self.release, "config": self.plan.config, "tag": self.plan.image.tag}
        if self.plan.jobs:
            options["jobs"] = str(self.plan.jobs)
        words = [f"--{name}={value}" for name, value in options.items()] + [f"--set={each}" for each in sets]
        raw = ("--", self.raw) if self.raw else ()
        argv = [sys.executable, "-m", "invoke", f"build-{self.plan.product}", *words, *raw]
        environment = {CLIENT_VARIABLE: self.plan.build_id, "NO_COLOR": "1", **self.environment}
        before = self._manifest_time()
        with sampled(self.plan.build_id) as usage:
            done = self.lab.runner.run(
                argv, cwd=self.project, env=environment, log=self.lab.scratch / "invoke.log"
            )
        if not done.ok:
            raise BuildError(f"{' '.join(argv[2:])} ended with {done.returncode}", details=done.tail[-20:])
        manifest: dict[str, Any] = json.loads((self.output / "manifest.json").read_text())
        fresh = self._manifest_time() != before
        return Build(done.duration_s, manifest["seconds"], fresh, usage)

    def _manifest_time(self) -> int:
        with suppress(OSError):
            return (self.output / "manifest.json").stat().st_mtime_ns
        return 0

    def probe(self) -> NinjaState:
        """What ninja knows of this build's tree now."""
        folder = self.lab.scratch / f"probe-{uuid.uuid4().hex}"
        target = {
            "context": str(HERE / "builds"),
            "dockerfile": "probe.Dockerfile",
            "contexts": {"builder": "target:builder"},
            "args": {"BUILD_ID": self.plan.build_id, "NONCE": folder.name},
            "output": [f"type=local,dest={folder}"],
        }
        bake_with(self.lab, self.plan, {"probe": target}, self.project)
        return read_ninja_state(folder)


@contextmanager
def trial(
    lab: Lab,
    *,
    release: str,
    base: str,
    name: str,
    flags: Sequence[str] = (),
    ccache: bool = True,
    jobs: str = "",
) -> Iterator[Trial]:
    """A trial whose config extends ``base`` with ``flags`` for the compilers.

    Image, build tree, state and the copy itself are gone afterwards.
    """
    nonce = uuid.uuid4().hex[:8]
    config = f"bench-{name}-{nonce}"
    keys = {"ccache": ccache, "cflags+": list(flags), "cxxflags+": list(flags)}
    project = copy_project(lab, config, {"extends": base, "compile": keys})
    words = Words(release=release, config=config, tag=f"tfbuild-bench/{name}:{nonce}", jobs=jobs)
    plan = plan_for(words, project)
    made = Trial(lab, project, plan, plan.release)
    try:
        yield made
    finally:
        clear(made)


def copy_project(lab: Lab, config: str, keys: Mapping[str, Any]) -> Path:
    """A copy of the project with a config of that name."""
    project = lab.scratch / config
    for part in _PARTS:
        source = PROJECT / part
        if source.is_dir():
            shutil.copytree(source, project / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, project / part)
    # JSON is YAML.
    (project / "build_configs" / f"{config}.yaml").write_text(
        json.dumps({"description": "For a benchmark", **keys})
    )
    return project


def clear(made: Trial) -> None:
    """Remove all that the trial made, besides what BuildKit shares with other builds."""
    lab, plan = made.lab, made.plan
    with suppress(TfBuildError):
        lab.engine.remove_image(plan.image.tag)
    forget_build(lab, plan, made.project)
    shutil.rmtree(made.project, ignore_errors=True)


def forget_build(lab: Lab, plan: Plan[Any], project: Path) -> None:
    """Remove the folders of a build and its build tree in the engine."""
    shutil.rmtree(Layout(project, lab.cache, plan.build_id).work, ignore_errors=True)
    for lock in (lab.cache / "locks").glob(f"{plan.build_id}.*"):
        lock.unlink(missing_ok=True)
    forget_build_cache(lab, f'"/tfbuild-tree-{plan.build_id}"')


def forget_build_cache(lab: Lab, words: str) -> None:
    """Remove the build cache records whose description contains ``words``, and no others."""
    listing = lab.runner.capture([*lab.cli.buildx, "du", "--verbose"]).stdout
    for record in listing.split("\n\n"):
        found = re.search(r"^ID:\s*(\w+)", record, re.MULTILINE)
        if found and words in record:
            lab.runner.capture([*lab.cli.buildx, "prune", "--force", "--all", f"--filter=id={found[1]}"])
