# Debian's libfp16-dev: headers only, no CMake package.
find_path(FP16_INCLUDE_DIR fp16.h REQUIRED)
set(fp16_headers_FOUND TRUE)
