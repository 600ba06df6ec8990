"""What each command does, between the words of the command line and an exit code.

Results go to stdout, everything else to stderr. Heavy modules are imported where they are used, so that
``invoke --list`` and ``--dry-run`` stay quick.
"""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tfbuild.environment import check_environment, debug_wanted
from tfbuild.errors import ExitCode, Interrupted, TfBuildError, UsageError
from tfbuild.model import Product
from tfbuild.path_words import (
    checked_words,
    expected_error,
    input_file,
    input_folder,
    input_path,
    input_word,
    output_file,
    output_folder,
)
from tfbuild.terminal import prepare_streams, write_json, write_lines, write_text

if TYPE_CHECKING:
    from tfbuild.plan import Plan
    from tfbuild.release_schema import Release

PROJECT = Path(__file__).resolve().parent.parent

Command = TypeVar("Command", bound=Callable[..., Any])


def run_command(command: Callable[[], int], typed: Sequence[str] = ()) -> int:
    """Run ``command`` and turn what went wrong into text on stderr and an exit code.

    ``typed`` are the words of the command line: a file that one of them names and that cannot be used is a
    wrong argument. TFBUILD_DEBUG=1 shows the traceback of an expected error too.
    """
    from tfbuild.interrupts import install_signal_handlers
    from tfbuild.ui import render_error

    prepare_streams()
    try:
        check_environment(os.environ)
        with install_signal_handlers():
            return int(command())
    except TfBuildError as error:
        expected = error
    except KeyboardInterrupt:
        expected = Interrupted("interrupted", hint="the same command continues")
    except (OSError, ValueError) as error:
        found = expected_error(error, typed)
        if found is None:
            raise
        found.__cause__ = error
        expected = found
    if debug_wanted(os.environ):
        write_text("".join(traceback.format_exception(expected)), sys.stderr)
    render_error(expected)
    return int(expected.exit_code)


def build(product: str, words: dict[str, Any], *, dry_run: bool, as_json: bool, offline: bool) -> int:
    """``invoke build-tflite``, ``build-serving`` and ``build-keras``"""
    from tfbuild.index_plan import make_plans
    from tfbuild.releases import load_release
    from tfbuild.request import Words, host_arch, plan_of

    words = checked_words(words, PROJECT)
    make = partial(plan_of, PROJECT, product, env=os.environ, build_arch=host_arch())
    plans = make_plans(Words(**words), make)
    if dry_run:
        return _show(plans, as_json)
    release = load_release(PROJECT, plans[0].product, words["release"] or plans[0].release)
    return _build(plans, release, as_json=as_json, offline=offline)


def _build(plans: tuple[Plan, ...], release: Release, *, as_json: bool, offline: bool) -> int:
    """Carry the plans out; more than one also become one image of several platforms."""
    from tfbuild.documents import dump
    from tfbuild.ui import ConsoleReporter
    from tfbuild.wiring import build_plan, build_several

    if len(plans) > 1:
        with ConsoleReporter() as reporter:
            index, results = build_several(plans, release, offline=offline, reporter=reporter)
        rows = tuple(row for result in results for row in result.rows)
        outputs = [*(str(each.output) for each in results), index.output]
        images = [*(each.image for each in results), *([index.image] if index.loaded else [])]
        document = dump(index)
    else:
        with ConsoleReporter() as reporter:
            result = build_plan(plans[0], release, offline=offline, reporter=reporter)
        rows, outputs, images = result.rows, [str(result.output)], [result.image]
        document = result.to_json()
    if as_json:
        write_json(document)
        return ExitCode.OK
    reporter.result_table(rows)
    write_lines((*outputs, *images))
    return ExitCode.OK


def _show(plans: tuple[Plan, ...], as_json: bool) -> int:
    from tfbuild.bake import Layout
    from tfbuild.bakes import definition_of
    from tfbuild.cache import cache_root
    from tfbuild.documents import dump
    from tfbuild.index_plan import index_json, index_plan, index_text
    from tfbuild.plan_text import plan_text
    from tfbuild.replacing import replaced_folder, replaced_index, replaced_text
    from tfbuild.request import output_folder

    replaced = {plan.arch: replaced_folder(plan, output_folder(plan)) for plan in plans}

    def document(plan: Plan) -> dict[str, Any]:
        layout = Layout(PROJECT, cache_root(os.environ), plan.build_id, plan.plain_id)
        found = replaced[plan.arch]
        replaces = dump(found) if found else None
        return {**plan.to_json(), "bake": definition_of(plan, layout), "replaces": replaces}

    index = index_plan(plans) if len(plans) > 1 else None
    # The code that the build would end with.
    code = ExitCode.DOWNLOAD if any(plan.unlocked for plan in plans) else ExitCode.OK
    if as_json:
        documents = [document(plan) for plan in plans]
        write_json(index_json(index, documents) if index else documents[0])
        return code
    texts = []
    for plan in plans:
        found = replaced[plan.arch]
        texts.append(plan_text(plan, replaced_text(found) if found else ""))
    if index:
        found = replaced_index(index, output_folder(index))
        texts.append(index_text(index, replaced_text(found) if found else ""))
    write_text("\n".join(texts))
    return code


def fetch(
    product: str, release: str, arch: str, words: dict[str, Any], *, offline: bool, as_json: bool
) -> int:
    """``invoke fetch``"""
    from tfbuild.config import DEFAULT_CONFIG, load_config
    from tfbuild.documents import FetchedFile, FetchResult, dump
    from tfbuild.releases import require_arch
    from tfbuild.request import (
        downloads_of,
        find_release,
        host_arch,
        parse_arch,
        parse_product,
        planned_mirrors,
    )
    from tfbuild.ui import ConsoleReporter
    from tfbuild.wiring import fetch_release

    found = find_release(PROJECT, parse_product(product), release)
    wanted = parse_arch(arch, host_arch())
    require_arch(found, wanted)
    pins, unhashed = downloads_of(PROJECT, found, release, wanted, host_arch(), words["variant"])
    config = load_config(PROJECT, words["config"] or DEFAULT_CONFIG, wanted, words["sets"])
    mirrors = planned_mirrors(config, os.environ)
    with ConsoleReporter() as reporter:
        files = fetch_release(found, pins, unhashed, mirrors=mirrors, offline=offline, reporter=reporter)
    if as_json:
        entries = [FetchedFile(name=pin.name, sha256=pin.sha256, path=str(path)) for pin, path in files]
        write_json(dump(FetchResult(files=tuple(entries))))
    else:
        write_lines(str(path) for _, path in files)
    return ExitCode.OK


def lock(
    product: str, release: str, *, check: bool, clones: str, mirror: str, app: str, without_source: bool
) -> int:
    """``invoke lock``"""
    from tfbuild.lock_command import LockPlaces
    from tfbuild.lock_wiring import lock_release, lock_wheels_of
    from tfbuild.request import find_release, parse_product
    from tfbuild.ui import ConsoleReporter

    places = LockPlaces(
        clones=input_folder(clones, "--clones").absolute() if clones else None,
        mirror=output_folder(mirror, "--mirror").absolute() if mirror else None,
        without_source=without_source,
    )
    if app:
        app = str(input_folder(app, "--app"))
    found = find_release(PROJECT, parse_product(product), release)
    if found.wheels:
        if check or clones or mirror or without_source:
            what = "--check, --clones, --mirror and --without-source"
            raise UsageError(f"{what} are for releases that are made of a source")
        with ConsoleReporter() as reporter:
            wheels = lock_wheels_of(found, release, app, reporter=reporter)
        write_lines([str(wheels)])
        return ExitCode.OK
    if app:
        raise UsageError("--app is for releases that are made of wheels", hint="--product keras")
    with ConsoleReporter() as reporter:
        path = lock_release(PROJECT, found, release, places, check=check, reporter=reporter)
    write_lines([str(path)])
    return ExitCode.OK


def bundle(words: dict[str, Any], file: str, load: str, *, as_json: bool) -> int:
    """``invoke bundle``"""
    from tfbuild.bundle_command import load_file, write_file
    from tfbuild.bundle_file import summary
    from tfbuild.documents import dump

    product = words.pop("product")
    if bool(file) == bool(load) or bool(file) != bool(product) or (load and any(words.values())):
        raise UsageError(
            "either --load FILE alone, or --product and --file FILE",
            hint="invoke bundle --product tflite --file tflite.bundle; invoke bundle --load tflite.bundle",
        )
    if words["raw"] and product != Product.SERVING:
        raise UsageError(f"a bundle of {product} takes nothing after --", hint="invoke --help bundle")
    if load:
        document = load_file(str(input_file(load, "--load")))
    else:
        target = output_file(file, "--file")
        document = write_file(product, checked_words(words, PROJECT), str(target))
    if as_json:
        write_json(dump(document))
    else:
        write_lines([document.file, f"sha256 {document.sha256}", *summary(document.bundle)])
    return ExitCode.OK


def check_upstream(clone: str, release: str, *, as_json: bool) -> int:
    """``invoke check-upstream``"""
    from tfbuild.documents import dump
    from tfbuild.request import find_release
    from tfbuild.runner import SubprocessRunner
    from tfbuild.upstream_check import check_upstream, report_lines

    if not clone:
        raise UsageError(
            "where is the clone of tensorflow/serving?",
            hint="invoke check-upstream --clone PATH --release 2.20.0",
        )
    found = find_release(PROJECT, Product.SERVING, release)
    report = check_upstream(found, input_folder(clone, "--clone"), SubprocessRunner())
    if as_json:
        write_json(dump(report))
    else:
        write_lines(report_lines(report))
    return ExitCode.VERIFICATION_FAILED if report.wrong else ExitCode.OK


def list_configs(*, as_json: bool) -> int:
    """``invoke list-configs``"""
    from tfbuild.config import DEFAULT_CONFIG, list_configs
    from tfbuild.documents import ConfigEntry, ConfigList, dump

    configs = list_configs(PROJECT)
    if as_json:
        entries = [
            ConfigEntry(
                name=each.name,
                description=each.description,
                path=each.path,
                arches=each.arches,
                default=each.name == DEFAULT_CONFIG,
            )
            for each in configs
        ]
        write_json(dump(ConfigList(configs=tuple(entries))))
        return ExitCode.OK
    width = max(len(each.name) for each in configs)
    for each in configs:
        mark = "*" if each.name == DEFAULT_CONFIG else " "
        only = f" [{', '.join(map(str, each.arches))} only]" if each.arches else ""
        write_lines([f"{mark} {each.name:<{width}}  {each.description}{only}"])
    return ExitCode.OK


def list_releases(*, as_json: bool) -> int:
    """``invoke list-releases``"""
    from tfbuild.release_text import release_lines
    from tfbuild.releases import list_releases, list_releases_json, load_lock, lock_statuses

    releases = list_releases(PROJECT)
    locks = lock_statuses(PROJECT, releases)
    if as_json:
        write_json(list_releases_json(releases, locks))
        return ExitCode.OK
    lacking = [tuple(missing.name for missing in load_lock(PROJECT, each).lock.missing) for each in releases]
    write_lines(release_lines(releases, locks, lacking))
    return ExitCode.OK


def verify(target: str, policy: str, *, as_json: bool) -> int:
    """``invoke verify``"""
    from tfbuild.verify import DEFAULT_POLICY, load_policy, verify
    from tfbuild.verify_text import render
    from tfbuild.wiring import save_image

    if not target:
        raise UsageError("nothing to verify", hint="invoke verify PATH-OR-IMAGE")
    if policy.endswith((".yaml", ".yml")):
        policy = input_word(policy, "--policy")
    rules = load_policy(PROJECT, policy or DEFAULT_POLICY)
    report = verify(input_word(target, "TARGET"), rules, save_image)
    if as_json:
        write_json(report.to_json())
    else:
        write_text(render(report))
    return report.exit_code


def diagnose(image: str, *, as_json: bool, html: str, facts: str, host_facts: bool) -> int:
    """``invoke diagnose``"""
    from tfbuild.diagnose import diagnose
    from tfbuild.diagnose_host import gather_target, load_target, target_json
    from tfbuild.diagnose_html import require_page_place
    from tfbuild.diagnose_text import render
    from tfbuild.wiring import diagnose_effects

    if host_facts:
        others = {"an image": image, "--facts": facts, "--html": html}
        if unused := [name for name, value in others.items() if value]:
            raise UsageError(
                f"--host-facts tells of this machine only; {' and '.join(unused)} would be ignored",
                hint="invoke diagnose --host-facts > machine.json, then: invoke diagnose IMAGE --facts "
                "machine.json",
            )
        write_json(target_json(gather_target()))
        return ExitCode.OK
    if not image:
        raise UsageError("nothing to diagnose", hint="invoke diagnose IMAGE, or invoke diagnose --host-facts")
    page = output_file(html, "--html") if html else None
    if page:
        require_page_place(page)
    image = input_word(image, "IMAGE")
    host = load_target(input_path(facts, "--facts")) if facts else gather_target()
    report = diagnose(image, diagnose_effects(host, this_machine=not facts))
    if page:
        _write_html(report, page)
    if as_json:
        write_json(report.to_json())
    else:
        write_text(render(report))
    return report.exit_code


def _write_html(report: Any, path: Path) -> None:
    from tfbuild.diagnose_html import STYLE, render_html
    from tfbuild.user_files import replace_text

    text = render_html(report, (PROJECT / STYLE).read_text(encoding="utf-8"))
    try:
        replace_text(path, text)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}", hint="--html FILE") from error


def doctor(*, as_json: bool) -> int:
    """``invoke doctor``"""
    from tfbuild.cache import cache_root
    from tfbuild.doctor import exit_code, render_json, render_text, run_checks
    from tfbuild.doctor_checks import DoctorContext
    from tfbuild.runner import SubprocessRunner

    context = DoctorContext(cache_dir=cache_root(os.environ), output_dir=Path("dist").absolute())
    results = run_checks(context, runner=SubprocessRunner())
    write_text(render_json(results) if as_json else render_text(results))
    return exit_code(results)


def setup(*, check: bool) -> int:
    """``invoke setup``"""
    from tfbuild.cache import cache_root
    from tfbuild.host_setup import setup
    from tfbuild.runner import SubprocessRunner
    from tfbuild.ui import ConsoleReporter

    with ConsoleReporter() as reporter:
        report = setup(
            check,
            runner=SubprocessRunner(),
            reporter=reporter,
            log_dir=cache_root(os.environ) / "state" / "setup",
        )
    told = [*(f"would {line}" for line in report.pending), *(f"did: {line}" for line in report.done)]
    write_lines(told or ["ready, nothing to do"])
    return report.exit_code


def clean(*, cache: bool, output: str, only_list: bool) -> int:
    """``invoke clean``"""
    from tfbuild.cleaning import clean

    write_lines(clean(output, os.environ, cache=cache, only_list=only_list))
    return ExitCode.OK


def test(*, fast: bool) -> int:
    """``invoke test``"""
    from tfbuild.selftest import run_tests

    return run_tests(PROJECT, fast=fast)


def friendly(command: Command) -> Command:
    """Decorator of tasks: whatever the task returns or raises becomes the exit code of ``invoke``."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        typed = tuple(_strings([*args, *kwargs.values()]))
        code = run_command(lambda: command(*args, **kwargs) or 0, typed)
        if code:
            raise SystemExit(code)

    return wrapper  # type: ignore[return-value]


def _strings(values: Sequence[Any]) -> Iterator[str]:
    """The words among the arguments of a task, those of repeatable options too."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from _strings(value)
