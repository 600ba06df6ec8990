cmake_minimum_required(VERSION 3.16)
project(kleidiai-download NONE)
include(ExternalProject)
ExternalProject_Add(kleidiai
  URL https://github.com/tfbuild-mini/kleidiai/archive/v1.0.zip
  SOURCE_DIR "${CMAKE_BINARY_DIR}/kleidiai-source"
)
