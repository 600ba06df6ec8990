# Debian's libfarmhash-dev has no CMake package. The static library keeps the result free of one more
# shared object.
find_library(FARMHASH_LIBRARY NAMES libfarmhash.a REQUIRED)
find_path(FARMHASH_INCLUDE_DIR farmhash.h REQUIRED)
if(NOT TARGET farmhash)
  add_library(farmhash STATIC IMPORTED GLOBAL)
  set_target_properties(farmhash PROPERTIES
    IMPORTED_LOCATION "${FARMHASH_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${FARMHASH_INCLUDE_DIR}")
endif()
set(farmhash_FOUND TRUE)
