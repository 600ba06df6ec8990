#include "litert/build_common/build_config.h"
int LiteRtMiniature(void);
int LrtMiniature(void);
int hidden_miniature(void);
