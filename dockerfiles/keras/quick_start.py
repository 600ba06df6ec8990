"""Makes the import of TensorFlow cheaper; quick_start.pth imports this whenever Python starts.

Half of the time to the first prediction is Python's own work for 2,800 modules. Two things help, and change
nothing else: the bytecode of the packages' modules lies in one file, which is mapped, instead of being
searched for and read one by one (pack_modules.py writes it); and the garbage collector rests while keras and
tensorflow are imported, where it would walk over ever more objects that all stay. Later it passes them over.
"""

import gc
import marshal
import mmap
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import MAGIC_NUMBER

HERE = __file__.rpartition("/")[0]


class PackedLoader(SourceFileLoader):
    """A module whose bytecode is in the file; its source is where it always was."""

    def get_code(self, fullname):
        _, _, _, begin, size = INDEX[fullname]
        return marshal.loads(DATA[begin : begin + size])


class PackedFinder:
    """Finds modules of packages in the folder that they were installed to: what lies in front of it in the
    package's path wins as ever."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        del target
        found = INDEX.get(fullname) if path is not None else None
        if found is None:
            return None
        folder, file, is_package, _, _ = found
        places = list(path)
        if folder not in places:
            return None
        before = places[: places.index(folder)]
        if before and PathFinder.find_spec(fullname, before) is not None:
            return None
        spec = ModuleSpec(fullname, PackedLoader(fullname, file), origin=file, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations.append(file.rpartition("/")[0])
        return spec


class RestingLoader(SourceFileLoader):
    """Keeps the garbage collector from running meanwhile, and from what was made meanwhile: gc.freeze()."""

    def exec_module(self, module):
        active = gc.isenabled()
        gc.disable()
        try:
            super().exec_module(module)
        finally:
            if active:  # else this is an import within another one
                gc.freeze()
                gc.enable()


class RestingFinder:
    """Finds keras and tensorflow themselves, and nothing else."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        del target
        if fullname not in ("keras", "tensorflow") or path is not None:
            return None
        spec = PathFinder.find_spec(fullname)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = RestingLoader(spec.loader.name, spec.loader.path)
        return spec


def read():
    """The index and the mapped file; empty where they are for another Python, or not there."""
    try:
        with open(f"{HERE}/modules.index", "rb") as file:
            magic, index = marshal.loads(file.read())
        if magic != MAGIC_NUMBER:
            return {}, b""
        with open(f"{HERE}/modules.bin", "rb") as file:
            return index, memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError, EOFError, TypeError):
        return {}, b""


INDEX, DATA = read()
# Before the finder of files, after those of built-in and frozen modules.
sys.meta_path[2:2] = [RestingFinder, PackedFinder] if INDEX else [RestingFinder]
