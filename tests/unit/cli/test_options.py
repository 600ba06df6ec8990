"""Options from a task's signature to the value that the command gets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import Task, task

import tasks
from tfbuild.cli import build, supply
from tfbuild.cli.line.own_files import user_places
from tfbuild.cli.run import BuildOptions, SelectOptions, help_of
from tfbuild.cli.usage import commands_of
from tfbuild.plan.words import Words

COMMON: dict[str, Any] = {
    "release": "2.19.1", "config": "size", "arch": "arm64", "set": ["a=1", "b=2"], "jobs": "3",
    "name": "mine", "tag": "x:1", "output": "out", "dry_run": True, "json": True, "offline": True,
}  # fmt: skip
SELECTED = Words(release="2.19.1", config="size", arch="arm64", sets=("a=1", "b=2"), places=user_places())
BUILT = Words(
    release="2.19.1", config="size", arch="arm64", sets=("a=1", "b=2"), jobs="3", name="mine", tag="x:1",
    output="out", places=user_places(),
)  # fmt: skip


@dataclass
class Calls:
    """What the commands were called with."""

    seen: list[tuple[Any, ...]] = field(default_factory=list)

    def take(self, *arguments: Any, **named: Any) -> int:
        self.seen.append((*arguments, named) if named else arguments)
        return 0


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    found = Calls()
    monkeypatch.setattr(build, "build", found.take)
    monkeypatch.setattr(supply, "bundle", found.take)
    monkeypatch.setattr(supply, "fetch", found.take)
    return found


def named(name: str) -> Task[Any]:
    found: Task[Any] = tasks.ns.tasks[name]
    return found


@pytest.mark.parametrize(
    ("command", "own", "words"),
    [
        ("build-tflite", {"from_": "wheel"}, {"origin": "wheel"}),
        ("build-serving", {"model": "m"}, {"model": "m"}),
        ("build-keras", {"variant": "gpu", "app": "a", "model": "m"}, None),
    ],
)
def test_a_build_gets_every_option_with_its_type(
    command: str, own: dict[str, Any], words: dict[str, str] | None, calls: Calls
) -> None:
    named(command)(Context(), **COMMON, **own)
    product = command.removeprefix("build-")
    expected = Words(**{**vars(BUILT), **(words or own)})
    options = BuildOptions(**{**COMMON, "set": ("a=1", "b=2")})
    assert calls.seen == [(product, expected, options)]


def test_options_that_are_not_typed_have_their_defaults(calls: Calls) -> None:
    named("build-keras")(Context())
    assert calls.seen == [("keras", Words(places=user_places()), BuildOptions())]


def test_bundle_and_fetch_take_the_options_that_select(calls: Calls) -> None:
    selected = {name: COMMON[name] for name in ("release", "config", "arch", "set", "json")}
    named("bundle")(Context(), product="keras", file="f", **selected)
    named("fetch")(Context(), product="keras", **selected)
    assert calls.seen == [
        ("keras", SELECTED, "f", "", {"as_json": True}),
        ("keras", SELECTED, {"offline": False, "as_json": True}),
    ]


def test_judging_a_command_line_leaves_the_help_texts_to_invoke() -> None:
    @task(auto_shortflags=False, help={"dry-run": "print the plan"})
    def act(_context: Context, dry_run: bool = False) -> None: ...

    collection = Collection(act)
    commands_of(collection)
    (found,) = collection.to_contexts()
    assert found.help_tuples() == [("--dry-run", "print the plan")]


@pytest.mark.parametrize("command", ["build-tflite", "build-serving", "build-keras"])
def test_the_build_commands_have_the_common_options_with_one_help(command: str) -> None:
    assert named(command).help.items() >= help_of(BuildOptions).items() >= help_of(SelectOptions).items()
