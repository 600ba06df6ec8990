"""What is called pure opens no file: with everything loaded, plans and what is made of them need no world."""

from __future__ import annotations

import io
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.outcomes import Failed

from tests.support.closed_world import closed_world, forget_what_was_read
from tests.support.fourth import with_fourth
from tfbuild.base.arch import Arch
from tfbuild.build.buildkit.bake import BakeOptions
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan
from tfbuild.plan.several import index_json, index_plan, index_text
from tfbuild.plan.words import Words
from tfbuild.products import table
from tfbuild.products.keras import asked as keras
from tfbuild.products.serving import asked as serving
from tfbuild.products.serving.wheel import plan as wheel_server
from tfbuild.products.tflite import asked as tflite

PROJECT = Path(__file__).resolve().parents[3]
FILE = str(PROJECT / "pyproject.toml")
# What is called when all files are read; before it, in the same modules, is the loaders' side.
PURE = (
    (tflite, "make_tflite_plan"),
    (tflite, "make_wheel_plan"),
    (serving, "make_serving_plan"),
    (wheel_server, "make_wheel_server_plan"),
    (keras, "make_keras_plan"),
)
REQUESTS = {
    f"{release.product}-{release.release}-{arch}": (release.product, Words(release.release, arch=str(arch)))
    for release in table.list_releases(PROJECT)
    for arch in release.arches
    if release.release != "2.15.1-wheel"  # which is refused
} | {
    "python": ("tflite", Words(sets=("runtime.flavour=python",))),
    "patched": ("tflite", Words(config="size", sets=("compile.optimisation=2",), name="mine", jobs="3")),
    "debian": ("tflite", Words(sets=("runtime.base=debian",))),
    "gpu": ("keras", Words(variant="gpu", arch="amd64")),
    "app": ("keras", Words(app=str(PROJECT / "examples" / "keras" / "train"))),
    "raw": ("serving", Words(raw="--copt=-O2")),
}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the functions that made plans, each in a closed world."""
    made: list[str] = []

    def closed(name: str, make: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            made.append(name)
            forget_what_was_read()
            with closed_world():
                return make(*arguments, **more)

        return call

    for module, name in PURE:
        monkeypatch.setattr(module, name, closed(name, getattr(module, name)))
    return made


def all_of(plan: Plan[Any], layout: Layout) -> Iterator[object]:
    """All that is made of a plan before anything is done."""
    recipe = table.recipe_of(plan)
    options = BakeOptions(
        jobs=2, memory_mib=4096, ca_bundle=Path("/ca"), secrets=("id=netrc",), offline=True, nonce="1"
    )
    yield table.plan_text(plan, "another build")
    yield json.dumps(plan.to_json())
    yield json.dumps(table.definition_of(plan, layout))
    yield json.dumps(table.definition_of(plan, layout, options))
    yield (plan.key, plan.plain_id, plan.tree_id, plan.march)
    yield (recipe.exports(plan.part), recipe.needs(plan.part))
    yield recipe.config_words(plan)
    index = index_plan((plan,))
    yield index_text(index)
    yield index_json(index, (plan.to_json(),))


@pytest.mark.parametrize("name", REQUESTS)
def test_a_plan_and_all_that_is_made_of_it_open_no_file(name: str, calls: list[str]) -> None:
    product, words = REQUESTS[name]
    plan = table.plan_of(PROJECT, product, words, env={}, build_arch=Arch.AMD64)
    assert len(calls) == 1
    forget_what_was_read()
    layout = Layout(PROJECT, Path("/cache"), plan.build_id, plan.plain_id)
    with closed_world():
        assert all(each is not None for each in all_of(plan, layout))


def test_that_of_a_fourth_product_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = with_fourth(tmp_path, monkeypatch)
    plan = table.plan_of(root, "archive", Words(), env={}, build_arch=Arch.AMD64)
    with closed_world():
        assert all(each is not None for each in all_of(plan, Layout(root, tmp_path, plan.build_id)))


def test_every_product_makes_its_plan_there() -> None:
    made = {module.__name__.split(".")[2] for module, _ in PURE}
    assert made == set(table.names()) == {product for product, _ in REQUESTS.values()}


@pytest.mark.parametrize(
    "reach",
    [
        lambda: open(FILE),  # noqa: PTH123, SIM115
        lambda: io.open(FILE),  # noqa: SIM115, UP020
        lambda: os.open(FILE, os.O_RDONLY),
        lambda: os.listdir("/"),  # noqa: PTH208
        lambda: os.scandir("/"),
        lambda: Path(FILE).read_text(),
        lambda: Path("/").iterdir().__next__(),
        lambda: list(Path("/").glob("*")),
        lambda: Path("/").exists(),
        lambda: Path("/").is_dir(),
        lambda: os.access("/", os.R_OK),
        lambda: socket.socket(),
        lambda: socket.getaddrinfo("localhost", 1),
    ],
)
def test_the_closed_world_has_no_door(reach: Callable[[], object]) -> None:
    with closed_world(), pytest.raises(Failed):
        reach()
