include(FetchContent)
FetchContent_Declare(flatbuffers
  GIT_REPOSITORY https://github.com/tfbuild-mini/flatbuffers
  GIT_TAG v1.2.3
  GIT_PROGRESS TRUE
  SOURCE_DIR "${CMAKE_BINARY_DIR}/flatbuffers"
)
FetchContent_GetProperties(flatbuffers)
if(NOT flatbuffers_POPULATED)
  FetchContent_Populate(flatbuffers)
endif()
