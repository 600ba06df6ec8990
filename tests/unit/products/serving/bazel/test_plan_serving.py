"""Plans of the model server: what changes which step, and what a plan says of a request."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from tests.support.plans import PROJECT, all_server_plans, make_server_plan
from tests.support.products import Product, list_releases
from tfbuild.base.arch import Arch
from tfbuild.base.errors import HostError, NothingMatchesError
from tfbuild.engine.facts import EngineFacts
from tfbuild.plan.plan import Plan
from tfbuild.products.saved_model import ModelFolder
from tfbuild.products.serving.bazel.request import request_files
from tfbuild.products.serving.preflight import require_architecture
from tfbuild.products.table import plan_text

# Made once: to judge the schema itself takes longer than to judge a plan by it.
SCHEMA = jsonschema.Draft202012Validator(json.loads((PROJECT / "schemas" / "plan.schema.json").read_text()))
STEPS = ("fetch", "root", "builder", "fetch-deps", "compile", "image", "verify", "dist")
MODEL = ModelFolder("models/half_plus_two", "half_plus_two", (123,), "7" * 40)


def server(*sets: str, **more: Any) -> Plan[Any]:
    return make_server_plan("2.20.0", "opt", Arch.AMD64, *sets, **more)


BASE = server()


def changed(plan: Plan[Any]) -> set[str]:
    keys = {step.id: step.key for step in plan.steps}
    return {step.id for step in BASE.steps if keys[step.id] != step.key}


def test_the_downloads_of_bazel_are_a_step_before_the_compile() -> None:
    assert tuple(step.id for step in BASE.steps) == STEPS


@pytest.mark.parametrize(
    ("setting", "first"),
    [
        ("compile.march=haswell", "fetch-deps"),
        ("serving.copts=-fno-plt", "fetch-deps"),
        ("serving.bazel_configs=mkl", "fetch-deps"),
        ("serving.host_copts=-O1", "fetch-deps"),
        ("serving.monitoring.prometheus=true", "image"),
        ("serving.server_args=--grpc_max_threads=4", "image"),
        ("runtime.user=1000", "image"),
        ("policy=default", "verify"),
    ],
)
def test_a_change_outdates_what_it_reaches_and_nothing_before(setting: str, first: str) -> None:
    assert changed(server(setting)) == set(STEPS[STEPS.index(first) :])


def test_what_no_result_depends_on_outdates_nothing() -> None:
    assert changed(server("resources.jobs=3", "resources.memory_per_job_mib=4096")) == set()


def test_a_model_and_words_after_the_dashes_count() -> None:
    assert changed(server(model=MODEL)) == {"image", "verify", "dist"}
    other = replace(MODEL, tree="8" * 40)
    assert server(model=MODEL).key != server(model=other).key
    assert changed(server(raw=("--copt=-O1",))) == set(STEPS[3:])


def test_having_seen_the_archive_compiles_nothing_again() -> None:
    """Before, the tree alone proves it; afterwards the archive has a pin like the others."""
    seen = server(seen="a" * 64)
    assert changed(seen) == {"fetch"}
    assert BASE.unhashed is not None
    assert seen.unhashed is None
    assert seen.pins[0].sha256 == "a" * 64
    assert [pin.name for pin in seen.pins[1:]] == [pin.name for pin in BASE.pins]
    assert BASE.unhashed.lock == "releases/2.20.0.lock.json"


@pytest.mark.parametrize("plan", all_server_plans(), ids=lambda plan: f"{plan.build_id}-{plan.root.arch}")
def test_every_plan_is_what_the_schema_says_and_tells_its_state(plan: Plan[Any]) -> None:
    document = json.loads(json.dumps({**plan.to_json(), "bake": None, "replaces": None}, default=str))
    SCHEMA.validate(document)
    text = plan_text(plan)
    assert "this project has not compiled it as it is" in text
    assert "this way has never been run" in text
    assert "estimate: " in text
    assert all(option in text for option in plan.part.arguments)
    assert str(plan.tree.tree) in text
    assert (plan.root.snapshot is not None) == (plan.root.suite in {"bullseye", "bookworm"})


def test_the_default_of_every_release_can_be_planned_for_every_way() -> None:
    made = {(plan.release, plan.arch, plan.root.arch) for plan in all_server_plans() if plan.config == "opt"}
    servers = [each for each in list_releases(PROJECT) if each.product == Product.SERVING]
    assert made == {
        (each.release, way.arch, way.build_arch)
        for each in servers
        if each.origin == "source"
        for way in each.serving.ways
    }
    assert len(made) == 7 * 3


def test_bazel_is_the_one_for_the_machine_that_builds() -> None:
    cross = make_server_plan("2.19.1", "opt", Arch.ARM64)
    assert (cross.part.bazel.pin, cross.part.way.kind) == ("bazel-6.5.0-amd64", "cross")
    native = make_server_plan("2.19.1", "opt", Arch.ARM64, build_arch=Arch.ARM64)
    assert (native.part.bazel.pin, native.part.way.kind) == ("bazel-6.5.0-arm64", "native")
    assert "bazel-6.5.0-linux-arm64" in {pin.filename for pin in native.pins}


def test_a_way_that_does_not_exist_is_told_with_those_that_do() -> None:
    with pytest.raises(NothingMatchesError) as caught:
        make_server_plan("2.19.1", "opt", Arch.AMD64, build_arch=Arch.ARM64)
    assert caught.value.message == "serving 2.19.1 cannot be built for amd64 on arm64"
    assert "it can for: amd64 on amd64, arm64 on amd64, arm64 on arm64" in caught.value.details


def test_a_remote_cache_is_the_only_network_of_the_compile() -> None:
    assert BASE.remote is None
    plan = server("remote.cache=grpcs://cache.example")
    assert plan.remote
    assert plan.key == BASE.key
    assert any("the compile has the network" in note for note in plan.notes)


def test_the_tensorflow_inside_is_named_where_it_is_another() -> None:
    notes = make_server_plan("2.17.1").notes
    assert "upstream pins TensorFlow 2.17.0 for this release" in notes
    assert not any("upstream pins" in note for note in BASE.notes)


def test_the_request_has_one_word_to_a_line() -> None:
    plan = server("serving.monitoring.prometheus=true", raw=("--copt=-DA=a b",))
    files = request_files(plan)
    assert files["bazel-args"].splitlines() == list(plan.part.arguments)
    assert files["bazel-args"].endswith("--copt=-DA=a b\n")
    assert files["bazel-startup"] == "--nosystem_rc\n--nohome_rc\n--host_jvm_args=-XX:TieredStopAtLevel=1\n"
    assert files["bazel-targets"] == "//tensorflow_serving/model_servers:tensorflow_model_server\n"
    assert files["bazel-overrides"] == (
        "org_boost\tboost_1_75_0.tar.bz2\tboost_1_75_0\tboost\torg_boost.BUILD\n"
    )
    assert files["server-args"] == "--monitoring_config_file=/etc/tensorflow-serving/monitoring.conf\n"
    assert files["monitoring.conf"].startswith("prometheus_config")
    assert "batching.conf" not in files


def test_what_an_engine_lacks_is_told_in_its_own_numbers() -> None:
    needs = BASE.part.needs
    assert needs.disk == 60 << 30
    assert needs.concerns(memory=64 << 30, cpus=64) == ()
    few, slow = needs.concerns(memory=6 << 30, cpus=2)
    assert few.startswith("the engine has 6.0 GiB of memory, and the build needs about 16 GiB")
    assert slow == "about 15 hours on the 2 CPUs of the engine"


def engine_of(os_arch: str) -> EngineFacts:
    return EngineFacts("26.1.5", "1.45", os_arch, 8, 32 << 30, "overlayfs", True, "/var/lib/docker", True)


@pytest.mark.parametrize(
    ("arch", "build_arch", "engine"),
    [
        (Arch.ARM64, Arch.ARM64, "linux/arm64"),
        (Arch.ARM64, Arch.ARM64, "linux/aarch64"),
        (Arch.ARM64, Arch.AMD64, "linux/amd64"),
        (Arch.AMD64, Arch.AMD64, "linux/something"),
    ],
)
def test_an_engine_of_the_architecture_that_builds_will_do(arch: Arch, build_arch: Arch, engine: str) -> None:
    require_architecture(
        make_server_plan("2.19.1", "opt", arch, build_arch=build_arch), engine_of(engine), Arch.AMD64
    )


def test_a_native_build_on_another_engine_ends_before_it_begins() -> None:
    plan = make_server_plan("2.19.1", "opt", Arch.ARM64, build_arch=Arch.ARM64)
    with pytest.raises(HostError, match="must be built on arm64, but the engine is amd64") as caught:
        require_architecture(plan, engine_of("linux/amd64"), Arch.AMD64)
    assert caught.value.exit_code == 4
    assert "without serving.build_on=target" in caught.value.details[0]
    assert "DOCKER_HOST=" in (caught.value.hint or "")


def test_a_remote_engine_of_another_architecture_is_told_how_to_build_its_own() -> None:
    with pytest.raises(HostError) as caught:
        require_architecture(make_server_plan("2.19.1"), engine_of("linux/arm64"), Arch.AMD64)
    assert "--arch arm64 --set serving.build_on=target" in caught.value.details[0]
