# find_package(litert): the target litert::litert, LiteRT's own C API (libLiteRt.so). Found relative to this file, so
# the folder may be moved.
get_filename_component(_litert_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

if(NOT TARGET litert::litert)
  add_library(litert::litert SHARED IMPORTED)
  set_target_properties(litert::litert PROPERTIES
    IMPORTED_LOCATION "${_litert_prefix}/lib/libLiteRt.so"
    IMPORTED_SONAME "libLiteRt.so"
    INTERFACE_INCLUDE_DIRECTORIES "${_litert_prefix}/include")
  # Upstream's C++ headers name members like types, which GCC takes for an error else; its own build does the same.
  set_property(TARGET litert::litert PROPERTY INTERFACE_COMPILE_OPTIONS
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpermissive>)
endif()

unset(_litert_prefix)
