"""A fourth product goes the whole way with no change outside of its folder and its row."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.builds import ELF, Build, FakeEngine
from tests.support.bundles import bundled
from tests.support.fourth import pack_source, with_fourth
from tests.support.fourth_product import PROGRAM
from tests.support.images import Image, oci_archive, program
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, VerificationError
from tfbuild.base.values import Pin, Unhashed
from tfbuild.build.dist.manifest import Manifest
from tfbuild.build.layout import Layout
from tfbuild.cli.reference.json_schema import document_schema
from tfbuild.engine.facts import RunOptions, RunResult
from tfbuild.machine.cache import clear_cache, prepare_cache
from tfbuild.plan.plan import Plan, PlanDocument
from tfbuild.plan.words import Words
from tfbuild.products import table

RESULTS = {"lib/libanswer.a", "manifest.json", "verify.json", "SHA256SUMS"}


class Engine(FakeEngine):
    """An engine whose images have one program, which prints ``prints``."""

    prints = "42\n"

    def run_once(self, image: str, command: Sequence[str], options: RunOptions | None = None) -> RunResult:
        assert options
        assert options.entrypoint == (PROGRAM,)
        return RunResult(0, self.prints, "")

    def save_image(self, ref: str, path: Path) -> None:
        files = [program(PROGRAM.lstrip("/"), (ELF / "static").read_bytes())]
        settings = {"User": "65532", "Entrypoint": [PROGRAM], "Labels": self.labels}
        created = self.labels.get("org.opencontainers.image.created")
        oci_archive(path, Image([files], settings, created=created))


@dataclass
class FourthBuild(Build):
    """A build of the archive in ``root``."""

    root: Path = field(default_factory=Path)

    def __post_init__(self) -> None:
        self.engine = Engine((), self.plan.library_version)
        self.output = self.folder / "dist" / "amd64"

    @property
    def layout(self) -> Layout:
        return Layout(self.root, self.folder / "cache", self.plan.build_id)

    def _fetch(self, pins: tuple[Pin, ...], unhashed: Unhashed | None) -> Mapping[str, Path]:
        assert unhashed is None
        (pin,) = pins
        downloads = self.folder / "cache" / "downloads" / f"sha256-{pin.sha256}"
        downloads.mkdir(parents=True, exist_ok=True)
        path = pack_source(downloads)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == pin.sha256
        return {pin.name: path}

    def compile(self, library: str = "objects.a") -> None:
        lib = self.layout.out / "dist" / "lib"
        lib.mkdir(parents=True)
        shutil.copyfile(ELF / library, lib / "libanswer.a")
        (self.layout.out / "packages.tsv").write_text("gcc\t4:14.2.0-1\tamd64\tgcc-defaults\t1.220\t\n")
        (self.layout.out / "tools.txt").write_text("gcc 14.2.0\n")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return with_fourth(tmp_path, monkeypatch)


def plan_in(root: Path, *sets: str) -> Plan[Any]:
    return table.plan_of(root, "archive", Words(sets=sets), env={}, build_arch=Arch.AMD64)


def build_in(root: Path, *sets: str) -> FourthBuild:
    return FourthBuild(root.parent, plan_in(root, *sets), root=root)


def test_it_has_a_plan_with_a_name_keys_and_flags_of_its_own(root: Path) -> None:
    plan = plan_in(root)
    assert plan.build_id == "archive-1.0-opt-amd64"
    assert plan.image.tag == "tfbuild/archive:1.0-opt-amd64"
    text = table.plan_text(plan)
    assert "  answer    42\n" in text
    assert "-ffile-prefix-map=/tree/source=/usr/src/answer" in text
    changed = plan_in(root, "archive.answer=7")
    assert changed.part.answer == 7
    assert changed.config.startswith("opt-set.")
    assert changed.key != plan.key


def test_its_keys_are_checked_and_those_of_others_change_nothing(root: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_in(root, "archive.answr=7")
    assert "did you mean 'archive.answer'?" in str(caught.value.problems[0])
    plan = plan_in(root, "tflite.xnnpack=false")
    assert "tflite.xnnpack changes nothing: it is a key of build-tflite" in plan.notes
    other = table.plan_of(root, "tflite", Words(sets=("archive.answer=7",)), env={}, build_arch=Arch.AMD64)
    assert "archive.answer changes nothing: it is a key of build-archive" in other.notes


def test_it_is_listed_among_the_releases(root: Path) -> None:
    assert [each.path for each in table.list_releases(root) if each.product == "archive"] == [
        "build_configs/releases/archive/1.0.yaml"
    ]


def test_its_dist_folder_has_library_manifest_report_and_checksums(root: Path) -> None:
    build = build_in(root)
    result = build.run()
    assert [row.path.name for row in result.rows] == ["libanswer.a"]
    files = {each.relative_to(build.output).as_posix(): each for each in build.output.rglob("*")}
    assert files.keys() >= RESULTS
    for line in files["SHA256SUMS"].read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == digest
    manifest = json.loads(files["manifest.json"].read_text())
    assert manifest["plan"]["part"] == {"product": "archive", "answer": 42}
    jsonschema.validate(manifest, document_schema(Manifest, "manifest"))
    dist, image = json.loads(files["verify.json"].read_text())["reports"]
    assert dist["facts"]["static"]["objects"] > 0
    assert image["findings"] == []
    assert not build.run().fresh


def test_its_documents_have_a_schema(root: Path) -> None:
    plan = plan_in(root)
    document = {
        **plan.to_json(),
        "bake": table.definition_of(plan, build_in(root).layout),
        "replaces": None,
    }
    jsonschema.validate(json.loads(json.dumps(document)), document_schema(PlanDocument, "plan"))


def test_an_archive_for_another_machine_is_no_result(root: Path) -> None:
    build = build_in(root)
    foreign = ELF.parent / "aarch64" / "objects.a"
    build.compile = lambda library="": FourthBuild.compile(build, str(foreign))  # type: ignore[method-assign]
    with pytest.raises(VerificationError) as caught:
        build.run()
    assert "elf-machine" in caught.value.details[0]
    assert not build.output.exists()


def test_a_program_that_answers_wrongly_is_no_result(root: Path) -> None:
    build = build_in(root, "archive.answer=7")
    with pytest.raises(VerificationError) as caught:
        build.run()
    assert "smoke-answer" in caught.value.details[0]
    assert build.plan.image.tag not in build.engine.images


def test_a_clean_of_the_cache_knows_its_folders(root: Path, tmp_path: Path) -> None:
    build = build_in(root)
    prepare_cache(build.layout.cache)
    build.run()
    assert build.layout.work.is_dir()
    clear_cache(build.layout.cache)
    assert not build.layout.work.exists()


def test_it_can_be_bundled(root: Path) -> None:
    build = build_in(root)
    build.run()
    bundle = bundled(build, root.parent / "b.tar")
    assert bundle.product == "archive"
    assert {member.path.split("/")[0] for member in bundle.members} == {"bases", "builders", "downloads"}
