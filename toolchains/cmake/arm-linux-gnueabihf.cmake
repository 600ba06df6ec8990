# Cross toolchain: Debian's armhf GCC with multiarch libraries, no sysroot.
set(CMAKE_SYSTEM_NAME Linux)
# XNNPACK and ruy choose their kernels by this word.
set(CMAKE_SYSTEM_PROCESSOR armv7)
set(CMAKE_C_COMPILER arm-linux-gnueabihf-gcc)
set(CMAKE_CXX_COMPILER arm-linux-gnueabihf-g++)
set(CMAKE_STRIP arm-linux-gnueabihf-strip)
set(CMAKE_OBJCOPY arm-linux-gnueabihf-objcopy)
set(CMAKE_LIBRARY_ARCHITECTURE arm-linux-gnueabihf)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_CROSSCOMPILING_EMULATOR /usr/bin/qemu-arm-static)
include("${CMAKE_CURRENT_LIST_DIR}/compiler.cmake")
