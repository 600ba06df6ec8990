include(FetchContent)
FetchContent_Declare(neon2sse
  GIT_REPOSITORY https://github.com/tfbuild-mini/neon2sse
  GIT_TAG v1.0
  GIT_PROGRESS TRUE
  SOURCE_DIR "${CMAKE_BINARY_DIR}/neon2sse"
)
FetchContent_GetProperties(neon2sse)
if(NOT neon2sse_POPULATED)
  FetchContent_Populate(neon2sse)
endif()
add_subdirectory("${neon2sse_SOURCE_DIR}" "${neon2sse_BINARY_DIR}")
