"""Plans of the shipped releases and configurations that do not change with the recipe or the commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.products import Product, list_releases, load_release
from tfbuild.base.arch import Arch
from tfbuild.base.errors import NothingMatchesError
from tfbuild.config.compilers.options import compiler_options
from tfbuild.config.cpus import load_cpus
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.asked import Rules
from tfbuild.plan.patches import release_patches
from tfbuild.plan.plan import Circumstances, Patch, Plan, Request, Resolved
from tfbuild.products.saved_model import ModelFolder
from tfbuild.products.serving import asked as serving
from tfbuild.products.serving.bazel.plan import ServingCircumstances, make_serving_plan
from tfbuild.products.serving.bazel.rules import compiler_of
from tfbuild.products.serving.wheel.plan import WheelCircumstances, make_wheel_server_plan
from tfbuild.products.serving.wheel.sources import SourceList, read_list
from tfbuild.products.table import list_configs, load_config
from tfbuild.products.tflite import asked as tflite
from tfbuild.products.tflite.asked import promised_cpu
from tfbuild.products.tflite.plan import make_tflite_plan
from tfbuild.products.tflite.rules import clang_of, on_suite
from tfbuild.products.tflite.wheel.plan import make_wheel_plan
from tfbuild.releases.load import load_lock, release_file, release_origins
from tfbuild.releases.lock import Lock
from tfbuild.releases.wheels.lock import read_wheel_lock, wheel_lock_path

PROJECT = Path(__file__).resolve().parents[2]
DEBIAN_RELEASE = "2.14.1-debian"
SERVING_RELEASE = "2.20.0"
LINKED_RELEASE = "2.16.1-wheel"


def some(recipe: str) -> Circumstances:
    """Stand-ins for what changes with every commit."""
    return Circumstances((), "5" * 64, recipe, "", recorder="7" * 64)


def resolved(
    rules: Rules, request: Request, config: ResolvedConfig, release: Any, circumstances: Circumstances
) -> Resolved[Any]:
    """What a plan is made of, as the rules of its product say."""
    # A release on another suite than its own has the lines of its file.
    lines = release_origins(PROJECT, release)
    policy = rules.policy(release, config.values)
    return Resolved(request, config, release, lines, circumstances, rules.keys(release), policy)


def make_plan(
    release: str = DEBIAN_RELEASE,
    config: str = "opt",
    arch: Arch = Arch.AMD64,
    *sets: str,
    build_arch: Arch = Arch.AMD64,
    patches: tuple[Patch, ...] = (),
    policy_sha256: str = "5" * 64,
    recipe: str = "recipe",
    revision: str = "",
    source_date_epoch: int | None = None,
    jobs: int | None = None,
    tag: str | None = None,
    output: str = "dist",
    lock: Lock | None = None,
) -> Plan[Any]:
    """A plan of the project's own files, with stand-ins for what changes with every commit."""
    request = Request(
        Product.TFLITE, release, config, arch, build_arch, sets, jobs=jobs, tag=tag, output=output
    )
    found = load_release(PROJECT, Product.TFLITE, release)
    stored = load_lock(PROJECT, found)
    released = release_patches(PROJECT, found)
    values = load_config(PROJECT, config, arch, sets)
    found = on_suite(PROJECT, found, values)
    circumstances = Circumstances(
        (*released, *patches),
        policy_sha256,
        recipe,
        revision,
        recorder="7" * 64,
        source_date_epoch=source_date_epoch,
    )
    return make_tflite_plan(
        resolved(tflite.RULES, request, values, found, circumstances),
        promised=promised_cpu(PROJECT, values.values, found),
        lock=stored if lock is None else replace(stored, lock=lock),
        clang=clang_of(PROJECT, found),
    )


def make_server_plan(
    release: str = SERVING_RELEASE,
    config: str = "opt",
    arch: Arch = Arch.AMD64,
    *sets: str,
    build_arch: Arch = Arch.AMD64,
    raw: tuple[str, ...] = (),
    model: ModelFolder | None = None,
    seen: str | None = None,
    recipe: str = "recipe",
    jobs: int | None = None,
) -> Plan[Any]:
    """A model server's plan; as :func:`make_plan`."""
    found = load_release(PROJECT, Product.SERVING, release)
    compiler = compiler_of(found)
    request = Request(Product.SERVING, release, config, arch, build_arch, sets, jobs=jobs)
    return make_serving_plan(
        resolved(serving.RULES, request, load_config(PROJECT, config, arch, sets), found, some(recipe)),
        ServingCircumstances(
            load_cpus(PROJECT),
            raw,
            model,
            f"releases/{release}.lock.json",
            seen,
            {"org_boost.BUILD": "b" * 64},
            compiler,
            compiler_options(compiler),
        ),
    )


def make_linked_server_plan(
    release: str = LINKED_RELEASE,
    arch: Arch = Arch.AMD64,
    *sets: str,
    config: str = "opt",
    model: ModelFolder | None = None,
    sources: SourceList | None = None,
    seen: str | None = None,
) -> Plan[Any]:
    """The plan of a model server that is linked with a wheel; as :func:`make_plan`."""
    found = load_release(PROJECT, Product.SERVING, release)
    request = Request(Product.SERVING, release, config, arch, Arch.AMD64, sets)
    return make_wheel_server_plan(
        resolved(serving.RULES, request, load_config(PROJECT, config, arch, sets), found, some("recipe")),
        WheelCircumstances(
            sources or read_list(PROJECT / found.sources_path, found.sources_path),
            found.sources_path,
            f"releases/{release}.lock.json",
            seen,
            model,
        ),
    )


def make_plan_from_wheel(release: str, arch: Arch, *sets: str, recipe: str = "recipe") -> Plan[Any]:
    """A plan from an official wheel; as :func:`make_plan`."""
    shown = wheel_lock_path(release_file(Product.TFLITE, release))
    found = load_release(PROJECT, Product.TFLITE, release)
    request = Request(Product.TFLITE, release, "opt", arch, Arch.AMD64, sets)
    return make_wheel_plan(
        resolved(tflite.RULES, request, load_config(PROJECT, "opt", arch, sets), found, some(recipe)),
        lock=read_wheel_lock(PROJECT / shown, shown),
    )


def all_plans() -> Iterator[Plan[Any]]:
    """Every TFLite release x config x arch that exists, built on amd64 except where only the target can."""
    for release in list_releases(PROJECT):
        if release.product != Product.TFLITE or release.provider == "wheels":
            continue
        for config in list_configs(PROJECT):
            for arch in release.arches:
                if not config.arches or arch in config.arches:
                    build_arch = arch if config.name == "native" else Arch.AMD64
                    yield make_plan(release.release, config.name, arch, build_arch=build_arch)


@cache
def all_server_plans() -> tuple[Plan[Any], ...]:
    """Every serving release x config x way that exists, as far as its compiler knows the CPU."""
    return tuple(_server_plans())


def _server_plans() -> Iterator[Plan[Any]]:
    for release in list_releases(PROJECT):
        if release.product != Product.SERVING or release.origin == "wheel":
            continue
        for config in list_configs(PROJECT):
            for way in release.serving.ways:
                if config.arches and way.arch not in config.arches:
                    continue
                if config.name == "native" and way.arch is not way.build_arch:
                    continue
                with suppress(NothingMatchesError):
                    yield make_server_plan(release.release, config.name, way.arch, build_arch=way.build_arch)
