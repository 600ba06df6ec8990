/* The bmi2intrin.h of GCC and of clang stops the compile unless immintrin.h includes it; Abseil 20260526 includes it
 * alone. The two macros say that immintrin.h has begun: GCC's and clang's. */
#if !defined(_IMMINTRIN_H_INCLUDED) && !defined(__IMMINTRIN_H)
#include <immintrin.h>
#else
#include_next <bmi2intrin.h>
#endif
