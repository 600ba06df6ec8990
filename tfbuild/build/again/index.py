"""The archive of an image of several platforms, put together again from images that were built again."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tfbuild.build.oci_index import Tagged, read_saved, shared_labels, write_index
from tfbuild.build.several import IndexManifest
from tfbuild.machine.files import hash_file


def index_again(index: IndexManifest, images: Sequence[Path], folder: Path) -> Literal["same", "differs"]:
    """Whether ``images`` (saved by the engine, in the order of the index's) give the archive that ``index``
    is about; ``folder`` has room for it."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".index-") as place:
        saved = [read_saved(each) for each in images]
        tagged = [Tagged(image, each.image) for image, each in zip(saved, index.images, strict=True)]
        archive = Path(place) / "index.tar"
        write_index(archive, index.image, tagged, shared_labels(saved))
        return "same" if hash_file(archive) == index.archive.sha256 else "differs"
