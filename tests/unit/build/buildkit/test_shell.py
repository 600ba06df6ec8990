"""The definition of a shell in a builder: the tree, the scripts and the settings of the compile."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.plans import PROJECT, all_server_plans, make_linked_server_plan, make_plan
from tfbuild.base.errors import NothingMatchesError
from tfbuild.build.buildkit.bake import BakeOptions
from tfbuild.build.buildkit.shell import TARGET, shell_of
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan
from tfbuild.products.table import definition_of

EMPTY = Path("/cache/empty")
DOCKERFILES = PROJECT / "dockerfiles"


def definition(plan: Plan[object]) -> dict[str, object]:
    layout = Layout(PROJECT, Path("/cache"), plan.build_id)
    options = BakeOptions(secrets=("id=apt-sources,env=X",))
    return dict(definition_of(plan, layout, options))


@pytest.mark.parametrize(
    "plan",
    [make_plan(), make_plan("2.20.0"), all_server_plans()[0], make_linked_server_plan()],
    ids=lambda plan: plan.build_id,
)
def test_it_has_the_tree_and_the_settings_of_the_build(plan: Plan[object]) -> None:
    found = shell_of(definition(plan), "tag", DOCKERFILES, EMPTY, "7")
    targets = found.definition["target"]
    shell = targets[TARGET]
    assert shell["args"] == {"BUILD_ID": plan.tree_id, "SHELL_NONCE": "7"}
    for context in shell["contexts"].values():
        name = str(context).removeprefix("target:")
        assert str(context).startswith("/") or name in targets
    assert shell["contexts"]["builder"].startswith("target:")
    assert Path(shell["contexts"]["recipe"]).is_relative_to(DOCKERFILES)
    assert "BUILD_ID" not in found.settings
    assert "SOURCE_DATE_EPOCH" in found.settings
    assert not any("secret" in each for each in targets.values())


@pytest.mark.parametrize("bake", [{}, {"target": []}, {"target": {"image": {}}}, {"target": {"compile": 1}}])
def test_a_build_that_compiles_nothing_has_no_builder(bake: dict[str, object]) -> None:
    with pytest.raises(NothingMatchesError, match="compiles nothing"):
        shell_of(bake, "tag", DOCKERFILES, EMPTY, "7")
