"""The steps that every product's build has: root filesystems, builder, image, failure logs."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfbuild import __version__
from tfbuild.base.errors import (
    BuildError,
    ChecksumError,
    DownloadError,
    Interrupted,
    PackagingError,
    TfBuildError,
)
from tfbuild.build.buildkit.bake import BakeOptions, set_apart
from tfbuild.build.buildkit.buildx import bake
from tfbuild.build.buildkit.secrets import secret_options, secret_variable
from tfbuild.build.dist.bill import bill_of
from tfbuild.build.dist.contents import code_files, licenses_in, read_contents, wheels_say
from tfbuild.build.dist.folder import Artifact, artifact_rows, write_json
from tfbuild.build.dist.inside import add_bill, inner_bill, made_files, recorded_packages
from tfbuild.build.dist.manifest import BuiltImage, Manifest, parse_packages
from tfbuild.build.earlier.times import keep_time
from tfbuild.build.hints import failure_summary
from tfbuild.build.roots import RootFacts, bootstrap, read_facts
from tfbuild.build.run import APT_AUTH, Run
from tfbuild.build.shared.content import Shared
from tfbuild.downloads.archive.extract import extract
from tfbuild.machine.files import hash_file, mark_files
from tfbuild.machine.locks import hold
from tfbuild.plan.plan import Plan
from tfbuild.plan.roots import RECORDER, Root
from tfbuild.releases.first_seen import prove


@contextmanager
def step_of(run: Run[Any], step_id: str) -> Iterator[None]:
    """Tells the reporter of the step, and keeps its time."""
    run.number += 1
    step = next(step for step in run.plan.steps if step.id == step_id)
    title = step.title
    run.effects.reporter.step_started(run.number, len(run.plan.steps), title)
    began = time.monotonic()
    try:
        yield
        keep_time(run.layout, step_id, step.key, round(time.monotonic() - began, 3))
    except TfBuildError as error:
        run.effects.reporter.step_finished("failed", error.message, error.log)
        raise
    except KeyboardInterrupt:
        run.effects.reporter.step_finished("failed", "interrupted")
        raise Interrupted(
            f"interrupted during step {run.number}/{len(run.plan.steps)}, {title}",
            details=("nothing is left running; finished downloads and compiled objects are kept",),
            hint="the same command continues",
        ) from None
    finally:
        run.timings[step_id] = round(time.monotonic() - began, 3)


def existing(log: Path) -> Path | None:
    return log if log.exists() else None


def make_roots(run: Run[Any]) -> str:
    """The Debian root filesystems of builder and image: made, or from cache or registry."""
    tools, told = run.plan.remote.tools if run.plan.remote else None, []
    for role, root in (("builder", run.plan.root), ("runtime", run.plan.runtime_root), ("remote", tools)):
        if root is None:
            continue
        with hold(
            run.layout.cache / "locks" / f"root-{root.key[:16]}.lock",
            what=f"making the {root.suite} root filesystem for {root.arch}",
            wait_s=3600,
            on_wait=run.effects.reporter.note,
        ):
            run.roots[role], how = _root(run, role, root)
        told.append(f"{role}: {how}")
    return ", ".join(told)


def _root(run: Run[Any], role: str, root: Root) -> tuple[RootFacts, str]:
    """The facts of a root filesystem that is in the cache then, and how it came there."""
    effects, folder = run.effects, run.layout.root(root)
    shared, store = Shared(f"root-{root.suite}-{root.arch}-{root.key}", root.suite, root.arch), effects.layers
    facts, how = read_facts(folder), "cached"
    if facts is None and effects.offline:
        raise DownloadError(
            f"--offline, and there is no {root.suite} root filesystem for {root.arch} in the cache",
            details=(f"Expected: {folder}",),
            hint=offline_hint(run),
        )
    if facts is None and store:
        facts, how = store.take(shared, folder), "from the registry"
    if facts is None:
        facts = _bootstrap(run, role, root, folder)
        how = f"made from {facts.mirror}"
    if store and store.uploads and store.put(shared, facts, folder):
        how = f"{how}, pushed"
    return facts, how


def _bootstrap(run: Run[Any], role: str, root: Root, folder: Path) -> RootFacts:
    effects = run.effects
    return bootstrap(
        root,
        folder,
        effects.archives_of(root),
        runner=effects.runner,
        log=run.log(f"root-{role}"),
        host=effects.host_arch,
        is_root=effects.is_root,
        auth=run.secrets.get(APT_AUTH, ""),
        recorder=run.layout.project / RECORDER,
    )


def offline_hint(run: Run[Any]) -> str:
    """The next step where something is missing that only a network can give."""
    plan = run.plan
    config = run.recipe.config_words(plan)
    words = f"--product {plan.product} --release {plan.release} --config {config} --arch {plan.arch}"
    changed = any(each.word is None for each in plan.asked.beyond)
    more = " with the same --set" if changed else ""
    return (
        f"build once without --offline; or where there is a network{more}: "
        f"invoke bundle {words} --file FILE, and here: invoke bundle --load FILE"
    )


def loaded_builders(run: Run[Any]) -> Mapping[str, Path]:
    """What a bundle or a team's registry brought in the place of such stages; else they are made anew."""
    if not run.effects.offline and run.effects.layers is None:
        return {}
    folders = {stage: run.layout.builder(run.plan, stage) for stage in run.recipe.builders}
    return {stage: folder for stage, folder in folders.items() if read_facts(folder) is not None}


def bake_targets(
    run: Run[Any],
    targets: tuple[str, ...],
    log: Path,
    failure: type[TfBuildError],
    labels: Mapping[str, str] | None = None,
) -> None:
    """Build ``targets`` of this run's bake definition. Raises ``failure``."""
    plan, layout, effects = run.plan, run.layout, run.effects
    options = BakeOptions(
        jobs=jobs_of(run),
        memory_mib=effects.engine.info().memory >> 20,
        labels=labels or {},
        ca_bundle=effects.ca_bundle,
        secrets=secret_options(run),
        builders=loaded_builders(run),
        offline=effects.offline,
        nonce=run.nonce,
    )
    document = set_apart(run.recipe.definition(plan, layout, options), effects.apart)
    write_json(layout.bake_file, document)
    bake(
        effects.find_cli(),
        layout.bake_file,
        targets,
        runner=effects.runner,
        reporter=effects.reporter,
        log=log,
        failure=failure,
        secrets={secret_variable(name): text for name, text in run.secrets.items()},
        causes=run.recipe.causes,
    )


def jobs_of(run: Run[Any]) -> int:
    """Parallel compile jobs: what was asked for, else what the engine's CPUs and memory allow."""
    if run.plan.jobs:
        return run.plan.jobs
    info = run.effects.engine.info()
    return max(1, min(info.cpus, info.memory // (run.plan.memory_per_job_mib << 20)))


def fetch_source(run: Run[Any]) -> str:
    """Downloads, and the source where BuildKit gets to see it."""
    run.downloads = run.effects.fetch_all(run.plan.pins, run.plan.unhashed)
    unpack_source(run)
    return write_fetch_log(run)


def compile_source(run: Run[Any]) -> str:
    """The target ``compile``, which fills ``run.layout.out``; with its complete logs also when it fails.

    :raises BuildError: with the first error of its last phase.
    """
    empty_folders(run.layout.out)
    try:
        bake_targets(run, ("compile",), run.log("compile"), BuildError)
    except BuildError as error:
        raise explained(run, error) from error
    # BuildKit gets them back, for the image.
    mark_files(run.layout.out)
    copy_logs(run, run.layout.out / "log")
    return f"{jobs_of(run)} jobs"


def copy_logs(run: Run[Any], folder: Path) -> None:
    """The logs of the phases, from ``folder`` to those of the run."""
    for log in sorted(folder.glob("*.*")):
        shutil.copyfile(log, run.log(f"compile-{log.stem}").with_suffix(log.suffix))


def explained(run: Run[Any], error: BuildError) -> BuildError:
    """The same failure with the complete logs, which a failed build step leaves in its cache mount."""
    shutil.rmtree(run.layout.logs, ignore_errors=True)
    try:
        transcript = run.logs / "read-logs.log"
        bake_targets(run, ("logs",), transcript, BuildError)
    except TfBuildError:
        return error
    transcript.unlink(missing_ok=True)
    copy_logs(run, run.layout.logs)
    try:
        # The times of the files say nothing: they were copied in any order.
        phase = (run.layout.logs / "failed").read_text().strip()
    except FileNotFoundError:  # it ended before its first phase, or was killed
        return error
    last = run.log(f"compile-{phase}")
    if not last.exists():
        return error
    summary = failure_summary(last.read_text(errors="replace").splitlines(), own=run.recipe.causes)
    opening = (
        (f"first error: {summary.first_error}", *blamed(run.plan, summary.first_error))
        if summary.first_error
        else ()
    )
    return BuildError(
        f"the {phase} phase of the build failed",
        details=(*opening, *summary.tail[-10:]),
        hint=summary.hint or error.hint,
        log=last,
    )


def blamed(plan: Plan[Any], error: str) -> tuple[str, ...]:
    """The flags with a value that ``error`` names, each with the line that gave it."""
    found = []
    for flag in plan.flags:
        text = re.sub(r"^--\w+=(?=-)", "", flag.text)  # Bazel's --copt and its like
        option, _, value = text.partition("=")
        if (
            option.startswith("-")
            and value
            and option in error
            and re.search(rf"\b{re.escape(value)}\b", error)
        ):
            found.append(f"{text} comes from {flag.origin}")
    return tuple(found)


def timestamp(epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


def unpack_source(run: Run[Any]) -> None:
    """The source in the cache, proven by its git tree where that decides. Needs ``run.downloads``."""
    plan, layout = run.plan, run.layout
    extract(
        run.downloads[plan.tree.name],
        layout.source(plan),
        strip_prefix=plan.tree.strip_prefix,
        subtrees=plan.tree.subtrees,
        on_wait=run.effects.reporter.note,
    )
    prove(layout.source(plan), plan.tree.tree, plan.tree.filename)


def empty_folders(*folders: Path) -> None:
    """Folders that BuildKit sees. Same content, same cache key."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)


def copy_planned(run: Run[Any], path: str, target: Path, sha256: str, what: str) -> None:
    """Copy a file of the user's, a ``what``, that has to be what it was when the plan was made.

    :raises ChecksumError: it is another one, or gone.
    """
    try:
        shutil.copyfile(run.layout.project / path, target)
    except OSError as error:
        raise ChecksumError(
            f"the {what} {path} was there when the plan was made, and cannot be read now: {error.strerror}",
            hint="put it back, and run the same command again",
        ) from error
    if hash_file(target) != sha256:
        raise ChecksumError(
            f"the {what} {path} was changed while the build was going on",
            details=(f"planned: sha256 {sha256}",),
            hint=f"run the same command again to use the {what} as it is now",
        )


def copy_patches(run: Run[Any], folder: str = "patches", *, dependencies: bool = False) -> None:
    """``folder`` of the request, and the series that the builder has to apply, whatever the files are called.

    Those of the source, or those of all ``dependencies``.

    :raises ChecksumError: a patch is no longer what it was when the plan was made.
    """
    patches = run.layout.request / folder
    patches.mkdir()
    series = []
    chosen = [each for each in run.plan.patches if bool(each.dependency) == dependencies]
    for number, patch in enumerate(chosen, start=1):
        copy = patches / f"{number:03}.patch"
        copy_planned(run, patch.path, copy, patch.sha256, "patch")
        series.append(f"{copy.name}\t{patch.sha256}\t{patch.path}\n")
    (patches / "series").write_text("".join(series))


def write_fetch_log(run: Run[Any]) -> str:
    """The hashes of what was fetched, into the step's log; a line for the reporter."""
    pins = run.plan.pins
    run.log("fetch").write_text("".join(f"{pin.sha256}  {run.downloads[pin.name]}\n" for pin in pins))
    return f"{len(pins)} files, checked"


def make_image(run: Run[Any], targets: tuple[str, ...] = ("runtime-files", "smoke")) -> str:
    """The runtime image under its candidate name, of ``targets``: its files, and those of the smoke test."""
    for folder in (run.layout.smoke, run.layout.runtime):
        shutil.rmtree(folder, ignore_errors=True)
    run.layout.runtime.mkdir(parents=True)
    base = run.roots["runtime" if run.plan.runtime_root else "builder"]
    labels = {
        # The root filesystem's hash stands for what would be the digest of a registry's image.
        "org.opencontainers.image.base.name": f"debian:{base.suite}",
        "org.opencontainers.image.base.digest": f"sha256:{base.sha256}",
        "org.opencontainers.image.created": timestamp(run.plan.source_date_epoch),
    }
    bake_targets(run, targets, run.log("runtime-files"), PackagingError)
    if run.recipe.binaries:
        _tell_inside(run)
    bake_targets(run, ("image",), run.log("image"), PackagingError, labels=labels)
    return run.plan.image.platform


def _tell_inside(run: Run[Any]) -> None:
    """Into the image's files goes the bill of what was compiled: no package has a record of it."""
    plan, layout = run.plan, run.layout
    runtime, manifest = layout.runtime / "runtime.tar", draft(run, layout.out / "dist")
    base = plan.runtime_root if plan.image.base == "debian" else None
    below = (layout.root(base) / "rootfs.tar",) if base else ()
    packages, files = recorded_packages(runtime, *below), made_files(runtime, manifest.files)
    image = replace(manifest.image, packages=packages, files=files)
    bill = bill_of(replace(manifest, image=image), run.recipe.materials(plan.part))
    add_bill(runtime, inner_bill(bill))


def draft(run: Run[Any], folder: Path) -> Manifest[Any]:
    """What is known of the result before there is an image; ``folder`` has its files."""
    plan, out = run.plan, run.layout.out
    return Manifest(
        build_id=plan.build_id,
        key=plan.key,
        tfbuild=__version__,
        distributable=plan.distributable,
        plan=replace(
            plan,
            signing=plan.signing.published,
            remote=plan.remote.published if plan.remote else None,
            layers=plan.layers.published if plan.layers else None,
        ),
        roots=run.roots,
        packages=parse_packages((out / "packages.tsv").read_text()),
        tools=tuple((out / "tools.txt").read_text().splitlines()),
        jobs=jobs_of(run),
        artifacts=tuple(
            Artifact(path=str(row.path.relative_to(folder)), size=row.size, sha256=row.sha256)
            for row in artifact_rows(folder, run.recipe.artifacts, 0)
        ),
        files=code_files(folder),
        contents=read_contents(out),
        wheels=wheels_say(plan.pins, run.downloads),
        licenses=licenses_in(folder),
        elf=(),
        smoke=(),
        findings=(),
        image=BuiltImage(
            name=plan.image.tag, id="", size=0, labels=dict(plan.image.labels), packages=(), files=()
        ),
        seconds=run.timings,
    )
