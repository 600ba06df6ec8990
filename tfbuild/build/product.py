"""What is built: the one interface between a product and everything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tfbuild.build.run import Recipe
from tfbuild.build.trial import Trial
from tfbuild.config.model import Contradictions, Section
from tfbuild.plan.asked import Asked, Rules
from tfbuild.plan.effect import KeyRules
from tfbuild.plan.plan import Plan
from tfbuild.releases.keys import Release
from tfbuild.releases.load import ReleaseKind


@dataclass(frozen=True, kw_only=True, eq=False)
class Product:
    """A product: its release files, its keys, its plans, and what carries them out.

    ``rules`` say how a request for it is looked up. ``sections`` are its keys in a configuration,
    ``contradictions`` what they must not say at the same time.
    ``plan`` makes a plan of a request, ``recipe`` tells what carries it out; ``parts`` are the types of
    :attr:`Plan.part` that there are. ``out_of_reach`` is what helps where upstream cannot be reached,
    ``takes_raw`` whether words after ``--`` go to its build tool, ``takes`` the options that its command has
    beyond those of all build commands. ``trial`` says how its images are tried.
    """

    rules: Rules
    sections: tuple[Section, ...]
    parts: tuple[type, ...]
    plan: Callable[[Asked], Plan[Any]]
    recipe: Callable[[Plan[Any]], Recipe[Any]]
    contradictions: Contradictions | None = None
    out_of_reach: str = ""
    takes_raw: bool = False
    trial: Trial | None = None
    takes: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return self.releases.product

    @property
    def releases(self) -> ReleaseKind:
        return self.rules.releases

    @property
    def keys(self) -> Callable[[Release], KeyRules]:
        """What the keys of a configuration are to a release."""
        return self.rules.keys
