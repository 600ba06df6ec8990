"""Whether a result has parts under a licence that the policy forbids, by its bill of materials. Pure but for
reading that."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfbuild.base.text import first_lines
from tfbuild.trust.bill import Bill, Role
from tfbuild.trust.files import CYCLONEDX_FILE
from tfbuild.trust.licenses import forbidden_in, known_license
from tfbuild.verify.findings import FINDINGS, Observation
from tfbuild.verify.policy import LicenseRules

_SHOWN = 8
# What is in the folder or the image; a compiler is not, nor the text of a patch.
_SHIPPED = frozenset({Role.SOURCE, Role.STATIC, Role.DYNAMIC, Role.CONTAINED, Role.IN_IMAGE})


@dataclass(frozen=True)
class Licensed:
    """A part of a result; ``license`` is an SPDX expression or empty, ``text`` where its licence lies."""

    name: str
    license: str
    text: str


def licensed_of(bill: Bill) -> tuple[Licensed, ...]:
    """The parts that a bill says are shipped."""
    return tuple(
        Licensed(f"{each.name} {each.version}".strip(), known_license(each.license), each.license_file)
        for each in bill.components
        if _SHIPPED & set(each.roles)
    )


def read_licensed(folder: Path) -> tuple[Licensed, ...] | None:
    """The same out of a dist folder's document; None where there is none in its form."""
    try:
        document = json.loads((folder / CYCLONEDX_FILE).read_bytes())
        return tuple(_licensed(document.get("components", ())))
    except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError, IndexError):
        return None


def _licensed(components: Iterable[Any]) -> Iterator[Licensed]:
    for each in components:
        told = [(one["name"], one["value"]) for one in each.get("properties", ())]
        roles = {value for name, value in told if name == "tfbuild:role"}
        if not roles & _SHIPPED:
            continue
        licenses = each.get("licenses") or [{}]
        text = next((value for name, value in told if name == "tfbuild:license-file"), "")
        name = f"{each['name']} {each.get('version', '')}".strip()
        yield Licensed(name, str(licenses[0].get("expression", "")), text)


def check_licenses(parts: Iterable[Licensed] | None, rules: LicenseRules) -> Iterator[Observation]:
    """An observation for each licence that ``rules`` forbid, and one for what has no known licence at all;
    nothing where they forbid none. ``parts`` None: there is no bill of materials."""
    if not rules.forbidden:
        return
    if parts is None:
        message = f"its licences are unknown: there is no {CYCLONEDX_FILE} in its form"
        yield Observation("sbom-missing", message, fix=FINDINGS["sbom-missing"].remedy)
        return
    unknown: list[str] = []
    for each in sorted(parts, key=lambda part: part.name):
        if not each.license:
            unknown.append(f"{each.name}{f': {each.text}' if each.text else ''}")
        elif names := forbidden_in(each.license, rules.forbidden):
            evidence = (f"its licence: {each.license}", *([f"the text: {each.text}"] if each.text else []))
            message = f"{each.name} is under {', '.join(names)}, which the policy forbids"
            yield Observation("license-forbidden", message, evidence, FINDINGS["license-forbidden"].remedy)
    if unknown:
        message = f"{len(unknown)} parts state no licence in SPDX's words: their texts have to be read"
        yield Observation(
            "license-unknown", message, first_lines(unknown, _SHOWN), FINDINGS["license-unknown"].remedy
        )
