"""A finished build as a command line names it: its folder, its build id, or its image in the engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tfbuild.base.errors import NothingMatchesError, UsageError

if TYPE_CHECKING:
    from tfbuild.build.again.first import First


def folder_of(target: str, dist: Path) -> Path:
    """The dist folder that ``target`` is, or whose build id it is, or that the image ``target`` was built
    with; results are looked for below ``dist``.

    :raises NothingMatchesError: there is none.
    """
    from tfbuild.base.image_names import require_image_reference
    from tfbuild.build.again.first import folder_of_build, folder_of_image
    from tfbuild.cli.wiring import image_in_engine
    from tfbuild.plan.plan import KEY_LABEL

    if Path(target).is_dir():
        return Path(target)
    if Path(target).exists():
        raise UsageError(f"{target} is a file", hint="give a dist folder, or an image in the engine")
    if named := folder_of_build(dist, target):
        return named
    require_image_reference(target)
    image = image_in_engine(target)
    if image is None:
        raise NothingMatchesError(
            f"there is neither a folder, nor a result below {dist}, nor an image {target}",
            hint="docker images; ls dist/*/*/*",
        )
    return folder_of_image(dist, image.id, image.labels.get(KEY_LABEL, ""))


def finished_build(target: str, dist: Path) -> First:
    """The build, read from its manifest. Raises as :func:`folder_of` and ``read_first``."""
    from tfbuild.build.again.first import read_first
    from tfbuild.products.table import parts

    return read_first(folder_of(target, dist), parts())
