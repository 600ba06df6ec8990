"""Python environments of an image, read from their files; nothing of the image runs. Pure.

A distribution is known by its METADATA (https://packaging.python.org/en/latest/specifications/core-metadata/).
What a TensorFlow wheel was built for is in the build_info module that its build generates
(tensorflow/tools/build_info/gen_build_info.py).
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tfbuild.artifacts.image.facts import FileType, ImageFile
from tfbuild.diagnose.facts import CudaBuild, Distribution, PythonEnvironment

_METADATA = re.compile(r"^(?P<folder>.*)/(?P<name>[^/]+)\.(?:dist-info/METADATA|egg-info/PKG-INFO)$")
_SITE = re.compile(r"^(?P<prefix>.*)/lib/python(?P<version>3(?:\.\d+)?)/(?P<kind>site|dist)-packages$")
_BUILD_INFO = "tensorflow/python/platform/build_info.py"
# Where Debian's Python looks, in this order: https://www.debian.org/doc/packaging-manuals/python-policy/
_DEBIAN = ("/usr/local/lib/python{}/dist-packages", "/usr/lib/python3/dist-packages")


@dataclass(frozen=True)
class PythonFiles:
    """Paths that have to be read to know the Pythons of an image."""

    metadata: tuple[str, ...]
    build_info: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.metadata, *self.build_info)


def python_files(files: Iterable[str]) -> PythonFiles:
    """Which of ``files`` tell about Python packages."""
    names = tuple(files)
    return PythonFiles(
        tuple(sorted(n for n in names if (m := _METADATA.match(n)) is not None and _SITE.match(m["folder"]))),
        tuple(sorted(n for n in names if n.endswith("-packages/" + _BUILD_INFO))),
    )


def environments(
    files: Mapping[str, ImageFile], texts: Mapping[str, bytes], path_variable: str
) -> tuple[PythonEnvironment, ...]:
    """One environment per Python; ``texts`` has the bytes of :func:`python_files`.

    ``path_variable`` is the image's PATH: an environment that is on it comes first.
    """
    found = [d for path in python_files(texts).metadata if (d := _distribution(path, texts[path], files))]
    groups: dict[tuple[str, str], list[str]] = {}
    for folder in sorted({d.folder for d in found}):
        for key in _keys(folder, files):
            groups.setdefault(key, []).append(folder)
    result = []
    for (prefix, version), folders in groups.items():
        order = _order(version, folders)
        mine = tuple(sorted((d for d in found if d.folder in order), key=lambda d: (d.name, d.folder)))
        interpreter = _interpreter(prefix, version, files)
        result.append(
            PythonEnvironment(version=version, interpreter=interpreter, folders=order, distributions=mine)
        )
    places = path_variable.split(":")
    return tuple(sorted(result, key=lambda e: (_rank(e, places), e.folders)))


def cuda_build(path: str, text: bytes) -> CudaBuild | None:
    """What the build_info module at ``path`` says of CUDA; None for a CPU build."""
    values = _build_info(text)
    if not values.get("is_cuda_build"):
        return None
    cuda, cudnn = values.get("cuda_version"), values.get("cudnn_version")
    return CudaBuild(
        path=path,
        cuda=str(cuda) if cuda else None,
        cudnn=str(cudnn) if cudnn else None,
        linked=False,
    )


def parse_version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _build_info(text: bytes) -> dict[str, object]:
    """The pairs that the module assigns to ``build_info``, without running it."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call) or not node.value.args:
            continue
        try:
            pairs = ast.literal_eval(node.value.args[0])
            return {str(key): value for key, value in dict(pairs).items()}
        except (ValueError, TypeError, RecursionError, MemoryError):
            continue
    return {}


def _distribution(path: str, text: bytes, files: Mapping[str, ImageFile]) -> Distribution | None:
    match = _METADATA.match(path)
    headers = HeaderParser().parsestr(text.decode("utf-8", errors="replace"))
    name, version = headers.get("Name"), headers.get("Version")
    if match is None or not name or not version:
        return None
    record = posixpath.join(posixpath.dirname(path), "RECORD")
    normal = canonicalize_name(name)
    package = posixpath.join(match["folder"], "tensorflow", "__init__.py")
    return Distribution(
        name=normal,
        version=str(version).strip(),
        folder=match["folder"],
        requires=tuple(str(each) for each in headers.get_all("Requires-Dist", [])),
        # A package that only names another one (tensorflow on some platforms) has a RECORD of a few lines.
        has_files=package in files and (record not in files or files[record].size > 10_000),
    )


def _keys(folder: str, files: Mapping[str, ImageFile]) -> list[tuple[str, str]]:
    """Prefix and version of each Python that imports from ``folder``."""
    match = _SITE.match(folder)
    if match is None:
        return []
    if match["kind"] == "site":
        prefix = match["prefix"]
        if prefix.endswith("/.local"):  # a user's packages belong to a Python elsewhere
            homes = [
                p for p in ("/usr/local", "/usr", "/opt/conda") if _interpreter(p, match["version"], files)
            ]
            prefix = homes[0] if homes else prefix
        return [(prefix, match["version"])]
    if match["version"] != "3":
        return [("/usr", match["version"])]
    versions = {m[1] for path in files if (m := re.match(r"^/usr/bin/python(3\.\d+)$", path))}
    return [("/usr", version) for version in sorted(versions)]


def _order(version: str, folders: list[str]) -> tuple[str, ...]:
    """As on sys.path: the user's packages, then Debian's folders in Debian's order, then the others."""
    debian = [place.format(version) for place in _DEBIAN]

    def rank(folder: str) -> tuple[int, int, str]:
        local = 0 if "/.local/" in folder else 1
        return (local, debian.index(folder) if folder in debian else len(debian), folder)

    return tuple(sorted(set(folders), key=rank))


def _interpreter(prefix: str, version: str, files: Mapping[str, ImageFile]) -> str | None:
    for name in (f"python{version}", "python3", "python"):
        path = posixpath.join(prefix, "bin", name)
        if path in files and files[path].type is not FileType.DIRECTORY:
            return path
    return None


def _rank(environment: PythonEnvironment, places: list[str]) -> tuple[int, int]:
    """TensorFlow's environments first, then in the order of PATH."""
    folder = posixpath.dirname(environment.interpreter or "")
    return (
        environment.tensorflow is None,
        places.index(folder) if folder in places else len(places),
    )
