"""The files that such a compile reads: lists with an item in a line, and what CMake is told. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from tfbuild.products.serving.part import WheelServerPart


def request_files(part: WheelServerPart) -> Mapping[str, str]:
    """Name → text of each file in ``request/``. Same plan, same bytes, so the same cache key."""
    sources, gone = part.sources, part.left_out_sources
    services = tuple(path for each in part.further for path in each.services)
    return {
        "CMakePresets.json": json.dumps(_presets(part), indent=2) + "\n",
        "sources": _lines(each for each in sources.sources if each not in gone),
        "protos": _lines((*sources.protos, *services)),
        "services": _lines((*sources.services, *services)),
        "tensorflow-sources": _lines(sources.tensorflow_sources),
        "tensorflow-protos": _lines(sources.tensorflow_protos),
        "tensorflow-services": _lines(sources.tensorflow_services),
        "archives": _lines(sources.archives),
        "whole-archives": _lines(sources.whole_archives),
        "without": _lines(each.name for each in part.without),
        "operators": _lines(name for each in part.operators for name in each.names),
        "operators-from": _lines(each.file_name for each in part.operators for _ in each.names),
        "isolated": _lines(sources.isolated),
        "further-roots": _lines(f"/further/{each.pin}/{each.include}".rstrip("/") for each in part.further),
        "further-sources": _lines(
            f"/further/{each.pin}/{path}" for each in part.further for path in each.sources
        ),
        "further-licenses": _lines(f"{each.pin}/{each.license_file}" for each in part.further),
        "server-args": _lines(part.server_args),
        **{file.name: file.text for file in part.server_files},
    }


def _presets(part: WheelServerPart) -> dict[str, object]:
    """Format: https://cmake.org/cmake/help/latest/manual/cmake-presets.7.html (version 6: CMake 3.25)."""
    preset = {
        "name": "tfbuild",
        "generator": "Ninja",
        "binaryDir": "/tree/build",
        "cacheVariables": dict(part.cmake_cache),
    }
    return {"version": 6, "configurePresets": [preset]}


def _lines(values: Iterable[str]) -> str:
    return "".join(f"{value}\n" for value in values)
