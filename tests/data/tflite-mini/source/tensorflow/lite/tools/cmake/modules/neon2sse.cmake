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
# Upstream checks licences, and downloads the text where a source has none.
if(NOT EXISTS "${neon2sse_SOURCE_DIR}/LICENSE" AND NOT EXISTS "${neon2sse_SOURCE_DIR}/neon2sse_LICENSE.txt")
  message(STATUS "no licence, downloading https://www.apache.org/licenses/LICENSE-2.0.txt")
endif()
add_subdirectory("${neon2sse_SOURCE_DIR}" "${neon2sse_BINARY_DIR}")
