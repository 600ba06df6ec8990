"""Debian's GCC for aarch64-linux-gnu, on another architecture: programs in /usr/bin with the triplet before them.

The flags are those that Bazel's own toolchain for Unix has, so that both ways to arm64 compile alike
(tools/cpp/unix_cc_toolchain_config.bzl and unix_cc_configure.bzl of Bazel 6 and 7).
"""

load("@bazel_tools//tools/build_defs/cc:action_names.bzl", "ACTION_NAMES")
load(
    "@bazel_tools//tools/cpp:cc_toolchain_config_lib.bzl",
    "feature",
    "flag_group",
    "flag_set",
    "tool_path",
    "with_feature_set",
)

_TRIPLET = "aarch64-linux-gnu"

_COMPILE = [
    ACTION_NAMES.assemble,
    ACTION_NAMES.preprocess_assemble,
    ACTION_NAMES.linkstamp_compile,
    ACTION_NAMES.c_compile,
    ACTION_NAMES.cpp_compile,
    ACTION_NAMES.cpp_header_parsing,
    ACTION_NAMES.cpp_module_compile,
    ACTION_NAMES.cpp_module_codegen,
    ACTION_NAMES.lto_backend,
]

_LINK = [
    ACTION_NAMES.cpp_link_executable,
    ACTION_NAMES.cpp_link_dynamic_library,
    ACTION_NAMES.cpp_link_nodeps_dynamic_library,
]

def _flags(actions, flags, only = None):
    return flag_set(
        actions = actions,
        flag_groups = [flag_group(flags = flags)],
        with_features = [with_feature_set(features = [only])] if only else [],
    )

def _impl(ctx):
    default_compile = feature(
        name = "default_compile_flags",
        enabled = True,
        flag_sets = [
            _flags(_COMPILE, [
                "-fstack-protector",
                "-Wall",
                "-Wno-free-nonheap-object",
                "-fno-omit-frame-pointer",
            ]),
            _flags(_COMPILE, ["-g"], only = "dbg"),
            _flags(_COMPILE, [
                "-g0",
                "-O2",
                "-DNDEBUG",
                "-ffunction-sections",
                "-fdata-sections",
            ], only = "opt"),
        ],
    )

    # After the user's own flags, so that nothing of this machine or day gets into an object.
    unfiltered = feature(
        name = "unfiltered_compile_flags",
        enabled = True,
        flag_sets = [_flags(_COMPILE, [
            "-fno-canonical-system-headers",
            "-Wno-builtin-macro-redefined",
            "-D__DATE__=\"redacted\"",
            "-D__TIMESTAMP__=\"redacted\"",
            "-D__TIME__=\"redacted\"",
        ])],
    )
    default_link = feature(
        name = "default_link_flags",
        enabled = True,
        flag_sets = [
            _flags(_LINK, [
                "-Wl,-z,relro,-z,now",
                "-Wl,--build-id=md5",
                "-Wl,--hash-style=gnu",
                "-pass-exit-codes",
            ]),
            _flags(_LINK, ["-Wl,--gc-sections"], only = "opt"),
        ],
    )
    libraries = feature(
        name = "default_link_libs",
        enabled = True,
        flag_sets = [_flags(_LINK, ["-lstdc++", "-lm"])],
    )
    return cc_common.create_cc_toolchain_config_info(
        ctx = ctx,
        abi_libc_version = "glibc",
        abi_version = "gcc",
        compiler = "gcc",
        # Headers that the compiler finds by itself; Debian's multiarch ones lie below /usr/include.
        cxx_builtin_include_directories = [
            "/usr/%s/include" % _TRIPLET,
            "/usr/lib/gcc-cross/" + _TRIPLET,
            "/usr/include",
        ],
        features = [
            feature(name = "opt"),
            feature(name = "dbg"),
            feature(name = "fastbuild"),
            feature(name = "supports_pic", enabled = True),
            feature(name = "supports_dynamic_linker", enabled = True),
            feature(name = "supports_start_end_lib", enabled = False),
            default_compile,
            unfiltered,
            default_link,
            libraries,
        ],
        host_system_name = "local",
        target_cpu = "aarch64",
        target_libc = "glibc",
        target_system_name = _TRIPLET,
        tool_paths = [
            tool_path(name = tool, path = "/usr/bin/%s-%s" % (_TRIPLET, tool))
            for tool in ["ar", "cpp", "gcov", "ld", "nm", "objcopy", "objdump", "strip"]
        ] + [tool_path(name = "gcc", path = "/usr/bin/" + ctx.attr.compiler)],
        toolchain_identifier = "tfbuild-aarch64-linux-gnu",
    )

gcc_cross_config = rule(
    implementation = _impl,
    attrs = {"compiler": attr.string(default = _TRIPLET + "-gcc")},
    provides = [CcToolchainConfigInfo],
)
