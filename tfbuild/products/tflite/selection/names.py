"""The names of TFLite's operators: ``build_configs/operators/tflite.yaml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from tfbuild.config.binding import bound
from tfbuild.config.yaml_source import read_yaml

FILE = Path("build_configs", "operators", "tflite.yaml")


class OperatorNames(BaseModel):
    """``builtin`` by their numbers in a model; ``custom`` are those that every resolver of TFLite has too."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    builtin: tuple[str, ...] = Field(min_length=1)
    custom: tuple[str, ...] = ()


@cache
def load_operator_names(root: Path) -> OperatorNames:
    """The file of the project in ``root``. Raises ConfigError with everything that is wrong in it."""
    return bound(read_yaml(root / FILE, str(FILE)), OperatorNames)
