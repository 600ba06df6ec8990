"""The names of the products, and their releases, for tests that are about one of them."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

from tfbuild.products import table


class Product(str, Enum):
    """A product's name."""

    SERVING = "serving"
    TFLITE = "tflite"
    KERAS = "keras"

    def __str__(self) -> str:
        return self.value


def load_release(root: Path, product: str, name: str) -> Any:
    """A release of a product, whose sections the test knows."""
    return table.load_release(root, str(product), name)


def list_releases(root: Path) -> tuple[Any, ...]:
    """All releases of all products."""
    return table.list_releases(root)
