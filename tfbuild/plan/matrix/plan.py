"""A whole matrix as one value: the plan of each build, and what several of them have in common; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, ConfigProblem, TfBuildError
from tfbuild.base.values import Origin, Pin
from tfbuild.config.yaml_source import YamlDocument
from tfbuild.plan.matrix.expand import Wanted
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words

# Plans of a product's build by the architecture that builds, the best first.
Make = Callable[[str, Words], Mapping[Arch, Plan[Any]]]


@dataclass(frozen=True)
class PlannedBuild:
    """A build; ``words`` are those of its command, ``label`` is what the table calls it.

    ``plans`` has one for each architecture that it can be made on, the best first.
    """

    label: str
    product: str
    words: Words
    plans: Mapping[Arch, Plan[Any]]
    origin: Origin

    @property
    def plan(self) -> Plan[Any]:
        """The best plan."""
        return next(iter(self.plans.values()))

    def plan_on(self, host: Arch) -> Plan[Any]:
        """The plan that an engine for ``host`` carries out."""
        return self.plans[host]

    @property
    def tree(self) -> str:
        """Builds with the same one work in the same build tree, and so one after the other."""
        return self.plan.tree_id


@dataclass(frozen=True)
class MatrixPlan:
    """The builds in the order of the file; no two of them write to the same place."""

    builds: tuple[PlannedBuild, ...]

    @property
    def steps(self) -> int:
        """Steps of all builds."""
        return sum(len(build.plan.steps) for build in self.builds)

    @property
    def different_steps(self) -> int:
        """Steps that are done: those that several builds have in common are done once."""
        return len({(step.id, step.key) for build in self.builds for step in build.plan.steps})

    @property
    def pins(self) -> tuple[Pin, ...]:
        """Every download, once."""
        found = {pin.sha256: pin for build in self.builds for pin in build.plan.pins}
        return tuple(found.values())

    @property
    def unlocked(self) -> tuple[str, ...]:
        """The builds that would have to download without a hash, and so cannot be built."""
        return tuple(build.label for build in self.builds if build.plan.unlocked)


def hosts_for(arch: Arch, host: Arch, nodes: Sequence[Arch]) -> tuple[Arch, ...]:
    """The architectures that build for ``arch``, the best first: its own, this machine's, those of nodes."""
    native = [arch] if arch in (host, *nodes) else []
    return tuple(dict.fromkeys((*native, host, *nodes)))


def plans_on(make: Callable[[Arch], Plan[Any]], hosts: Sequence[Arch]) -> Mapping[Arch, Plan[Any]]:
    """The plan on each of ``hosts`` that can make it.

    :raises TfBuildError: none can; the first one's reason.
    """
    plans: dict[Arch, Plan[Any]] = {}
    errors: list[TfBuildError] = []
    for host in hosts:
        try:
            plans[host] = make(host)
        except TfBuildError as error:
            errors.append(error)
    if not plans:
        raise errors[0]
    return plans


def plan_matrix(wanted: Sequence[Wanted], make: Make, document: YamlDocument) -> MatrixPlan:
    """The plan of every build that is ``wanted``; ``make`` plans one.

    :raises ConfigError: with all that is wrong with any of them, each at its place in ``document``.
    """
    builds: list[PlannedBuild] = []
    problems: list[ConfigProblem] = []
    for each in wanted:
        try:
            plans = make(each.product, each.words)
        except TfBuildError as error:
            problems += _problems(error, each, document)
        else:
            label = each.label or next(iter(plans.values())).build_id
            builds.append(PlannedBuild(label, each.product, each.words, plans, each.origin))
    problems += _clashes(builds, document)
    if problems:
        raise ConfigError(tuple(dict.fromkeys(problems)))
    return MatrixPlan(tuple(builds))


def _problems(error: TfBuildError, wanted: Wanted, document: YamlDocument) -> Iterator[ConfigProblem]:
    """What is wrong with a build, in the file that asks for it; what is wrong in other files stays there."""
    if isinstance(error, ConfigError):
        for each in error.problems:
            if each.line:
                yield each
            else:
                word = each.path.removeprefix("--set ")
                place = dict(wanted.places).get(word, wanted.place_of(word))
                yield document.problem(place, f"{each.path}: {each.message}")
        return
    told = "; ".join((error.message, *error.details[:1]))
    yield document.problem(wanted.place_of(error.message), told)


# What no two builds may have in common.
_PLACES: Mapping[str, Callable[[PlannedBuild], str]] = {
    "is called": lambda build: build.label,
    "writes to the folder": lambda build: build.plan.output,
    "makes the image": lambda build: build.plan.image.tag,
}


def _clashes(builds: Sequence[PlannedBuild], document: YamlDocument) -> Iterator[ConfigProblem]:
    told: set[int] = set()
    for verb, place in _PLACES.items():
        first: dict[str, PlannedBuild] = {}
        for number, build in enumerate(builds):
            before = first.setdefault(place(build), build)
            if before is not build and number not in told:
                told.add(number)
                message = f"a second build {verb} {place(build)} (first at line {before.origin.line})"
                yield document.problem(build.origin, message)
