"""What made a saved model, read from its bytes. Pure; every loop over a damaged file has a bound.

Formats: tensorflow/core/protobuf/saved_model.proto and meta_graph.proto for SavedModel; the zip with a
metadata.json of Keras 3; the attribute keras_version of the HDF5 root group.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator

from tfbuild.diagnose.facts import ModelFile
from tfbuild.diagnose.read.hdf5 import text_attribute

# Bytes of a model file that are read: the parts that are looked at come first in SavedModel (the graph
# follows) and, in practice, in HDF5. A .keras file has its directory at the end and is read whole.
MODEL_BYTES = 64 << 20
_LENGTH_DELIMITED = 2
_VERSION = re.compile(rb"[0-9]+\.[0-9]+(?:\.[0-9]+)?")


def model_paths(paths: Iterable[str]) -> tuple[str, ...]:
    """Those of ``paths`` that are models, by their names; a package's own test models are left out."""
    found = (
        path
        for path in paths
        if path.endswith(("/saved_model.pb", ".h5", ".hdf5", ".keras")) and "-packages/" not in path
    )
    return tuple(sorted(found))


def read_model(path: str, data: bytes) -> ModelFile | None:
    """What made the model at ``path``, or None where that cannot be told."""
    if path.endswith("/saved_model.pb"):
        version = _saved_model_version(data)
        return _model(path, "saved_model", "tensorflow", version)
    if path.endswith(".keras"):
        return _model(path, "keras", "keras", _keras_version(data))
    version = text_attribute(data, "keras_version")
    return _model(path, "h5", "keras", version if version and _VERSION.match(version.encode()) else None)


def _model(path: str, kind: str, maker: str, version: str | None) -> ModelFile | None:
    if not version:
        return None
    return ModelFile(path=path, kind=kind, maker=maker, version=version)  # type: ignore[arg-type]


def _saved_model_version(data: bytes) -> str | None:
    """SavedModel.meta_graphs (2) → MetaGraphDef.meta_info_def (1) → tensorflow_version (5)."""
    for graph in _fields(data, 2):
        for info in _fields(graph, 1):
            for version in _fields(info, 5):
                match = _VERSION.match(version)
                return match[0].decode() if match else None
    return None


def _fields(data: bytes, wanted: int) -> Iterator[bytes]:
    """Contents of the length-delimited fields number ``wanted``; ends at the first thing that is odd.

    https://protobuf.dev/programming-guides/encoding/
    """
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        kind = tag & 7
        if kind == 0:
            _, position = _varint(data, position)
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
        elif kind == _LENGTH_DELIMITED:
            size, position = _varint(data, position)
            if tag >> 3 == wanted:
                yield data[position : position + size]
            position += size
        else:
            return


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
    return 7, len(data)  # no field has wire type 7: the caller stops


def _keras_version(data: bytes) -> str | None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open("metadata.json") as file:
            document = json.loads(file.read(1 << 16))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, zlib.error, NotImplementedError, RuntimeError):
        return None
    version = document.get("keras_version") if isinstance(document, dict) else None
    return version if isinstance(version, str) and _VERSION.match(version.encode()) else None
