// Loads libraries of operators before main(), so that they find what they find in Python, where tf.load_op_library()
// loads them: each by itself (RTLD_LOCAL), and in each its own copy of another library before TensorFlow's of the same
// name (RTLD_DEEPBIND; in Python TensorFlow is not in the global scope). Otherwise two that bring Protocol Buffers
// would register their messages at one place, and end. They register their operators while they are loaded.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

#include "operators.h"

namespace {

__attribute__((constructor)) void LoadOperators() {
  for (const char* path : kOperators) {
    if (dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND) != nullptr) continue;
    std::fprintf(stderr, "tensorflow_model_server: a library of operators cannot be loaded: %s\n", dlerror());
    std::exit(EXIT_FAILURE);
  }
}

}  // namespace
