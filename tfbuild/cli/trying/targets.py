"""What a word of ``compare``, ``run`` and ``benchmark`` names: a build, a file, an image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tfbuild.base.errors import NothingMatchesError, UsageError
from tfbuild.base.image_names import require_image_reference
from tfbuild.base.text import did_you_mean
from tfbuild.build.dist.ownership import read_manifest
from tfbuild.cli import wiring
from tfbuild.compare.read import builds_in, find_build
from tfbuild.engine.engine import DockerEngine
from tfbuild.engine.facts import Engine, ImageFacts
from tfbuild.machine.path_words import input_word, output_folder


@dataclass(frozen=True)
class ImageTarget:
    """An image that is in the engine; ``build`` is the folder of the build that made it, if one did."""

    name: str
    facts: ImageFacts
    build: Path | None = None


def dist_folder(output: str) -> Path:
    """``--output``: where builds wrote to."""
    return output_folder(output, "--output") if output else Path("dist")


def image_of(word: str, dist: Path) -> tuple[ImageTarget, DockerEngine]:
    """The image of a build (its id, or its folder), or the one that has this name, and the engine that has
    it.

    :raises NothingMatchesError: there is none.
    """
    word = input_word(word, "TARGET")
    folder = find_build(word, dist)
    if folder is None:
        if Path(word).exists():
            raise UsageError(
                f"{word} is no dist folder of a build", hint="a build id, its folder, or the name of an image"
            )
        require_image_reference(word)
    engine = wiring.engine()
    return _image_of(word, dist, folder, engine), engine


def _image_of(word: str, dist: Path, folder: Path | None, engine: Engine) -> ImageTarget:
    if folder is None:
        facts = engine.image(word)
        if facts is None:
            known = [owner for owner, _ in builds_in(dist)]
            raise NothingMatchesError(
                f"there is neither a build nor an image '{word}'{did_you_mean(word, known)}",
                details=(f"builds in {dist}: {', '.join(known) or 'none'}",),
                hint="docker image ls shows the images",
            )
        return ImageTarget(word, facts)
    told = (read_manifest(folder) or {}).get("image")
    image = told if isinstance(told, dict) else {}
    facts = engine.image(str(image.get("id", ""))) if image.get("id") else None
    if facts is None:
        raise NothingMatchesError(
            f"the image of {folder} is not in the engine any more",
            details=(f"it was {image.get('name', 'without a name')}",),
            hint="the same build command makes it again",
        )
    name = str(image.get("name", ""))
    # Another build may have the name now.
    return ImageTarget(name if name in facts.tags else facts.id, facts, folder)
