include(FetchContent)
FetchContent_Declare(xnnpack
  GIT_REPOSITORY https://github.com/tfbuild-mini/xnnpack
  GIT_TAG v1.0
  GIT_PROGRESS TRUE
  SOURCE_DIR "${CMAKE_BINARY_DIR}/xnnpack"
)
FetchContent_GetProperties(xnnpack)
if(NOT xnnpack_POPULATED)
  FetchContent_Populate(xnnpack)
endif()
add_subdirectory("${xnnpack_SOURCE_DIR}" "${xnnpack_BINARY_DIR}")
