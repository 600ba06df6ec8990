"""Checks of an image: its configuration, its files and their rights, its closure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone

from tfbuild.artifacts.image.closure import Closure, Link
from tfbuild.artifacts.image.facts import ImageFacts
from tfbuild.base.arch import Arch
from tfbuild.base.text import first_lines, matches
from tfbuild.verify.checks.elf import NO_CONTEXT, SHOWN
from tfbuild.verify.findings import FINDINGS, Observation
from tfbuild.verify.policy import Context, ImageRules, Policy

_VERSION_LABEL = "org.opencontainers.image.version"


def check_image(
    facts: ImageFacts, closure: Closure, policy: Policy, context: Context = NO_CONTEXT
) -> Iterator[Observation]:
    """What is wrong with one image, and with what is loaded in it."""
    yield from _platform(facts, context.arch)
    yield from _size(facts, policy)
    yield from _rights(facts, policy)
    yield from _closure(closure, policy.image)
    yield from _labels(facts, policy, context)


def check_owners(unowned: tuple[str, ...]) -> Iterator[Observation]:
    """``unowned`` are ELF files that no package record in the image names."""
    if unowned:
        message = f"{len(unowned)} ELF files belong to no package that the image has a record of"
        yield Observation("image-owner", message, first_lines(unowned, SHOWN), FINDINGS["image-owner"].remedy)


def _platform(facts: ImageFacts, arch: Arch | None) -> Iterator[Observation]:
    if arch is None or (facts.config.arch is arch and facts.config.os == "linux"):
        return
    named = "/".join(p for p in (facts.config.os, facts.config.architecture, facts.config.variant) if p)
    yield Observation(
        "image-architecture",
        f"the image says {named or 'nothing about its platform'}, expected {arch.platform.oci}",
        fix=f"build with --platform {arch.platform.oci}",
    )


def _size(facts: ImageFacts, policy: Policy) -> Iterator[Observation]:
    limit = policy.image.max_mb(facts.config.labels.get(_VERSION_LABEL, ""))
    if limit is None or facts.layers_bytes <= limit * 1e6:
        return
    largest = sorted(facts.files, key=lambda f: (-f.size, f.path))[:SHOWN]
    yield Observation(
        "image-size",
        f"the image has {facts.layers_bytes / 1e6:.1f} MB uncompressed, {limit:g} MB are allowed",
        tuple(f"{f.size / 1e6:6.1f} MB {f.path}" for f in largest),
        "strip the libraries and leave out what the program does not load",
    )


def _rights(facts: ImageFacts, policy: Policy) -> Iterator[Observation]:
    rules, user = policy.image, facts.config.user
    if facts.uid == 0 and not rules.allow_root:
        yield Observation(
            "image-root", f"containers run as root (user: {user or 'not set'})", fix="USER 65532:65532"
        )
    if facts.uid is None:
        yield Observation(
            "image-unknown-user",
            f"the user {user!r} is not in the image's /etc/passwd: containers will not start",
            fix="add it to /etc/passwd, or give USER as a number",
        )
    for id, paths, allowed, what, fix in (
        ("image-setid", facts.setid, rules.allow_setid, "set-user-id or set-group-id programs", "chmod a-s"),
        ("image-shell", facts.shells, rules.allow_shells, "shells", "use a base without a shell"),
        (
            "image-open-directory",
            facts.open_directories,
            rules.allow_open_directories,
            "directories that anybody may write to",
            "chmod o-w, or chmod +t",
        ),
    ):
        if paths and not allowed:
            yield Observation(id, f"the image has {what}: {len(paths)}", first_lines(paths, SHOWN), fix)


def _closure(closure: Closure, rules: ImageRules) -> Iterator[Observation]:
    missing = tuple(link for link in closure.missing if not _is_provided(link, rules))
    if missing:
        yield Observation(
            "image-library-missing",
            f"{len({link.needed for link in missing})} needed libraries are not in the image",
            first_lines([f"{link.needed}, needed by {link.owner}" for link in missing], SHOWN),
            "add the packages that have them",
        )
    if closure.unmet:
        yield Observation(
            "image-version-missing",
            "libraries in the image are older than what was linked against",
            first_lines(
                [f"{gap.owner} needs {gap.version}, {gap.found} lacks it" for gap in closure.unmet], SHOWN
            ),
            "use a base of the same release as the builder, or build against an older one",
        )


def _is_provided(link: Link, rules: ImageRules) -> bool:
    own = (names for owners, names in rules.provided_to.items() if matches(link.owner, (owners,)))
    return any(matches(link.needed, names) for names in (rules.provided, *own))


def _labels(facts: ImageFacts, policy: Policy, context: Context) -> Iterator[Observation]:
    labels = facts.config.labels
    missing = tuple(name for name in policy.image.required_labels if not labels.get(name))
    if missing:
        yield Observation(
            "image-label", f"the image lacks {len(missing)} OCI labels", missing, "set them in the bake file"
        )
    wrong = tuple(
        f"{name} is {labels.get(name, '')!r}, expected {value!r}"
        for name, value in sorted(context.labels.items())
        if labels.get(name) != value and name not in missing
    )
    if wrong:
        yield Observation(
            "image-label", "OCI labels do not say what was built", wrong, "set them from the plan"
        )
    if context.created is not None and epoch(facts.config.created) != context.created:
        expected = datetime.fromtimestamp(context.created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield Observation(
            "image-created",
            f"the image was created {facts.config.created or '(not said)'}, expected {expected}",
            fix="pass SOURCE_DATE_EPOCH to the build, as build argument and in the environment",
        )


_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)


def epoch(text: str | None) -> float | None:
    """Seconds since 1970 of an RFC 3339 time; None where it is none."""
    match = _TIME.fullmatch(text or "")
    if match is None:
        return None
    zone = "+00:00" if match[3] == "Z" else match[3]
    try:
        whole = datetime.fromisoformat(match[1] + zone).timestamp()
    except (ValueError, OverflowError):
        return None
    return whole + float(f"0.{match[2] or 0}")
