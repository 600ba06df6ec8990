"""How images of applications are tried: the program in them is started, and its port reached here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tfbuild.base.errors import UsageError
from tfbuild.build.trial import Start, Trial
from tfbuild.engine.attended import LOOPBACK
from tfbuild.engine.facts import ImageFacts, RunOptions
from tfbuild.plan.plan import BUILD_ID_LABEL

_MODELS = "/models"
# What an application's settings tell: its app.yaml sets them, and any image may.
_PORT, _MODEL_FILE = "PORT", "MODEL_FILE"


def recognises(image: ImageFacts) -> bool:
    """Ours by their label."""
    return image.labels.get(BUILD_ID_LABEL, "").startswith("keras-")


def start(image: ImageFacts, name: str, model: Path | None) -> Start:
    """The application with what is in the image; ``model`` takes the place of the file MODEL_FILE."""
    settings = dict(word.split("=", 1) for word in image.env if "=" in word)
    files: dict[str, Path] = {}
    if model is not None:
        if not model.is_file():
            raise UsageError(f"--model takes a .keras or .h5 file, and there is none at {model}")
        place = settings.get(_MODEL_FILE, f"{_MODELS}/{model.name}")
        if not place.startswith(f"{_MODELS}/"):
            raise UsageError(f"the image reads its model from {place}, which is not below {_MODELS}/")
        files = {place: model}
    port = settings.get(_PORT, "")
    ports = {int(port): "the application"} if port.isascii() and port.isdigit() and int(port) < 65536 else {}
    published = "".join(f"-p {each}:{each} " for each in ports)
    return Start(
        options=RunOptions(files=files, mount=_MODELS),
        ports=ports,
        calls=partial(_calls, tuple(ports)),
        docker=f"docker run --rm {published}{name}",
    )


def _calls(own: tuple[int, ...], ports: Mapping[int, int]) -> tuple[str, ...]:
    return tuple(f"curl http://{LOOPBACK}:{ports[each]}/" for each in own)


TRIAL = Trial(
    recognises=recognises,
    start=start,
    why_not="an application is measured by whoever wrote it",
)
