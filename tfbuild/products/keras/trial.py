"""How images of applications are tried: the program in them is started, and its port reached here."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from tfbuild.base.errors import UsageError
from tfbuild.build.trial import Start, Trial
from tfbuild.engine.attended import LOOPBACK
from tfbuild.engine.facts import ImageFacts, RunOptions
from tfbuild.plan.plan import BUILD_ID_LABEL

_MODELS = "/models"
# Variables of the application that say how to reach it: its app.yaml sets them. They are no variables of the
# image, whose program reads them from a file, so that its labels tell them.
_LABELS = {"PORT": "tfbuild.port", "MODEL_FILE": "tfbuild.model-file"}


def labels_of(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What the image says of an application with the variables ``environment``."""
    yield from ((label, environment[name]) for name, label in _LABELS.items() if environment.get(name))


def recognises(image: ImageFacts) -> bool:
    """Ours by their label."""
    return image.labels.get(BUILD_ID_LABEL, "").startswith("keras-")


def start(image: ImageFacts, name: str, model: Path | None) -> Start:
    """The application with what is in the image; ``model`` takes the place of the file MODEL_FILE."""
    settings = {name: image.labels.get(label, "") for name, label in _LABELS.items()}
    files: dict[str, Path] = {}
    given = ""
    if model is not None:
        if not model.is_file():
            raise UsageError(f"--model takes a .keras or .h5 file, and there is none at {model}")
        place = settings["MODEL_FILE"] or f"{_MODELS}/{model.name}"
        if not place.startswith(f"{_MODELS}/"):
            raise UsageError(f"the image reads its model from {place}, which is not below {_MODELS}/")
        files = {place: model}
        given = f"-v {shlex.quote(str(model.absolute()))}:{place}:ro "
    port = settings["PORT"]
    ports = {int(port): "the application"} if port.isascii() and port.isdigit() and int(port) < 65536 else {}
    published = "".join(f"-p {each}:{each} " for each in ports)
    return Start(
        options=RunOptions(files=files, mount=_MODELS),
        ports=ports,
        calls=partial(_calls, tuple(ports)),
        docker=f"docker run --rm {published}{given}{name}",
    )


def _calls(own: tuple[int, ...], ports: Mapping[int, int]) -> tuple[str, ...]:
    return tuple(f"curl http://{LOOPBACK}:{ports[each]}/" for each in own)


TRIAL = Trial(
    recognises=recognises,
    start=start,
    why_not="an application has its own measurements",
)
