/* GCC's bmi2intrin.h stops the compile unless immintrin.h includes it; Abseil 20260526 includes it alone. */
#ifndef _IMMINTRIN_H_INCLUDED
#include <immintrin.h>
#else
#include_next <bmi2intrin.h>
#endif
