"""What the bill of materials of a model server says besides what any plan tells. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from tfbuild.build.dist.contents import Material, Materials
from tfbuild.products.serving.part import ServerPart, ServingPart, TensorFlow, WheelServerPart
from tfbuild.trust.bill import Kind, Role

_REPOSITORY = "https://github.com/tensorflow/tensorflow"


def bazel_materials(part: ServingPart) -> Materials:
    """TensorFlow, Bazel, the archives that stand in for repositories, and the model."""
    known = [
        _tensorflow(part.tensorflow),
        *(Material(pin=each.pin, roles=(Role.STATIC,)) for each in part.overrides),
        *(Material(pin=name, roles=(Role.STATIC,)) for name in part.archives),
        *_model(part),
    ]
    if part.bazel.pin:
        known.append(
            Material(pin=part.bazel.pin, kind=Kind.FILE, version=part.bazel.version, roles=(Role.TOOL,))
        )
    return Materials(
        tuple(known),
        "archives that Bazel fetches by the hashes in the WORKSPACE files of Serving and TensorFlow",
    )


def wheel_materials(part: WheelServerPart) -> Materials:
    """The wheel whose libraries are linked with, TensorFlow's source for what it lacks, the sources of other
    projects, and the model."""
    tensorflow = part.tensorflow
    return Materials(
        (
            Material(
                pin=part.tree.pin,
                roles=(Role.STATIC,),
                license="Apache-2.0",
                repository=_REPOSITORY,
                ref=f"v{tensorflow.version}",
                commit=tensorflow.commit,
            ),
            *_further(part),
            *_operators(part),
            *_model(part),
        ),
        "what is linked into the libraries of the TensorFlow wheel",
    )


def _further(part: WheelServerPart) -> Iterator[Material]:
    """Sources of other projects, and the protoc that wrote code."""
    for each in part.further:
        yield Material(pin=each.pin, roles=(Role.STATIC,))
    if part.protoc:
        yield Material(pin=part.protoc.pin, kind=Kind.FILE, version=part.protobuf, roles=(Role.TOOL,))


def _operators(part: WheelServerPart) -> Iterator[Material]:
    """Files that the user adds, each with libraries of operators."""
    for each in part.operators:
        yield Material(
            kind=Kind.WHEEL if each.members else Kind.FILE,
            name=each.file_name,
            version=f"sha256:{each.sha256}",
            roles=(Role.CONTAINED,),
            sha256=each.sha256,
            note="serving.op_libraries",
        )


def _tensorflow(tensorflow: TensorFlow) -> Material:
    return Material(
        kind=Kind.SOURCE,
        name="tensorflow",
        version=tensorflow.version,
        roles=(Role.STATIC,),
        license="Apache-2.0",
        repository=_REPOSITORY,
        commit=tensorflow.commit,
        sha256=tensorflow.sha256,
        location=f"{_REPOSITORY}/archive/{tensorflow.commit}.tar.gz",
    )


def _model(part: ServerPart) -> Iterator[Material]:
    if part.model:
        yield Material(
            kind=Kind.MODEL,
            name=part.model.name,
            version=f"{max(part.model.versions)}",
            roles=(Role.IN_IMAGE,),
            swhid=f"swh:1:dir:{part.model.tree}",
        )
