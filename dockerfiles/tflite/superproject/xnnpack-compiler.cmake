# Read by CMake after project(XNNPACK), in its folder and those that it adds: there TFBUILD_XNNPACK_COMPILER, a clang,
# compiles C and assembly, and XNNPACK chooses flags and kernels for it. C++ is left to the compiler of the rest.
string(REGEX MATCH "[0-9]+$" xnnpack_compiler_version "${TFBUILD_XNNPACK_COMPILER}")
foreach(language C ASM)
  set(CMAKE_${language}_COMPILER "/usr/bin/${TFBUILD_XNNPACK_COMPILER}")
  set(CMAKE_${language}_COMPILER_ID Clang)
  set(CMAKE_${language}_COMPILER_VERSION "${xnnpack_compiler_version}")
  set(CMAKE_${language}_COMPILER_TARGET "${CMAKE_LIBRARY_ARCHITECTURE}")
  set(CMAKE_${language}_COMPILE_OPTIONS_TARGET "--target=")
endforeach()
# GCC's link-time optimisation reads only what GCC has written for it.
set(CMAKE_INTERPROCEDURAL_OPTIMIZATION OFF)
