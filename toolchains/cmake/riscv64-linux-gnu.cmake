# Cross toolchain: Debian's riscv64 GCC with multiarch libraries, no sysroot.
set(CMAKE_SYSTEM_NAME Linux)
# XNNPACK chooses its kernels by this word.
set(CMAKE_SYSTEM_PROCESSOR riscv64)
set(CMAKE_C_COMPILER riscv64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER riscv64-linux-gnu-g++)
set(CMAKE_STRIP riscv64-linux-gnu-strip)
set(CMAKE_OBJCOPY riscv64-linux-gnu-objcopy)
set(CMAKE_LIBRARY_ARCHITECTURE riscv64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_CROSSCOMPILING_EMULATOR /usr/bin/qemu-riscv64-static)
include("${CMAKE_CURRENT_LIST_DIR}/compiler.cmake")
