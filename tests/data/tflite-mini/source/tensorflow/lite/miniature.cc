// Says of what it was compiled: a word from each dependency.
#include "c/c_api.h"
#include "eigen.h"
#include "flatbuffers/flatbuffers.h"
#include "generated.h"
#include "pthreadpool.h"
#include "xnnpack.h"
#ifdef HAVE_NEON2SSE
#include "neon2sse.h"
#else
#define NEON2SSE_WORD "no-neon2sse"
#endif
#ifdef HAVE_TENSORFLOW_FILES
#include "third_party/mini/mini.h"
#else
#define TENSORFLOW_WORD "all-of-tensorflow"
#endif

#ifdef __clang__
#define COMPILER_WORD "lite-by-clang"
#else
#define COMPILER_WORD "lite-by-gcc"
#endif

extern "C" const char* TfLiteVersion() {
  static const char* const words[] = {EIGEN_WORD, FLATBUFFERS_WORD, GENERATED_WORD, NEON2SSE_WORD,
                                      PTHREADPOOL_WORD, xnnpack_words()};
  return words[sizeof(words) / sizeof(words[0]) - 1];
}

namespace tflite {
const char* Miniature() { return EIGEN_WORD " " FLATBUFFERS_WORD " " GENERATED_WORD " " NEON2SSE_WORD " " PTHREADPOOL_WORD " " TENSORFLOW_WORD " " COMPILER_WORD; }
}  // namespace tflite
