"""Building again: what is varied, what is compared, what is told, and what a known cause is."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.builds import Build, FakeEngine
from tests.support.images import Image, Member, oci_archive, program
from tests.support.keras import make_plan as make_keras_plan
from tests.support.plans import (
    PROJECT,
    make_linked_server_plan,
    make_plan,
    make_plan_from_wheel,
    make_server_plan,
)
from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.arch import Arch
from tfbuild.base.documents import dump
from tfbuild.base.errors import BuildError, NothingMatchesError, UsageError, VerificationError
from tfbuild.build.again.compare import DistFolder, compare, compare_images, other_inputs
from tfbuild.build.again.first import folder_of_image, other_jobs, parse_manifest, read_first
from tfbuild.build.again.known import causes_of, load_known_causes
from tfbuild.build.again.rebuild import Apart, build_again
from tfbuild.build.again.verdict import Rebuilt, Verdict, verdict_lines
from tfbuild.build.buildkit.bake import BakeOptions, set_apart
from tfbuild.build.dist.ownership import read_manifest
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import KEY_LABEL
from tfbuild.products import table
from tfbuild.products.table import recipe_of

WORD = "tfbuild-again-0123456789ab"


@pytest.fixture
def first(tmp_path: Path) -> Build:
    build = Build(tmp_path / "first")
    build.run()
    return build


class Engine(FakeEngine):
    """One that still has the first build's image, by its id."""

    def image(self, ref: str) -> Any:
        if ref.startswith("sha256:"):
            self.images[ref] = ref
        return super().image(ref)


def again(
    first: Build,
    folder: Path,
    change: Callable[[Build], None] = lambda _: None,
    *,
    same_image: bool = True,
    forgotten: list[str] | None = None,
    revision: str = "",
) -> tuple[Rebuilt, Build]:
    """Build ``first`` again in ``folder``, with another compile and image where ``change`` says so."""
    second = Build(folder)

    def effects(plan: Any, _output: Path) -> Any:
        second.plan = plan
        second.engine = Engine((*plan.part.smoke, *plan.part.operators), plan.library_version)
        second.engine.made = 0 if same_image else 7
        change(second)
        second.runner = RecordingRunner(second.usual_replies(), missing=["diffoscope"])
        return second.effects()

    done = list[str]() if forgotten is None else forgotten
    apart = Apart(
        folder, PROJECT, WORD, effects, done.append, table.parts(), load_known_causes(PROJECT), None, revision
    )
    rebuilt, _ = build_again(read_first(first.output, table.parts()), recipe_of(first.plan), apart)
    return rebuilt, second


def other_code(build: Build) -> None:
    usual = build.compile
    build.compile = lambda library="pie": usual(library)  # type: ignore[method-assign]


# -- the second build ---------------------------------------------------------------------------------------


def test_the_same_bytes_are_equal_though_jobs_folder_and_caches_are_others(
    first: Build, tmp_path: Path
) -> None:
    forgotten: list[str] = []
    rebuilt, second = again(first, tmp_path / "again", forgotten=forgotten)
    assert (rebuilt.equal, rebuilt.differences, rebuilt.causes, rebuilt.image) == (True, (), (), "same")
    assert rebuilt.files >= 3
    assert rebuilt.key == first.plan.key
    jobs = next(each for each in rebuilt.varied if each.what == "parallel jobs")
    assert int(jobs.first) != int(jobs.second)
    assert second.done[0] == "mmdebstrap"  # not the root filesystem of the first build
    assert forgotten == [WORD]
    assert "tfbuild/rebuilt" not in "".join(second.engine.images)


def test_no_step_of_the_second_build_has_a_cache_of_the_first(first: Build, tmp_path: Path) -> None:
    _, second = again(first, tmp_path / "again")
    targets = json.loads(second.layout.bake_file.read_text())["target"]
    for target in targets.values():
        assert target["args"]["BUILDKIT_CACHE_MOUNT_NS"] == WORD
        assert target["args"]["BUILDKIT_SANDBOX_HOSTNAME"] == WORD


def test_a_usual_build_shares_its_caches() -> None:
    definition = {"target": {"compile": {"args": {"JOBS": "2"}}}}
    assert set_apart(definition, "") == definition


def test_other_code_is_told_with_its_file_and_sections(first: Build, tmp_path: Path) -> None:
    rebuilt, _ = again(first, tmp_path / "again", other_code, same_image=False)
    assert not rebuilt.equal
    told = {each.path: each.lines for each in rebuilt.differences}
    assert any("section " in line for line in told["lib/libtensorflowlite.so"])
    assert {"sbom.spdx.json", "sbom.cdx.json"} <= told.keys()
    assert rebuilt.kept
    assert Path(rebuilt.kept, "lib", "libtensorflowlite.so").is_file()
    verdict = Verdict(
        equal=False, sums_sha256=rebuilt.sums_sha256, tfbuild="1", revision="", made="now", builds=(rebuilt,)
    )
    text = "\n".join(verdict_lines(verdict))
    assert "lib/libtensorflowlite.so" in text
    assert "parallel jobs" in text
    schema = json.loads((PROJECT / "schemas" / "reproduce.schema.json").read_text())
    jsonschema.validate(json.loads(json.dumps(dump(verdict))), schema)


def test_packages_that_are_newer_now_are_told_first_and_are_a_known_cause(
    first: Build, tmp_path: Path
) -> None:
    def newer(build: Build) -> None:
        usual = build.compile

        def compile(library: str = "pie") -> None:
            usual(library)
            table = build.layout.out / "packages.tsv"
            table.write_text(table.read_text().replace("14.2.0-19", "14.2.0-20"))

        build.compile = compile  # type: ignore[method-assign]

    rebuilt, _ = again(first, tmp_path / "again", newer, same_image=False)
    assert rebuilt.other_inputs == ("package gcc-14:amd64 of the builder: 14.2.0-19, and 14.2.0-20",)
    assert rebuilt.causes[0].id == "debian-packages"
    assert rebuilt.causes[0].threads


def test_another_commit_of_this_project_is_told_as_a_cause(first: Build, tmp_path: Path) -> None:
    first.plan = replace(first.plan, revision="a" * 40)
    shutil.rmtree(first.output)
    first.run()
    rebuilt, _ = again(first, tmp_path / "again", other_code, same_image=False, revision="b" * 40)
    assert rebuilt.other_inputs == ("revision of tfbuild: aaaaaaaaaaaa, and bbbbbbbbbbbb",)
    assert rebuilt.causes[0].id == "recipe"


def test_a_failing_second_build_leaves_no_caches_and_the_first_result(first: Build, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in first.output.rglob("*") if path.is_file()}
    forgotten: list[str] = []

    def fails(build: Build) -> None:
        build.replies["compile"] = Reply((), returncode=1)

    with pytest.raises(BuildError):
        again(first, tmp_path / "again", fails, forgotten=forgotten)
    assert forgotten == [WORD]
    assert {path: path.read_bytes() for path in first.output.rglob("*") if path.is_file()} == before


# -- the first build ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plan",
    [
        make_plan(),
        make_plan("2.19.1"),
        make_plan("2.2.0-litert"),
        make_plan("2.14.1-debian", "opt", Arch.ARM64, "runtime.flavour=python"),
        make_server_plan(),
        make_linked_server_plan(),
    ],
    ids=lambda plan: plan.build_id,
)
def test_a_plan_comes_back_out_of_its_document_as_it_was(plan: Any) -> None:
    from pydantic import TypeAdapter

    from tfbuild.plan.plan import Plan

    adapter: TypeAdapter[Any] = TypeAdapter(Plan[type(plan.part)])  # type: ignore[misc, arg-type]
    assert adapter.validate_python(json.loads(json.dumps(dump(plan)))) == plan


def test_the_manifest_comes_back_and_one_of_another_version_does_not(first: Build) -> None:
    document = read_manifest(first.output) or {}
    manifest = parse_manifest(document, table.parts())
    assert manifest is not None
    assert manifest.plan.key == first.plan.key
    assert parse_manifest({**document, "more": 1}, table.parts()) is None
    plan = {key: value for key, value in document["plan"].items() if key != "mirrors"}
    assert parse_manifest({**document, "plan": plan}, table.parts()) is None


def test_a_folder_that_was_changed_or_is_none_is_refused(first: Build, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no manifest"):
        read_first(tmp_path, table.parts())
    (first.output / "lib" / "libtensorflowlite.so").write_bytes(b"x")
    with pytest.raises(VerificationError, match="not as it was built"):
        read_first(first.output, table.parts())


def test_an_image_is_found_by_its_id_and_else_by_its_key(first: Build, tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    folder = dist / "tflite" / "r" / "c" / "amd64"
    folder.parent.mkdir(parents=True)
    first.output.rename(folder)
    manifest = read_manifest(folder) or {}
    assert folder_of_image(dist, manifest["image"]["id"], "") == folder
    assert folder_of_image(dist, "sha256:other", manifest["image"]["labels"][KEY_LABEL]) == folder
    with pytest.raises(NothingMatchesError, match="no result below"):
        folder_of_image(dist, "sha256:other", "")


@pytest.mark.parametrize(("jobs", "other"), [(1, 2), (2, 3), (3, 2), (64, 63)])
def test_the_second_build_has_another_number_of_jobs(jobs: int, other: int) -> None:
    assert other_jobs(jobs) == other


# -- what no build varies, since it is the same on every machine ---------------------------------------------


@pytest.mark.parametrize(
    "plan",
    [
        make_plan(),
        make_plan("2.20.0", "opt", Arch.ARM64),
        make_plan("2.14.1-debian", "opt", Arch.ARM64, "runtime.flavour=python"),
        make_plan_from_wheel("2.14.0-wheel", Arch.AMD64),
        make_server_plan(),
        make_linked_server_plan(),
        make_keras_plan(),
    ],
    ids=lambda plan: plan.build_id,
)
def test_a_builder_sees_no_folder_and_no_user_of_this_machine(plan: Any) -> None:
    """Other projects and caches give the same arguments, so the same steps."""

    def seen(home: str) -> dict[str, Any]:
        layout = Layout(Path(home, "project"), Path(home, ".cache"), plan.build_id, plan.plain_id)
        targets = recipe_of(plan).definition(plan, layout, BakeOptions(jobs=2))["target"]
        return {
            name: [target.get(key) for key in ("args", "labels", "target", "platforms")]
            for name, target in targets.items()
        }

    assert seen("/home/one") == seen("/srv/two")
    assert "/home/one" not in str(seen("/home/one"))


def test_all_that_compiles_does_so_as_root_in_a_folder_that_results_do_not_name() -> None:
    """On every machine. Images have a user of their own, and ``invoke shell`` compiles nothing."""
    found = (PROJECT / "dockerfiles").rglob("*Dockerfile")
    recipes = [path for path in found if path.name not in {"image.Dockerfile", "shell.Dockerfile"}]
    text = "".join(path.read_text() for path in recipes)
    assert len(recipes) > 5
    assert set(re.findall(r"id=tfbuild-tree-[^,]*,target=([^,\s]*)", text)) == {"/tree"}
    assert not re.search(r"^(USER|WORKDIR) ", text, re.MULTILINE)
    for plan in (make_plan(), make_plan("2.20.0"), make_linked_server_plan()):
        assert any(flag.text.startswith("-ffile-prefix-map=/tree/") for flag in plan.flags)


# -- comparing ----------------------------------------------------------------------------------------------


def test_folders_differ_by_content_mode_link_and_what_is_there(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "lib").mkdir(parents=True)
        for file in ("same", "content", "mode"):
            (tmp_path / name / "lib" / file).write_text(file)
        (tmp_path / name / "lib" / "link").symlink_to(f"{name}.so")
        (tmp_path / name / "lib" / f"only-{name}").touch()
        for file in ("manifest.json", "SHA256SUMS", "reproducible.json", "provenance.dsse.json"):
            (tmp_path / name / file).write_text(name)
        (tmp_path / name / "logs").mkdir()
        (tmp_path / name / "logs" / "01.log").write_text(name)
    (tmp_path / "two" / "lib" / "content").write_text("other\nlines")
    (tmp_path / "two" / "lib" / "mode").chmod(0o755)
    found = compare(DistFolder(tmp_path / "one"), DistFolder(tmp_path / "two"))
    told = {each.path.removeprefix("lib/"): each.lines for each in found}
    assert told.keys() == {"content", "mode", "link", "only-one", "only-two"}
    assert told["content"] == (
        "line 1 of the first: content",
        "line 1 of the second: other",
        "line 2 of the second: lines",
    )
    assert told["mode"] == ("mode 644, and 755",)
    assert told["link"] == ("a link to one.so, and to two.so",)
    assert told["only-one"] == ("only in the first build",)


def images(tmp_path: Path, one: list[Member], two: list[Member], **settings: Any) -> tuple[Any, ...]:
    for name, layer in (("one", one), ("two", two)):
        own = {"Labels": {"a": "b"}, **(settings if name == "two" else {})}
        oci_archive(tmp_path / f"{name}.tar", Image([layer], own))
    return compare_images(tmp_path / "one.tar", tmp_path / "two.tar", "linux/amd64")


def test_images_differ_by_files_and_settings(tmp_path: Path) -> None:
    usual = [program("bin/a", b"a"), program("bin/b", b"b")]
    assert images(tmp_path, usual, usual) == ()
    assert images(tmp_path, usual, usual, Labels={"a": "c"})[0].lines == ("label a: 'b', and 'c'",)
    found = images(tmp_path, usual, [program("bin/a", b"a"), program("bin/b", b"b", 0o700)])
    assert [(each.path, each.lines) for each in found] == [("image:/bin/b", ("mode 755, and 700",))]
    found = images(tmp_path, usual, [program("bin/a", b"a")])
    assert [(each.path, each.lines) for each in found] == [("image:/bin/b", ("only in the first build",))]


def test_layers_with_the_same_files_in_another_order_are_not_the_same(tmp_path: Path) -> None:
    found = images(
        tmp_path,
        [program("bin/a", b"a"), program("bin/b", b"b")],
        [program("bin/b", b"b"), program("bin/a", b"a")],
    )
    assert [each.path for each in found] == ["image layers"]


def test_the_same_inputs_are_not_told(first: Build) -> None:
    manifest = read_first(first.output, table.parts()).manifest
    assert other_inputs(manifest, manifest) == ()
    assert (
        other_inputs(manifest, replace(manifest, tools=("clang",)))[-1] == "tool, only of the second: clang"
    )


@pytest.mark.parametrize(
    ("line", "id"),
    [
        ("lib/a.so:   only in the first: built Jan  1 2024", "build-time"),
        ("lib/a.so:   only in the second: /tree/source/x.cc", "build-path"),
        ("lib/a.so:   only in the first: BUILD_TIMESTAMP 17", "build-stamp"),
        ("lib/a.so: section .note.gnu.build-id (36 bytes) differs from 0x10 on", "build-id"),
        ("lib/a.so: section .dynstr has 10 and 12 bytes", "run-path"),
        ("lib/a.a: member x.o: its header (time, owner, mode) is another", "archive-header"),
        ("a.whl: member x.py: its time is another: (1980), (2024)", "member-time"),
        ("image:/usr/x/__pycache__/a.cpython-313.pyc: 10 bytes each", "python-bytecode"),
        ("lib/a.so: functions with other code: f", "address-order"),
        (f"lib/a.so:   only in the second: {WORD}", "host-name"),
    ],
)
def test_known_causes_are_told_by_what_differs(line: str, id: str) -> None:
    found = causes_of([line], load_known_causes(PROJECT))
    assert id in {each.id for each in found}
    assert all(each.threads and each.fix for each in found)


def test_what_no_row_knows_has_no_cause() -> None:
    assert causes_of(["lib/a.so: only in the first build"], load_known_causes(PROJECT)) == ()
