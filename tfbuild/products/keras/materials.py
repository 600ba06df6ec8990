"""What the bill of materials of a Keras image says besides what any plan tells. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from tfbuild.build.dist.contents import Material, Materials
from tfbuild.products.keras.part import KerasPart
from tfbuild.trust.bill import Kind, Role


def materials(part: KerasPart) -> Materials:
    """The user's program and model, each by the git id of its content."""
    return Materials(tuple(_known(part)), "what is linked into the libraries of the wheels")


def _known(part: KerasPart) -> Iterator[Material]:
    if part.app:
        yield Material(
            kind=Kind.APPLICATION,
            name=part.app.name,
            roles=(Role.IN_IMAGE,),
            swhid=f"swh:1:dir:{part.app.tree}",
        )
    if part.model:
        content = "dir" if part.model.kind == "saved_model" else "cnt"
        yield Material(
            kind=Kind.MODEL,
            name=part.model.name,
            roles=(Role.IN_IMAGE,),
            swhid=f"swh:1:{content}:{part.model.id}",
        )
