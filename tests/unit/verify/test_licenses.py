"""Licences that a policy forbids: of what is shipped, where none is left to choose, in builds and folders."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.bills import bill, component
from tests.support.builds import Build
from tests.support.plans import PROJECT
from tfbuild.base.errors import VerificationError
from tfbuild.trust.bill import Role
from tfbuild.trust.licenses import forbidden_in
from tfbuild.verify.checks.licenses import Licensed, check_licenses, licensed_of, read_licensed
from tfbuild.verify.policy import LicenseRules
from tfbuild.verify.report import NamedPolicy
from tfbuild.verify.verify import load_policy, verify_path

NO_GPL = ("GPL-*", "AGPL-*")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Apache-2.0", ()),
        ("GPL-3.0-only", ("GPL-3.0-only",)),
        ("MIT AND GPL-2.0-or-later", ("GPL-2.0-or-later",)),
        ("MIT OR GPL-2.0-only", ()),
        ("GPL-2.0-only OR AGPL-3.0-only", ("GPL-2.0-only", "AGPL-3.0-only")),
        ("MIT AND (BSD-3-Clause OR GPL-2.0-only)", ()),
        ("LGPL-2.1-or-later", ()),
        ("no licence at all", ()),
        ("", ()),
    ],
)
def test_a_licence_is_forbidden_where_none_is_left_to_choose(text: str, found: tuple[str, ...]) -> None:
    assert forbidden_in(text, NO_GPL) == found


def test_an_exception_is_a_part_of_the_name() -> None:
    text = "GPL-3.0-only WITH GCC-exception-3.1"
    assert forbidden_in(text, ("GPL-3.0-only",)) == ()
    assert forbidden_in(text, ("GPL-3.0-only*",)) == (text,)


known = st.sampled_from(["MIT", "Apache-2.0", "GPL-2.0-only", "AGPL-3.0-only"])


@given(
    st.recursive(known, lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner), max_leaves=6)
)
def test_any_expression_is_judged_as_boolean_logic_has_it(tree: Any) -> None:
    def text(each: Any) -> str:
        return str(each) if isinstance(each, str) else f"({text(each[0])} {each[1]} {text(each[2])})"

    def allowed(each: Any) -> bool:
        if isinstance(each, str):
            return not each.startswith(("GPL", "AGPL"))
        both = allowed(each[0]), allowed(each[2])
        return all(both) if each[1] == "AND" else any(both)

    assert bool(forbidden_in(text(tree), NO_GPL)) is not allowed(tree)


# -- what is judged -----------------------------------------------------------------------------------------


def ids(parts: tuple[Licensed, ...] | None, *forbidden: str) -> list[str]:
    return [each.id for each in check_licenses(parts, LicenseRules(forbidden=forbidden))]


def test_what_is_forbidden_and_what_is_unknown_are_two_findings() -> None:
    parts = (
        Licensed("a 1", "GPL-3.0-only", "share/licenses/a"),
        Licensed("b 1", "", "share/licenses/b"),
        Licensed("c 1", "MIT", ""),
    )
    found = list(check_licenses(parts, LicenseRules(forbidden=NO_GPL)))
    assert [each.id for each in found] == ["license-forbidden", "license-unknown"]
    assert found[0].message == "a 1 is under GPL-3.0-only, which the policy forbids"
    assert "the text: share/licenses/a" in found[0].evidence
    assert found[1].evidence == ("b 1: share/licenses/b",)
    assert all(each.fix for each in found)


def test_a_policy_that_forbids_nothing_asks_for_nothing() -> None:
    assert ids((Licensed("a", "GPL-3.0-only", ""),)) == []
    assert ids(None) == []


def test_without_a_bill_nobody_can_tell() -> None:
    assert ids(None, "GPL-*") == ["sbom-missing"]


# -- builds and folders -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = Build(tmp_path_factory.mktemp("built"))
    build.run()
    return build.output


def test_the_document_tells_what_the_bill_has(built: Path) -> None:
    parts = read_licensed(built)
    assert parts
    assert any(each.license == "Apache-2.0" for each in parts)
    assert not any(each.name.startswith("gcc-14") for each in parts)  # a compiler is not shipped


@pytest.mark.parametrize("text", ["", "[]", "7", '{"components": [{}]}', '{"components": 7}'])
def test_a_document_in_another_form_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "sbom.cdx.json").write_text(text)
    assert not read_licensed(tmp_path)


def forbidding(*names: str) -> NamedPolicy:
    policy = load_policy(PROJECT)
    rules = LicenseRules(forbidden=names)
    return NamedPolicy(policy.name, policy.policy.model_copy(update={"licenses": rules}))


def test_verify_finds_a_forbidden_licence_in_a_dist_folder(built: Path) -> None:
    report = verify_path(built, forbidding("Apache-2.0"))
    assert "license-forbidden" in {each.id for each in report.errors}
    report = verify_path(built, forbidding("AGPL-*"))
    assert "license-forbidden" not in {each.id for each in report.findings}


def test_a_tool_may_have_any_licence() -> None:
    tool = component("gcc-14", license="GPL-3.0-only", roles=(Role.TOOL,))
    plain = bill(component(license="MIT"), tool)
    assert [each.license for each in licensed_of(plain)] == ["MIT"]


def test_a_build_with_a_forbidden_licence_fails_and_leaves_what_was_there(tmp_path: Path) -> None:
    policy = tmp_path / "strict.yaml"
    policy.write_text("extends: default\ndescription: d\nlicenses: {forbidden: [Apache-2.0]}\n")
    build = Build(tmp_path)
    build.plan = replace(build.plan, policy=str(policy))
    with pytest.raises(VerificationError, match="in the licences") as caught:
        build.run()
    assert "license-forbidden" in caught.value.details[0]
    assert not build.output.exists()
    assert build.plan.image.tag not in build.engine.images


def test_what_states_no_licence_is_a_warning_in_the_report(tmp_path: Path) -> None:
    policy = tmp_path / "strict.yaml"
    policy.write_text("extends: default\ndescription: d\nlicenses: {forbidden: [AGPL-*]}\n")
    build = Build(tmp_path)
    build.plan = replace(build.plan, policy=str(policy))
    result = build.run()
    assert "license-unknown" in {each.id for each in result.findings}
    for name in ("manifest.json", "verify.json"):
        told = json.loads((build.output / name).read_text())["findings"]
        assert "license-unknown" in {each["id"] for each in told}
