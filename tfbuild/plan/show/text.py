"""The plan as people read it: ``--dry-run``."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import Any

from tfbuild.base.printable import joined
from tfbuild.base.text import human_size
from tfbuild.plan.flags import Flag, Target
from tfbuild.plan.naming import Extra
from tfbuild.plan.plan import Plan
from tfbuild.plan.remote.layers import layer_lines
from tfbuild.plan.remote.section import remote_lines
from tfbuild.verify.policy_file import policy_path

_HEADINGS = {
    Target.COMPILE: "compiler",
    Target.C: "C compiler",
    Target.CXX: "C++ compiler",
    Target.OPTIMISE: "optimisation",
    Target.LINK: "linker",
    Target.CMAKE: "CMake",
    Target.BAZEL: "Bazel",
}


def plan_text(plan: Plan[Any], details: Iterable[str] = (), replaces: str = "") -> str:
    """All that the build would do, and which line caused each flag. ``details`` are lines of the product,
    ``replaces`` says of what it takes the place."""
    return joined(_lines(plan, details, replaces))


def _lines(plan: Plan[Any], details: Iterable[str], replaces: str) -> Iterator[str]:
    if plan.unlocked:
        what = f"the lock of {plan.product} {plan.release} does not cover it"
        yield f"cannot be built: {what}; {plan.lock_command}"
    yield f"{plan.build_id}"
    what = "compiled" if plan.source else "built"
    state = (
        f"{what} and verified by this project"
        if plan.status == "built"
        else f"pinned; this project has not {what} it as it is"
    )
    yield f"  release   {plan.release} ({state})"
    yield f"  config    {plan.asked.config}"
    if plan.config != plan.asked.config:
        yield f"  name      {plan.config}, for these changes to the configuration:"
        yield from (f"              {_asked_line(each)}" for each in plan.asked.beyond)
    yield f"  arch      {plan.arch} ({plan.image.platform}), built on {plan.root.arch}"
    yield f"  image     {plan.image.tag} ({plan.image.base}, user {plan.image.user})"
    yield f"  output    {plan.output}"
    if replaces:
        yield f"  place     {replaces}"
    if plan.source:
        each = f"one for each {plan.memory_per_job_mib} MiB and CPU of the engine"
        yield f"  jobs      {plan.jobs or each}"
    if plan.signing.key or plan.signing.command:
        yield f"  signed    with {shlex.join(plan.signing.shown.command) or plan.signing.key}"
    yield f"  policy    {policy_path(plan.policy)}"
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
        of = f"of {patch.dependency}, " if patch.dependency else ""
        yield f"  patch {patch.path}  ({of}{patch.origin})"
        yield f"    sha256 {patch.sha256}"
        if patch.reason:
            yield f"    why    {patch.reason}"
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
    if plan.remote:
        yield ""
        yield "remote"
        yield from remote_lines(plan.remote)
    if plan.layers:
        yield ""
        yield "shared layers"
        yield from layer_lines(plan.layers)
    yield ""
    yield "steps"
    for number, step in enumerate(plan.steps, start=1):
        yield f"  {number}. {step.id:<10} {step.title}  [{step.key[:12]}]"


def _asked_line(each: Extra) -> str:
    said = f"{each.place} ({each.value[:12]})" if each.place else each.value
    return f"{each.key} {said}"


def _flag_line(flag: Flag, width: int) -> str:
    reason = f"  ({flag.reason})" if flag.reason else ""
    return f"    {flag.text:<{width}}  {flag.origin}{reason}"
