"""A build on the engine of another machine: whether that fits, which it was, and its image brought here."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfbuild.base.arch import Arch
from tfbuild.base.errors import HostError
from tfbuild.base.values import Reporter
from tfbuild.build.execute import execute, finished
from tfbuild.build.layout import Layout
from tfbuild.build.run import BuildResult, Effects, Recipe
from tfbuild.engine.facts import Engine, EngineFacts
from tfbuild.engine.nodes import NodeEntry
from tfbuild.plan.plan import Plan

_NOTE = "node"


def arch_of(info: EngineFacts) -> Arch:
    """The architecture of an engine. Raises :class:`HostError` for one that nothing is built for."""
    word = info.os_arch.partition("/")[2]
    found = Arch.parse(word)
    if found is None:
        raise HostError(f"nothing is built on an engine for '{word}'", hint="invoke doctor")
    return found


def require_arch(info: EngineFacts, node: NodeEntry) -> None:
    """:raises HostError: the engine of ``node`` has not the architecture that plans for it are made on."""
    found = arch_of(info)
    if found is not node.arch:
        raise HostError(
            f"the engine of the node '{node.name}' is for {found}, and the plan is made on {node.arch}",
            details=("the builder is a root filesystem of that architecture",),
            hint=f"write 'arch: {found}' into nodes/{node.name}.yaml of your own folder, ~/.config/tfbuild",
        )


def execute_on(
    node: NodeEntry,
    plan: Plan[Any],
    recipe: Recipe[Any],
    layout: Layout,
    output: Path,
    here: Engine | None,
    make_effects: Callable[[], Effects],
) -> BuildResult:
    """Carry ``plan`` out on ``node``, which ``make_effects`` connects to, and bring its image to ``here``.

    Where the engine here has the result already, the node is not asked.
    """
    kept = here and finished(plan, recipe, output, here, time.monotonic())
    if kept:
        return kept
    effects = make_effects()
    require_arch(effects.engine.info(), node)
    if plan.march == "native":
        effects.reporter.warn(f"-march=native is the CPU of the node '{node.name}', not that of this machine")
    remember_node(layout, node.name)
    result = execute(plan, recipe, layout, output, effects)
    if here:
        bring_image(result, effects.engine, here, layout.work, effects.reporter)
    return result


def engine_here(connect: Callable[[], Engine], reporter: Reporter) -> Engine | None:
    """The engine that is used without ``--on``, if there is one."""
    try:
        return connect()
    except HostError as error:
        reporter.note(f"no engine here, so the image stays on the node: {error.message}")
        return None


def bring_image(result: BuildResult, there: Engine, here: Engine, work: Path, reporter: Reporter) -> None:
    """Load the image of ``result`` from the engine ``there`` into the one ``here``, which may have it."""
    found = here.image(result.image)
    if found and found.id == result.image_id:
        return
    with tempfile.TemporaryDirectory(dir=work, prefix="image-") as folder:
        archive = Path(folder) / "image.tar"
        there.save_image(result.image, archive)
        here.load_image(archive, result.image)
    loaded = here.image(result.image)
    if loaded and loaded.id != result.image_id:
        reporter.warn(
            f"{result.image} has another id here than on the node, since their image stores differ: "
            "the next build makes it again"
        )


def remember_node(layout: Layout, node: str) -> None:
    """Note where the build tree is: the next build of this name goes on there."""
    layout.work.mkdir(parents=True, exist_ok=True)
    (layout.work / _NOTE).write_text(node, encoding="utf-8")


def last_node(layout: Layout) -> str | None:
    """The docker context that built last, empty for the own engine; None: nothing was built."""
    try:
        return (layout.work / _NOTE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
