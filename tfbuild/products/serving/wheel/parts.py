"""Parts of a server that a build leaves out: ``serving.without``. Pure."""

from __future__ import annotations

from typing import Any

from tfbuild.base.errors import ConfigError
from tfbuild.base.text import did_you_mean
from tfbuild.config.load import ResolvedConfig
from tfbuild.products.serving.keys import ServingKeys
from tfbuild.products.serving.wheel.release import ServerPartKeys, ServingWheelRelease, WheelBuild


def left_out(config: ResolvedConfig, release: ServingWheelRelease) -> tuple[ServerPartKeys, ...]:
    """The parts that ``serving.without`` names.

    :raises ConfigError: the release has no such part.
    """
    parts = {each.name: each for each in release.wheel.parts}
    names = config.values.of(ServingKeys).without
    problems = tuple(
        config.problem(
            f"serving.without.{index}",
            f"{release.release} has no part '{name}'{did_you_mean(name, tuple(parts))}; "
            f"it can be built without: {', '.join(parts) or 'nothing'}",
        )
        for index, name in enumerate(names)
        if name not in parts
    )
    if problems:
        raise ConfigError(problems)
    return tuple(parts[name] for name in parts if name in names)


def without_parts(build: WheelBuild, parts: tuple[ServerPartKeys, ...]) -> WheelBuild:
    """``build`` with nothing of ``parts``; what of Serving's sources they leave out stays in its list."""

    def less(values: tuple[str, ...], key: str) -> tuple[Any, ...]:
        gone = {name for part in parts for name in getattr(part, key)}
        return tuple(each for each in values if each not in gone)

    gone = {name for part in parts for name in part.further}
    tensorflow = build.tensorflow.model_copy(
        update={
            "sources": less(build.tensorflow.sources, "tensorflow_sources"),
            "subtrees": less(build.tensorflow.subtrees, "subtrees"),
        }
    )
    return build.model_copy(
        update={
            "tensorflow": tensorflow,
            "further": tuple(each for each in build.further if each.archive.name not in gone),
            "whole_archives": less(build.whole_archives, "whole_archives"),
            "smoke_models": less(build.smoke_models, "smoke_models"),
            "smoke_services": less(build.smoke_services, "smoke_services"),
        }
    )
