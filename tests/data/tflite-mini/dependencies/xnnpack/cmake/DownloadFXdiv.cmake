cmake_minimum_required(VERSION 3.16)
project(fxdiv-download NONE)
include(ExternalProject)
ExternalProject_Add(fxdiv
  URL https://github.com/tfbuild-mini/fxdiv/archive/v1.0.zip
  SOURCE_DIR "${CMAKE_BINARY_DIR}/fxdiv-source"
)
