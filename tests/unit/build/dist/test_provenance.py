"""Provenance: the statement that others read names all that came out and all that went in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.builds import Build
from tests.support.plans import make_plan
from tests.support.provenance import require_valid_provenance
from tfbuild.base.arch import Arch


@pytest.fixture
def built(tmp_path: Path) -> tuple[Build, dict[str, Any]]:
    build = Build(tmp_path)
    build.run()
    return build, require_valid_provenance(build.output / "provenance.json")


def digests(resources: list[dict[str, Any]]) -> dict[str, str]:
    return {each["name"]: each.get("digest", {}).get("sha256", "") for each in resources}


def test_its_subjects_are_all_files_and_the_image(built: tuple[Build, dict[str, Any]]) -> None:
    build, statement = built
    subjects = digests(statement["subject"])
    image = build.engine.images[build.plan.image.tag]
    assert subjects.pop(build.plan.image.tag) == image.removeprefix("sha256:")
    files = {
        path.relative_to(build.output).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in build.output.rglob("*")
        if path.is_file() and path.name not in {"SHA256SUMS", "provenance.json"}
    }
    assert subjects == files
    assert "lib/libtensorflowlite.so" in files


def test_its_dependencies_are_all_that_went_in(built: tuple[Build, dict[str, Any]]) -> None:
    build, statement = built
    definition = statement["predicate"]["buildDefinition"]
    found = digests(definition["resolvedDependencies"])
    assert {pin.filename: pin.sha256 for pin in build.plan.pins}.items() <= found.items()
    assert {each.path: each.sha256 for each in build.plan.patches}.items() <= found.items()
    assert len(found["Debian trixie amd64 (builder)"]) == 64
    assert found["libabsl-dev"] == "9" * 64
    manifest = json.loads((build.output / "manifest.json").read_text())
    assert definition["externalParameters"]["plan"] == manifest["plan"]


def test_a_package_from_a_download_has_the_hash_of_that(tmp_path: Path) -> None:
    build = Build(tmp_path)
    (pin,) = (each for each in build.plan.pins if each.filename.startswith("libfft2d-dev"))
    usual = build.compile

    def compile_() -> None:
        usual()
        with (build.layout.out / "packages.tsv").open("a") as table:
            table.write("libfft2d-dev\t1.0-3+b1\tamd64\toourafft\t1.0-3\t\n")

    build.compile = compile_  # type: ignore[method-assign, assignment]
    build.run()
    statement = require_valid_provenance(build.output / "provenance.json")
    found = digests(statement["predicate"]["buildDefinition"]["resolvedDependencies"])
    assert found["libfft2d-dev"] == pin.sha256


def test_it_says_when_and_by_what(built: tuple[Build, dict[str, Any]]) -> None:
    _, statement = built
    run = statement["predicate"]["runDetails"]
    assert run["builder"]["id"] == "urn:tfbuild:builder:unnamed"
    assert run["builder"]["version"].keys() == {"tfbuild", "docker", "buildx"}
    assert run["metadata"]["startedOn"] <= run["metadata"]["finishedOn"]
    logs = [each["name"] for each in run["byproducts"]]
    assert {"logs/01-fetch.log", "logs/04-compile.log", "manifest.json", "verify.json"} <= set(logs)


def test_the_builder_is_the_one_that_the_configuration_names_and_no_key_depends_on_it(tmp_path: Path) -> None:
    who = "https://ci.example/builders/1"
    named = make_plan("2.14.1-debian", "opt", Arch.AMD64, "policy=default", f"signing.builder_id={who}")
    build = Build(tmp_path)
    assert named.key == build.plan.key
    assert named.build_id == build.plan.build_id
    build.plan = named
    build.run()
    run = require_valid_provenance(build.output / "provenance.json")["predicate"]["runDetails"]
    assert run["builder"]["id"] == who


def test_a_revision_of_this_program_is_what_the_builder_is_made_of(tmp_path: Path) -> None:
    build = Build(tmp_path)
    build.plan = replace(build.plan, revision="a" * 40)
    build.run()
    run = require_valid_provenance(build.output / "provenance.json")["predicate"]["runDetails"]
    assert run["builder"]["builderDependencies"] == [{"name": "tfbuild", "digest": {"gitCommit": "a" * 40}}]
