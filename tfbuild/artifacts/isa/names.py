"""Functions that are chosen at run time, told by their names. Pure.

Each row is a library that looks at the CPU first, and how it names what it chooses then. The patterns are
applied to symbol names as they are in the file, so C++ names are mangled.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

_FAMILIES: tuple[tuple[str, str], ...] = (
    # github.com/google/XNNPACK: src/configs/*.c put micro-kernels into tables by cpuinfo's answers; inlined
    # parts of them keep the suffix. Init functions of the parameters are among them.
    ("XNNPACK", r"^xnn_\w*(ukernel|__(sse|ssse|avx|xop|f16c|fma|neon|aarch64|asm|sve|sme))"),
    ("XNNPACK", r"^xnn_(init|pack)_\w*(sse|avx|neon|aarch64|fp16arith|dot|i8mm|sme|amx|vnni)"),
    # github.com/google/ruy: ruy/kernel_avx*.cc, pack_avx*.cc, path.h.
    ("ruy", r"^_ZZ?NK?3ruy.*(Avx|Neon|A55ish|Dotprod|I8mm|KernelFloat|Kernel8bit|Pack8bit|PackFloat)"),
    ("ruy", r"^_ZZ?NK?3ruy.*PathE(16|32|64|128|256)E"),
    # tensorflow/lite/kernels/internal/optimized/neon_tensor_utils.cc asks cpuinfo for dot products.
    ("TFLite", r"^_ZN6tflite.*(Dotprod|NeonSparseMatrixBatchVectorMultiply|optimized_4bit.*SDot)"),
    # github.com/google/XNNPACK, ynnpack/base/arch.h: kernels are taken from tables by is_arch_supported.
    ("YNNPACK", r"^_ZN?K?3ynn"),
    # github.com/ARM-software/ComputeLibrary: src/common/cpuinfo; its kernels are in these namespaces.
    ("Compute Library", r"(11arm_compute|8arm_gemm|8arm_conv)"),
    # gitlab.arm.com/kleidi/kleidiai: every micro-kernel has the prefix.
    ("KleidiAI", r"^kai_"),
    # github.com/pytorch/cpuinfo asks the CPU itself, and the kernel about it.
    ("cpuinfo", r"^cpuinfo_"),
    # github.com/google/highway: one namespace per target.
    ("Highway", r"\dN_(SSE|SSSE|AVX|NEON|SVE)\w*?\d"),
    # github.com/google/highwayhash: TargetBits as template argument, instruction_sets.h.
    ("HighwayHash", r"highwayhash.*(L[jm](2|4)E|AVX2|SSE41)"),
    # abseil: absl/crc/internal, absl/base/internal/cpu_detect.h.
    ("absl crc", r"4absl.*12crc_internal|4absl.*(CRC32Accelerated|non_temporal_store_memcpy)"),
    ("absl randen", r"4absl.*RandenHwAes"),
    # crc32c as TensorFlow's tsl has it.
    ("crc32c", r"crc32c.*(Accelerated|Sse42|sse42|Arm64|arm64)"),
    # BoringSSL and OpenSSL: assembly behind OPENSSL_ia32cap_P and OPENSSL_armcap_P.
    (
        "BoringSSL",
        r"^(_?_?aes(ni)?_|_?vpaes_|_?bsaes_|aes_hw_|aes\d+gcmsiv_|aesgcmsiv_|GFMUL$|gcm_|_?_?bn_|rsaz_|"
        r"_?_?ecp_|"
        r"_?_?beeu_|_?sha\d+_block|sha\d+_\w+(avx|ssse3|armv8|hw|nohw|shaext)|chacha20_|ChaCha20_|"
        r"poly1305_|"
        r"poly_hash|poly_Rq_mul$|_?mulx\dx_|_?powx\dx_|fiat_\w+_adx|x25519_\w*(adx|neon)|"
        r"CRYPTO_rdrand|p256_|rdrand_|crypto_aes|crypto_gcm)",
    ),
    # libstdc++'s std::random_device asks CPUID; libgcc's outline atomics ask AT_HWCAP.
    ("libstdc++", r"__x86_rd(rand|seed)"),
    ("libgcc", r"^__aarch64_(cas|swp|ldadd|ldclr|ldeor|ldset)\d+_"),
    # libgcc's lazy saving for SME asks AT_HWCAP2 (config/aarch64/__arm_sme_state.S). Its unwinder asks for
    # the length of a vector only where a frame has saved one (VG in config/aarch64/aarch64-unwind.h).
    ("libgcc", r"^(__libgcc_arm_\w+|__arm_(sme_state|tpidr2_\w+|za_disable))$"),
    ("libgcc", r"^(_Unwind_GetGR|execute_stack_op|uw_update_context(_1)?)$"),
    # github.com/openssl/openssl: crypto/*/asm and crypto/bn/rsaz_exp.c, as above, under names of its own.
    (
        "OpenSSL",
        r"^(OPENSSL_ia32_rd(rand|seed)|__ocb_(en|de)crypt\d|__rsaz_|sha(1|256|512)_multi_block|x25519_fe64_|"
        r"ossl_(aes_|vaes_|gcm_|rsaz_|sha\d+_\w*(avx|ni)))",
    ),
    # github.com/OpenMathLib/OpenBLAS, Makefile.system: DYNAMIC_ARCH compiles every kernel once per core of
    # DYNAMIC_CORE, with the core as suffix; driver/others/dynamic*.c picks a table of them when it is loaded.
    (
        "OpenBLAS",
        r"_(KATMAI|COPPERMINE|NORTHWOOD|PRESCOTT|BANIAS|CORE2|PENRYN|DUNNINGTON|ATOM|NANO|NEHALEM|SANDYBRIDGE|"
        r"HASWELL|SKYLAKEX|COOPERLAKE|SAPPHIRERAPIDS|ATHLON|OPTERON(_SSE3)?|BARCELONA|BOBCAT|BULLDOZER|"
        r"PILEDRIVER|STEAMROLLER|EXCAVATOR|ZEN|ARMV8(SVE)?|CORTEX[AX]\d+|NEOVERSE[NV]\d|THUNDERX\w*|FALKOR|"
        r"TSV110|EMAG8180|A64FX|VORTEX\w*|AMPERE1|FT2000)(\.\w+)*$",
    ),
    # github.com/flame/blis: a sub-configuration per core, chosen by bli_arch_query_id.
    ("BLIS", r"^bli_\w+_(penryn|sandybridge|haswell|skx|knl|bulldozer|piledriver|steamroller|zen\d?)"),
    # Intel oneMKL and IPP: the prefix says for which CPU (Intel IPP Developer Guide, "Understanding CPU
    # Optimization Codes"); a front end jumps to the one that fits.
    ("MKL", r"^mkl_\w*_(def|mc3?|avx|avx2|avx512\w*)_"),
    ("IPP", r"^(icv_)?(m7|mx|n8|y8|e9|l9|n0|k0|k1)_(ipp|own)"),
    # github.com/numpy/numpy, doc "CPU/SIMD Optimizations": NPY_CPU_DISPATCH_CURFX puts the target behind the
    # name; _simd holds every function of the tests once per target; SVML is called for AVX512_SKX alone.
    (
        "NumPy",
        r"(_|\d)(X86_V[234]|AVX512_(SKX|ICL|SPR|KNL|KNM|CNL|CLX)|SSE42|ASIMD(HP|DP|FHM)|NEON_(FP16|VFPV4)|"
        r"VSX[234]?|VXE2?)(\.\w+)*$",
    ),
    ("NumPy", r"^(simd_create_module|simd__|PySIMD|simd_(arg|scalar|sequence|vector)\w*_)"),
    ("NumPy", r"^(_ZL\d+)?simd_\w+_[subf](8|16|32|64)"),  # helpers in *.dispatch.c.src, once per target
    ("SVML", r"^__svml_"),
    # github.com/numpy/x86-simd-sort: templates over the kind of vector, called behind NumPy's dispatch.
    (
        "x86-simd-sort",
        r"(^_Z|\d)\w*([xyz]mm_vector|avx(2|512)_(half_)?vector|(avx2|avx512)_(arg|q|key)?(sort|select)|"
        r"x86simdsort)",
    ),
    # github.com/microsoft/onnxruntime: core/mlas/lib/platform.cpp fills a table of kernels.
    ("MLAS", r"Mlas\w*(Sse41|Avx|Fma3|Amx|Vnni|Neon|NEON|Sve|Dot|I8mm|Bf16)"),
    # glibc's multiarch functions, and what setjmp and clone call: sysdeps/aarch64/__arm_za_disable.S asks.
    ("glibc", r"^(__libc_arm_za_disable|_+mem(cpy|move|set)_a64fx)$"),
    (
        "glibc",
        r"^_+(mem|str|stp|wmem|wcs|wcp|ieee754|sin|cos|tan|atan|exp|log|pow|ceil|floor|rint|trunc|nearbyint|roundeven)"
        r"\w*_(avx|avx2|avx512|evex|sse2|sse42|ssse3|erms|fma|fma4|asimd|sve|mops)(_\w+)?$",
    ),
    # zstd: DYNAMIC_BMI2; zlib, zlib-ng, libjpeg-turbo, libyuv, libvpx, dav1d, FFmpeg, libgfortran's matmul
    # (m4/matmul.m4) and others: the target as a suffix.
    (
        "by suffix",
        r"_(bmi2|sse3|sse4_?[12]?|ssse3|avx2?|avx128_fma[34]|avx2?_?vnni|avx512\w*|fma[34]?|xop|f16c|pclmul(qdq)?|"
        r"vpclmulqdq|popcnt|shani|neon_?dot(prod)?|i8mm|sve2?|sme2?)(\.\w+)*$",
    ),
    ("by suffix", r"^_*\w+_(avx|avx2|avx512|evex|sse2|sse42|ssse3|fma|fma4|asimd|sve|mops)(_\w+)?$"),
    # oneDNN generates its code when it runs; what it has as C++ is named for the instruction set.
    ("oneDNN", r"4dnnl4impl3cpu3x64.*(avx|amx|sse41)"),
    ("by name", r"(?<![a-z])(Avx2?|AVX2?|Avx512|AVX512|Sse4_?[12]?|SSE4_?[12]?|Ssse3|SSSE3|Fma3)(?![a-z])"),
)  # fmt: skip


# Without one of these a name is not looked at: to fail takes that pattern the square of the name's length.
_NEEDED = {"x86-simd-sort": re.compile(r"mm_vector|avx|x86simdsort")}


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str], re.Pattern[str] | None], ...]:
    return tuple((name, re.compile(text), _NEEDED.get(name)) for name, text in _FAMILIES)


@lru_cache(maxsize=1 << 17)  # a function is asked for by each file that has it, and again as a callee
def family(name: str) -> str | None:
    """Which library chooses the function ``name`` at run time; None for a function that just runs.

    The match that begins first, of several the first row's. One pattern of all rows takes ten times as long:
    it has no literal start to look for.
    """
    found: tuple[int, str] | None = None
    for owner, pattern, needed in _patterns():
        if needed is not None and not needed.search(name):
            continue
        match = pattern.search(name)
        if match is not None and (found is None or match.start() < found[0]):
            found = match.start(), owner
    return found[1] if found else None
