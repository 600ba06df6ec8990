"""Imports every public module of the packages in an image; prints the number, and each that fails.

Public is what has no part that begins with an underscore; of TensorFlow, whose files are private, the modules
of its interface below tensorflow._api.v2, and of Keras not keras.src.
"""

import contextlib
import importlib
import importlib.util
import io
import os
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

PACKAGES = Path("/usr/local") / f"lib/python3.{sys.version_info.minor}/dist-packages"
# Modules that do something when they are imported: they start a program, or want arguments.
PROGRAMS = ("__main__", "absl.testing", "setuptools", "wheel", "pkg_resources", "_distutils_hack")
PLUGIN = "tensorflow_io_gcs_filesystem"


def modules(name: str) -> Iterator[str]:
    yield name
    package = sys.modules.get(name)  # not there where its import failed, which was told
    for found in pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}.", onerror=lambda _: None):
        yield found.name


def is_public(name: str) -> bool:
    if name.startswith("tensorflow._api.v2"):
        return True
    parts = name.split(".")
    return not any(part.startswith("_") or part in {"tests", "conftest"} for part in parts) and (
        parts[:2] != ["keras", "src"] and (parts[0] != "tensorflow" or len(parts) == 1)
    )


def main() -> None:
    if importlib.util.find_spec(PLUGIN):
        # TensorFlow has the file system gs built in; with this it leaves it to the plugin, and imports that.
        os.environ["TF_USE_MODULAR_FILESYSTEM"] = "1"
    tops = sorted(found.name for found in pkgutil.iter_modules([str(PACKAGES)]))
    names = [*(top for top in tops if top not in PROGRAMS), "tensorflow._api.v2"]
    count = 0
    for top in names:
        for name in modules(top):
            if not is_public(name) or name.startswith(PROGRAMS) or name.endswith("__main__"):
                continue
            count += 1
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    importlib.import_module(name)
            except BaseException as error:  # noqa: BLE001 - whatever stops an import is told
                if "does not define module export function" in str(error):
                    continue  # a library that lies among the modules
                print("failed", name, f"{type(error).__name__}: {error}".splitlines()[0], sep="\t")
    print("imported", count, sep="\t")


warnings.simplefilter("ignore")
main()
