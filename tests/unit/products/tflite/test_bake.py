"""The bake definition says what the Dockerfiles want, and nothing that they do not know."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.plans import DEBIAN_RELEASE, PROJECT, make_plan
from tfbuild.base.arch import Arch
from tfbuild.build.buildkit.bake import BakeOptions
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan
from tfbuild.products.tflite.bake import definition

# docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope
_PREDEFINED = {"BUILDPLATFORM"}
MAIN = PROJECT / "dockerfiles" / "tflite" / "Dockerfile"


def layout_of(plan: Plan[Any]) -> Layout:
    return Layout(PROJECT, Path("/cache"), plan.build_id)


def targets(plan: Plan[Any], **options: Any) -> dict[str, Any]:
    document = definition(plan, layout_of(plan), BakeOptions(**options))
    assert json.loads(json.dumps(document)) == document
    found: dict[str, Any] = document["target"]
    return found


def opt(*sets: str, arch: Arch = Arch.AMD64) -> Plan[Any]:
    return make_plan(DEBIAN_RELEASE, "opt", arch, *sets)


def dockerfile_of(target: dict[str, Any]) -> Path:
    return Path(target.get("dockerfile", Path(target["context"], "Dockerfile")))


def stages(dockerfile: Path) -> list[str]:
    """The text of each stage, from FROM on, without the comments."""
    code = "\n".join(line for line in dockerfile.read_text().splitlines() if not line.startswith("#"))
    return re.split(r"^(?=FROM )", code, flags=re.MULTILINE)


def test_the_arguments_are_those_that_the_dockerfiles_declare() -> None:
    found = targets(opt("runtime.base=debian"), nonce="1").values()
    given = {name for target in found for name in target.get("args", {})}
    texts = [dockerfile_of(target).read_text() for target in found]
    assert given == {name for text in texts for name in re.findall(r"^ARG (\w+)", text, re.MULTILINE)}


def test_every_argument_that_a_stage_uses_is_declared_in_it() -> None:
    for dockerfile in (PROJECT / "dockerfiles").rglob("*Dockerfile"):
        _before, *rest = stages(dockerfile)
        for stage in rest:
            body = stage.partition("\n")[2]
            used = set(re.findall(r"\$\{?([A-Z_]+)", body)) - _PREDEFINED
            assert used <= set(re.findall(r"^ARG (\w+)", stage, re.MULTILINE)), stage.splitlines()[0]


@pytest.mark.parametrize("base", ["scratch", "debian"])
def test_every_stage_and_context_that_is_named_exists(base: str) -> None:
    found = targets(opt(f"runtime.base={base}"))
    for name, target in found.items():
        text = "".join(stages(dockerfile_of(target)))
        defined = set(re.findall(r"^FROM .* AS (\S+)$", text, re.MULTILINE))
        if "target" in target:
            assert target["target"] in defined | {"image"}, name
        linked = {value for value in target.get("contexts", {}).values() if value.startswith("target:")}
        assert {value.removeprefix("target:") for value in linked} <= set(found)
    main = "".join(stages(MAIN)).replace("${NETWORK}", "none")
    used = re.findall(r"from=(\w[\w-]*)|^FROM (?:--\S+ )?([\w-]+)", main, re.MULTILINE)
    ours = set(re.findall(r"^FROM .* AS (\S+)$", main, re.MULTILINE)) | {"scratch"}
    assert {name for pair in used for name in pair if name} - ours == set(found["compile"]["contexts"])


def test_the_files_that_a_definition_names_are_there() -> None:
    for target in targets(opt("runtime.base=debian")).values():
        assert dockerfile_of(target).is_file()
    assert Path(targets(opt())["compile"]["contexts"]["toolchains"]).is_dir()


@pytest.mark.parametrize("arch", [Arch.AMD64, Arch.ARM64])
def test_the_tools_run_here_and_the_image_is_for_there(arch: Arch) -> None:
    found = targets(opt(arch=arch))
    arguments = found["builder"]["args"]
    assert (arguments["BUILD_ARCH"], arguments["TARGET_ARCH"]) == ("amd64", str(arch))
    assert found["compile"]["args"]["QEMU"] == ("" if arch is Arch.AMD64 else "aarch64")
    assert found["image"]["platforms"] == [f"linux/{arch}"]
    assert "platforms" not in found["compile"]


def test_scratch_and_debian_images_stand_on_different_roots() -> None:
    scratch, debian = targets(opt()), targets(opt("runtime.base=debian"))
    for found, base in ((scratch, "scratch"), (debian, "debian")):
        assert found["image"]["args"]["RUNTIME_BASE"] == base
    assert scratch["image"]["contexts"] == {}
    assert "runtime-root" not in scratch
    assert debian["image"]["contexts"] == {"runtime-base": "target:runtime-root"}
    assert debian["runtime-root"]["context"] != debian["root"]["context"]
    assert debian["runtime-root"]["platforms"] == debian["image"]["platforms"]


def test_the_image_is_made_of_what_another_target_writes() -> None:
    found = targets(opt())
    (output,) = found["runtime-files"]["output"]
    assert output == f"type=tar,dest={found['image']['context']}/runtime.tar"


def test_the_image_is_a_candidate_until_it_is_verified() -> None:
    plan = make_plan(tag="team/tflite:1")
    assert targets(plan)["image"]["tags"] == [layout_of(plan).candidate]
    assert layout_of(plan).candidate != plan.image.tag
    assert layout_of(plan).candidate != layout_of(make_plan(config="size", tag="team/tflite:1")).candidate


def test_builds_with_two_caches_have_two_candidates() -> None:
    here, there = (Layout(PROJECT, Path(cache), "tflite-2-opt-amd64") for cache in ("/a", "/b"))
    assert here.candidate != there.candidate


def test_labels_of_the_plan_and_of_the_run_are_both_there() -> None:
    labels = targets(opt(), labels={"org.opencontainers.image.created": "x"})["image"]["labels"]
    assert labels["org.opencontainers.image.created"] == "x"
    assert labels["tfbuild.build-id"] == "tflite-2.14.1-debian-opt-amd64"


def test_a_private_ca_is_a_secret_of_every_step_and_a_layer_of_none() -> None:
    found = targets(opt(), ca_bundle=Path("/etc/ca.pem"))
    # Those two run nothing.
    ours = {name: target for name, target in found.items() if name not in {"root", "image"}}
    assert all(target["secret"] == ["id=ca,src=/etc/ca.pem"] for target in ours.values())
    for target in ours.values():
        assert "/etc/ca.pem" not in json.dumps({k: v for k, v in target.items() if k != "secret"})
    assert "secret" not in targets(opt())["compile"]


def test_only_the_logs_change_with_each_call() -> None:
    one, two = targets(opt(), nonce="1"), targets(opt(), nonce="2")
    assert {name for name in one if one[name] != two[name]} == {"logs"}


def test_jobs_come_from_the_engine_else_from_the_plan() -> None:
    assert targets(make_plan(jobs=3))["compile"]["args"]["JOBS"] == "3"
    assert targets(make_plan(jobs=3), jobs=7)["compile"]["args"]["JOBS"] == "7"
    assert targets(make_plan())["compile"]["args"]["JOBS"] == "1"


def test_builds_do_not_share_folders_but_share_what_is_equal() -> None:
    one, two = opt(), make_plan(config="size")
    assert layout_of(one).work != layout_of(two).work
    assert layout_of(one).source(one) == layout_of(two).source(two)
    assert layout_of(one).root(one.root) == layout_of(two).root(two.root)
    # Releases of one suite have one root filesystem, and so builders that install the same share them.
    newer = make_plan("2.16.1", source_date_epoch=1)
    assert layout_of(one).root(one.root) == layout_of(newer).root(newer.root)
    without_fixes = make_plan(DEBIAN_RELEASE, "opt", Arch.AMD64, "debian.security_updates=no")
    assert layout_of(one).root(one.root) != layout_of(without_fixes).root(without_fixes.root)
