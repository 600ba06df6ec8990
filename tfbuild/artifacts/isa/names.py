"""Functions that are chosen at run time, told by their names. Pure.

Each row is a library that looks at the CPU first, and how it names what it chooses then. The patterns are
applied to symbol names as they are in the file, so C++ names are mangled.
"""

from __future__ import annotations

import re
from functools import cache

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
    # glibc's multiarch functions.
    ("glibc", r"^_*\w+_(avx|avx2|avx512|evex|sse2|sse42|ssse3|erms|fma|fma4|asimd|sve|mops)(_\w+)?$"),
    # zstd: DYNAMIC_BMI2; zlib, libjpeg-turbo, libyuv, dav1d and others: the target as a suffix.
    ("by suffix", r"_(bmi2|sse4[12]|ssse3|avx2?|avx512\w*|fma3?|f16c|neon_?dot|i8mm|sve2?|sme2?)(\.\w+)*$"),
    # oneDNN generates its code when it runs; what it has as C++ is named for the instruction set.
    ("oneDNN", r"4dnnl4impl3cpu3x64.*(avx|amx|sse41)"),
    ("by name", r"(?<![a-z])(Avx2?|AVX2?|Avx512|AVX512|Sse4_?[12]?|SSE4_?[12]?|Ssse3|SSSE3|Fma3)(?![a-z])"),
)  # fmt: skip


@cache
def _pattern() -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<f{number}>{text})" for number, (_, text) in enumerate(_FAMILIES)))


def family(name: str) -> str | None:
    """Which library chooses the function ``name`` at run time; None for a function that just runs."""
    match = _pattern().search(name)
    if match is None or match.lastgroup is None:
        return None
    number = next(n for n in range(len(_FAMILIES)) if match[f"f{n}"] is not None)
    return _FAMILIES[number][0]
