"""What the plan of a Keras image has besides what every plan has. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class AppFolder:
    """A user's program; ``tree`` is the git tree id of its files, so of every byte."""

    path: str
    name: str
    tree: str
    requirements: tuple[str, ...]


@dataclass(frozen=True)
class KerasModel:
    """A model to put into the image as ``/models/NAME``; ``id`` is the git id of the file or folder."""

    path: str
    name: str
    kind: Literal["keras", "h5", "saved_model"]
    id: str


@dataclass(frozen=True)
class KerasPart:
    """TensorFlow and Keras, from wheels."""

    product: Literal["keras"]
    variant: str
    python: str
    versions: tuple[tuple[str, str], ...]  # of what the smoke test asks for: distribution, version
    wheels: tuple[str, ...]  # names of pins, in the order of installing
    app_wheels: tuple[str, ...]  # the same, of what only the application needs
    requirements: tuple[str, ...]  # lines of requirements.txt, with hashes
    left_out: tuple[str, ...]  # groups of dockerfiles/keras/leave-out
    app: AppFolder | None
    model: KerasModel | None
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    healthcheck: tuple[str, ...]
