"""Puts the effects together for real runs; the only place that knows all of them."""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tfbuild.base.errors import ChecksumError, HostError, TfBuildError, UsageError
from tfbuild.base.image_names import require_image_reference
from tfbuild.base.project import PROJECT
from tfbuild.base.urls import VARIABLE, Mirror, MirrorRule, parse_mirror_rules
from tfbuild.base.values import Pin, Reporter, Unhashed
from tfbuild.build.again.known import load_known_causes
from tfbuild.build.again.rebuild import Apart
from tfbuild.build.buildkit.secrets import auth_conf, build_secrets, read_logins, remote_secrets
from tfbuild.build.bundle.file import Bundle, require_bundle_place
from tfbuild.build.bundle.make import load_bundle, make_bundle
from tfbuild.build.dist.folder import require_places, require_room, require_writable
from tfbuild.build.execute import execute
from tfbuild.build.layout import Layout
from tfbuild.build.matrix.node import arch_of, engine_here, execute_on, remember_node
from tfbuild.build.roots import SNAPSHOT_ARCHIVE, Archive, archives_of
from tfbuild.build.run import BuildResult, Effects, Recipe
from tfbuild.build.several import IndexDocument, IndexEffects, build_index
from tfbuild.cli.line.environment import lock_wait
from tfbuild.cli.registry.access import layer_store
from tfbuild.doctor.checks import DoctorContext
from tfbuild.doctor.doctor import fatal_checks, require_ready
from tfbuild.downloads.archive.extract import extract
from tfbuild.downloads.fetch import Fetcher, new_session
from tfbuild.downloads.mirrors import url_resolver
from tfbuild.downloads.pip_settings import pip_settings
from tfbuild.downloads.python_index import PythonIndex
from tfbuild.engine.docker_cli import find_docker_cli
from tfbuild.engine.elsewhere import RunnerWith
from tfbuild.engine.engine import DockerEngine, connect
from tfbuild.engine.facts import Held, ImageFacts
from tfbuild.engine.nodes import NodeEntry, node_environment
from tfbuild.machine.apt import debian_archive_mirrors, debian_security_mirrors
from tfbuild.machine.cache import cache_root, prepare_cache
from tfbuild.machine.host import HostFacts, gather
from tfbuild.machine.programs import Runner
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.plan.asked import git_revision, output_folder
from tfbuild.plan.plan import Plan
from tfbuild.plan.several import index_plan
from tfbuild.products import table
from tfbuild.releases.first_seen import obtain
from tfbuild.releases.keys import Release, debian_of, source_of

_NOWHERE = dict.fromkeys(("http_proxy", "https_proxy"), "http://offline.invalid:9")


def _mirrors_of(runner: Runner, host: HostFacts) -> tuple[str, ...]:
    return debian_archive_mirrors(runner, os_id=host.os.id, codename=host.os.codename)


def mirror_rules(env: Mapping[str, str], mirrors: Sequence[Mirror]) -> tuple[MirrorRule, ...]:
    """The rules that downloads of ours follow: those of TFBUILD_MIRRORS as they were written, passwords and
    all, and then those of the configuration."""
    of_config = (each for each in mirrors if each.origin != VARIABLE)
    return (*parse_mirror_rules(env.get(VARIABLE, "")), *of_config)


def make_fetcher(
    release: Release | None,
    *,
    mirrors: Sequence[Mirror],
    env: Mapping[str, str],
    reporter: Reporter,
    offline: bool,
    runner: Runner,
    host: HostFacts,
) -> Fetcher:
    """A fetcher that knows the mirrors; the host's apt is only asked when a pin lies in Debian's archive."""
    rules = mirror_rules(env, mirrors)
    debian = debian_of(release) if release else None
    archive = _mirrors_of(runner, host) if debian and not offline else ()
    snapshot = f"{SNAPSHOT_ARCHIVE}/{debian.snapshot}" if debian else ""
    index = PythonIndex(lambda: pip_settings(runner), None if offline else lambda: new_session(env))
    return Fetcher(
        prepare_cache(cache_root(env)),
        reporter=reporter,
        offline=offline,
        resolve_urls=url_resolver(rules, archive, snapshot, index.urls),
        env=env,
    )


def fetch_release(
    release: Release,
    pins: tuple[Pin, ...],
    unhashed: Unhashed | None = None,
    *,
    mirrors: Sequence[Mirror] = (),
    offline: bool,
    reporter: Reporter,
) -> tuple[tuple[Pin, Path], ...]:
    """Download ``pins`` into the cache; what is there and intact is not fetched again.

    ``unhashed`` is fetched too, proven by its tree, and comes first with the pin that it has from then on.
    """
    fetcher = make_fetcher(
        release,
        mirrors=mirrors,
        env=os.environ,
        reporter=reporter,
        offline=offline,
        runner=SubprocessRunner(),
        host=gather(),
    )
    first = (obtain_source(unhashed, fetcher, reporter),) if unhashed else ()
    try:
        files = fetcher.fetch_all(pins, hint=_hint_for(release))
    except ChecksumError as error:
        source = source_of(release)
        if source is None or source.sha256:
            raise
        anew = f"if upstream only recompressed {source.filename} anew, delete the release's .lock.json: "
        hint = f"{anew}its git tree decides then; else {error.hint}"
        raise ChecksumError(error.message, details=error.details, hint=hint) from error
    return (*((pin, path) for path, pin in first), *((pin, files[pin.name]) for pin in pins))


def obtain_source(source: Unhashed, fetcher: Fetcher, reporter: Reporter) -> tuple[Path, Pin]:
    """The archive of a source whose hash nobody published, proven by its git tree, and its pin."""
    cache = cache_root(os.environ)

    def unpack(path: Path, source: Unhashed) -> Path:
        folder = cache / "sources" / f"tree-{source.tree}"
        extract(path, folder, strip_prefix=source.strip_prefix, on_wait=reporter.note)
        return folder

    return obtain(
        source,
        PROJECT,
        download=fetcher.fetch_unhashed,
        unpack=unpack,
        keep=fetcher.adopt,
        warn=reporter.warn,
    )


def _hint_for(release: Release) -> str:
    """What helps where upstream is out of reach, besides a mirror."""
    way_out = table.parse_product(release.product).out_of_reach
    return "" if release.release in way_out else way_out


def build(
    plan: Plan[Any], release: Release, output: Path, *, offline: bool, reporter: Reporter
) -> BuildResult:
    """Carry ``plan`` out on the engine that is used without ``--on``."""
    recipe = _require_possible(plan, output, offline=offline)
    effects = build_effects(plan, release, output, offline=offline, reporter=reporter)
    remember_node(layout_of(plan), "")
    return execute(plan, recipe, layout_of(plan), output, effects)


def build_on(
    node: NodeEntry, plan: Plan[Any], release: Release, output: Path, *, offline: bool, reporter: Reporter
) -> BuildResult:
    """Carry ``plan`` out on the engine of the docker context ``node``, and bring its image here.

    Where the engine here has the result already, the node is not asked.
    """
    recipe = _require_possible(plan, output, offline=offline)
    effects = partial(build_effects, plan, release, output, offline=offline, reporter=reporter, node=node)
    return execute_on(node, plan, recipe, layout_of(plan), output, engine_here(connect, reporter), effects)


def _require_possible(plan: Plan[Any], output: Path, *, offline: bool) -> Recipe[Any]:
    """What carries ``plan`` out. Raises :class:`UsageError` where it cannot be."""
    recipe = table.recipe_of(plan)
    if offline and plan.remote:
        raise UsageError(
            "--offline, and the configuration has a remote cache or executor",
            hint="--set remote.cache=null --set remote.executor=null",
        )
    require_writable(output)
    require_room(output, plan.build_id, plan.key)
    return recipe


def bundle(plan: Plan[Any], release: Release, target: Path, *, reporter: Reporter) -> tuple[Bundle, str]:
    """Write everything that ``plan`` needs to the file ``target``; what is in it, and its sha256."""
    require_bundle_place(target)
    require_writable(target, "--file FILE")
    effects = build_effects(plan, release, target.parent, offline=False, reporter=reporter)
    return make_bundle(plan, table.recipe_of(plan), layout_of(plan), target, effects)


def unbundle(file: Path, *, reporter: Reporter) -> tuple[Bundle, str]:
    """Put what is in the bundle ``file`` into the cache."""
    return load_bundle(file, prepare_cache(cache_root(os.environ)), reporter.note)


def layout_of(plan: Plan[Any]) -> Layout:
    return Layout(PROJECT, prepare_cache(cache_root(os.environ)), plan.build_id, plan.plain_id)


def build_effects(
    plan: Plan[Any],
    release: Release,
    output: Path,
    *,
    offline: bool,
    reporter: Reporter,
    node: NodeEntry | None = None,
) -> Effects:
    """The real effects for carrying out ``plan``; ``output`` is where its results go, ``node`` whose engine
    builds; None: the one that is used without ``--on``."""
    env, host = os.environ, gather()
    runner: Runner = SubprocessRunner()
    if node:
        runner = RunnerWith(runner, node_environment(node.name))
    cache = prepare_cache(cache_root(env))
    engine = connect(node.name) if node else connect()

    @functools.cache
    def mirrors() -> tuple[str, ...]:
        return _mirrors_of(runner, host)

    @functools.cache
    def security() -> tuple[str, ...]:
        return debian_security_mirrors(runner)

    def fetch_all(pins: tuple[Pin, ...], unhashed: Unhashed | None) -> Mapping[str, Path]:
        files = fetch_release(
            release, pins, unhashed, mirrors=plan.mirrors, offline=offline, reporter=reporter
        )
        return {pin.name: path for pin, path in files}

    def preflight() -> None:
        remote_secrets(plan.remote, PROJECT)  # a file that cannot be read is told before anything is made
        engine.cleanup_leftovers()
        context = DoctorContext(cache_dir=cache, output_dir=output, jobs=plan.jobs)
        recipe = table.recipe_of(plan)
        info = engine.info()
        recipe.demand(plan, info, arch_of(info) if node else host.arch or plan.root.arch)
        if needs := recipe.needs(plan.part):
            context = replace(context, engine_disk=needs.disk)
            for doubt in needs.concerns(info.memory, info.cpus):
                reporter.warn(doubt)
        require_ready(fatal_checks(context, runner=runner, connect=lambda: engine, host=lambda: host))

    rules = mirror_rules(env, plan.mirrors)

    def secrets(plan: Plan[Any]) -> Mapping[str, str]:
        if offline:
            return {}
        logins = read_logins(env, Path.home(), rules)
        try:
            archives = archives_of(plan.root, mirrors(), security(), rules)
        except HostError:  # told where the root filesystem is made; one that is cached needs no mirror
            archives = ()
        found = build_secrets(archives, plan.root.suite, logins)
        return {**found, **remote_secrets(plan.remote, PROJECT)}

    return Effects(
        runner=runner,
        engine=engine,
        reporter=reporter,
        find_cli=lambda: find_docker_cli(runner),
        fetch_all=fetch_all,
        archives_of=lambda root: archives_of(root, mirrors(), security(), rules),
        preflight=preflight,
        host_arch=host.arch or plan.root.arch,
        is_root=host.is_root,
        # BuildKit's cache keys leave proxies out: what is cached is found, and any request fails.
        proxies=_NOWHERE if offline else {proxy.variable: proxy.value for proxy in host.proxies},
        offline=offline,
        ca_bundle=host.ca_bundle.path if host.ca_bundle and host.ca_bundle.readable else None,
        lock_wait_s=lock_wait(env),
        secrets=secrets,
        layers=None if offline else layer_store(plan, cache, reporter),
    )


def apart_from(
    plan: Plan[Any],
    folder: Path,
    jobs: int | None,
    reporter: Reporter,
    *,
    keep_image: bool = False,
    offline: bool = False,
) -> Apart:
    """What a second build of ``plan`` in ``folder`` needs; nothing of the first one but its downloads, which
    their hashes prove, is in reach of it; ``offline``: and what a bundle brought, instead of a network."""
    release = _release_of(plan)

    def forget(word: str) -> None:
        for held in held_in_engine():
            if held.is_mount and held.names[0].startswith(word):
                remove_from_engine(held.id)

    return Apart(
        folder=folder,
        project=PROJECT,
        word=f"tfbuild-again-{uuid.uuid4().hex[:12]}",
        effects=lambda again, output: build_effects(
            again, release, output, offline=offline, reporter=reporter
        ),
        forget=forget,
        parts=table.parts(),
        known=load_known_causes(PROJECT),
        jobs=jobs,
        revision=git_revision(PROJECT),
        keep_image=keep_image,
        given=cache_root(os.environ) if offline else None,
    )


def archives_now(plan: Plan[Any], runner: Runner) -> tuple[Archive, str]:
    """The Debian archive that has today's packages for ``plan``, and apt's auth.conf for it.

    A snapshot never changes: then it is the host's own archive. Fixes are looked for in any case.
    """
    root = replace(plan.root, snapshot=None, security_updates=True)
    rules = mirror_rules(os.environ, plan.mirrors)
    host_mirrors, host_security = _mirrors_of(runner, gather()), debian_security_mirrors(runner)
    archive = archives_of(root, host_mirrors, host_security, rules)[0]
    addresses = [each for each in (archive.main, archive.security) if each]
    return archive, auth_conf(read_logins(os.environ, Path.home(), rules), addresses)


def _release_of(plan: Plan[Any]) -> Release:
    """The release of a plan out of a manifest; the file that it was asked for by, where there was one.

    The plan says what is built; the release only where Debian's frozen packages are, and what to advise.
    """
    asked = next((each.place for each in plan.asked.beyond if each.key == "--release" and each.place), "")
    return table.load_release(PROJECT, plan.product, asked or plan.release)


def build_plan(
    plan: Plan[Any],
    release: Release,
    *,
    offline: bool,
    reporter: Reporter,
    node: NodeEntry | None = None,
) -> BuildResult:
    """:func:`build`, or :func:`build_on`, into the plan's own folder; tells what is worth telling."""
    for note in plan.notes:
        reporter.warn(note)
    make = partial(build_on, node) if node else build
    result = make(plan, release, output_folder(plan), offline=offline, reporter=reporter)
    if not result.fresh:
        reporter.note(f"{plan.build_id} is up to date")
    return result


def require_room_for(plans: Sequence[Plan[Any]]) -> None:
    """:raises UsageError: the folder of one of ``plans`` cannot be written, or holds what is not ours."""
    for plan in plans:
        require_writable(output_folder(plan))
        require_room(output_folder(plan), plan.build_id, plan.key)


def build_several(
    plans: Sequence[Plan[Any]],
    release: Release,
    *,
    offline: bool,
    reporter: Reporter,
    node: NodeEntry | None = None,
    made: Mapping[str, float] | None = None,
) -> tuple[IndexDocument, tuple[BuildResult, ...]]:
    """Carry ``plans`` out, one after the other, and put their images together; the index is made here.

    ``made``: the builds that have just been made, on nodes and side by side, with the seconds that each took.
    Raises what the first failing build raises; the builds before it are kept, the index is not touched.
    """
    index = index_plan(plans)
    output = output_folder(index)
    require_writable(output)
    require_places(output, index.id)
    require_room_for(plans)  # not only before its own turn: that may be hours from now
    results: list[BuildResult] = []
    try:
        for plan in plans:
            result = build_plan(plan, release, offline=offline, reporter=reporter, node=node)
            if (took := (made or {}).get(plan.build_id)) is not None and not result.fresh:
                result = replace(result, fresh=True, seconds=took)
            results.append(result)
    except TfBuildError:
        kept = ", ".join(str(result.output) for result in results) or "nothing yet"
        reporter.note(f"no image of several platforms was made; finished: {kept}")
        raise
    effects = IndexEffects(
        engine=connect(),
        reporter=reporter,
        project=PROJECT,
        cache=prepare_cache(cache_root(os.environ)),
        lock_wait_s=lock_wait(os.environ),
    )
    return build_index(index, results, output, effects), tuple(results)


def image_in_engine(reference: str) -> ImageFacts | None:
    """Facts of an image; None where the engine does not have it."""
    return connect().image(reference)


def engine() -> DockerEngine:
    """The engine that everything here asks."""
    return connect()


def held_in_engine() -> tuple[Held, ...]:
    """What of ours the engine holds."""
    return connect().holds_of_ours()


def remove_from_engine(mount: str) -> int:
    """Remove a cache mount of ours; how many bytes that freed."""
    return connect().remove_mount(mount)


def save_image(reference: str, path: Path) -> None:
    """Write the image ``reference`` of the engine to ``path``; connects only when asked.

    :raises UsageError: it cannot be the name of an image.
    """
    require_image_reference(reference)
    connect().save_image(reference, path)


def load_image(archive: Path, name: str) -> None:
    """Give the engine the image in ``archive``, under ``name``."""
    connect().load_image(archive, name)
