// Loads libraries of operators before main(), as tf.load_op_library() does in Python: each by itself (RTLD_LOCAL), so
// that two libraries that bring a copy of a third are not mixed. They register their operators while they are loaded.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

#include "operators.h"

namespace {

__attribute__((constructor)) void LoadOperators() {
  for (const char* path : kOperators) {
    if (dlopen(path, RTLD_NOW | RTLD_LOCAL) != nullptr) continue;
    std::fprintf(stderr, "tensorflow_model_server: a library of operators cannot be loaded: %s\n", dlerror());
    std::exit(EXIT_FAILURE);
  }
}

}  // namespace
