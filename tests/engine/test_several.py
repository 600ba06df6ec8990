"""Both architectures in one go, on the engine that is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.engine.conftest import Built, Invoke
from tfbuild.engine.engine import DockerEngine
from tfbuild.engine.facts import RunOptions


def test_the_images_of_both_become_one_that_runs(
    build: Callable[[str], Built], invoke: Invoke, engine: DockerEngine
) -> None:
    parts = [build("amd64"), build("arm64")]
    output = parts[0].folder.parents[3]
    words = ("build-tflite", "--arch", "amd64,arm64", "--output", str(output), "--json")
    ran = invoke(*words)
    assert ran.ok, ran.stderr[-4000:]
    result = json.loads(ran.stdout)
    try:
        assert [each["status"] for each in result["builds"]] == ["up-to-date", "up-to-date"]
        assert [each["image_id"] for each in result["images"]] == [each.result["image_id"] for each in parts]
        assert result["loaded"] == engine.info().containerd_store
        archive = Path(result["archive"]["path"])
        verified = invoke("verify", str(archive), "--json")
        assert verified.ok, verified.stderr
        report = json.loads(verified.stdout)
        assert [each["platform"] for each in report["platforms"]] == ["linux/amd64", "linux/arm64"]
        machines = [{elf["machine"] for elf in each["facts"]["elf"]} for each in report["platforms"]]
        assert machines == [{"EM_X86_64"}, {"EM_AARCH64"}]
        assert invoke("verify", str(archive.parent)).ok
        if result["loaded"]:
            image = engine.image(result["image"])
            assert image is not None
            assert image.id == result["digest"]
            started = engine.run_once(result["image"], ["--help"], RunOptions(platform=engine.info().os_arch))
            assert "--graph" in started.stdout + started.stderr
        assert json.loads(invoke(*words).stdout)["status"] == "up-to-date"
    finally:
        if result["loaded"]:
            engine.remove_image(result["image"])
