#pragma once
#ifdef __cplusplus
extern "C"
#endif
const char* xnnpack_words(void);
