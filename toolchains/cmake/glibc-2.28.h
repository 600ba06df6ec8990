/* Included before all else where Debian 11 compiles: binds the functions that glibc 2.29 has anew to their older
 * versions, which are still there, so that what is linked with glibc 2.31 loads with 2.28 (RHEL 8, Debian 10).
 * The new ones differ in how they report errors to programs for System V alone:
 * sourceware.org/git/?p=glibc.git;a=blob;f=NEWS, "Version 2.29". Other functions of 2.29 to 2.31 are not used.
 */
#ifndef __ASSEMBLER__
#if defined(__x86_64__)
#define TFBUILD_OLDEST "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define TFBUILD_OLDEST "GLIBC_2.17"
#elif defined(__arm__)
#define TFBUILD_OLDEST "GLIBC_2.4"
#else
#error "of this architecture the versions are not known"
#endif
__asm__(".symver exp,exp@" TFBUILD_OLDEST);
__asm__(".symver exp2,exp2@" TFBUILD_OLDEST);
__asm__(".symver log,log@" TFBUILD_OLDEST);
__asm__(".symver log2,log2@" TFBUILD_OLDEST);
__asm__(".symver pow,pow@" TFBUILD_OLDEST);
#undef TFBUILD_OLDEST
#endif
