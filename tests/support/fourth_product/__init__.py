"""A product that this project does not have: a static archive of one C file.

It proves what a product is: this folder (its code, and below ``project/`` its recipe, release and policy) and
a row in the table of products.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from tfbuild.base.values import Finding, SmokeOutcome
from tfbuild.build.buildkit.bake import BakeFile, BakeOptions, Stages, compile_arguments
from tfbuild.build.layout import Layout
from tfbuild.build.product import Product
from tfbuild.build.run import Recipe, Run
from tfbuild.config.model import Section
from tfbuild.config.types import Keys
from tfbuild.engine.facts import RunOptions
from tfbuild.plan.asked import Asked, Rules, default_policy, resolve
from tfbuild.plan.effect import KeyRules
from tfbuild.plan.flags import Target, compile_flags
from tfbuild.plan.plan import Plan, Specifics, assemble
from tfbuild.plan.roots import root_of
from tfbuild.releases.keys import SourceRelease, suite_of
from tfbuild.releases.load import ReleaseKind

PROGRAM = "/usr/bin/answer"


class ArchiveKeys(Keys):
    """Its section of a configuration."""

    answer: int = Field(default=42, description="What the library answers.")


class ArchiveRelease(SourceRelease):
    """Its release file."""

    provider: Literal["upstream"] = Field(description="Upstream publishes the source.")


@dataclass(frozen=True)
class ArchivePart:
    """What only its plans have."""

    product: Literal["archive"]
    answer: int


RULES = Rules(
    releases=ReleaseKind("archive", {"upstream": ArchiveRelease}, lambda _: iter(())),
    recipe=("dockerfiles/debian", "dockerfiles/archive"),
    keys=lambda _: KeyRules(sections=("archive",)),
)


def plan_archive(asked: Asked) -> Plan[ArchivePart]:
    """The plan: flags of the common keys, one of its own, and a builder with GCC."""
    found = resolve(asked, RULES)
    request, config, release = found.request, found.config, found.release
    assert isinstance(release, ArchiveRelease)
    part = ArchivePart("archive", config.values.of(ArchiveKeys).answer)
    flags = compile_flags(config, release, found.lines, public="/usr/src/answer")
    epoch, packages = found.circumstances.epoch_of(release), ("gcc", "libc6-dev")
    builder = root_of(config.values, suite_of(release), request.build_arch, epoch, include=packages)
    specifics = Specifics(
        title="compile the archive",
        image_title="Answer",
        flags=flags,
        part=part,
        policy=default_policy(release, config.values),
        keys=RULES.keys(release),
        pins=release.pins(request.arch),
        compiled_from=(part, tuple(flag.text for flag in flags)),
        roots=(builder, None),
    )
    return assemble(request, config, release, found.circumstances, specifics)


def definition(plan: Plan[ArchivePart], layout: Layout, options: BakeOptions) -> BakeFile:
    """The stages of ``dockerfiles/archive/Dockerfile``."""
    words = [flag.text for flag in plan.flags if flag.target in {Target.COMPILE, Target.C, Target.OPTIMISE}]
    own = {"CFLAGS": " ".join(words), "ANSWER": str(plan.part.answer)}
    contexts = {"base": "target:root", "source": str(layout.source(plan))}
    stages = Stages(
        plan=plan,
        layout=layout,
        options=options,
        recipe="archive",
        contexts=contexts,
        arguments={**compile_arguments(plan), **own},
    )
    builder = stages.target("builder", "type=cacheonly")
    return stages.definition({"builder": builder, "compile": stages.folder("dist", layout.out)})


def smoke(run: Run[ArchivePart]) -> tuple[list[SmokeOutcome], list[Finding]]:
    """The image's program has to print the answer that was asked for."""
    options = RunOptions(platform=run.plan.image.platform, entrypoint=(PROGRAM,))
    ran, wanted = run.effects.engine.run_once(run.layout.candidate, (), options), f"{run.plan.part.answer}\n"
    wrong = Finding("smoke-answer", "error", f"{PROGRAM} printed {ran.stdout!r}, not {wanted!r}")
    return [], [wrong] if (ran.exit_code, ran.stdout) != (0, wanted) else []


RECIPE = Recipe[ArchivePart](
    definition=definition,
    smoke=smoke,
    tests="answers",
    artifacts=("lib/libanswer.a",),
    describe=lambda part: (f"  answer    {part.answer}",),
)
PRODUCT = Product(
    rules=RULES,
    sections=(Section("archive", ArchiveKeys, "A library that answers.", "build-archive"),),
    parts=(ArchivePart,),
    plan=plan_archive,
    recipe=lambda _: RECIPE,
)
