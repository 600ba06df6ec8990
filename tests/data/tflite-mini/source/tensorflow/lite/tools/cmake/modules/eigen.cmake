include(FetchContent)
FetchContent_Declare(eigen
  GIT_REPOSITORY https://github.com/tfbuild-mini/eigen.git
  GIT_TAG v1.0
  GIT_PROGRESS TRUE
  SOURCE_DIR "${CMAKE_BINARY_DIR}/eigen"
)
FetchContent_GetProperties(eigen)
if(NOT eigen_POPULATED)
  FetchContent_Populate(eigen)
endif()
# Upstream rewrites files of its dependency: the source has to be writable.
file(WRITE "${eigen_SOURCE_DIR}/doc/CMakeLists.txt" "")
file(WRITE "${eigen_SOURCE_DIR}/eigen.h" "#define EIGEN_WORD \"eigen-rewritten\"\n")
