"""CMake cache entries that a configuration must not give: overridden ones, and those that do nothing. Pure.

Sources: toolchains/cmake/*.cmake and dockerfiles/tflite/superproject/CMakeLists.txt of this project, which a
test compares with what is here; tensorflow/lite/CMakeLists.txt of 2.14 for what upstream sets itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# What a key gives: a second value would win or lose by chance.
_KEYS: Mapping[str, str] = {
    "TFLITE_ENABLE_XNNPACK": "tflite.xnnpack",
    "TFLITE_ENABLE_GPU": "tflite.gpu_delegate",
    "TFLITE_ENABLE_RUY": "tflite.ruy",
    "CMAKE_C_FLAGS": "compile.cflags",
    "CMAKE_CXX_FLAGS": "compile.cxxflags",
    "CMAKE_C_FLAGS_RELEASE": "compile.cflags",
    "CMAKE_CXX_FLAGS_RELEASE": "compile.cxxflags",
    "CMAKE_EXE_LINKER_FLAGS": "compile.ldflags",
    "CMAKE_SHARED_LINKER_FLAGS": "compile.ldflags",
    "CMAKE_INTERPROCEDURAL_OPTIMIZATION": "compile.lto",
    "CMAKE_INTERPROCEDURAL_OPTIMIZATION_RELEASE": "compile.lto",
    "CMAKE_C_COMPILER_LAUNCHER": "compile.ccache",
    "CMAKE_CXX_COMPILER_LAUNCHER": "compile.ccache",
    "CMAKE_BUILD_TYPE": "compile.optimisation",
    "TFBUILD_COMPILER": "compile.compiler",
    "TFBUILD_XNNPACK_COMPILER": "tflite.xnnpack_compiler",
    "TFBUILD_PYTHON": "runtime.flavour",
    "TFBUILD_STATIC_CXX": "debian.suite",
    "TFBUILD_PYTHON_INCLUDES": "runtime.flavour",
    "TFBUILD_PYTHON_MODULE": "runtime.flavour",
}
_TOOLCHAIN = (
    "the toolchain files (toolchains/cmake/) set it over any entry; for another compiler use "
    "compile.compiler, for another architecture use --arch"
)
_LOCKED = "sources come from the release's lock and nothing is downloaded; to change one use source.patches"
_UPSTREAM = "upstream's CMake files set it over any entry; to change it use source.patches"
_SUPERPROJECT = "this project's own CMake file sets it over any entry"
_RELEASE_TYPE = "it is for another build type than this, Release: use compile.cflags or compile.cxxflags"
_NO_INSTALL = "nothing is installed by CMake: the results go where --output says"
_RUN_PATH = "the libraries are found beside each other ($ORIGIN), wherever the dist folder is moved to"
# What no key gives, by name.
_FIXED: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), why)
    for pattern, why in (
        (
            r"CMAKE_(C|CXX|ASM)_COMPILER(_TARGET|_AR|_RANLIB)?|CMAKE_LINKER_TYPE"
            r"|CMAKE_TRY_COMPILE_PLATFORM_VARIABLES",
            _TOOLCHAIN,
        ),
        (r"CMAKE_(TOOLCHAIN_FILE|STRIP|OBJCOPY|SYSROOT|LIBRARY_ARCHITECTURE|CROSSCOMPILING\w*)", _TOOLCHAIN),
        (r"CMAKE_(HOST_)?SYSTEM(_NAME|_PROCESSOR|_VERSION)", _TOOLCHAIN),
        (r"CMAKE_FIND_ROOT_PATH\w*", _TOOLCHAIN),
        (r"CMAKE_(GENERATOR\w*|MAKE_PROGRAM)", "the build uses Ninja"),
        (r"BUILD_SHARED_LIBS", "the build makes the shared libraries that a release has, and no others"),
        (r"CMAKE_CXX_STANDARD(_REQUIRED)?|CMAKE_POSITION_INDEPENDENT_CODE|CMAKE_MODULE_PATH", _UPSTREAM),
        (
            r"CMAKE_(FIND_PACKAGE_(PREFER_CONFIG|TARGETS_GLOBAL)|PREFIX_PATH|PROJECT_XNNPACK_INCLUDE)",
            _SUPERPROJECT,
        ),
        (r"TFBUILD_\w+|TENSORFLOW_SOURCE_DIR|SYSTEM_PTHREADPOOL", _SUPERPROJECT),
        (r"TFLITE_HOST_TOOLS_DIR", "the programs that run during the build are made from the locked sources"),
        (r"FETCHCONTENT_\w+|OVERRIDABLE_FETCH_CONTENT_\w+|\w+_SOURCE_DIR", _LOCKED),
        (r"CMAKE_(C|CXX|EXE_LINKER|SHARED_LINKER)_FLAGS_(DEBUG|MINSIZEREL|RELWITHDEBINFO)", _RELEASE_TYPE),
        (r"CMAKE_(INSTALL_(?!RPATH)\w+|SKIP_INSTALL\w*|STAGING_PREFIX)|TFLITE_ENABLE_INSTALL", _NO_INSTALL),
        (r"CMAKE_(SKIP_)?(BUILD_|INSTALL_)?RPATH\w*|CMAKE_BUILD_WITH_INSTALL_RPATH", _RUN_PATH),
        (r"TFLITE_ENABLE_NNAPI\w*", "upstream builds NNAPI for Android only, this project for Linux"),
        (r"TFLITE_ENABLE_METAL", "upstream builds the Metal delegate for iOS only, this project for Linux"),
        (r"TFLITE_KERNEL_TEST", "upstream's tests of kernels are no part of what is built"),
    )
)


def entry_problem(name: str) -> str | None:
    """Why the entry ``name`` cannot be given, with what to use instead; None where it can."""
    if key := _KEYS.get(name):
        return f"'{name}' is set by the build: use {key}"
    why = next((why for pattern, why in _FIXED if pattern.fullmatch(name)), None)
    return f"'{name}': {why}" if why else None
