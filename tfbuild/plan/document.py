"""A plan as ``--dry-run --json`` prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tfbuild.base.documents import Replaced
from tfbuild.plan.plan import Part, Plan


@dataclass(frozen=True, kw_only=True)
class PlanDocument(Plan[Part]):
    """``--dry-run --json``: the plan, and the definition that ``docker buildx bake`` takes."""

    bake: dict[Literal["target"], dict[str, dict[str, Any]]] | None
    replaces: Replaced | None  # the build in the output folder that has another key
