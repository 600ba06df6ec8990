"""How a lock is made: pip chooses, the metadata decides."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.locks import locked
from tests.support.products import Product, load_release
from tests.support.reporters import ListReporter, SilentReporter
from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.arch import Arch
from tfbuild.base.errors import NothingMatchesError
from tfbuild.cli.lock import warn_of_replaced
from tfbuild.releases.wheels.keys import WheelPython, WheelRelease
from tfbuild.releases.wheels.lock import LockedWheel
from tfbuild.releases.wheels.resolve import NoWheels, _lacking, lock_wheels, platforms
from tfbuild.releases.wheels.rules import Wanted

PROJECT = Path(__file__).resolve().parents[3]
TF = locked("tensorflow", "9.0", "np<2", "arm-only; platform_machine == 'aarch64'", "a; extra == 'x'")
NP, ARM, EXTRA = locked("np", "1.9"), locked("arm-only", "3"), locked("stray", "1")


def release(**changes: object) -> WheelRelease:
    """One Python, arm64 alone."""
    shipped: WheelRelease = load_release(PROJECT, Product.KERAS, "2.21.0")
    assert shipped.wheels
    one = shipped.wheels.sets[1].model_copy(update={"requirements": ("tensorflow==9.0",)})
    keys = shipped.wheels.model_copy(update={"pythons": shipped.wheels.pythons[:1], "sets": (one,)})
    return shipped.model_copy(update={"wheels": keys, **changes})


def item(wheel: LockedWheel) -> dict[str, object]:
    metadata = {"name": wheel.name, "version": wheel.version, "requires_dist": list(wheel.requires_dist)}
    url = f"https://index.example/f/{wheel.filename}"
    return {
        "metadata": metadata,
        "download_info": {"url": url, "archive_info": {"hashes": {"sha256": wheel.sha256}}},
    }


def pip(answers: Callable[[tuple[str, ...]], list[LockedWheel]]) -> RecordingRunner:
    """A pip that reports what ``answers`` makes of the requirements."""

    def write(argv: tuple[str, ...]) -> None:
        if "install" in argv:
            asked = argv[argv.index("--target") + 2 :]
            report = Path(argv[argv.index("--report") + 1])
            report.write_text(json.dumps({"install": [item(each) for each in answers(asked)]}))

    return RecordingRunner([Reply((), effect=write)])


def test_wheels_that_only_the_target_needs_are_asked_for_and_others_left_out() -> None:
    def answers(asked: tuple[str, ...]) -> list[LockedWheel]:
        return [TF, NP, EXTRA, *([ARM] if "arm-only" in asked else [])]

    runner = pip(answers)
    lock = lock_wheels(release(), runner=runner, reporter=SilentReporter(), size_of=lambda url: len(url))
    assert [each.name for each in lock.wheels] == ["arm-only", "np", "tensorflow"]
    assert lock.environments[0].requirements == ("tensorflow==9.0",)
    assert lock.wheels[0].size == len(f"https://index.example/f/{ARM.filename}")
    assert "index.example" not in lock.text()
    command = runner.commands[1]
    assert command[command.index("--python-version") + 1] == "3.11"
    assert "manylinux_2_36_aarch64" in command
    assert "manylinux_2_37_aarch64" not in command


def test_what_the_index_lacks_is_in_the_lock_with_pips_reason() -> None:
    text = "ERROR: Could not find a version\nERROR: No matching distribution found for tensorflow==9.0\n"
    runner = RecordingRunner(
        [Reply((), stderr=text, returncode=0, times=1), Reply((), returncode=1, stderr=text)]
    )
    with pytest.raises(NothingMatchesError) as caught:
        lock_wheels(release(), runner=runner, reporter=SilentReporter())
    assert caught.value.details == ("No matching distribution found for tensorflow==9.0",)


def test_what_pip_lacks_for_this_machine_alone_does_not_hinder_the_target() -> None:
    """pip, on amd64, wants what only amd64 needs, and fails: the dependencies are then followed here."""
    torch = locked("torch", "2", "np<2", "cuda; platform_machine == 'x86_64'")
    old, new = locked("np", "1.9"), locked("np", "2.4")

    def run(argv: tuple[str, ...]) -> None:
        asked = argv[argv.index("--target") + 2 :]
        found = [torch, *([new] if "np" in asked else []), *([old] if "np<2" in asked else [])]
        Path(argv[argv.index("--report") + 1]).write_text(json.dumps({"install": list(map(item, found))}))

    failed = Reply((), returncode=1, stderr="ERROR: No matching distribution found for cuda\n", times=1)
    runner = RecordingRunner([Reply((), times=1), failed, Reply((), effect=run)])
    wanted = release()
    one = wanted.wheels.sets[0].model_copy(
        update={"requirements": ("torch", "win; sys_platform == 'win32'", "np; sys_platform == 'linux'")}
    )
    wanted = release(wheels=wanted.wheels.model_copy(update={"sets": (one,)}))
    lock = lock_wheels(wanted, runner=runner, reporter=SilentReporter())
    assert [each.filename for each in lock.wheels] == [old.filename, torch.filename]
    assert ["--no-deps" in command for command in runner.commands[1:]] == [False, True, True]
    assert runner.commands[2][-2:] == ("torch", "np")
    assert runner.commands[3][-3:] == ("torch", "np", "np<2")


def test_a_contradiction_in_what_pip_chose_is_no_lock() -> None:
    bad = locked("np", "2.4")
    with pytest.raises(NothingMatchesError) as caught:
        lock_wheels(release(), runner=pip(lambda _: [TF, bad, ARM]), reporter=SilentReporter())
    assert "np 2.4 does not fit tensorflow 9.0" in caught.value.details[0]


def test_a_wheel_for_a_newer_glibc_than_the_suites_is_not_taken() -> None:
    assert platforms("2.36", Arch.AMD64)[0] == "manylinux_2_36_x86_64"
    assert platforms("2.41", Arch.ARM64)[0] == "manylinux_2_41_aarch64"
    assert platforms("2.41", Arch.ARMHF)[0] == "manylinux_2_41_armv7l"
    assert "manylinux2014_x86_64" in platforms("2.36", Arch.AMD64)


def test_wheels_of_a_suite_that_nobody_knows_are_not_guessed() -> None:
    shipped = release()
    python = shipped.wheels.pythons[0].model_copy(update={"suite": "bokworm"})
    unknown = release(wheels=shipped.wheels.model_copy(update={"pythons": (python,)}))
    with pytest.raises(NothingMatchesError, match="'bokworm' is not known here; did you mean 'bookworm'"):
        lock_wheels(unknown, runner=pip(lambda _: [TF]), reporter=SilentReporter())


def test_what_the_distribution_has_must_be_new_enough() -> None:
    python = WheelPython(
        version="3.9", suite="bullseye", snapshot="20261030T080801Z", packages=("python3.9",),
        provided={"numpy": "1.19.5"},
    )  # fmt: skip
    missing = (Wanted("numpy>=1.23.2", "tflite-runtime 2.14.0"), Wanted("numpy", "x"), Wanted("tqdm", "y"))
    assert [each.requirement for each in _lacking(missing[1:], python)] == ["tqdm"]
    with pytest.raises(NoWheels, match=r"tflite-runtime 2.14.0 needs numpy>=1.23.2; bullseye has 1.19.5"):
        _lacking(missing, python)


def test_the_lock_of_a_program_for_another_release_is_not_replaced_without_a_word(tmp_path: Path) -> None:
    file, reporter = tmp_path / "requirements.wheels.json", ListReporter()
    wanted = load_release(PROJECT, Product.KERAS, "2.21.0")
    for name in ("2.21.0", "2.20.0"):
        warn_of_replaced(file, wanted, reporter)
        file.write_bytes((PROJECT / "build_configs/releases/keras" / f"{name}.wheels.json").read_bytes())
    warn_of_replaced(file, wanted, reporter)
    assert reporter.of("warn") == [(f"{file} is the lock for keras 2.20.0: it is replaced",)]
