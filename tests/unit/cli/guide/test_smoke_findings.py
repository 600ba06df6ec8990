"""Each finding that a build's own test can report is explained, on the page and by the command."""

from __future__ import annotations

import re

import pytest

from tests.support.plans import PROJECT
from tfbuild.cli.guide.explain import explanations
from tfbuild.cli.guide.smoke_findings import SMOKE_FINDINGS

# Names of programs and parts of names, which look like findings.
_OTHERS = {"smoke-c", "smoke-cc"}


def test_no_finding_of_the_sources_is_forgotten() -> None:
    sources = [
        *(PROJECT / "tfbuild" / "products").rglob("*.py"),
        *(PROJECT / "tfbuild" / "build").rglob("*.py"),
    ]
    found = {name for each in sources for name in re.findall(r'"(smoke-[a-z-]+)"', each.read_text())}
    assert len(found) > 10
    assert found - _OTHERS <= SMOKE_FINDINGS.keys()


@pytest.mark.parametrize("finding", SMOKE_FINDINGS)
def test_a_finding_is_explained_and_on_the_page(finding: str) -> None:
    (told,) = explanations(finding)
    assert told.means
    assert f"`{finding}`" in (PROJECT / "docs" / "reference" / "verify-findings.md").read_text()
