#include "xnnpack.h"

#include "fxdiv.h"
#ifdef HAVE_KLEIDIAI
#include "kleidiai.h"
#else
#define KLEIDIAI_WORD "no-kleidiai"
#endif

const char* xnnpack_words(void) { return "xnnpack-locked " FXDIV_WORD " " KLEIDIAI_WORD; }
