"""What a finished build left: files, image, reports, and how the next run takes it."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import time
from pathlib import Path

import jsonschema
import pytest

from tests.engine.conftest import PROJECT, Built, Invoke
from tests.operators.pack import stored
from tests.support.bills import owners_in_cyclonedx, require_valid_cyclonedx, require_valid_spdx
from tests.support.operators import pack_with_a_broken_model, require_operators, require_zoo
from tests.support.provenance import require_valid_provenance
from tests.zoo.cases import FILE as ZOO
from tfbuild.artifacts.elf.read import ELF_MAGIC, read_elf
from tfbuild.artifacts.image.archive import ImageArchive
from tfbuild.engine.engine import DockerEngine
from tfbuild.engine.facts import RunOptions
from tfbuild.plan.words import host_arch


def test_files_are_what_the_product_consists_of(built: Built) -> None:
    names = {str(path.relative_to(built.folder)) for path in built.folder.rglob("*") if path.is_file()}
    assert {
        "lib/libtensorflowlite.so",
        "lib/libtensorflowlite_c.so",
        "lib/pkgconfig/tensorflowlite.pc",
        "lib/pkgconfig/tensorflowlite_c.pc",
        "bin/benchmark_model",
        "include/tensorflow/lite/c/c_api.h",
        "include/tensorflow/lite/interpreter.h",
        "include/tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h",
        "include/flatbuffers/flatbuffers.h",
        "share/licenses/tensorflow",
        "manifest.json",
        "verify.json",
        "SHA256SUMS",
    } <= names
    logs = {name for name in names if name.startswith("logs/")}
    assert any(re.fullmatch(r"logs/\d\d-compile-compile\.log", name) for name in logs), logs


def test_the_bill_of_materials_is_valid_and_every_elf_file_has_an_owner(built: Built) -> None:
    require_valid_spdx(built.folder / "sbom.spdx.json")
    bill = require_valid_cyclonedx((built.folder / "sbom.cdx.json").read_text())
    found = owners_in_cyclonedx(bill)
    owners = {path: owner for path, owner in found.items() if not path.startswith("image:")}
    inside = {path: owner for path, owner in found.items() if path.startswith("image:")}
    assert {owner for path, owner in inside.items() if path.endswith("/libc.so.6")} == {"libc6"}
    assert built.image not in inside.values()  # as it is called that nobody else owns
    files = [path for path in built.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    elf = {str(path.relative_to(built.folder)) for path in files if path.read_bytes()[:4] == ELF_MAGIC}
    assert elf == set(owners)
    own = {path for path, owner in owners.items() if owner == built.manifest["build_id"]}
    assert own == {"lib/libtensorflowlite.so", "lib/libtensorflowlite_c.so", "bin/benchmark_model"}
    packages = {owner for path, owner in owners.items() if path not in own}
    assert {"libabsl20240722", "libcpuinfo0", "libpthreadpool0", "libxnnpack0.20241108"} <= packages
    # Linked in from Debian's static libraries and headers.
    named = {each["name"]: each for each in bill["components"]}
    assert {"name": "tfbuild:role", "value": "static"} in named["libruy-dev"]["properties"]
    assert {"libc6", "libstdc++6"} <= named.keys()


def test_the_provenance_has_the_digest_of_each_package(built: Built) -> None:
    statement = require_valid_provenance(built.folder / "provenance.json")
    materials = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert [each["name"] for each in materials if not each.get("digest")] == []


def test_checksums_cover_every_file(built: Built) -> None:
    lines = (built.folder / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    there = {
        str(path.relative_to(built.folder))
        for path in built.folder.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    assert set(listed) == there
    for name, digest in listed.items():
        assert hashlib.sha256((built.folder / name).read_bytes()).hexdigest() == digest, name


def test_libraries_are_named_and_exported_like_bazels(built: Built) -> None:
    machine = {"amd64": "EM_X86_64", "arm64": "EM_AARCH64"}[built.arch]
    cxx = read_elf(built.folder / "lib/libtensorflowlite.so")
    c = read_elf(built.folder / "lib/libtensorflowlite_c.so")
    assert (cxx.soname, c.soname) == ("libtensorflowlite.so", "libtensorflowlite_c.so")
    assert {cxx.machine, c.machine} == {machine}
    assert cxx.stripped
    assert c.stripped
    assert all(name.startswith("TfLite") for name in c.exports)
    for symbol in ("TfLiteInterpreterCreate", "TfLiteXNNPackDelegateCreate", "TfLiteVersion"):
        assert symbol in c.exports
        assert symbol in cxx.exports
    assert any("BuiltinOpResolver" in name for name in cxx.exports)
    assert not [name for name in cxx.exports if name.startswith("_ZN4absl")]


def test_documents_match_their_schemas(built: Built) -> None:
    for document, schema in (
        (built.manifest, "manifest.schema.json"),
        (built.result, "build-result.schema.json"),
    ):
        jsonschema.validate(document, json.loads((PROJECT / "schemas" / schema).read_text()))
    assert built.manifest["version"] == 1
    assert built.manifest["build_id"] == built.build_id


def test_image_is_small_and_gives_nothing_to_hold_on_to(
    built: Built, engine: DockerEngine, tmp_path: Path
) -> None:
    engine.save_image(built.image, tmp_path / "image.tar")
    with ImageArchive(tmp_path / "image.tar", platform=f"linux/{built.arch}") as archive:
        facts = archive.facts
    assert facts.layers_bytes <= 30_000_000
    assert (facts.uid, facts.setid, facts.shells, facts.open_directories) == (65532, (), (), ())
    packages = {package.name for package in facts.packages}
    assert {"libc6", "libstdc++6", "libxnnpack0.20241108", "ca-certificates"} <= packages
    labels = facts.config.labels
    for name in ("title", "version", "revision", "source", "licenses", "base.name", "base.digest", "created"):
        assert labels.get(f"org.opencontainers.image.{name}"), name
    assert labels["org.opencontainers.image.version"] == "2.14.1"
    epoch = built.manifest["plan"]["source_date_epoch"]
    assert facts.config.created == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


def test_image_runs_with_nothing_but_itself(built: Built, engine: DockerEngine) -> None:
    """Read-only, no capabilities, no network, not root: RunOptions' defaults."""
    if built.arch == "amd64":
        ran = engine.run_once(built.image, ["--help"], RunOptions())
        assert "--graph" in ran.stdout + ran.stderr
    facts = engine.image(built.image)
    assert facts is not None
    assert facts.user == "65532:65532"
    assert facts.architecture == built.arch


def test_smoke_outcomes_are_in_the_manifest(built: Built) -> None:
    outcomes = {outcome["case"]: outcome for outcome in built.manifest["smoke"]}
    part = built.manifest["plan"]["part"]  # under the emulator the suites of operators run on a second CPU
    assert len(part["smoke"]) == 23
    assert len(outcomes) == 23 + len(part["operators"])
    assert {each["cpu"] for each in part["smoke"]} == {
        "cortex-a72" if (built.arch, host_arch()) == ("arm64", "amd64") else ""
    }
    for name in ("conv_float32, c", "conv_float32, c++", "conv_int8, c", "conv_int8, c++"):
        assert outcomes[name]["delegated"] == 1
        assert outcomes[name]["outputs"] == [54, 9, 63, 10, 90, 13, 99, 14]
    for api in ("c", "c++"):
        for kind in ("float32", "int8"):
            excited = outcomes[f"squeeze_excite_{kind}_batch2, {api}"]
            assert (excited["delegated"], excited["left"]) == (1, [])
            assert excited["outputs"] == [8, 2, 24, 4, 40, 6, 56, 8, 0, 0, 2, 1, 0, 3, 6, 4]
    for way in ("c", "c, delegate", "c++"):
        dynamic = outcomes[f"dynamic_reshape_float32, {way}"]
        assert not dynamic["delegated"]
        assert dynamic["outputs"] == [10, 9, 26, 17]
    for api in ("c", "c++"):  # where the kernel's list of CPUs is hidden, Debian's cpuinfo knows no Arm
        hidden = outcomes[f"conv_float32, {api}, CPUs hidden"]
        assert hidden["outputs"] == [54, 9, 63, 10, 90, 13, 99, 14]
        assert bool(hidden["delegated"]) == (built.arch == "amd64")
    assert {outcome["version"] for outcome in outcomes.values()} == {"2.14.1"}


@pytest.mark.parametrize("api", ["c", "c++"])
def test_every_operator_answers_as_published_packages_do(built: Built, api: str) -> None:
    require_operators(built.manifest, f"operators, {api}", "2.14.1")


@pytest.mark.parametrize("api", ["c", "c++"])
def test_every_kind_of_model_answers_as_published_packages_do(built: Built, api: str) -> None:
    require_zoo(built.manifest, f"zoo, {api}", too_new=3)


# The C API looks first whether a model is one; the C++ API believes it.
@pytest.mark.parametrize(("program", "state"), [("operators-c", "failed"), ("operators-cc", "crashed")])
def test_a_model_that_ends_the_process_does_not_hide_the_others(
    built: Built, engine: DockerEngine, tmp_path: Path, program: str, state: str
) -> None:
    first, broken, last = pack_with_a_broken_model(tmp_path / "pack")
    files = {"/smoke/pack": tmp_path / "pack"}
    with built.held() as work:
        files |= {f"/smoke/{path.name}": path for path in (work / "smoke").iterdir()}
        emulator = ("/smoke/qemu",) if "/smoke/qemu" in files else ()
        command = (*emulator, f"/smoke/{program}", "/smoke/pack", "--verbose")
        platform = f"linux/{built.arch}"
        options = RunOptions(platform=platform, entrypoint=command[:1], files=files, timeout_s=300)
        ran = engine.run_once(built.image, command[1:], options)
    assert ran.exit_code == 0, ran.stderr
    told = [line.split()[1:] for line in ran.stdout.splitlines() if line.startswith("operator ")]
    assert [(name, each) for name, _, each, *_ in told] == 2 * [
        (first, "right"),
        (broken, state),
        (last, "right"),
    ]
    assert "operators xnnpack 3 2 2" in ran.stdout.splitlines()


# Both pools of threads: XNNPACK's, and ruy's for what XNNPACK does not take.
@pytest.mark.parametrize("xnnpack", ["true", "false"])
def test_two_threads_on_one_cpu_are_no_catastrophe(
    built: Built, engine: DockerEngine, tmp_path: Path, xnnpack: str
) -> None:
    """Threads that spin for each other took a thousand times as long as one, where no quota can be met."""
    model = tmp_path / "resnet.tflite"
    model.write_bytes(stored(gzip.decompress(ZOO.read_bytes()))["resnet-float32"])

    def microseconds(work: Path, threads: int) -> float:
        files = {f"/smoke/{path.name}": path for path in (work / "smoke").glob("qemu")}
        program = (*files, "/usr/bin/benchmark_model")
        files["/smoke/resnet.tflite"] = model
        options = RunOptions(platform=f"linux/{built.arch}", entrypoint=program[:1], files=files, cpus=1.0)
        flags = ("--num_runs=200", "--min_secs=0.2", "--max_secs=5", f"--use_xnnpack={xnnpack}")
        command = (*program[1:], "--graph=/smoke/resnet.tflite", f"--num_threads={threads}", *flags)
        ran = engine.run_once(built.image, command, options)
        (found,) = re.findall(r"Inference \(avg\): ([0-9.e+]+)", ran.stdout + ran.stderr)
        return float(found)

    with built.held() as work:
        assert microseconds(work, 2) < 60 * microseconds(work, 1)


def test_second_run_does_nothing(built: Built, invoke: Invoke) -> None:
    again = invoke("build-tflite", "--arch", built.arch, "--output", str(_top(built)), "--json")
    assert again.ok, again.stderr
    assert json.loads(again.stdout)["status"] == "up-to-date"
    assert json.loads(again.stdout)["image_id"] == built.result["image_id"]


def test_verify_accepts_folder_and_image_and_refuses_a_changed_file(
    built: Built, invoke: Invoke, tmp_path: Path
) -> None:
    for target in (str(built.folder), built.image):
        checked = invoke("verify", target, "--policy", "tflite-scratch", "--json")
        assert checked.ok, checked.stdout
    header = built.folder / "include/tensorflow/lite/version.h"
    original = header.read_bytes()
    try:
        header.write_bytes(original + b"\n")
        checked = invoke("verify", str(built.folder))
        assert checked.returncode == 7
        assert "include/tensorflow/lite/version.h" in checked.stdout
    finally:
        header.write_bytes(original)


def _top(built: Built) -> Path:
    return built.folder.parents[3]
