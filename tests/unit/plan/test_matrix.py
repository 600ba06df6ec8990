"""A matrix file: which builds it asks for, in which order, and where what is wrong with it stands."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.support.plans import make_plan
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, NothingMatchesError
from tfbuild.config.binding import bind
from tfbuild.config.yaml_source import parse_yaml
from tfbuild.plan.matrix.expand import MOST_BUILDS, Wanted, expand
from tfbuild.plan.matrix.file import MatrixFile, ReadMatrix, read_matrix
from tfbuild.plan.matrix.plan import MatrixPlan, hosts_for, plan_matrix, plans_on
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words

FOLDER = Path("/team")


def read(text: str) -> ReadMatrix:
    document = parse_yaml(text, "matrix.yaml")
    found, problems = bind(document, MatrixFile)
    assert found is not None, problems
    return ReadMatrix(found, document, FOLDER)


def expanded(text: str, base: Words | None = None) -> tuple[Wanted, ...]:
    return expand(read(text), base or Words(), Arch.AMD64)


def short(wanted: Wanted) -> tuple[str, str, str, str]:
    return (wanted.product, wanted.words.release, wanted.words.config, wanted.words.arch)


def planned(text: str) -> MatrixPlan:
    def make(product: str, words: Words) -> dict[Arch, Plan[Any]]:
        if words.config == "optt":
            raise NothingMatchesError(f"unknown config '{words.config}'")
        plan = make_plan(arch=Arch(words.arch), tag=words.tag or None)
        word = "-".join(filter(None, (words.config or "opt", words.name)))
        name = f"{product}-{words.release}-{word}-{words.arch}"
        image = plan.image if words.tag else replace(plan.image, tag=f"tfbuild/{name}")
        made = replace(plan, build_id=name, output=f"dist/{name}", config=word, image=image)
        return {Arch.AMD64: made}

    found = read(text)
    return plan_matrix(expand(found, Words(), Arch.AMD64), make, found.document)


TEXT = """\
matrix:
  - products: [tflite]
    releases: [2.14.1-debian, 2.20]
    configs: [opt, own/small.yaml]
    arches: [amd64, arm64]
exclude:
  - {releases: [2.20], arches: [arm64]}
builds:
  spirals: {product: keras, app: train, model: ~/m.keras, set: [compile.lto=true], name: spirals}
"""


def test_every_combination_is_wanted_in_the_order_of_the_file_and_named_builds_come_last() -> None:
    wanted = expanded(TEXT)
    assert [short(each) for each in wanted] == [
        *(
            ("tflite", "2.14.1-debian", config, arch)
            for config in ("opt", "/team/own/small.yaml")
            for arch in ("amd64", "arm64")
        ),
        ("tflite", "2.20", "opt", "amd64"),  # a release stays the text that it is
        ("tflite", "2.20", "/team/own/small.yaml", "amd64"),
        ("keras", "", "", "amd64"),
    ]
    last = wanted[-1]
    assert (last.label, last.words.app, last.words.model) == ("spirals", "/team/train", "~/m.keras")
    assert (last.words.sets, last.words.name) == (("compile.lto=true",), "spirals")


def test_what_all_builds_have_comes_before_what_one_asks_for() -> None:
    base = Words(output="out", sets=("a=1",))
    words = expanded("matrix: [{products: [p], set: [b=2]}]", base)[0].words
    assert (words.output, words.sets) == ("out", ("a=1", "b=2"))


names = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True)
arches = st.lists(st.sampled_from(["amd64", "arm64", "armhf"]), min_size=1, max_size=3, unique=True)


@given(names, names, names, arches, st.data())
def test_what_is_wanted_is_the_product_of_the_lists_without_what_is_excluded(
    products: list[str], releases: list[str], configs: list[str], of: list[str], data: st.DataObject
) -> None:
    every = list(product(products, releases, configs, of))
    lists = dict(
        zip(("products", "releases", "configs", "arches"), (products, releases, configs, of), strict=True)
    )
    exclusions = []
    for _ in range(data.draw(st.integers(0, 2))):
        chosen = data.draw(st.lists(st.sampled_from(sorted(lists)), min_size=1, unique=True))
        exclusions.append(
            {key: data.draw(st.lists(st.sampled_from(lists[key]), min_size=1, unique=True)) for key in chosen}
        )
    text = yaml.safe_dump({"matrix": [lists], "exclude": exclusions})
    left = [
        one
        for one in every
        if not any(
            all(value in each.get(key, [value]) for key, value in zip(lists, one, strict=True))
            for each in exclusions
        )
    ]
    assert [short(each) for each in expanded(text)] == left


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("matrix: [{products: [p]}]\nexclude: [{configs: [x]}]", "2:11", "leaves nothing out"),
        (
            "matrix: [{products: [p]}]\nbuilds: {b: {product: p, arhc: amd64}}",
            "2:26",
            "unknown key",
        ),
        ("matrix: [{products: [p]}]\nexclude: [{}]", "2:11", "names nothing"),
        ("matrix: [{products: []}]", "1:21", "at least 1 item"),
        ("matrix: [{releases: [1]}]", "1:10", "missing key 'products'"),
        ("matrix: [{products: [p], arches: [arm46]}]", "1:35", "did you mean 'arm64'"),
        ("builds: {b: {product: p, set: [nothing]}}", "1:32", "does not match"),
        ("builds: {'b c': {product: p}}", "1:10", "does not match"),
        ("builds: {}", "1:1", "neither 'matrix' nor 'builds' has a build"),
        ("matrix: [", "1:10", "not YAML"),
        (
            "matrix: [{products: [p], releases: [" + ",".join(map(str, range(MOST_BUILDS + 1))) + "]}]",
            "1:1",
            "at most",
        ),
    ],
)
def test_what_is_wrong_with_the_file_is_told_at_its_place(
    text: str, place: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "matrix.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        expand(read_matrix(file, "matrix.yaml"), Words(), Arch.AMD64)
    assert [f"{each.line}:{each.column}" for each in raised.value.problems] == [place]
    assert message in raised.value.problems[0].message


def test_all_that_cannot_be_planned_is_told_at_once_where_it_is_asked_for() -> None:
    text = """\
matrix:
  - {products: [p], releases: [1], configs: [opt, optt], arches: [amd64, arm64]}
builds:
  one: {product: p, release: 2, config: optt}
  two: {product: p, release: 1, config: opt}
  three: {product: p, release: 3, tag: team/p}
  four: {product: p, release: 4, tag: team/p}
"""
    with pytest.raises(ConfigError) as raised:
        planned(text)
    found = [(f"{each.line}:{each.column}", each.message) for each in raised.value.problems]
    assert found == [
        ("2:51", "unknown config 'optt'"),
        ("4:41", "unknown config 'optt'"),
        ("5:3", "a second build writes to the folder dist/p-1-opt-amd64 (first at line 2)"),
        ("7:3", "a second build makes the image team/p (first at line 6)"),
    ]


def test_steps_and_downloads_that_builds_share_are_counted_once() -> None:
    plan = planned("builds: {a: {product: p, release: 1}, b: {product: p, release: 2, arch: arm64}}")
    one, other = (build.plan for build in plan.builds)
    assert plan.steps == len(one.steps) + len(other.steps)
    shared = {(step.id, step.key) for step in one.steps} & {(step.id, step.key) for step in other.steps}
    assert shared
    assert plan.different_steps == plan.steps - len(shared)
    assert {pin.sha256 for pin in plan.pins} == {pin.sha256 for each in (one, other) for pin in each.pins}
    assert len(plan.pins) == len({pin.sha256 for pin in plan.pins})


def test_a_build_is_planned_first_for_where_it_is_at_home() -> None:
    amd, arm, hf = Arch.AMD64, Arch.ARM64, Arch.ARMHF
    assert hosts_for(arm, amd, [arm, hf]) == (arm, amd, hf)
    assert hosts_for(amd, amd, [arm]) == (amd, arm)
    assert hosts_for(hf, amd, [arm]) == (amd, arm)
    assert hosts_for(hf, amd, []) == (amd,)


def test_where_it_cannot_be_planned_it_is_not_built() -> None:
    def make(host: Arch) -> Plan[Any]:
        if host is not Arch.AMD64:
            raise NothingMatchesError(f"not on {host}")
        return make_plan(arch=Arch.ARM64)

    assert list(plans_on(make, [Arch.ARM64, Arch.AMD64])) == [Arch.AMD64]
    with pytest.raises(NothingMatchesError, match="not on arm64"):
        plans_on(make, [Arch.ARM64, Arch.ARMHF])
