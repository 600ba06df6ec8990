"""Carrying out a plan of an image with Keras: what the recipe gets to see, and what drives it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.builds import Build
from tests.support.keras import make_plan
from tests.support.plans import PROJECT
from tfbuild.artifacts.git_tree import object_id
from tfbuild.base.arch import Arch
from tfbuild.base.errors import UsageError
from tfbuild.base.values import Pin, Unhashed
from tfbuild.build.buildkit.bake import BakeOptions
from tfbuild.build.layout import Layout
from tfbuild.build.run import Run
from tfbuild.engine.facts import RunOptions, RunResult
from tfbuild.plan.plan import Plan
from tfbuild.products.keras.bake import keras_definition
from tfbuild.products.keras.part import KerasModel
from tfbuild.products.keras.steps import fetch, smoke
from tfbuild.products.table import recipe_of

RECIPE = PROJECT / "dockerfiles" / "keras"


def targets(plan: Plan[Any]) -> dict[str, Any]:
    layout = Layout(PROJECT, Path("/cache"), plan.build_id)
    document = keras_definition(plan, layout, BakeOptions(nonce="1", jobs=2))
    assert json.loads(json.dumps(document)) == document
    return cast(dict[str, Any], document["target"])


def texts() -> list[str]:
    return [(RECIPE / name).read_text() for name in ("Dockerfile", "image.Dockerfile")]


# -- the recipe ------------------------------------------------------------------------------------


def test_nothing_in_the_recipe_has_a_network() -> None:
    runs = [run for text in texts() for run in re.split(r"^RUN ", text, flags=re.MULTILINE)[1:]]
    assert len(runs) == 3
    assert all(run.startswith("--network=none") for run in runs)
    assert not any("apt" in run for run in runs)


def test_the_arguments_and_contexts_are_those_that_the_recipe_declares() -> None:
    found = targets(make_plan("2.21.0", Arch.AMD64, "runtime.base=debian"))
    given = {name for target in found.values() for name in target.get("args", {})}
    assert given == {name for text in texts() for name in re.findall(r"^ARG (\w+)", text, re.MULTILINE)}
    named = {name for target in found.values() for name in target.get("contexts", {})}
    used = {name for text in texts() for name in re.findall(r"(?:from=|FROM (?:--\S+ )?)([a-z-]+)", text)}
    stages = {name for text in texts() for name in re.findall(r"^FROM .* AS ([a-z-]+)", text, re.MULTILINE)}
    assert named == used - stages - {"scratch", "runtime-"}


@pytest.mark.parametrize(
    ("sets", "stage"),
    [
        ((), "image"),
        (("app.healthcheck=python3,health.py",), "image-healthcheck"),
        (("keras.variant=gpu",), "gpu"),
        (("keras.variant=gpu", "app.healthcheck=true"), "gpu-healthcheck"),
    ],
)
def test_the_image_is_the_stage_of_its_kind(sets: tuple[str, ...], stage: str) -> None:
    found = targets(make_plan("2.21.0", Arch.AMD64, *sets))["image"]
    assert found["target"] == stage
    assert f" AS {stage}\n" in texts()[1]
    assert found["contexts"] == {}
    assert found["platforms"] == ["linux/amd64"]


def test_only_the_gpu_images_ask_the_runtime_for_a_gpu() -> None:
    stages = dict(re.findall(r"^FROM \S+ AS ([a-z-]+)\n((?:(?!FROM ).*\n)*)", texts()[1], re.MULTILINE))
    assert {name for name, body in stages.items() if "NVIDIA_VISIBLE_DEVICES" in body} == {
        "gpu",
        "gpu-healthcheck",
    }


def test_a_foreign_image_brings_the_emulator_for_its_smoke_test() -> None:
    assert targets(make_plan())["smoke"]["args"]["QEMU"] == ""
    foreign = targets(make_plan("2.21.0", Arch.ARM64))
    assert foreign["smoke"]["args"]["QEMU"] == "aarch64"
    assert foreign["image"]["platforms"] == ["linux/arm64"]
    assert "platforms" not in foreign["target-root"]
    assert foreign["target-root"]["context"] != foreign["root"]["context"]


# -- the steps -------------------------------------------------------------------------------------


class Engine:
    """Answers each container with the next of ``answers``."""

    def __init__(self, *answers: RunResult) -> None:
        self.answers = list(answers)
        self.commands: list[tuple[str, ...]] = []

    def run_once(self, image: str, command: tuple[str, ...], options: RunOptions) -> RunResult:
        assert image.startswith("tfbuild/candidate:keras-")
        self.commands.append((*(options.entrypoint or ()), *command))
        assert "/smoke/smoke.py" in options.files
        return self.answers.pop(0)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / ".git").mkdir(parents=True)
    (folder / "main.py").write_text("print(1)\n")
    (folder / "app.yaml").write_text("app:\n  command: [python3, main.py]\n  healthcheck: [python3, h.py]\n")
    return folder


def run_of(tmp_path: Path, plan: Plan[Any], engine: Engine | None = None) -> Run[Any]:
    def fetch_all(pins: tuple[Pin, ...], unhashed: Unhashed | None) -> Mapping[str, Path]:
        assert unhashed is None
        files = {pin.name: tmp_path / "downloads" / pin.filename for pin in pins}
        (tmp_path / "downloads").mkdir(exist_ok=True)
        for path in files.values():
            path.write_bytes(b"wheel")
        return files

    effects = replace(Build(tmp_path).effects(), fetch_all=fetch_all)
    if engine:
        effects = replace(effects, engine=cast(Any, engine))
    run = Run(
        plan, recipe_of(plan), Layout(PROJECT, tmp_path / "cache", plan.build_id), effects, tmp_path / "dist"
    )
    run.logs.mkdir(parents=True)
    return run


def test_the_recipe_sees_wheels_requirements_and_the_program(tmp_path: Path, app: Path) -> None:
    model = tmp_path / "m.keras"
    model.write_bytes(b"PK")
    plan = make_plan(
        "2.21.0",
        Arch.ARM64,
        app=app,
        model=KerasModel(str(model), "m.keras", "keras", object_id("blob", b"PK")),
    )
    assert plan.part.app
    here = replace(plan.part.app, path=str(app))
    plan = replace(plan, part=replace(plan.part, app=here))
    run = run_of(tmp_path, plan)
    assert fetch(run) == f"{len(plan.pins)} files, checked"
    layout = run.layout
    assert sorted(path.name for path in layout.downloads.iterdir()) == sorted(plan.part.wheels)
    assert (layout.request / "requirements.txt").read_text().splitlines() == list(plan.part.requirements)
    assert (layout.app_request / "app-requirements.txt").read_text() == ""
    tags = (layout.request / "platforms").read_text().splitlines()
    assert "manylinux_2_36_aarch64" in tags
    assert not any("x86_64" in tag for tag in tags)
    assert (layout.request / "leave-out").read_text().splitlines() == list(plan.part.left_out)
    assert json.loads((layout.app_request / "app.json").read_text()) == {
        "variant": "cpu",
        "command": ["python3", "main.py"],
        "environment": {},
        "healthcheck": ["python3", "h.py"],
    }
    assert sorted(path.name for path in layout.app.rglob("*")) == ["app.yaml", "main.py"]
    assert (layout.model / "m.keras").read_bytes() == b"PK"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda app, _: (app / "main.py").write_text("print('other')"), "the program at .* it was changed"),
        (lambda _, model: model.write_bytes(b"PK2"), "the model at .* it was changed"),
        (lambda _, model: model.unlink(), "the model at .* cannot be read: No such file"),
    ],
    ids=["program", "model", "no model"],
)
def test_files_of_the_user_that_are_no_longer_those_of_the_plan_are_refused(
    spoil: Callable[[Path, Path], object], told: str, tmp_path: Path, app: Path
) -> None:
    """As when a build is reproduced that is some months old."""
    model = tmp_path / "m.keras"
    model.write_bytes(b"PK")
    plan = make_plan(app=app, model=KerasModel(str(model), "m.keras", "keras", object_id("blob", b"PK")))
    assert plan.part.app
    plan = replace(plan, part=replace(plan.part, app=replace(plan.part.app, path=str(app))))
    spoil(app, model)
    with pytest.raises(UsageError, match=told):
        fetch(run_of(tmp_path, plan))


def test_a_model_is_loaded_in_a_container_of_its_own_after_the_answers(tmp_path: Path) -> None:
    plan = make_plan(model=KerasModel("m.keras", "m.keras", "keras", "1" * 40))
    engine = Engine(RunResult(0, "", ""), RunResult(0, "", ""))
    run = run_of(tmp_path, plan, engine)
    run.layout.smoke.mkdir(parents=True)
    (run.layout.smoke / "smoke.py").write_text("")
    _, findings = smoke(run)
    assert findings
    assert engine.commands == [("/usr/bin/python3", "/smoke/smoke.py")]
