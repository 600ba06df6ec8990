"""The bake definition says what the Dockerfiles want, and nothing that they do not know."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.plans import DEBIAN_RELEASE, PROJECT, make_plan
from tfbuild.bake import Layout, candidate_tag, definition
from tfbuild.model import Arch
from tfbuild.plan import Plan

# docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope
_PREDEFINED = {"BUILDPLATFORM"}
DOCKERFILE = (PROJECT / "dockerfiles" / "tflite" / "Dockerfile").read_text()


def layout_of(plan: Plan) -> Layout:
    return Layout(PROJECT, Path("/cache"), plan.build_id)


def targets(plan: Plan, **options: Any) -> dict[str, Any]:
    document = definition(plan, layout_of(plan), **options)
    assert json.loads(json.dumps(document)) == document
    found: dict[str, Any] = document["target"]
    return found


def opt(*sets: str, arch: Arch = Arch.AMD64) -> Plan:
    return make_plan(DEBIAN_RELEASE, "opt", arch, *sets)


def test_the_arguments_are_those_that_the_dockerfile_declares() -> None:
    declared = set(re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE))
    given: set[str] = set().union(*(target.get("args", {}) for target in targets(opt(), nonce="1").values()))
    assert given == declared


def test_every_argument_that_a_stage_uses_is_declared_in_it() -> None:
    for stage in re.split(r"^(?=FROM )", DOCKERFILE, flags=re.MULTILINE)[1:]:
        code = "\n".join(line for line in stage.splitlines() if not line.startswith("#"))
        used = set(re.findall(r"\$\{?([A-Z_]+)", code)) - _PREDEFINED
        assert used <= set(re.findall(r"^ARG (\w+)", stage, re.MULTILINE)), code.splitlines()[0]


def test_every_stage_and_context_that_is_named_exists() -> None:
    stages = set(re.findall(r"^FROM .* AS (\S+)$", DOCKERFILE, re.MULTILINE))
    foreign = set(re.findall(r"from=(\w[\w-]*)|^FROM (?:--\S+ )?([\w-]+)", DOCKERFILE, re.MULTILINE))
    wanted = {name for pair in foreign for name in pair if name} - stages - {"scratch"}
    for plan in (opt(), opt("runtime.base=debian")):
        found = targets(plan)
        for name, target in found.items():
            if name not in {"root", "runtime-root"}:
                assert target["target"] in stages
                assert wanted <= set(target["contexts"]) | {"runtime-base"}
        contexts = {value for target in found.values() for value in target.get("contexts", {}).values()}
        linked = {value.removeprefix("target:") for value in contexts if value.startswith("target:")}
        assert linked <= set(found)


def test_the_files_that_a_definition_names_are_there() -> None:
    for target in targets(opt("runtime.base=debian")).values():
        dockerfile = Path(target.get("dockerfile", Path(target["context"], "Dockerfile")))
        assert dockerfile.is_file()
    assert Path(targets(opt())["compile"]["contexts"]["toolchains"]).is_dir()


@pytest.mark.parametrize("arch", [Arch.AMD64, Arch.ARM64])
def test_the_tools_run_here_and_the_image_is_for_there(arch: Arch) -> None:
    found = targets(opt(arch=arch))
    arguments = found["compile"]["args"]
    assert (arguments["BUILD_ARCH"], arguments["TARGET_ARCH"]) == ("amd64", str(arch))
    assert arguments["QEMU"] == ("" if arch is Arch.AMD64 else "aarch64")
    assert found["image"]["platforms"] == [f"linux/{arch}"]
    assert "platforms" not in found["compile"]


def test_scratch_and_debian_images_come_from_different_stages() -> None:
    scratch, debian = targets(opt()), targets(opt("runtime.base=debian"))
    assert scratch["image"]["target"] == "runtime-scratch"
    assert "runtime-root" not in scratch
    assert debian["image"]["target"] == "runtime-debian"
    assert debian["image"]["contexts"]["runtime-base"] == "target:runtime-root"
    assert debian["runtime-root"]["context"] != debian["root"]["context"]


def test_the_image_is_a_candidate_until_it_is_verified() -> None:
    plan = make_plan(tag="team/tflite:1")
    assert targets(plan)["image"]["tags"] == [candidate_tag(plan)]
    assert candidate_tag(plan) != plan.image.tag
    assert candidate_tag(plan) != candidate_tag(make_plan(config="size", tag="team/tflite:1"))


def test_labels_of_the_plan_and_of_the_run_are_both_there() -> None:
    labels = targets(opt(), labels={"org.opencontainers.image.created": "x"})["image"]["labels"]
    assert labels["org.opencontainers.image.created"] == "x"
    assert labels["tfbuild.build-id"] == "tflite-2.14.1-debian-opt-amd64"


def test_a_private_ca_is_a_secret_of_every_step_and_a_layer_of_none() -> None:
    found = targets(opt(), ca_bundle=Path("/etc/ca.pem"))
    ours = {name: target for name, target in found.items() if name != "root"}
    assert all(target["secret"] == ["id=ca,src=/etc/ca.pem"] for target in ours.values())
    for target in ours.values():
        assert "/etc/ca.pem" not in json.dumps({k: v for k, v in target.items() if k != "secret"})
    assert "secret" not in targets(opt())["compile"]


def test_proxies_are_arguments_and_cannot_replace_ours() -> None:
    arguments = targets(opt(), environment={"https_proxy": "http://p:1", "JOBS": "999"}, jobs=2)["compile"][
        "args"
    ]
    assert arguments["https_proxy"] == "http://p:1"
    assert arguments["JOBS"] == "2"


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
    newer = make_plan(source_date_epoch=1)
    assert layout_of(one).root(one.root) != layout_of(newer).root(newer.root)
