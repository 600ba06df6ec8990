"""The plan as people read it: ``--dry-run``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tfbuild.base.text import human_size
from tfbuild.plan.flags import Flag, Target
from tfbuild.plan.plan import Plan

_HEADINGS = {
    Target.COMPILE: "compiler",
    Target.C: "C compiler",
    Target.CXX: "C++ compiler",
    Target.OPTIMISE: "optimisation",
    Target.LINK: "linker",
    Target.CMAKE: "CMake",
    Target.BAZEL: "Bazel",
}


def plan_text(plan: Plan[Any], details: Iterable[str] = ()) -> str:
    """All that the build would do, and which line caused each flag. ``details`` are lines of the product."""
    return "\n".join(_lines(plan, details)) + "\n"


def _lines(plan: Plan[Any], details: Iterable[str]) -> Iterator[str]:
    yield f"{plan.build_id}"
    what = "compiled" if plan.source else "built"
    state = (
        f"{what} and verified by this project"
        if plan.status == "built"
        else f"pinned; this project has never {what} it"
    )
    yield f"  release   {plan.release} ({state})"
    yield f"  config    {plan.config}"
    yield f"  arch      {plan.arch} ({plan.image.platform}), built on {plan.root.arch}"
    yield f"  image     {plan.image.tag} ({plan.image.base}, user {plan.image.user})"
    yield f"  output    {plan.output}"
    if plan.source:
        each = f"one for each {plan.memory_per_job_mib} MiB and CPU of the engine"
        yield f"  jobs      {plan.jobs or each}"
    yield f"  policy    build_configs/policies/{plan.policy}.yaml"
    yield from details
    for note in plan.notes:
        yield f"  note      {note}"
    for quirk in plan.quirks:
        yield f"  known     {quirk}"
    yield ""
    yield "downloads"
    if plan.unhashed:
        yield f"  {plan.unhashed.filename}"
        yield f"    tree   {plan.unhashed.tree} (no sha256 was published; then in {plan.unhashed.lock})"
        yield from (f"    from   {url}" for url in plan.unhashed.urls)
    for mirror in plan.mirrors:
        yield f"  mirror {mirror.prefix} -> {mirror.replacement}  ({mirror.origin})"
    for pin in plan.pins:
        size = f", {human_size(pin.size)}" if pin.size else ""
        yield f"  {pin.filename}{size}"
        yield f"    sha256 {pin.sha256}"
        yield from (f"    from   {url}" for url in pin.urls)
    for patch in plan.patches:
        yield f"  patch {patch.path}"
        yield f"    sha256 {patch.sha256}"
    if plan.packages:
        yield ""
        yield f"packages of Debian {plan.root.suite} for {plan.arch}"
        yield from (f"  {package}" for package in plan.packages)
    if plan.flags:
        yield ""
        yield "flags"
    width = min(56, max((len(flag.text) for flag in plan.flags), default=0))
    for target, heading in _HEADINGS.items():
        flags = [flag for flag in plan.flags if flag.target is target]
        if flags:
            yield f"  {heading}"
            yield from (_flag_line(flag, width) for flag in flags)
    yield ""
    yield "steps"
    for number, step in enumerate(plan.steps, start=1):
        yield f"  {number}. {step.id:<10} {step.title}  [{step.key[:12]}]"


def _flag_line(flag: Flag, width: int) -> str:
    reason = f"  ({flag.reason})" if flag.reason else ""
    return f"    {flag.text:<{width}}  {flag.origin}{reason}"
