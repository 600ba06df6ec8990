# Included by the toolchain files at their end: TFBUILD_COMPILER, a clang (compile.compiler), takes the place of GCC, with
# the same libraries and, but for link-time optimisation, the same linker. Projects of try_compile read the toolchain
# files anew.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES TFBUILD_COMPILER)
if(TFBUILD_COMPILER)
  set(CMAKE_C_COMPILER "${TFBUILD_COMPILER}")
  string(REPLACE "clang" "clang++" CMAKE_CXX_COMPILER "${TFBUILD_COMPILER}")
  set(CMAKE_C_COMPILER_TARGET "${CMAKE_LIBRARY_ARCHITECTURE}")
  set(CMAKE_CXX_COMPILER_TARGET "${CMAKE_LIBRARY_ARCHITECTURE}")
  set(CMAKE_ASM_COMPILER_TARGET "${CMAKE_LIBRARY_ARCHITECTURE}")
  if(CMAKE_INTERPROCEDURAL_OPTIMIZATION)
    # GNU's linker does not read LLVM's intermediate code.
    set(CMAKE_LINKER_TYPE LLD)
  endif()
endif()
