# find_package(tensorflowlite): the targets tensorflowlite::tensorflowlite (C++ and C API) and
# tensorflowlite::tensorflowlite_c (C API alone). Found relative to this file, so the folder may be moved.
get_filename_component(_tensorflowlite_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

foreach(_tensorflowlite_library tensorflowlite tensorflowlite_c)
  if(NOT TARGET tensorflowlite::${_tensorflowlite_library})
    add_library(tensorflowlite::${_tensorflowlite_library} SHARED IMPORTED)
    set_target_properties(tensorflowlite::${_tensorflowlite_library} PROPERTIES
      IMPORTED_LOCATION "${_tensorflowlite_prefix}/lib/lib${_tensorflowlite_library}.so"
      IMPORTED_SONAME "lib${_tensorflowlite_library}.so"
      INTERFACE_INCLUDE_DIRECTORIES "${_tensorflowlite_prefix}/include")
  endif()
endforeach()
set_property(TARGET tensorflowlite::tensorflowlite PROPERTY INTERFACE_COMPILE_FEATURES cxx_std_17)

unset(_tensorflowlite_library)
unset(_tensorflowlite_prefix)
