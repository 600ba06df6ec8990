# Debian's libxnnpack-dev has no CMake package. The library needs cpuinfo and pthreadpool itself.
find_library(XNNPACK_LIBRARY XNNPACK REQUIRED)
find_path(XNNPACK_INCLUDE_DIR xnnpack.h REQUIRED)
if(NOT TARGET XNNPACK)
  add_library(XNNPACK SHARED IMPORTED GLOBAL)
  set_target_properties(XNNPACK PROPERTIES
    IMPORTED_LOCATION "${XNNPACK_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${XNNPACK_INCLUDE_DIR}")
endif()
set(XNNPACK_FOUND TRUE)
