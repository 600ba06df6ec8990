"""A product that this project does not have: a static archive of one C file.

It proves what a product is: this folder (its code, and below ``project/`` its recipe, release and policy) and
a row in the table of products.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from tfbuild.base.values import Finding
from tfbuild.build.buildkit.bake import BakeFile, BakeOptions, Stages
from tfbuild.build.layout import Layout
from tfbuild.build.product import Product
from tfbuild.build.run import Recipe, Run, Smoke
from tfbuild.build.smoke import run_program
from tfbuild.config.model import Section
from tfbuild.config.types import Keys
from tfbuild.plan.asked import Asked, Rules, resolve
from tfbuild.plan.assemble import Specifics, assemble
from tfbuild.plan.flags import Target, compile_flags
from tfbuild.plan.plan import Plan
from tfbuild.releases.keys import SourceRelease
from tfbuild.releases.load import ReleaseKind

PROGRAM = "/usr/bin/answer"
RULES = Rules(ReleaseKind("archive", {"upstream": SourceRelease}))


class ArchiveKeys(Keys):
    """Its section of a configuration."""

    answer: int = Field(default=42, description="What the library answers.")


@dataclass(frozen=True)
class ArchivePart:
    """What only its plans have."""

    product: Literal["archive"]
    answer: int


def plan_archive(asked: Asked) -> Plan[ArchivePart]:
    """The plan: flags of the common keys, and one key of its own."""
    found = resolve(asked, RULES).of(SourceRelease)
    part = ArchivePart("archive", found.config.values.of(ArchiveKeys).answer)
    flags = compile_flags(found.config, found.release, found.lines, public="/usr/src/answer")
    return assemble(found, Specifics("compile the archive", "Answer", flags, part))


def definition(plan: Plan[ArchivePart], layout: Layout, options: BakeOptions) -> BakeFile:
    """The stages of ``dockerfiles/archive/Dockerfile``."""
    words = [flag.text for flag in plan.flags if flag.target in {Target.COMPILE, Target.C, Target.OPTIMISE}]
    own = {"CFLAGS": " ".join(words), "ANSWER": str(plan.part.answer)}
    return Stages(plan, layout, options, "archive", arguments=own).definition()


def smoke(run: Run[ArchivePart]) -> Smoke:
    """The image's program has to print the answer that was asked for."""
    ran, wanted = run_program(run, (PROGRAM,)), f"{run.plan.part.answer}\n"
    wrong = Finding("smoke-answer", "error", f"{PROGRAM} printed {ran.stdout!r}, not {wanted!r}")
    return [], [] if (ran.exit_code, ran.stdout) == (0, wanted) else [wrong]


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
