"""The plan of an image with Keras: which wheels, and what is refused before anything is built."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.keras import RELEASES, lock_of, make_plan
from tests.support.locks import locked
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, NothingMatchesError, TfBuildError, UsageError
from tfbuild.plan.plan import Plan
from tfbuild.products.keras.app import APP_LOCK
from tfbuild.products.keras.part import KerasModel
from tfbuild.releases.wheels.lock import WheelEnvironment, WheelLock

EVERY = [
    (release, arch, sets)
    for release in RELEASES
    for arch, sets in (
        (Arch.AMD64, ()),
        (Arch.ARM64, ()),
        (Arch.AMD64, ("keras.variant=gpu",)),
        *(((Arch.AMD64, ("keras.python=3.13",)),) if release >= "2.20" else ()),
    )
]


@pytest.mark.parametrize(("release", "arch", "sets"), EVERY)
def test_every_wheel_is_a_pin_and_nothing_else_is(release: str, arch: Arch, sets: tuple[str, ...]) -> None:
    plan = make_plan(release, arch, *sets)
    part = plan.part
    assert tuple(pin.filename for pin in plan.pins) == part.wheels
    assert all(pin.urls[0].startswith("pypi:") and pin.sha256 for pin in plan.pins)
    assert plan.source is None
    versions = dict(part.versions)
    assert versions.get("tensorflow", versions.get("tensorflow-cpu")) == release
    assert versions["keras"].startswith("3.")
    assert len(part.requirements) == len(part.wheels)
    assert all(
        re.fullmatch(r"[a-z0-9-]+==\S+ --hash=sha256:[0-9a-f]{64}", each) for each in part.requirements
    )


def test_only_the_gpu_variant_has_cuda() -> None:
    gpu = make_plan("2.21.0", Arch.AMD64, "keras.variant=gpu")
    assert any(name.startswith("nvidia_cudnn_cu12") for name in gpu.part.wheels)
    assert not any("nvidia" in name for name in make_plan().part.wheels)
    assert gpu.build_id == "keras-2.21.0-opt-gpu-amd64"
    assert gpu.image.tag == "tfbuild/keras:2.21.0-opt-gpu-amd64"
    assert any("never been run on a GPU" in note for note in gpu.notes)


def test_what_is_in_the_image_is_in_its_name(tmp_path: Path) -> None:
    app = tmp_path / "My_App"
    app.mkdir()
    (app / "main.py").write_text("print(1)\n")
    (app / "app.yaml").write_text("app:\n  command: [python3, main.py]\n")
    plan = make_plan("2.21.0", Arch.AMD64, app=app)
    assert plan.build_id == "keras-2.21.0-opt-my-app-amd64"
    assert plan.output == "dist/keras/2.21.0/opt-my-app/amd64"
    assert dict(plan.image.labels)["tfbuild.build-id"] == plan.build_id
    assert plan.part.command == ("python3", "main.py")
    assert "tfbuild.port" not in dict(plan.image.labels)
    plan = make_plan("2.21.0", Arch.AMD64, "app.environment.PORT=8080", app=app)
    assert dict(plan.image.labels)["tfbuild.port"] == "8080"
    (app / "app.yaml").unlink()
    model = KerasModel("m/wine.keras", "wine.keras", "keras", "1" * 40)
    assert make_plan(model=model).build_id == "keras-2.21.0-opt-wine-amd64"
    assert any("app.command is not set" in note for note in make_plan(app=app).notes)


def keys(plan: Plan[Any]) -> dict[str, str]:
    return {step.id: step.key for step in plan.steps}


def test_the_application_changes_the_image_and_not_what_is_below_it(tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.py").write_text("print(1)\n")
    first = keys(make_plan(app=app))
    (app / "main.py").write_text("print(2)\n")
    second = keys(make_plan(app=app))
    assert [first[id] == second[id] for id in first] == [True, True, True, False, False, False]
    assert (
        keys(make_plan("2.21.0", Arch.AMD64, "keras.keep=headers"))["install"] != keys(make_plan())["install"]
    )


def test_the_root_of_the_image_runs_no_program_of_the_target() -> None:
    plan = make_plan("2.21.0", Arch.ARM64)
    assert plan.runtime_root
    assert (plan.root.arch, plan.runtime_root.arch) == (Arch.AMD64, Arch.ARM64)
    assert (plan.root.variant, plan.runtime_root.variant) == ("minbase", "extract")
    assert "qemu-user-static" in plan.root.include
    assert "python3.11-minimal" in plan.runtime_root.include
    assert "qemu-user" in make_plan("2.21.0", Arch.ARM64, "keras.python=3.13").root.include
    with pytest.raises(UsageError, match=r"runtime\.base=debian"):
        make_plan("2.21.0", Arch.ARM64, "runtime.base=debian")
    native = make_plan("2.21.0", Arch.AMD64, "runtime.base=debian").runtime_root
    assert native
    assert native.variant == "minbase"


# -- what does not go together ---------------------------------------------------------------------


def refused(
    *sets: str, release: str = "2.21.0", arch: Arch = Arch.AMD64, app: Path | None = None
) -> TfBuildError:
    with pytest.raises(TfBuildError) as caught:
        make_plan(release, arch, *sets, app=app)
    return caught.value


def said(error: TfBuildError) -> str:
    return " ".join(str(each) for each in error.problems) if isinstance(error, ConfigError) else ""


@pytest.mark.parametrize("release", RELEASES)
def test_keras_2_is_refused_with_both_sides(release: str) -> None:
    error = refused("keras.requirements=keras<3", release=release)
    assert error.exit_code == 2
    lock = re.escape(f"build_configs/releases/keras/{release}.wheels.json")
    assert re.search(rf"you asked for keras<3, .* keras 3\.\S+ \({lock}:[0-9]+\)", said(error))
    assert re.search(rf"tensorflow-cpu {release} requires keras>=3\.\S+ \({lock}:[0-9]+\)", said(error))


def test_a_numpy_that_is_too_new_for_an_old_tensorflow_is_refused() -> None:
    error = refused("keras.requirements=numpy>=2.2", release="2.18.1")
    assert re.search(r"tensorflow-cpu 2\.18\.1 requires numpy<2\.1\.0,>=1\.26\.0 \(", said(error))
    make_plan("2.21.0", Arch.AMD64, "keras.requirements=numpy>=2.2")


def test_all_conflicts_are_told_at_once() -> None:
    error = refused("keras.requirements=keras<3,numpy<2,protobuf>=3")
    assert isinstance(error, ConfigError)
    assert len(error.problems) == 2


@pytest.mark.parametrize(
    ("sets", "release", "arch", "both"),
    [
        (("keras.python=3.13",), "2.18.1", Arch.AMD64, ("keras.python is 3.13", "2.18.1.yaml:16 has: 3.11")),
        (("keras.python=3.12",), "2.21.0", Arch.AMD64, ("--set keras.python=3.12", "has: 3.11, 3.13")),
        (
            ("keras.variant=gpu",),
            "2.21.0",
            Arch.ARM64,
            ("keras.variant is gpu", "cpu on amd64, cpu on arm64"),
        ),
        ((), "2.21.0", Arch.ARMHF, ("keras.variant is cpu", "has: cpu on amd64")),
    ],
)
def test_a_python_or_machine_without_wheels_is_refused(
    sets: tuple[str, ...], release: str, arch: Arch, both: tuple[str, str]
) -> None:
    error = refused(*sets, release=release, arch=arch)
    assert isinstance(error, NothingMatchesError)
    assert all(each in " ".join(error.details) for each in both), error.details


# -- an application's requirements -----------------------------------------------------------------


def application(folder: Path, requirements: str) -> Path:
    app = folder / "app"
    app.mkdir()
    (app / "requirements.txt").write_text(requirements)
    return app


def test_what_tensorflow_brings_needs_no_lock(tmp_path: Path) -> None:
    plan = make_plan(app=application(tmp_path, "# ours\nnumpy>=2  # fast\n\nrequests\n"))
    assert plan.part.app_wheels == ()
    assert plan.part.app
    assert plan.part.app.requirements == ("numpy>=2", "requests")


def test_a_conflict_names_the_line_and_the_wheel(tmp_path: Path) -> None:
    app = application(tmp_path, "requests\nnumpy==1.26.4\n")
    error = refused(app=app)
    assert error.exit_code == 2
    assert f"{app}/requirements.txt:2" in said(error)
    assert "2.21.0.wheels.json" in said(error)


def test_what_is_not_locked_is_refused_with_the_command_that_locks_it(tmp_path: Path) -> None:
    app = application(tmp_path, "pillow\n")
    error = refused(app=app)
    assert "pillow is neither among TensorFlow's wheels" in said(error)
    assert error.hint == f"invoke lock --product keras --release 2.21.0 --app {app.name}"


def with_lock(app: Path, *wheels: object) -> None:
    base = lock_of("2.21.0").lock
    own = tuple(each for each in wheels if hasattr(each, "filename"))
    environment = WheelEnvironment(
        python="3.11",
        arch=Arch.AMD64,
        variant="cpu",
        requirements=("pillow",),
        wheels=tuple(each.filename for each in own),
    )
    lock = WheelLock(
        product="keras",
        release=base.release,
        environments=(environment,),
        unavailable=(),
        wheels=own,  # type: ignore[arg-type]
    )
    (app / APP_LOCK).write_text(lock.text())


def test_a_locked_requirement_becomes_a_pin_of_the_application(tmp_path: Path) -> None:
    app = application(tmp_path, "pillow>=11\n")
    pillow, spare = locked("pillow", "11.3", "numpy>=1.5"), locked("spare", "1.0")
    with_lock(app, pillow, spare)
    plan = make_plan(app=app)
    assert plan.part.app_wheels == (pillow.filename,)
    assert plan.pins[-1].urls == (f"pypi:pillow/{pillow.filename}",)
    assert len(plan.pins) == len(plan.part.wheels) + 1


def test_a_locked_wheel_that_wants_another_tensorflow_is_refused(tmp_path: Path) -> None:
    app = application(tmp_path, "old-addons\n")
    with_lock(app, locked("old-addons", "0.23", "numpy<2"))
    error = refused(app=app)
    assert re.search(r"old-addons 0\.23 requires numpy<2, but the locked wheel is numpy 2", said(error))
    assert f"{app / APP_LOCK}:" in said(error)


def test_only_what_a_release_has_can_be_planned() -> None:
    plan = make_plan()
    assert replace(plan, part=plan.part).part is plan.part
    with pytest.raises(TypeError):
        _ = plan.tree
