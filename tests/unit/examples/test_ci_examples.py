"""examples/ci: what can be seen of it without the services that it is for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.plans import PROJECT

CI = PROJECT / "examples" / "ci"
TARGETS = set(re.findall(r"^([a-z]+):", (CI / "Makefile").read_text(), re.MULTILINE))
CALLS = {
    "github.yml": ["setup", "build", "verify"],
    "gitlab-ci.yml": ["setup", "build", "verify"],
    "Jenkinsfile": ["setup", "build", "verify"],
}


@pytest.mark.parametrize("name", CALLS)
def test_each_service_calls_targets_that_there_are(name: str) -> None:
    called = re.findall(r"\bmake ([a-z]+)", (CI / name).read_text())
    assert called == CALLS[name]
    assert set(called) <= TARGETS


def test_every_action_is_pinned_by_its_commit() -> None:
    workflow: Any = yaml.safe_load((CI / "github.yml").read_text())
    used = [step["uses"] for step in workflow["jobs"]["tflite"]["steps"] if "uses" in step]
    assert len(used) == 3
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each) for each in used)


def test_what_verify_writes_is_what_the_services_read() -> None:
    make = (CI / "Makefile").read_text()
    (written,) = re.findall(r"--sarif (\S+) --junit (\S+)", make)
    gitlab: Any = yaml.safe_load((CI / "gitlab-ci.yml").read_text())
    assert gitlab["tflite"]["artifacts"]["reports"]["junit"] == written[1]
    assert f"junit '{written[1]}'" in (CI / "Jenkinsfile").read_text()
    workflow: Any = yaml.safe_load((CI / "github.yml").read_text())
    uploads = [step.get("with", {}).get("sarif_file") for step in workflow["jobs"]["tflite"]["steps"]]
    assert written[0] in uploads


@pytest.mark.real_processes
@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_the_makefile_plans_and_verifies(tmp_path: Path) -> None:
    shutil.copytree(CI, tmp_path / "mine")
    program = Path(sys.executable).with_name("tfbuild")

    def make(*words: str) -> subprocess.CompletedProcess[str]:
        argv = ("make", f"PROGRAM={program}", *words)
        return subprocess.run(argv, cwd=tmp_path / "mine", capture_output=True, text=True, check=False)

    planned = make("plan")
    assert planned.returncode == 0, planned.stderr
    assert "tflite-2.14.1-debian-board-arm64" in planned.stdout
    library = PROJECT / "tests" / "data" / "elf" / "x86_64" / "bad.so"
    verified = make("verify", f"RESULT={library}", "POLICY=tflite-scratch")
    assert verified.returncode != 0
    found = json.loads((tmp_path / "mine" / "tfbuild.sarif").read_text())["runs"][0]["results"]
    assert found
    assert "<failure" in (tmp_path / "mine" / "tfbuild.xml").read_text()


def test_the_compose_file_serves_the_ports_of_the_image_and_writes_nothing() -> None:
    document: Any = yaml.safe_load((PROJECT / "examples" / "serving" / "compose.yaml").read_text())
    (service,) = document["services"].values()
    exposed = re.findall(
        r"^EXPOSE (.+)$", (PROJECT / "dockerfiles/serving/image.Dockerfile").read_text(), re.M
    )
    assert [each.rpartition(":")[2] for each in service["ports"]] == exposed[0].split()
    assert service["read_only"] is True
    assert all(each.endswith(":ro") for each in service["volumes"])
