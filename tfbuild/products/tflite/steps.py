"""The steps that only a TFLite build has."""

from __future__ import annotations

import json
import os
import shutil

from tfbuild.base.text import first_lines
from tfbuild.base.values import Finding
from tfbuild.build.hints import cause_of
from tfbuild.build.run import Run
from tfbuild.build.steps import (
    compile_source,
    copy_patches,
    copy_planned,
    empty_folders,
    unpack_source,
    write_fetch_log,
)
from tfbuild.downloads.archive.extract import extract
from tfbuild.plan.remote.launcher import request_files
from tfbuild.products.tflite.cmake.flags import TENSORFLOW, cmake_presets
from tfbuild.products.tflite.lock.texts import require_declared
from tfbuild.products.tflite.part import TflitePart
from tfbuild.products.tflite.python.tag import fitting_platform, retag
from tfbuild.products.tflite.selection.select import Selection, given_file

# Main results, in the order of the closing table.
WHEEL_FOLDER = "python"
PYTHON_ARTIFACTS = (f"{WHEEL_FOLDER}/*.whl",)
ARTIFACTS = (
    "lib/libtensorflowlite.so",
    "lib/libtensorflowlite_c.so",
    "lib/libLiteRt*.so",  # a pattern: LiteRT's releases have it
    "bin/benchmark_model",
)

_STALE = "(hash mismatch)"

# Why a build with a cluster fails.
CAUSES = (
    cause_of(
        "cluster out of reach",
        "the cluster could not be used: 'invoke doctor --config NAME' asks it; check that its addresses are "
        "right and can be reached from a container, compile here what it does not ('--set "
        "remote.fallback=local'), or leave it out ('--set remote.executor=null --set remote.cache=null')",
        r"^tfbuild: the cluster does not answer$",
        r"^tfbuild: the cluster did not compile it",
    ),
)


def fetch(run: Run[TflitePart]) -> str:
    """Downloads, the source, and what BuildKit gets to see of them."""
    plan = run.plan
    run.downloads = run.effects.fetch_all(plan.pins, plan.unhashed)
    if plan.part.unconfirmed:
        _confirm_lock(run)
    unpack_source(run)
    _unpack_dependencies(run)
    _write_request(run)
    return write_fetch_log(run)


def _confirm_lock(run: Run[TflitePart]) -> None:
    """The lock was read from other files than the source: now the source is there."""
    plan, part = run.plan, run.plan.part
    require_declared(
        run.downloads[plan.tree.name],
        plan.tree.strip_prefix,
        plan.arch,
        part.unconfirmed,
        lock=f"the lock of {plan.product} {plan.release}",
        again=plan.lock_command,
        repinned=part.repinned,
        folder=part.folder,
    )


def _unpack_dependencies(run: Run[TflitePart]) -> None:
    """The locked sources as folders. What is extracted is kept by content; a build gets links to it."""
    layout = run.layout
    empty_folders(layout.dependencies)
    for each in run.plan.part.dependencies:
        kept = layout.cache / "sources" / f"sha256-{each.sha256}"
        path = run.downloads[each.name]
        extract(path, kept, strip_prefix=each.strip_prefix, on_wait=run.effects.reporter.note)
        shutil.copytree(kept, layout.dependencies / each.name, symlinks=True, copy_function=os.link)
    for name, place in run.plan.part.placed.items():
        target = layout.dependencies / TENSORFLOW / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run.downloads[name], target)


def _write_request(run: Run[TflitePart]) -> None:
    """Presets, patches, packages."""
    plan, layout = run.plan, run.layout
    empty_folders(layout.request, layout.downloads, layout.wheel)
    presets = cmake_presets(dict(plan.part.cmake_cache), plan.arch)
    (layout.request / "CMakePresets.json").write_text(json.dumps(presets, indent=2) + "\n")
    licenses = [(each.name, each.license_file) for each in plan.part.dependencies]
    if plan.part.tensorflow:
        licenses.append((TENSORFLOW, plan.part.tensorflow.license_file))
    (layout.request / "dependencies").write_text("".join(f"{name}\t{file}\n" for name, file in licenses))
    for name, text in request_files(plan.remote, plan.jobs).items():
        (layout.request / name).write_text(text)
    copy_patches(run)
    copy_patches(run, "dependency-patches", dependencies=True)
    patched = sorted({each.dependency for each in plan.patches} - {""})
    (layout.request / "patched-dependencies").write_text("".join(f"{name}\n" for name in patched))
    if profile := plan.part.profile:
        copy_planned(run, profile.path, layout.request / profile.filename, profile.sha256, "profile")
    if plan.part.selection:
        (layout.request / "operators").write_text(plan.part.selection.request)
        _copy_models(run, plan.part.selection)
    elsewhere = {plan.tree.name, *(each.name for each in plan.part.dependencies), *plan.part.placed}
    for pin in plan.pins:
        if pin.name not in elsewhere:
            shutil.copyfile(run.downloads[pin.name], layout.downloads / pin.filename)


def _copy_models(run: Run[TflitePart], selection: Selection) -> None:
    """The models that the build is for, to be run when it is done.

    :raises ChecksumError: one is no longer what it was when the plan was made.
    """
    folder = run.layout.model
    empty_folders(folder)
    for number, model in enumerate(selection.models, start=1):
        copy_planned(run, model.path, folder / given_file(number), model.sha256, "model")


def compile_(run: Run[TflitePart]) -> str:
    """The compile, with its complete logs also when it fails."""
    done = compile_source(run)
    run.findings += unused_entries(run)
    if run.plan.part.profile:
        run.findings += stale_profile((run.layout.out / "log" / "compile.log").read_text(errors="replace"))
    return done


def unused_entries(run: Run[TflitePart]) -> list[Finding]:
    """The entries of the configuration that CMake says nobody has looked at."""
    unused = set((run.layout.out / "log" / "unused-cmake-entries").read_text().split())
    return [
        Finding(
            "cmake-entry-unused",
            "warning",
            f"tflite.cmake_definitions.{name} changes nothing: no CMake file of the release asks for it",
            evidence=("CMake: Manually-specified variables were not used by the project",),
            fix=f"check the name, or leave it out: '{name}'",
        )
        for name in run.plan.part.entries
        if name in unused
    ]


def stale_profile(log: str) -> list[Finding]:
    """What clang only warns of: functions whose code is not what the profile has counted.

    The message is of PGOUseFunc::readCounters in llvm/lib/Transforms/Instrumentation/PGOInstrumentation.cpp.
    """
    stale = sorted({line.split("warning: ", 1)[-1] for line in log.splitlines() if _STALE in line})
    if not stale:
        return []
    what = "a function has" if len(stale) == 1 else f"{len(stale)} functions have"
    return [
        Finding(
            "profile-stale",
            "warning",
            f"{what} another code than the profile has counted, and no profit of it",
            evidence=first_lines(stale, 12),
            fix="make the profile of the same source, with the same patches and flags",
        )
    ]


def wheel(run: Run[TflitePart]) -> str:
    """The wheel with the platform tag that its libraries allow: for the image, and for the dist folder."""
    (made,) = (run.layout.out / "python").glob("*.whl")
    empty_folders(run.layout.wheel)
    final = retag(made, run.layout.wheel, fitting_platform(made))
    folder = run.layout.out / "dist" / WHEEL_FOLDER
    folder.mkdir(parents=True)
    shutil.copyfile(final, folder / final.name)
    return final.name
