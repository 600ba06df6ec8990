/* Ordinary functions that a compiler vectorises as -march allows, and kernels for newer CPUs behind names. */
#define FUNCTIONS(X) \
  X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) \
  X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31) X(32) X(33) X(34) X(35) X(36) X(37) \
  X(38) X(39) X(40) X(41) X(42) X(43) X(44) X(45) X(46) X(47) X(48) X(49) X(50) X(51) X(52) X(53) X(54) X(55)

#ifdef __x86_64__
#define ORDINARY(n) \
  float scale##n(float a, float b) { return a * b + n; }
#define KERNEL_TARGET __attribute__((target("avx2")))
typedef int vector __attribute__((vector_size(32)));
#define KERNEL(name) \
  KERNEL_TARGET void name(vector *a, const vector *b) { *a += *b; }
#else
#define ORDINARY(n) \
  int count##n(int *a) { return __atomic_fetch_add(a, n + 1, __ATOMIC_RELAXED); }
#define KERNEL(name) \
  void name(void) { __asm__ volatile(".arch armv8.2-a+dotprod\n\tsdot v0.4s, v1.16b, v2.16b" ::: "v0"); }
#endif

FUNCTIONS(ORDINARY)

#ifdef __x86_64__
/* A loop that becomes vectors of 256 bits where the CPU may have them. */
void add_all(int *a, const int *b) {
  for (int i = 0; i < 64; i++) a[i] += b[i];
}
#endif

#ifdef DISPATCH
KERNEL(xnn_s32_vadd_ukernel__avx2_u8)
#endif
#ifdef STRAY
KERNEL(helper)
#endif
