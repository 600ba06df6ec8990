cmake_minimum_required(VERSION 3.16)
project(pthreadpool-download NONE)
include(ExternalProject)
ExternalProject_Add(pthreadpool
  URL https://github.com/tfbuild-mini/pthreadpool/archive/v1.0.zip
  SOURCE_DIR "${CMAKE_BINARY_DIR}/pthreadpool-source"
)
