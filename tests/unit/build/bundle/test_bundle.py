"""Bundles: what goes in comes out, the same bytes each time, and nothing else is ever placed."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.builds import Build
from tests.support.bundles import CONTENTS, DOWNLOAD, SOURCE, TREE, bundle_of, bundled, sha256, write
from tests.support.keras import make_plan as make_keras_plan
from tests.support.plans import PROJECT, make_plan, make_plan_from_wheel, make_server_plan
from tests.support.reporters import SilentReporter
from tfbuild.base.arch import Arch
from tfbuild.base.documents import dump
from tfbuild.base.errors import ArchiveError, ChecksumError, DownloadError, ExitCode
from tfbuild.base.values import Pin, Unhashed
from tfbuild.build.buildkit.bake import BakeOptions
from tfbuild.build.bundle.file import BundledSource, read_bundle, summary, write_bundle
from tfbuild.build.bundle.make import bundled_source, load_bundle
from tfbuild.build.layout import Layout
from tfbuild.build.roots import RootFacts, read_facts, write_facts
from tfbuild.build.run import Run
from tfbuild.build.steps import offline_hint
from tfbuild.downloads.fetch import Fetcher
from tfbuild.machine.cache import prepare_cache
from tfbuild.plan.plan import Plan
from tfbuild.products.serving.bazel.bake import serving_definition
from tfbuild.products.table import recipe_of
from tfbuild.products.tflite.bake import definition


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


Pack = list[tuple[tarfile.TarInfo, bytes]]


def entry(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def forged(
    document: Mapping[str, Any] | bytes, members: Pack, *, checksum: str | None = None, pack: bool = True
) -> bytes:
    """A bundle as an attacker would write it: with a right checksum, unless told otherwise."""
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    first = f"{checksum or sha256(text)}  bundle.json\n".encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info, content in [entry("bundle.sha256", first), entry("bundle.json", text), *members]:
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), 1, mtime=0) if pack else out.getvalue()


def document(contents: Mapping[str, bytes] = CONTENTS, **changes: Any) -> dict[str, Any]:
    return {**dump(bundle_of(contents)), **changes}


def entries(contents: Mapping[str, bytes] = CONTENTS) -> Pack:
    return [entry(path, content) for path, content in contents.items()]


# -- the file ------------------------------------------------------------------------------------------


def test_the_same_content_gives_the_same_bytes_and_their_hash_is_told(tmp_path: Path) -> None:
    one, told = write(tmp_path, "one")
    other, again = write(tmp_path, "other")
    assert one.read_bytes() == other.read_bytes()
    assert told == again == sha256(one.read_bytes())
    with tarfile.open(one) as tar:
        assert {(info.mtime, info.uid, info.gid, info.uname, info.mode) for info in tar} == {
            (0, 0, 0, "", 0o644)
        }
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_what_went_in_comes_out(tmp_path: Path) -> None:
    file, told = write(tmp_path)
    found, actual = read_bundle(file, tmp_path / "out")
    assert (found, actual) == (bundle_of(CONTENTS), told)
    assert tree(tmp_path / "out") == dict(CONTENTS)
    assert any("downloads    1 file" in line for line in summary(found))


def test_a_file_that_changed_since_it_was_hashed_is_not_bundled(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(SOURCE[:-1] + b"!")
    with pytest.raises(ChecksumError):
        write_bundle(tmp_path / "b", bundle_of({DOWNLOAD: SOURCE}), {DOWNLOAD: tmp_path / "a"})
    (tmp_path / "a").write_bytes(SOURCE + b"!")
    with pytest.raises(ChecksumError):
        write_bundle(tmp_path / "b", bundle_of({DOWNLOAD: SOURCE}), {DOWNLOAD: tmp_path / "a"})
    assert not (tmp_path / "b").exists()


def naming(path: str, content: bytes = b"x") -> bytes:
    """A bundle whose table of contents and member agree on ``path``."""
    return forged(document({path: content}), entries({path: content}))


def holding(source: bytes) -> bytes:
    """A bundle with other bytes than its table of contents says."""
    return forged(document(), entries({**CONTENTS, DOWNLOAD: source}))


HOSTILE: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "no archive": (lambda: b"<!DOCTYPE html>" * 100, "damaged|not a bundle"),
    "another archive": (
        lambda: forged(b"", [])[:0] + gzip.compress(_tar([entry("a", b"x")])),
        "not a bundle",
    ),
    "no contents": (lambda: gzip.compress(_tar([entry("bundle.sha256", b"x")])), "not a bundle"),
    "contents damaged": (lambda: forged(document(), entries(), checksum="0" * 64), "contents is damaged"),
    "contents not JSON": (lambda: forged(b"{", []), "cannot be understood"),
    "contents of a list": (lambda: forged(b"[]", []), "version None"),
    "another version": (lambda: forged(document(version=2), entries()), "version 2"),
    "contents incomplete": (lambda: forged({"version": 1}, []), "cannot be understood"),
    "climbing": (lambda: naming("downloads/../../evil"), r"downloads/\.\./\.\./evil.*no bundle may"),
    "absolute": (lambda: naming("/etc/x"), "/etc/x.*no bundle may"),
    "elsewhere in the cache": (lambda: naming("locks/x"), "locks/x.*no bundle may"),
    "a stamp": (lambda: naming(f"{DOWNLOAD}.stamp/x"), "no bundle may"),
    "twice": (
        lambda: forged(document(members=2 * document()["members"]), entries() + entries()),
        "twice",
    ),
    "wrong bytes under a right hash": (
        lambda: forged(document({DOWNLOAD: b"evil"}), entries({DOWNLOAD: b"evil"})),
        "has a different sha256",
    ),
    "wrong bytes for Bazel": (
        lambda: forged(document({list(CONTENTS)[3]: b"e"}), entries({list(CONTENTS)[3]: b"e"})),
        "has a different sha256",
    ),
    "bytes damaged": (lambda: holding(SOURCE[::-1]), "damaged: sha256"),
    "bytes missing": (lambda: holding(SOURCE[:-1]), "should have 50000"),
    "a member missing": (lambda: forged(document(), entries()[:-1]), "ends before"),
    "a member more": (lambda: forged(document(), [*entries(), entry("bases/x/root.json")]), "does not name"),
    "in another order": (lambda: forged(document(), entries()[::-1]), "is expected"),
    "a link": (
        lambda: forged(
            document(), [entry(next(iter(CONTENTS)), type=tarfile.SYMTYPE, linkname="/etc/passwd")]
        ),
        "a symbolic link",
    ),
    "a device": (lambda: forged(document(), [entry("x", type=tarfile.CHRTYPE)]), "device"),
    "a bomb": (lambda: naming("bases/x/rootfs.tar", bytes(90 << 20)), "unpacks to more than"),
}


def _tar(members: Pack) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_places_nothing(name: str, tmp_path: Path) -> None:
    make, says = HOSTILE[name]
    cache = prepare_cache(tmp_path / "cache")
    (cache / "downloads" / "mine").write_bytes(b"kept")
    (tmp_path / "b").write_bytes(make())
    before = tree(tmp_path)
    with pytest.raises(ArchiveError, match=says) as failure:
        load_bundle(tmp_path / "b", cache)
    assert failure.value.exit_code == ExitCode.DOWNLOAD
    assert f"File: {tmp_path / 'b'}" in failure.value.details
    assert failure.value.hint
    after = tree(tmp_path)
    assert {name for name in after if "/locks/" not in name} == {
        name for name in before if "/locks/" not in name
    }
    assert after["cache/downloads/mine"] == b"kept"


def test_a_bundle_that_is_cut_off_anywhere_places_nothing(tmp_path: Path) -> None:
    file, _ = write(tmp_path)
    whole = file.read_bytes()
    cache = prepare_cache(tmp_path / "cache")
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        file.write_bytes(whole[:length])
        with pytest.raises(ArchiveError):
            load_bundle(file, cache)
    assert not [path for path in tree(cache) if path.startswith(("downloads/", "bases/", "repositories/"))]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_bundle_with_any_byte_changed_is_refused_or_the_same(tmp_path: Path, data: st.DataObject) -> None:
    file, _ = write(tmp_path)
    content = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    staging = tmp_path / f"out-{len(list(tmp_path.glob('out-*')))}"
    try:
        found, _ = read_bundle(file, staging)
    except ArchiveError:
        return
    # gzip's header says nothing of the content, and a run of zeros can be copied from any earlier one.
    assert (found, tree(staging)) == (bundle_of(CONTENTS), dict(CONTENTS))


# -- loading -------------------------------------------------------------------------------------------


def offline(cache: Path) -> Fetcher:
    return Fetcher(cache, reporter=SilentReporter(), offline=True, env={})


def test_what_was_loaded_is_there_for_an_offline_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, told = write(tmp_path)
    cache = prepare_cache(tmp_path / "cache")
    found, actual = load_bundle(file, cache)
    assert (found, actual) == (bundle_of(CONTENTS), told)
    monkeypatch.setattr("tfbuild.machine.files.hash_file", lambda path: pytest.fail(f"read again: {path}"))
    pin = Pin("source", ("https://a.invalid/s",), sha256(SOURCE), "s-1.0.tar.gz")
    assert offline(cache).fetch(pin).read_bytes() == SOURCE
    # A project that has not recorded the sha256 yet knows the source by its tree.
    unseen = Unhashed("source", ("https://a.invalid/s",), "s-1.0.tar.gz", "s", TREE, "s.lock.json")
    assert offline(cache).fetch_unhashed(unseen)[0].read_bytes() == SOURCE
    with pytest.raises(DownloadError, match="offline"):
        offline(cache).fetch_unhashed(replace(unseen, tree="8" * 40))
    assert not (cache / "state" / "bundle").exists()


def test_a_bundle_can_be_loaded_over_what_is_there(tmp_path: Path) -> None:
    file, _ = write(tmp_path)
    cache = prepare_cache(tmp_path / "cache")
    (cache / DOWNLOAD).parent.mkdir(parents=True)
    (cache / DOWNLOAD).write_bytes(b"damaged")
    for _ in range(2):
        load_bundle(file, cache)
        assert (cache / DOWNLOAD).read_bytes() == SOURCE


def test_two_root_filesystems_of_one_size_differ_in_time(tmp_path: Path) -> None:
    """BuildKit takes a file of the same size and time for the one that it has."""
    times = []
    for number in range(2):
        path = "bases/x/rootfs.tar"
        content = bytes([number]) * 1000
        (tmp_path / "in").write_bytes(content)
        file = tmp_path / f"{number}.bundle"
        write_bundle(file, bundle_of({path: content}, source=None), {path: tmp_path / "in"})
        load_bundle(file, prepare_cache(tmp_path / "cache"))
        times.append((tmp_path / "cache" / path).stat().st_mtime_ns % 10**9)
    assert times[0] != times[1]


# -- making --------------------------------------------------------------------------------------------


def test_a_bundle_has_pins_roots_and_the_builder_and_is_made_again_the_same(tmp_path: Path) -> None:
    build = Build(tmp_path)
    prepare_cache(build.layout.cache)
    found = bundled(build, tmp_path / "one")
    kinds = [member.path.split("/")[0] for member in found.members]
    assert kinds == ["bases", "bases", "builders", "builders", *["downloads"] * len(build.plan.pins)]
    assert (found.build_id, found.key) == (build.plan.build_id, build.plan.key)
    exports = [argv for argv in build.runner.commands if argv[-1] == "export-builder"]
    assert len(exports) == 1
    assert not any("compile" in argv for argv in build.runner.commands)
    bundled(build, tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_loaded_builder_takes_the_place_of_the_stage_and_only_offline(tmp_path: Path) -> None:
    there, here = Build(tmp_path / "there"), Build(tmp_path / "here", offline=True)
    prepare_cache(there.layout.cache)
    bundled(there, tmp_path / "b")
    load_bundle(tmp_path / "b", prepare_cache(here.layout.cache))
    here.run()
    definition = json.loads(here.layout.bake_file.read_text())["target"]
    assert definition["compile"]["contexts"]["builder"] == "target:builder"
    folder = here.layout.builder(here.plan, "builder")
    assert definition["builder"]["context"] == str(folder)
    assert "args" not in definition["builder"]
    assert (folder / "rootfs.tar").read_bytes() == b"builder"
    assert "mmdebstrap" not in here.done
    here.offline = False
    here.plan = replace(here.plan, output="elsewhere")
    (here.folder / "dist").rename(here.folder / "old")
    here.run()
    online = json.loads(here.layout.bake_file.read_text())["target"]
    assert online["builder"]["context"] == str(PROJECT / "dockerfiles" / "common")
    assert online["builder"]["args"]["STAGE"] == "builder"


def test_offline_with_nothing_there_names_what_and_the_commands(tmp_path: Path) -> None:
    build = Build(tmp_path, offline=True)
    with pytest.raises(DownloadError, match="no trixie root filesystem for amd64") as failure:
        build.run()
    hint = str(failure.value.hint)
    assert (
        "invoke bundle --product tflite --release 2.14.1-debian --config opt --arch amd64 --file FILE" in hint
    )
    assert "invoke bundle --load FILE" in hint
    assert str(build.layout.root(build.plan.root)) in "".join(failure.value.details)


def test_the_way_offline_of_keras_names_what_its_commands_take(tmp_path: Path) -> None:
    plan = make_keras_plan("2.21.0", Arch.AMD64, "keras.variant=gpu")
    build = Build(tmp_path)
    run = Run(plan, recipe_of(plan), build.layout, build.effects(), tmp_path)
    hint = offline_hint(run)
    words = "--product keras --release 2.21.0 --config opt --variant gpu --arch amd64 --file FILE"
    assert f"invoke bundle {words}" in hint


def test_an_offline_server_has_no_network_in_any_step(tmp_path: Path) -> None:
    plan = make_server_plan("2.19.1", "opt", Arch.AMD64)
    layout = Layout(PROJECT, tmp_path, plan.build_id)
    builders = {stage: layout.builder(plan, stage) for stage in ("builder", "probe-builder")}
    targets = serving_definition(plan, layout, BakeOptions(offline=True, builders=builders))["target"]
    assert targets["fetch"]["target"] == "fetch-none"
    for stage, folder in builders.items():
        assert targets[stage]["context"] == str(folder)
    contexts = targets["smoke"]["contexts"]
    assert [contexts[stage] for stage in builders] == [f"target:{stage}" for stage in builders]
    assert contexts["repositories"] == str(layout.repositories)
    # One linked target for each: bake takes none twice.
    linked = [value for value in contexts.values() if value.startswith("target:")]
    assert len(set(linked)) == len(linked)
    assert serving_definition(plan, layout)["target"]["fetch"]["target"] == "fetch"


def test_a_builder_without_its_facts_does_not_count(tmp_path: Path) -> None:
    folder = tmp_path / "builders" / "x"
    folder.mkdir(parents=True)
    (folder / "rootfs.tar").write_bytes(b"half")
    assert read_facts(folder) is None
    write_facts(folder, RootFacts("trixie", "amd64", "m", None, sha256(b"half"), 4, "me"))
    assert read_facts(folder) is not None


PLANS: Mapping[str, Callable[[], Plan[Any]]] = {
    "tflite": lambda: make_plan("2.14.1-debian", "opt", Arch.ARM64),
    "tflite/wheel": lambda: make_plan_from_wheel("2.14.0-wheel", Arch.ARM64),
    "serving": lambda: make_server_plan("2.19.1", "opt", Arch.ARM64),
}


@pytest.mark.parametrize("folder", PLANS)
def test_each_builder_is_installed_by_the_one_recipe_from_a_list_of_its_own(
    folder: str, tmp_path: Path
) -> None:
    plan = PLANS[folder]()
    recipe = recipe_of(plan)
    targets = recipe.definition(plan, Layout(PROJECT, tmp_path, plan.build_id), BakeOptions())["target"]
    common = PROJECT / "dockerfiles" / "common" / "builder.Dockerfile"
    lists = PROJECT / "dockerfiles" / folder / "builders"
    assert {each.stem for each in lists.iterdir()} == set(recipe.builders)
    for name in recipe.builders:
        target = targets[name]
        assert target["args"]["STAGE"] == name
        assert {**target, "output": 0} == {**targets[f"export-{name}"], "output": 0}
        assert (target["dockerfile"], target["contexts"]["recipe"]) == (str(common), str(lists.parent))
        assert set(target["args"]) == arguments(common.read_text())


@pytest.mark.parametrize("product", ["tflite", "serving"])
def test_no_context_takes_the_place_of_a_stage_by_accident(product: str, tmp_path: Path) -> None:
    """BuildKit puts a named context in the place of the stage of its name."""
    text = (PROJECT / "dockerfiles" / product / "Dockerfile").read_text()
    stages = set(re.findall(r"^FROM .* AS (\S+)$", text, re.MULTILINE))
    if product == "serving":
        plan = make_server_plan("2.19.1", "opt", Arch.AMD64)
        targets = serving_definition(plan, Layout(PROJECT, tmp_path, plan.build_id))["target"]
    else:
        build = Build(tmp_path)
        targets = definition(build.plan, build.layout)["target"]
    assert len(stages) > 5
    for name, target in targets.items():
        assert not stages & set(target.get("contexts", {})), name


@pytest.mark.parametrize("product", ["tflite", "tflite/wheel", "serving"])
def test_no_stage_rests_on_an_argument_of_a_builder(product: str) -> None:
    """A stage inherits the arguments of the one below it, but a builder is a root filesystem: it has none."""
    folder = PROJECT / "dockerfiles" / product
    text = (folder / "Dockerfile").read_text()
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    builder = (PROJECT / "dockerfiles" / "common" / "builder.Dockerfile").read_text()
    known = arguments(text) | arguments(builder)
    checked = 0
    for stage in stages:
        base = stage.split()[0]
        for name in known - arguments(stage) if base.endswith("builder") else ():
            checked += 1
            called = scripts_of(stage, folder)
            assert not re.search(rf"\$\{{?{name}\b", called), f"{name} in a stage from {base}:\n{stage}"
    assert checked > 5


def arguments(stage: str) -> set[str]:
    return set(re.findall(r"^ARG (\w+)", stage, re.MULTILINE))


def scripts_of(stage: str, folder: Path) -> str:
    """What a stage runs: its own commands, and the scripts that it or one of them names."""
    # Of compile.sh, only one of the commands installs.
    text, seen = stage, {"install.sh"} if re.search("fetch-all|collect-rep", stage) else set[str]()
    while new := set(re.findall(r"([\w-]+\.sh)", text)) - seen:
        seen |= new
        for name in new:
            for file in (folder / name, folder.parent / "common" / name):
                # Comments name variables too.
                text += re.sub(r"(?m)^#.*$", "", file.read_text()) if file.exists() else ""
    return text


def test_a_source_that_is_known_by_its_tree_is_bundled_with_it(tmp_path: Path) -> None:
    plan = make_server_plan("2.19.1", "opt", Arch.AMD64)
    assert plan.source is not None
    layout = Layout(PROJECT, tmp_path, plan.build_id)
    run = Run(plan, recipe_of(plan), layout, Build(tmp_path).effects(), tmp_path)
    path = tmp_path / "downloads" / f"sha256-{'5' * 64}" / plan.source.filename
    run.downloads = {plan.source.name: path}
    assert bundled_source(run) == BundledSource(
        tree=str(plan.source.tree), filename=plan.source.filename, sha256="5" * 64
    )
    assert bundled_source(replace(run, plan=Build(tmp_path).plan)) is None
