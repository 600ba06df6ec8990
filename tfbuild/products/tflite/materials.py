"""What the bill of materials of a TFLite build says besides what any plan tells. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from tfbuild.build.dist.contents import Material, Materials
from tfbuild.products.tflite.part import TflitePart, WheelPart
from tfbuild.trust.bill import Kind, Role


def materials(part: TflitePart) -> Materials:
    """The locked sources, all linked in; single files of TensorFlow; programs from elsewhere."""
    return Materials(tuple(_known(part)))


def wheel_materials(part: WheelPart) -> Materials:
    """Nothing but the wheels, which any plan tells."""
    return Materials((), f"what is linked into the libraries of {part.wheel}")


def _known(part: TflitePart) -> Iterator[Material]:
    for each in part.dependencies:
        yield Material(
            pin=each.name,
            roles=(Role.STATIC,),
            license=each.license,
            repository=each.repository,
            ref=each.ref,
            commit=each.commit,
        )
    for pin, path in part.placed.items():
        yield Material(pin=pin, kind=Kind.FILE, roles=(Role.STATIC,), note=f"{path} of TensorFlow")
    for pin in part.programs:
        yield Material(pin=pin, roles=(Role.TOOL,))
