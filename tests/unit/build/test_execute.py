"""Carrying out a plan: the order, what a second run leaves out, and what a failing one leaves alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from tests.support.builds import Build, Case, right_answer
from tests.support.patches import write_patch
from tests.support.plans import PROJECT, make_plan, make_server_plan
from tests.support.runner import Reply
from tfbuild.base.arch import Arch
from tfbuild.base.errors import (
    BuildError,
    ChecksumError,
    ConfigError,
    DownloadError,
    ExitCode,
    HostError,
    Interrupted,
    LockedError,
    PackagingError,
    TfBuildError,
    VerificationError,
)
from tfbuild.build.dist.folder import is_intact, staging_of
from tfbuild.build.dist.ownership import read_manifest
from tfbuild.build.steps import blamed
from tfbuild.engine.facts import RunResult
from tfbuild.machine.locks import hold
from tfbuild.plan.words import Words
from tfbuild.products import table
from tfbuild.products.tflite.smoke.operators import OperatorCase
from tfbuild.releases.lock import Lock

EVERYTHING = ["mmdebstrap", "builder", "compile", "runtime-files smoke", "image"]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return Build(tmp_path)


def schema(name: str) -> object:
    return json.loads((PROJECT / "schemas" / f"{name}.schema.json").read_text())


def broken(build: Build) -> Build:
    """The same build, by a recipe that is another one."""
    build.plan = make_plan("2.14.1-debian", "opt", Arch.AMD64, "policy=default", recipe="another")
    return build


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# -- a build ------------------------------------------------------------------------------------------


def test_the_steps_are_done_and_told_in_their_order(build: Build) -> None:
    result = build.run()
    assert build.done == EVERYTHING
    started = build.reporter.of("step_started")
    assert [(index, total) for index, total, _ in started] == [(n, 7) for n in range(1, 8)]
    assert [title for _, _, title in started] == [step.title for step in build.plan.steps]
    assert [status for status, *_ in build.reporter.of("step_finished")] == ["ok"] * 7
    assert (result.fresh, result.output, result.image) == (True, build.output, build.plan.image.tag)
    assert build.fetched == [tuple(pin.name for pin in build.plan.pins)]


def test_the_dist_folder_is_complete(build: Build) -> None:
    build.run()
    names = set(snapshot(build.output))
    assert {"manifest.json", "verify.json", "SHA256SUMS", "lib/libtensorflowlite.so"} <= names
    logs = sorted(name for name in names if name.startswith("logs/"))
    assert all(re.fullmatch(r"logs/\d\d-[a-z-]+\.log", name) for name in logs)
    assert {"logs/01-fetch.log", "logs/04-compile.log", "logs/04-compile-compile.log"} <= set(logs)
    assert is_intact(build.output)
    assert not staging_of(build.output).exists()


def test_its_documents_are_what_their_schemas_say(build: Build) -> None:
    result = build.run()
    manifest = json.loads((build.output / "manifest.json").read_text())
    jsonschema.validate(manifest, schema("manifest"))
    jsonschema.validate(json.loads((build.output / "verify.json").read_text()), schema("dist-verify"))
    jsonschema.validate(json.loads(json.dumps(result.to_json())), schema("build-result"))
    assert manifest["version"] == manifest["plan"]["version"] == 1
    assert manifest["key"] == build.plan.key
    assert manifest["tools"] == ["gcc 14.2.0", "cmake 3.31"]
    assert manifest["packages"][1] == {
        "package": "libabsl-dev",
        "version": "1",
        "arch": "amd64",
        "source": "abseil",
        "source_version": "1",
        "sha256": "9" * 64,
    }
    assert manifest["roots"]["builder"]["mirror"] == "http://mirror.example/debian"
    assert manifest["image"]["id"] == build.engine.images[build.plan.image.tag]
    assert set(manifest["seconds"]) >= {"fetch", "compile", "verify"}
    part = build.plan.part
    assert [case["case"] for case in manifest["smoke"]] == [
        *(each.id for each in part.smoke),
        *(each.id for each in part.operators),
    ]


def test_only_the_verified_image_has_the_name(build: Build) -> None:
    build.run()
    assert list(build.engine.images) == [build.plan.image.tag]


def test_every_inference_runs_in_a_container_of_the_candidate(build: Build) -> None:
    build.run()
    cases: tuple[Case, ...] = (*build.plan.part.smoke, *build.plan.part.operators)
    assert [argv for _, argv, _ in build.engine.runs] == [case.command("/smoke") for case in cases]
    for image, _, options in build.engine.runs:
        assert image == build.layout.candidate
        assert options.platform == "linux/amd64"
        assert options.read_only
        assert "/smoke/add.bin" in options.files


def test_a_foreign_inference_runs_under_the_emulator_that_came_with_it(build: Build) -> None:
    build.replies["runtime-files"] = Reply((), effect=lambda _: _with_qemu(build))
    build.run()
    assert {argv[0] for _, argv, _ in build.engine.runs} == {"/smoke/qemu"}
    assert not any(options.env for _, _, options in build.engine.runs)  # no CPU is promised that QEMU has


def test_the_emulator_is_the_cpu_that_was_promised_and_the_operators_run_on_the_largest_too(
    build: Build,
) -> None:
    foreign = make_plan("2.16.1", "cortex-a72", Arch.ARM64).part
    part = replace(build.plan.part, smoke=foreign.smoke, operators=foreign.operators)
    build.plan = replace(build.plan, part=part)
    build.replies["runtime-files"] = Reply((), effect=lambda _: _with_qemu(build))
    build.run()
    told = [options.env.get("QEMU_CPU") for _, _, options in build.engine.runs]
    assert told == ["cortex-a72"] * (len(part.smoke) + 4) + [None] * 4
    assert [each.id for each in part.operators[4:]] == [
        "operators, c, every extension",
        "operators, c++, every extension",
        "zoo, c, every extension",
        "zoo, c++, every extension",
    ]


def _with_qemu(build: Build) -> None:
    build.runtime_files()
    (build.layout.smoke / "qemu").touch()


def test_jobs_fit_into_the_engines_memory(build: Build) -> None:
    build.run()  # 8 CPUs, but 7 GiB for 2 GiB each
    bake = json.loads(build.layout.bake_file.read_text())
    assert bake["target"]["compile"]["args"]["JOBS"] == "3"
    build.plan = make_plan("2.14.1-debian", "opt", Arch.AMD64, "policy=default", jobs=5)
    build.engine.images.clear()
    build.run()
    assert json.loads(build.layout.bake_file.read_text())["target"]["compile"]["args"]["JOBS"] == "5"


def test_patches_and_packages_reach_the_builder_in_order(build: Build, tmp_path: Path) -> None:
    for name in ("b.diff", "a"):
        write_patch(tmp_path / name, name)
    sets = ("policy=default", f"source.patches=[{tmp_path}/b.diff, {tmp_path}/a]")
    build.plan = table.plan_of(PROJECT, "tflite", Words(sets=sets), env={}, build_arch=Arch.AMD64)
    build.run()
    patches = build.layout.request / "patches"
    copies = [f"{number:03}.patch" for number in range(1, len(build.plan.patches) + 1)]
    assert sorted(path.name for path in patches.iterdir()) == [*copies, "series"]
    rows = [line.split("\t") for line in (patches / "series").read_text().splitlines()]
    assert rows == [
        [f"{number:03}.patch", each.sha256, each.path] for number, each in enumerate(build.plan.patches, 1)
    ]
    assert [row[2] for row in rows[-2:]] == [
        str(tmp_path / "b.diff"),
        str(tmp_path / "a"),
    ]  # after the release's
    assert (patches / copies[-2]).read_bytes() == (tmp_path / "b.diff").read_bytes()
    assert {path.name for path in build.layout.downloads.iterdir()} == {
        "libfft2d-dev_1.0-3+b1_amd64.deb",
        "libpthreadpool-dev_0.0~git20251020.0e6ca13-1.1_amd64.deb",
        "libpthreadpool0_0.0~git20251020.0e6ca13-1.1_amd64.deb",
    }
    presets = json.loads((build.layout.request / "CMakePresets.json").read_text())
    assert presets["configurePresets"][0]["cacheVariables"] == dict(build.plan.part.cmake_cache)


def test_a_patch_that_changes_under_the_build_ends_it(build: Build, tmp_path: Path) -> None:
    patch = write_patch(tmp_path / "a.diff")
    words = Words(sets=("policy=default", f"source.patches={patch}"))
    build.plan = table.plan_of(PROJECT, "tflite", words, env={}, build_arch=Arch.AMD64)
    write_patch(patch, after="something else")
    with pytest.raises(ChecksumError, match="was changed while the build was going on"):
        build.run()


def test_an_entry_that_cmake_did_not_use_is_told_in_the_result(build: Build) -> None:
    entry = "tflite.cmake_definitions"
    build.plan = make_plan(
        "2.14.1-debian", "opt", Arch.AMD64, "policy=default", f"{entry}.XNN_TYPO=ON", f"{entry}.GOOD=ON"
    )
    build.unused_entries = "TFLITE_HOST_TOOLS_DIR\nXNN_TYPO\n"  # the first is not the configuration's
    result = build.run()
    told = "tflite.cmake_definitions.XNN_TYPO changes nothing: no CMake file of the release asks for it"
    assert [each.message for each in result.findings if each.id == "cmake-entry-unused"] == [told]
    manifest = json.loads((build.output / "manifest.json").read_text())
    assert told in [each["message"] for each in manifest["findings"]]
    assert (f"cmake-entry-unused: {told}",) in build.reporter.of("warn")


def test_an_error_about_a_flag_is_told_with_the_line_that_gave_it() -> None:
    plan = make_plan("2.14.1-debian", "haswell", Arch.AMD64)
    told = blamed(plan, "cc1: error: bad value 'haswell' for '-march=' switch")
    assert told == ("-march=haswell comes from build_configs/haswell.yaml:8",)
    assert blamed(plan, "cc1: error: bad value 'haswell2' for '-march=' switch") == ()
    server = make_server_plan("2.19.1", "haswell", Arch.AMD64)
    assert blamed(server, "gcc: error: unknown -march=haswell") == told


# -- a second run -------------------------------------------------------------------------------------


def test_a_second_run_does_nothing(build: Build) -> None:
    first = build.run()
    before = snapshot(build.output)
    second = build.run()
    assert build.done == []
    assert (second.fresh, second.image_id) == (False, first.image_id)
    assert [row.sha256 for row in second.rows] == [row.sha256 for row in first.rows]
    assert snapshot(build.output) == before
    assert build.preflights == 1
    jsonschema.validate(json.loads(json.dumps(second.to_json())), schema("build-result"))
    assert second.to_json()["status"] == "up-to-date"


def _lose_image(build: Build) -> None:
    build.engine.images.clear()


def _other_image(build: Build) -> None:
    build.engine.make(build.plan.image.tag)


def _damage_file(build: Build) -> None:
    (build.output / "lib" / "libtensorflowlite.so").write_bytes(b"damaged")


def _change_plan(build: Build) -> None:
    broken(build)


@pytest.mark.parametrize(
    "change",
    [_lose_image, _other_image, _damage_file, _change_plan],
    ids=lambda f: f.__name__,
)
def test_whatever_is_not_as_it_was_left_is_built_again(build: Build, change: Callable[[Build], None]) -> None:
    build.run()
    change(build)
    assert build.run().fresh
    # The root filesystem is still there; what of the rest is, BuildKit knows.
    assert build.done == [name for name in EVERYTHING if name != "mmdebstrap"]
    assert build.run().fresh is False


# -- failures -----------------------------------------------------------------------------------------


def test_a_failing_compile_shows_its_complete_log_and_keeps_the_old_result(build: Build) -> None:
    build.run()
    before, images = snapshot(build.output), dict(build.engine.images)

    def logs(_: tuple[str, ...]) -> None:
        build.layout.logs.mkdir(parents=True)
        (build.layout.logs / "failed").write_text("compile\n")
        (build.layout.logs / "compile.log").write_text(
            "a.cc:3:1: error: 'x' was not declared\nninja: stopped\n"
        )

    build.replies = {"compile": Reply((), returncode=1), "logs": Reply((), effect=logs)}
    with pytest.raises(BuildError, match="the compile phase of the build failed") as caught:
        broken(build).run()
    assert caught.value.exit_code is ExitCode.BUILD_FAILED
    assert any("'x' was not declared" in line for line in caught.value.details)
    assert caught.value.log is not None
    assert caught.value.log.read_text().startswith("a.cc:3:1")
    assert build.done[-1] == "logs"
    assert build.reporter.of("step_finished")[-1][0] == "failed"
    assert snapshot(build.output) == before
    assert build.engine.images == images


def test_the_log_of_the_phase_that_failed_is_shown_whatever_the_times_of_the_files_are(build: Build) -> None:
    def logs(_: tuple[str, ...]) -> None:
        build.layout.logs.mkdir(parents=True)
        for number, name in enumerate(("compile.log", "configure.log", "prepare.log")):
            (build.layout.logs / name).write_text(f"what {name} says\n")
            os.utime(build.layout.logs / name, (number, number))
        (build.layout.logs / "failed").write_text("compile\n")

    build.replies = {"compile": Reply((), returncode=1), "logs": Reply((), effect=logs)}
    with pytest.raises(BuildError, match="the compile phase of the build failed") as caught:
        build.run()
    assert caught.value.log is not None
    assert caught.value.log.name.endswith("-compile-compile.log")


def test_when_even_the_logs_cannot_be_had_the_first_failure_is_told(build: Build) -> None:
    build.replies = {
        "compile": Reply((), returncode=1, stderr="no space left on device\n"),
        "logs": Reply((), returncode=1),
    }
    with pytest.raises(BuildError, match="building compile failed") as caught:
        build.run()
    assert caught.value.log is not None
    assert caught.value.log.is_file()


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("mmdebstrap", BuildError),
        ("builder", BuildError),
        ("runtime-files", PackagingError),
        ("image", PackagingError),
    ],
)
def test_each_step_fails_in_its_own_way_and_the_next_run_goes_on(
    build: Build, step: str, error: type[TfBuildError]
) -> None:
    build.replies = {step: Reply((), returncode=1, stderr="it broke\n")}
    with pytest.raises(error) as caught:
        build.run()
    assert any("it broke" in line for line in caught.value.details)
    assert not build.output.exists()
    assert build.engine.images == {}
    build.replies = {}
    assert build.run().fresh


def wrong_answer(case: Case) -> RunResult:
    right = right_answer(case, "2.14.1")
    return replace(right, stdout=re.sub(r"output \S+", "output 4", right.stdout))


def not_delegated(case: Case) -> RunResult:
    right = right_answer(case, "2.14.1")
    return replace(right, stdout=right.stdout.replace("delegated 1", "delegated 0\nleft 3"))


def wrong_operator(case: Case) -> RunResult:
    right = right_answer(case, "2.14.1")
    line = (
        "operator mean-keep xnnpack wrong output 0: 1 of 2 values differ; from value 0 on: got 1 expected 2\n"
    )
    return replace(right, stdout=right.stdout + "\n" + line * isinstance(case, OperatorCase))


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        (wrong_operator, "smoke-answer"),
        (wrong_answer, "smoke-answer"),
        (not_delegated, "xnnpack-not-in-use"),
        (lambda case: RunResult(132, "", ""), "smoke-crash"),
        (lambda case: right_answer(case, "2.13.0"), "smoke-version"),
    ],
    ids=["operator", "answer", "delegation", "crash", "version"],
)
def test_a_wrong_inference_is_exit_7_and_keeps_the_old_result(
    build: Build, answer: Callable[[Case], RunResult], finding: str
) -> None:
    build.run()
    before, image = snapshot(build.output), dict(build.engine.images)
    build.engine.answer = answer
    with pytest.raises(VerificationError) as caught:
        broken(build).run()
    assert caught.value.exit_code is ExitCode.VERIFICATION_FAILED
    assert any(line.startswith(finding) for line in caught.value.details)
    assert caught.value.log is not None
    record = json.loads(caught.value.log.read_text())
    jsonschema.validate(record, schema("dist-verify"))
    assert finding in {each["id"] for each in record["findings"]}
    assert snapshot(build.output) == before
    assert build.engine.images == image
    assert not staging_of(build.output).exists()


def test_an_image_that_lacks_a_library_version_is_exit_7(build: Build) -> None:
    build.engine.libc = "libc-old.so.6"
    with pytest.raises(VerificationError) as caught:
        build.run()
    assert any(line.startswith("image-version-missing") for line in caught.value.details)
    assert not build.output.exists()
    assert build.engine.images == {}


def test_code_beyond_the_march_that_was_asked_for_is_exit_7(tmp_path: Path) -> None:
    build = Build(tmp_path, plan=make_plan("2.14.1-debian", "portable", Arch.AMD64, "policy=default"))
    assert build.plan.march == "x86-64-v2"
    build.replies = {"compile": Reply((), effect=lambda _: build.compile("isa-new.so"))}
    with pytest.raises(VerificationError) as caught:
        build.run()
    assert any("executes AVX, AVX2, FMA without asking the CPU" in line for line in caught.value.details)
    assert not build.output.exists()
    build.replies = {"compile": Reply((), effect=lambda _: build.compile("isa-dispatch.so"))}
    assert build.run().fresh


def test_an_image_with_other_labels_is_exit_7(build: Build) -> None:
    def unlabelled(_: tuple[str, ...]) -> None:
        build.engine.make(build.layout.candidate)

    build.replies = {"image": Reply((), effect=unlabelled)}
    with pytest.raises(VerificationError) as caught:
        build.run()
    assert any(line.startswith("image-label") for line in caught.value.details)


def test_a_warning_is_told_and_stored_and_stops_nothing(build: Build) -> None:
    build.replies = {"compile": Reply((), effect=lambda _: build.compile("bad.so"))}
    result = build.run()
    assert result.findings
    assert all(finding.severity == "warning" for finding in result.findings)
    assert len(build.reporter.of("warn")) == len(result.findings)
    manifest = read_manifest(build.output)
    assert manifest is not None
    assert len(manifest["findings"]) == len(result.findings)
    again = build.run()
    assert again.findings == result.findings
    assert again.to_json()["findings"] == result.to_json()["findings"]


def test_an_engine_that_is_gone_at_the_end_does_not_hide_what_failed(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(ref: str) -> bool:
        raise HostError("the engine does not answer")

    monkeypatch.setattr(build.engine, "remove_image", gone)
    build.replies = {"builder": Reply((), returncode=1, stderr="it broke\n")}
    with pytest.raises(BuildError, match="building builder failed"):
        build.run()


def test_a_host_that_is_not_ready_stops_it_before_anything(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_ready() -> None:
        raise HostError("no disk space")

    monkeypatch.setattr(build, "_preflight", not_ready)
    with pytest.raises(HostError, match="no disk space"):
        build.run()
    assert (build.done, build.fetched) == ([], [])


def test_a_broken_policy_stops_it_before_anything(build: Build, tmp_path: Path) -> None:
    policy = tmp_path / "mine.yaml"
    policy.write_text("description: d\nelf: {min_relro: half}\n")
    build.plan = replace(build.plan, policy=str(policy))
    with pytest.raises(ConfigError):
        build.run()
    assert (build.done, build.fetched) == ([], [])


def test_what_is_not_locked_is_not_built_and_nothing_is_downloaded(build: Build) -> None:
    build.plan = make_plan("2.20.0", "opt", Arch.AMD64, "policy=default", lock=Lock())
    with pytest.raises(DownloadError, match=r"the lock of tflite 2\.20\.0 does not cover") as caught:
        build.run()
    assert caught.value.exit_code == 5
    assert caught.value.hint == "invoke lock --product tflite --release 2.20.0"
    assert (build.done, build.fetched) == ([], [])


def test_locked_sources_reach_the_builder_as_folders_of_their_names(build: Build) -> None:
    plan = make_plan("2.14.1", "opt", Arch.AMD64, "policy=default")
    wanted = {each.name: each for each in plan.part.dependencies}
    downloads = build.layout.cache / "downloads"
    downloads.mkdir(parents=True)
    for each in wanted.values():
        with zipfile.ZipFile(downloads / each.filename, "w") as archive:
            archive.writestr(f"{each.strip_prefix}/about", each.name)
    build.plan = plan
    build.run()
    folders = {path.name: path for path in build.layout.dependencies.iterdir()}
    assert set(folders) == set(wanted)
    assert [(path / "about").read_text() for path in folders.values()] == list(folders)
    assert list(build.layout.downloads.iterdir()) == []
    lines = (build.layout.request / "dependencies").read_text().splitlines()
    assert "xnnpack\tLICENSE" in lines
    assert len(lines) == len(wanted)
    presets = json.loads((build.layout.request / "CMakePresets.json").read_text())
    (preset,) = presets["configurePresets"]
    variables = {name for each in wanted.values() for name in each.variables}
    assert {name: preset["cacheVariables"][name] for name in variables} == {
        name: f"/tree/dependencies/{each.name}" for each in wanted.values() for name in each.variables
    }
    assert preset["cacheVariables"]["FETCHCONTENT_FULLY_DISCONNECTED"] == "ON"


def test_offline_makes_no_root_filesystem(build: Build) -> None:
    build.offline = True
    with pytest.raises(DownloadError, match="--offline, and there is no trixie root filesystem"):
        build.run()
    build.offline = False
    build.run()
    build.offline = True
    assert broken(build).run().fresh


# -- interruptions and locks --------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["mmdebstrap", "builder", "compile", "runtime-files", "image"])
def test_an_interruption_tells_where_and_leaves_nothing_half_made(build: Build, step: str) -> None:
    build.run()
    before = snapshot(build.output)

    def interrupted(_: tuple[str, ...]) -> None:
        raise KeyboardInterrupt

    build.replies = {step: Reply((), effect=interrupted)}
    broken(build)
    if step == "mmdebstrap":
        shutil.rmtree(build.layout.root(build.plan.root))
    with pytest.raises(Interrupted, match=r"interrupted during step \d/7") as caught:
        build.run()
    assert caught.value.exit_code is ExitCode.INTERRUPTED
    assert caught.value.hint == "the same command continues"
    assert build.reporter.of("step_finished")[-1][:2] == ("failed", "interrupted")
    assert snapshot(build.output) == before
    assert not staging_of(build.output).exists()
    build.replies = {}
    assert build.run().fresh


def test_an_interruption_while_it_verifies_removes_staging_and_candidate(build: Build) -> None:
    def interrupted(case: Case) -> RunResult:
        assert staging_of(build.output).is_dir()
        raise KeyboardInterrupt

    build.engine.answer = interrupted
    with pytest.raises(Interrupted):
        build.run()
    assert not staging_of(build.output).exists()
    assert build.engine.images == {}
    assert not build.output.exists()


def test_the_same_build_twice_tells_who_holds_the_lock(build: Build) -> None:
    lock = build.layout.cache / "locks" / f"{build.plan.build_id}.lock"
    with hold(lock, what=f"building {build.plan.build_id}", wait_s=0, on_wait=lambda _: None):
        with pytest.raises(LockedError, match=build.plan.build_id) as caught:
            build.run()
        assert caught.value.exit_code is ExitCode.LOCKED
        other = Build(build.folder, plan=make_plan("2.14.1-debian", "size", Arch.AMD64, "policy=default"))
        other.output = build.folder / "dist" / "size" / "amd64"
        assert other.run().fresh
    assert build.run().fresh


def test_a_build_that_waits_says_for_whom(build: Build) -> None:
    build.lock_wait_s = 0.3
    lock = build.layout.cache / "locks" / f"{build.plan.build_id}.lock"
    with (
        hold(lock, what="building the same", wait_s=0, on_wait=lambda _: None),
        pytest.raises(LockedError),
    ):
        build.run()
    assert [text for (text,) in build.reporter.of("note") if "building the same" in text]
