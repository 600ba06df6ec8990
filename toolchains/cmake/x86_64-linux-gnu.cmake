# Native toolchain: named like the cross ones, so that every plan has one and nothing is left to chance.
set(CMAKE_C_COMPILER x86_64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER x86_64-linux-gnu-g++)
set(CMAKE_STRIP x86_64-linux-gnu-strip)
set(CMAKE_OBJCOPY x86_64-linux-gnu-objcopy)
set(CMAKE_LIBRARY_ARCHITECTURE x86_64-linux-gnu)
include("${CMAKE_CURRENT_LIST_DIR}/compiler.cmake")
