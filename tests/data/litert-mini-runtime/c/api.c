#include "litert/c/litert_common.h"

int litert_core_answer(void);
int litert_runtime_answer(void);

int LiteRtMiniature(void) {
  return litert_core_answer() + litert_runtime_answer() + LITERT_BUILD_CONFIG_DISABLE_GPU +
         LITERT_BUILD_CONFIG_DISABLE_NPU;
}
int LrtMiniature(void) { return 1; }
int hidden_miniature(void) { return 2; }
