# cmake -DFILE=... -DVERSION=... -P write-version.cmake: what find_package(NAME VERSION) compares.
include(CMakePackageConfigHelpers)
# A program asks for the version that it was written with; a newer one has all of the C API.
write_basic_package_version_file("${FILE}" VERSION "${VERSION}" COMPATIBILITY SameMajorVersion ARCH_INDEPENDENT)
