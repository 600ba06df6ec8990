"""Every key of the configuration, in every kind of build: it changes what is done, or somebody is told.

A new key is in here by itself (:attr:`tfbuild.config.model.ConfigModel.keys`): without an example, or an
effect that :func:`observed` sees, it fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.builds import Build
from tests.support.keys import EXAMPLES, NEEDED
from tests.support.patches import write_patch
from tests.support.plans import PROJECT
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, TfBuildError
from tfbuild.build.buildkit.bake import BakeOptions
from tfbuild.build.buildkit.secrets import secret_options
from tfbuild.build.layout import Layout
from tfbuild.build.roots import archives_of, mmdebstrap_command
from tfbuild.build.run import Run
from tfbuild.build.steps import copy_patches, jobs_of
from tfbuild.cli.wiring import mirror_rules
from tfbuild.downloads.mirrors import url_resolver
from tfbuild.plan.plan import Plan
from tfbuild.plan.remote.launcher import request_files as remote_files
from tfbuild.plan.roots import Root
from tfbuild.plan.words import Words
from tfbuild.products import table
from tfbuild.products.keras.part import KerasPart
from tfbuild.products.keras.steps import settings
from tfbuild.products.serving.bazel.request import request_files
from tfbuild.products.serving.part import ServingPart, WheelServerPart
from tfbuild.products.serving.wheel import request as wheel_request
from tfbuild.products.table import definition_of, plan_of, recipe_of
from tfbuild.products.tflite.cmake.flags import cmake_presets
from tfbuild.products.tflite.part import TflitePart, WheelPart
from tfbuild.verify.verify import load_policy

HOST_MIRROR, HOST_SECURITY = ("http://host.example/debian",), ("http://host.example/security",)


@dataclass(frozen=True)
class Kind:
    """A kind of build; ``app``: with a program."""

    product: str
    release: str
    arch: str = "amd64"
    sets: tuple[str, ...] = ()
    app: bool = False


KINDS: Mapping[str, Kind] = {
    "tflite, Debian's packages": Kind("tflite", "2.14.1-debian"),
    "tflite, upstream's dependencies": Kind("tflite", "2.14.1"),
    "tflite, Python flavour": Kind("tflite", "2.14.1-debian", sets=("runtime.flavour=python",)),
    "tflite, official wheel": Kind("tflite", "2.3.0-litert"),
    "serving, gcc": Kind("serving", "2.19.1"),
    "serving, cross": Kind("serving", "2.19.1", arch="arm64"),
    "serving, official wheel": Kind("serving", "2.16.1-wheel"),
    "keras": Kind("keras", "2.21.0", app=True),
}
# Where the example that reaches every key by --set is of no use: another value that can be built.
OTHER_EXAMPLES: Mapping[str, str] = {
    "compile.cxxflags": "[-fwrapv]",
    "mirrors": "https://=http://m.example/,debian:=http://d.example/debian,pypi:=http://p.example/",
    "policy": "wide",
    "resources.jobs": "5",
    "tflite.ruy": "false",
    "keras.keep": "headers",
    "keras.requirements": "keras<3",
    "serving.bazel_configs": "mkl",
}
# What a key does is to refuse: its other values let a build pass as it is. A wheel is locked for one Python.
# Which file is a library of operators has a test of its own. So have models and the operators that they need;
# one without the other is refused.
ONLY_REFUSES = frozenset(
    {"keras.requirements", "tflite.python", "serving.op_libraries", "tflite.ops", "tflite.models"}
)
# The same for one architecture.
EXAMPLES_OF_ARM: Mapping[str, str] = {
    "compile.march": "armv8.2-a",
    "compile.mtune": "cortex-a72",
    "serving.bazel_configs": "mkl_aarch64",
}
# A key, the kinds of build where the example is what would be done anyway, and why.
# Without it other values are refused: tests/unit/config/test_remote.py.
ONLY_ALLOWS = frozenset({"remote.insecure", "cache.insecure"})
ALREADY_SO: Mapping[str, tuple[frozenset[str], str]] = {
    "serving.build_on": (
        frozenset({"serving, gcc"}),
        "the tests' machine is of the target's architecture",
    ),
    "runtime.flavour": (frozenset({"tflite, Python flavour"}), "it is the flavour that was asked for"),
    # One needs the other, so both are given before, and the same is told of both.
    **dict.fromkeys(
        ("remote.certificate", "remote.key"),
        (frozenset({"tflite, official wheel", "serving, official wheel", "keras"}), "they were told before"),
    ),
}


def words_of(kind: Kind, app: Path, *sets: str) -> Words:
    return Words(
        release=kind.release, arch=kind.arch, sets=(*kind.sets, *sets), app=str(app) if kind.app else ""
    )


def make(kind: Kind, app: Path, *sets: str) -> Plan[Any]:
    return plan_of(PROJECT, kind.product, words_of(kind, app, *sets), env={}, build_arch=Arch.AMD64)


def observed(plan: Plan[Any], scratch: Path) -> str:
    """What the build of ``plan`` would do: programs and their arguments, files, addresses, what is verified.

    Nothing in it only repeats what was asked: neither notes nor the plan's list of flags. Keys are hidden.
    """
    build = Build(scratch)
    run = Run(
        plan, recipe_of(plan), Layout(PROJECT, scratch / "cache", "build"), build.effects(), scratch / "dist"
    )
    rules = mirror_rules({}, plan.mirrors)
    resolve = url_resolver(rules, HOST_MIRROR, "http://snapshot.example", lambda url: (url,))

    def root(found: Root | None) -> list[Any]:
        archives = archives_of(found, HOST_MIRROR, HOST_SECURITY, rules) if found else ()
        return [
            mmdebstrap_command(found, archive, Path("root.tar"), host=Arch.AMD64, is_root=True)
            for archive in archives
            if found
        ]

    seen = {
        "bake": definition_of(plan, run.layout, BakeOptions(jobs=jobs_of(run))),
        "files": _files(plan),
        "patches": _patches(run),
        "roots": [root(plan.root), root(plan.runtime_root), root(plan.remote.tools if plan.remote else None)],
        "downloads": [resolve(url) for pin in plan.pins for url in pin.urls],
        "policy": load_policy(PROJECT, plan.policy).policy.model_dump(mode="json"),
        "symbols": plan.strip,
        "output": plan.output,
        "signing": plan.signing,
        "layers": plan.layers and replace(plan.layers, insecure=False, origins=()),
        "secrets": [*secret_options(run), plan.remote.token if plan.remote else ""],
    }
    # Folders in the cache are called after the key of what is in them.
    return re.sub(r"(?<=-)[0-9a-f]{16}\b|\b[0-9a-f]{64}\b", "KEY", json.dumps(seen, default=str, indent=1))


def _files(plan: Plan[Any]) -> Mapping[str, Any]:
    """What the request of a build consists of besides patches."""
    part = plan.part
    if isinstance(part, TflitePart):
        presets = cmake_presets(dict(part.cmake_cache), plan.arch)
        return {"CMakePresets.json": presets, "smoke": part.smoke, **remote_files(plan.remote)}
    if isinstance(part, ServingPart):
        return request_files(plan)
    if isinstance(part, WheelServerPart):
        return wheel_request.request_files(part)
    if isinstance(part, WheelPart):
        return {"wheel": part.wheel, "smoke": part.smoke}
    return {
        "wheels": [*part.wheels, *part.app_wheels],
        "leave-out": part.left_out,
        "app.json": settings(part) if isinstance(part, KerasPart) else {},
    }


def _patches(run: Run[Any]) -> list[str]:
    if run.layout.request.exists():
        for each in (run.layout.request / "patches").iterdir():
            each.unlink()
        (run.layout.request / "patches").rmdir()
    run.layout.request.mkdir(parents=True, exist_ok=True)
    copy_patches(run)
    files = sorted((run.layout.request / "patches").iterdir())
    return [file.read_text() for file in files if file.name != "series"]


def outcome(key: str, before: Plan[Any], after: Callable[[], Plan[Any]], scratch: Path) -> str:
    """``done``, ``told``, ``refused``, or ``nothing``."""
    try:
        plan = after()
    except TfBuildError as error:
        problems = error.problems if isinstance(error, ConfigError) else ()
        text = " ".join((error.message, *error.details, *map(str, problems)))
        assert key in text, f"refused, and it is not said that it is because of {key}: {text}"
        return "refused"
    if observed(plan, scratch) != observed(before, scratch):
        return "done"
    new = [note for note in plan.notes if note not in before.notes]
    return "told" if any(note.startswith(f"{key} ") for note in new) else "nothing"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A program, a patch, and a folder to write to."""
    root = tmp_path_factory.mktemp("every-key")
    (root / "app").mkdir()
    for name in ("main.py", "health.py"):
        (root / "app" / name).touch()
    (root / "scratch").mkdir()
    return root / "app", write_patch(root / "fix.diff"), root / "scratch"


_BEFORE = cache(make)


def setting(key: str, kind: Kind, patch: Path) -> str:
    """``KEY=VALUE`` with a value that is not the default."""
    if key in ("source.patches", "serving.op_libraries"):
        return f"{key}={patch}"
    of_arm = EXAMPLES_OF_ARM.get(key) if kind.arch == "arm64" else None
    return f"{key}={of_arm or OTHER_EXAMPLES.get(key) or EXAMPLES[key][0]}"


@pytest.mark.parametrize("key", sorted(table.model().keys))
def test_a_key_changes_what_is_done_or_somebody_is_told(key: str, places: tuple[Path, Path, Path]) -> None:
    app, patch, scratch = places
    assert key in EXAMPLES, f"a new key: give it a value in tests/support/keys.py, {key}"
    needed = () if key in ONLY_REFUSES else NEEDED.get(key, ())
    found = {}
    for name, kind in KINDS.items():
        before = _BEFORE(kind, app, *needed)
        text = setting(key, kind, patch)
        found[name] = outcome(key, before, lambda: make(kind, app, *needed, text), scratch)  # noqa: B023
    kinds, why = ALREADY_SO.get(key, (frozenset(), ""))
    silent = {name for name, each in found.items() if each == "nothing"}
    assert silent == kinds, f"{key} changes nothing and nobody is told: {found} {why}"
    effect = "refused" if key in ONLY_REFUSES else "told" if key in ONLY_ALLOWS else "done"
    assert effect in found.values(), f"{key} does nothing in any build: {found}"


def test_a_key_without_effect_would_be_found(places: tuple[Path, Path, Path]) -> None:
    """The same plan, and one that differs in words only, are no effect."""
    app, _, scratch = places
    kind = KINDS["tflite, Debian's packages"]
    plan = _BEFORE(kind, app)
    assert outcome("new.key", plan, lambda: plan, scratch) == "nothing"
    echo = replace(plan, notes=(*plan.notes, "somebody asked for something"), revision="other")
    assert outcome("new.key", plan, lambda: echo, scratch) == "nothing"
    told = replace(plan, notes=(*plan.notes, "new.key changes nothing: it is new"))
    assert outcome("new.key", plan, lambda: told, scratch) == "told"
