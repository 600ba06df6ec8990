"""Whether TensorFlow would find and could load CUDA, cuDNN and the rest in an image of the GPU variant.

Needs no GPU. Prints, with tabs between: how many GPUs TensorFlow sees; what it says of its build; the
libraries of the wheels that lie on the search path of its own two, which ask the loader for them by name;
each library of the wheels, loaded or not; the version of the assembler that XLA starts.
"""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import tensorflow as tf

RTLD_NOLOAD = 4  # dlopen(3)
RTLD_DI_SERINFO, RTLD_DI_SERINFOSIZE = 4, 5  # dlinfo(3)
LOAD = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"


class SearchPath(ctypes.Structure):  # Dl_serpath
    _fields_ = (("name", ctypes.c_char_p), ("flags", ctypes.c_uint))


class SearchInfo(ctypes.Structure):  # Dl_serinfo
    _fields_ = (("size", ctypes.c_size_t), ("count", ctypes.c_uint), ("paths", SearchPath * 0))


def search_path(library: Path) -> list[Path]:
    """Where the loader looks for what ``library`` asks for."""
    handle = ctypes.CDLL(str(library), mode=RTLD_NOLOAD)._handle
    dlinfo = ctypes.CDLL(None).dlinfo
    dlinfo.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    wanted = SearchInfo()
    assert dlinfo(handle, RTLD_DI_SERINFOSIZE, ctypes.byref(wanted)) == 0
    space = ctypes.create_string_buffer(wanted.size)
    SearchInfo.from_buffer(space).size = wanted.size
    SearchInfo.from_buffer(space).count = wanted.count
    assert dlinfo(handle, RTLD_DI_SERINFO, space) == 0
    paths = (SearchPath * wanted.count).from_buffer(space, SearchInfo.paths.offset)
    return [Path(os.fsdecode(each.name)) for each in paths]


def main() -> None:
    print("gpus", len(tf.config.list_physical_devices("GPU")), sep="\t")
    for key, value in sorted(tf.sysconfig.get_build_info().items()):
        print("build", key, value, sep="\t")
    tensorflow = Path(tf.__file__).parent
    nvidia = tensorflow.parent / "nvidia"
    libraries = sorted(nvidia.rglob("*.so*"))
    for name in ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2"):
        places = {place.resolve() for place in search_path(tensorflow / name)}
        for path in libraries:
            if path.parent in places:
                print("path", name, path.name, sep="\t")
    for path in libraries:
        # Each in a process of its own: what one has loaded does not help another.
        argv = [sys.executable, "-c", LOAD, str(path)]
        ran = subprocess.run(argv, capture_output=True, text=True, check=False)
        why = ran.stderr.strip().splitlines()[-1] if ran.returncode else ""
        print("failed" if ran.returncode else "loaded", path.name, why, sep="\t")
    ran = subprocess.run(
        [str(nvidia / "cuda_nvcc" / "bin" / "ptxas"), "--version"], capture_output=True, text=True, check=True
    )
    print("ptxas", ran.stdout.split("release ")[1].split(",")[0], sep="\t")


main()
