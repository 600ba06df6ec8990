"""``invoke compare`` and ``invoke report``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tfbuild.base.documents import dump
from tfbuild.base.errors import ExitCode, NothingMatchesError, UsageError
from tfbuild.base.image_names import require_image_reference
from tfbuild.base.places import is_path
from tfbuild.base.project import PROJECT
from tfbuild.base.text import did_you_mean
from tfbuild.build.dist.ownership import read_manifest
from tfbuild.cli import wiring
from tfbuild.cli.console import ConsoleReporter
from tfbuild.cli.line.own_files import config_word, release_word, user_places
from tfbuild.cli.trying.measuring import BenchmarkRequest, measure_images, parse_request
from tfbuild.cli.trying.targets import dist_folder
from tfbuild.compare.figures import keep_figures
from tfbuild.compare.page import STYLES, comparison_page, report_page
from tfbuild.compare.read import builds_in, find_build, plain_build, read_subject
from tfbuild.compare.subject import Subject
from tfbuild.compare.tables import Comparison
from tfbuild.compare.text import render, render_report
from tfbuild.machine.cache import cache_root, prepare_cache
from tfbuild.machine.path_words import input_word, output_file
from tfbuild.machine.terminal import write_json, write_lines, write_text
from tfbuild.machine.user_files import require_page_place, write_page
from tfbuild.plan.asked import output_folder
from tfbuild.plan.words import Words, host_arch
from tfbuild.products import table
from tfbuild.verify.policy_file import policy_names
from tfbuild.verify.report import NamedPolicy
from tfbuild.verify.verify import DEFAULT_POLICY, load_policy

_DEFAULT_PRODUCT = "tflite"


@dataclass(frozen=True, kw_only=True)
class CompareRequest:
    """All words as they were typed. ``product``, ``release`` and ``arch`` are of configurations."""

    targets: tuple[str, ...]
    product: str = ""
    release: str = ""
    arch: str = ""
    output: str = ""
    model: str = ""
    threads: str = ""
    rounds: str = ""
    html: str = ""


@dataclass(frozen=True, kw_only=True)
class CompareDocument:
    """The document of ``compare --json``: what is known of each, in the order of the words."""

    version: Literal[1] = 1
    subjects: tuple[Subject, ...]


@dataclass(frozen=True, kw_only=True)
class ReportDocument:
    """The document of ``report --json``. ``plain`` is the build of the same configuration without what was
    asked beyond it, where there is one."""

    version: Literal[1] = 1
    build: Subject
    plain: Subject | None = None


def compare(request: CompareRequest, *, as_json: bool) -> int:
    """``invoke compare``"""
    if not request.targets:
        raise UsageError(
            "nothing to compare", hint="invoke compare opt size, or builds, wheels, libraries, images"
        )
    page = _page_place(request.html)
    measuring = parse_request(request.model, request.threads, request.rounds) if request.model else None
    if measuring is None and (request.threads or request.rounds):
        raise UsageError("--threads and --rounds are of a measurement: --model FILE", hint="--model FILE")
    dist = dist_folder(request.output)
    places = _built([_place(word, dist, request) for word in request.targets])
    subjects = _told_apart(
        [_subject(word, place) for word, place in zip(request.targets, places, strict=True)]
    )
    if measuring:
        subjects = _measured(subjects, measuring)
    comparison = Comparison(subjects=subjects)
    if page:
        write_page(page, comparison_page(comparison, _style()))
    if as_json:
        write_json(dump(CompareDocument(subjects=subjects)))
    else:
        write_text(render(comparison))
        if page:
            write_lines(["", str(page)])
    return ExitCode.OK


def report(build: str, html: str, output: str, *, as_json: bool) -> int:
    """``invoke report``"""
    if not build:
        raise UsageError("which build?", hint="invoke report BUILD --html FILE")
    page = _page_place(html)
    dist = dist_folder(output)
    folder = find_build(input_word(build, "BUILD"), dist)
    if folder is None:
        raise _no_build(build, dist)
    subject = _subject(build, folder)
    beside = plain_build(folder, dist)
    plain = _subject(str(beside), beside) if beside else None
    if page:
        write_page(page, report_page(subject, _style(), plain))
    if as_json:
        write_json(dump(ReportDocument(build=subject, plain=plain)))
    else:
        write_text(render_report(subject, plain))
        if page:
            write_lines(["", str(page)])
    return ExitCode.OK


def _page_place(html: str) -> Path | None:
    if not html:
        return None
    page = output_file(html, "--html")
    require_page_place(page)
    return page


def _style() -> str:
    return "".join((PROJECT / each).read_text(encoding="utf-8") for each in STYLES)


Place = Path | str


@dataclass(frozen=True)
class _Unbuilt:
    """A configuration whose build is looked for; it is built where it is not there."""

    words: Words
    product: str


def _place(word: str, dist: Path, request: CompareRequest) -> Place | _Unbuilt:
    """What the word names: a configuration, a file or folder, a build, or else an image."""
    configs = {each.name for each in table.list_configs(PROJECT, user_places())}
    is_config = word in configs or (is_path(word) and word.endswith((".yaml", ".yml")))
    if is_config:
        words = Words(
            release=release_word(request.release, PROJECT),
            config=config_word(word, "TARGET"),
            arch=request.arch,
            output=str(dist),
            places=user_places(),
        )
        return _Unbuilt(words, request.product or _DEFAULT_PRODUCT)
    known = input_word(word, "TARGET")
    folder = find_build(known, dist)
    if folder is not None:
        return folder
    if Path(known).exists():
        return Path(known)
    # Asked now: what is missing is built before anything is read.
    require_image_reference(known)
    if wiring.engine().image(known) is None:
        builds = [owner for owner, _ in builds_in(dist)]
        raise NothingMatchesError(
            f"'{word}' is no configuration, build, file or image{did_you_mean(word, (*configs, *builds))}",
            hint="invoke list-configs, and docker image ls, show what there is",
        )
    return known


def _built(places: Sequence[Place | _Unbuilt]) -> list[Place]:
    """Build what is missing, after all plans are made: a wrong word is told before an hour has passed."""
    plans = [
        None
        if isinstance(each, Path | str)
        else table.plan_of(PROJECT, each.product, each.words, env=os.environ, build_arch=host_arch())
        for each in places
    ]
    found: list[Place] = []
    for place, plan in zip(places, plans, strict=True):
        if isinstance(place, Path | str) or plan is None:
            found.append(place)  # type: ignore[arg-type]
            continue
        release = table.load_release(PROJECT, plan.product, place.words.release or plan.release)
        with ConsoleReporter() as reporter:
            wiring.build_plan(plan, release, offline=False, reporter=reporter)
        found.append(output_folder(plan))
    return found


def _subject(word: str, place: Place) -> Subject:
    policy = _policy_for(place)
    image_id = ""
    if isinstance(place, str):
        facts = wiring.engine().image(place)
        image_id = facts.id if facts else ""
    return read_subject(word, place, policy, wiring.save_image, cache_root(os.environ), image_id)


def _policy_for(place: Place) -> NamedPolicy:
    """The default one. Code that a build's own policy leaves unmeasured takes minutes to read, so it is left
    here too."""
    found = load_policy(PROJECT, DEFAULT_POLICY)
    plan = None if isinstance(place, str) else (read_manifest(place) or {}).get("plan")
    name = plan.get("policy") if isinstance(plan, dict) else None
    if not isinstance(name, str) or name not in policy_names(PROJECT):
        return found
    unmeasured = load_policy(PROJECT, name).policy.elf.unmeasured
    elf = found.policy.elf.model_copy(update={"unmeasured": unmeasured})
    return replace(found, policy=found.policy.model_copy(update={"elf": elf}))


def _told_apart(subjects: Sequence[Subject]) -> tuple[Subject, ...]:
    """Those that have the same name are called as the user called them."""
    names = [each.name for each in subjects]
    return tuple(replace(each, name=each.word) if names.count(each.name) > 1 else each for each in subjects)


def _measured(subjects: tuple[Subject, ...], request: BenchmarkRequest) -> tuple[Subject, ...]:
    """The subjects with what was measured now; those whose image is not here, or that nothing measures, are
    left as they are, which is told."""
    engine = wiring.engine()
    images, places = [], []
    left = []
    for place, subject in enumerate(subjects):
        facts = engine.image(subject.image_id) if subject.image_id else None
        known = table.trial_of(facts) if facts else None
        if facts and known and known[1].measure:
            images.append((subject.name, facts))
            places.append(place)
        else:
            left.append(subject.name)
    if not images:
        raise UsageError(
            f"nothing measures {', '.join(left)}",
            hint="builds and images of invoke build-tflite, whose image is in the engine",
        )
    cache = prepare_cache(cache_root(os.environ))
    found = list(subjects)
    for place, figures in zip(places, measure_images(images, request, engine), strict=True):
        keep_figures(cache, figures)
        found[place] = replace(subjects[place], figures=figures)
    if left:
        write_lines([f"not measured, since no image of theirs is here: {', '.join(left)}"], sys.stderr)
    return tuple(found)


def _no_build(word: str, dist: Path) -> NothingMatchesError:
    known = [owner for owner, _ in builds_in(dist)]
    return NothingMatchesError(
        f"there is no build '{word}'{did_you_mean(word, known)}",
        details=(f"builds in {dist}: {', '.join(known) or 'none'}",),
        hint="name one of these, or its folder; --output FOLDER where builds lie elsewhere",
    )
