"""What the benchmarks share at the edge: the engine, the plan, and targets of their own beside the plan's."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.reporters import SilentReporter
from tfbuild.base.errors import HostError
from tfbuild.build.buildkit.bake import BakeOptions
from tfbuild.build.buildkit.buildx import bake
from tfbuild.build.layout import Layout
from tfbuild.build.roots import archives_of, bootstrap, read_facts
from tfbuild.engine.docker_cli import DockerCli, find_docker_cli
from tfbuild.engine.engine import connect
from tfbuild.engine.facts import Engine
from tfbuild.machine.apt import debian_archive_mirrors
from tfbuild.machine.cache import cache_root, prepare_cache
from tfbuild.machine.host import HostFacts, gather
from tfbuild.machine.locks import hold
from tfbuild.machine.programs import Runner
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.plan.plan import Plan
from tfbuild.plan.roots import Root
from tfbuild.plan.words import Words, host_arch
from tfbuild.products.table import definition_of, plan_of

PROJECT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Lab:
    """The machine that is measured on. ``scratch`` is a folder that goes with the benchmark."""

    runner: Runner
    engine: Engine
    cli: DockerCli
    host: HostFacts
    cache: Path
    scratch: Path

    @property
    def keep(self) -> Path:
        """What is worth keeping between runs: models, the wheel."""
        folder = self.cache / "state" / "benchmarks"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@contextmanager
def open_lab() -> Iterator[Lab]:
    """Raises :class:`HostError` when there is no engine or no buildx."""
    runner = SubprocessRunner()
    engine, cli, host = connect(), find_docker_cli(runner), gather()
    with tempfile.TemporaryDirectory(prefix="tfbuild-bench-") as scratch:
        yield Lab(runner, engine, cli, host, prepare_cache(cache_root(os.environ)), Path(scratch))


def plan_for(words: Words, project: Path = PROJECT) -> Plan[Any]:
    """The plan of ``invoke build-tflite`` with these words, run in ``project``."""
    return plan_of(project, "tflite", words, env=os.environ, build_arch=host_arch())


def bake_with(
    lab: Lab,
    plan: Plan[Any],
    targets: Mapping[str, Mapping[str, Any]],
    project: Path = PROJECT,
    log: Path | None = None,
) -> None:
    """Build ``targets`` beside those of the plan, whose ``builder`` they may name as a context."""
    host = lab.host
    bundle = host.ca_bundle.path if host.ca_bundle and host.ca_bundle.readable else None
    layout = Layout(project, lab.cache, plan.build_id)
    # A context of the builder. The build that is measured may have been made with another cache.
    layout.downloads.mkdir(parents=True, exist_ok=True)
    document = definition_of(plan, layout, BakeOptions(ca_bundle=bundle))
    document["target"].update({name: dict(each) for name, each in targets.items()})
    file = lab.scratch / "bake.json"
    file.write_text(json.dumps(document))
    bake(
        lab.cli,
        file,
        tuple(targets),
        runner=lab.runner,
        reporter=SilentReporter(),
        log=log or lab.scratch / f"{'-'.join(targets)}.log",
    )


def root_folder(lab: Lab, root: Root) -> Path:
    """The folder with the root filesystem ``root``, made if it is not there."""
    folder = Layout(PROJECT, lab.cache, "").root(root)
    lock = lab.cache / "locks" / f"root-{root.key[:16]}.lock"
    with hold(lock, what="making a root filesystem", wait_s=600, on_wait=lambda _: None):
        if read_facts(folder) is None:
            host = lab.host
            mirrors = debian_archive_mirrors(lab.runner, os_id=host.os.id, codename=host.os.codename)
            bootstrap(
                root,
                folder,
                archives_of(root, mirrors),
                runner=lab.runner,
                log=lab.scratch / "root.log",
                host=host.arch or root.arch,
                is_root=host.is_root,
            )
    return folder


@contextmanager
def image_removed(lab: Lab, reference: str) -> Iterator[str]:
    """Gives the name for an image that does not outlive the block."""
    try:
        yield reference
    finally:
        with suppress(HostError):
            lab.engine.remove_image(reference)


def size_below(folder: Path) -> int:
    """Bytes of the files below ``folder``, links not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def replace_folder(new: Path, final: Path) -> None:
    """Put ``new`` where ``final`` is to be, complete or not at all."""
    shutil.rmtree(final, ignore_errors=True)
    new.rename(final)
