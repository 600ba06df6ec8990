"""gRPC and protobuf of the distribution, linked in as upstream links its own.

The server then needs nothing but the C and the C++ library. The archives need each other, hence the group.
"""

_LIBRARIES = ["grpc++_unsecure", "grpc_unsecure", "gpr", "upb", "address_sorting", "cares", "z", "protobuf"]

# What libgrpc++.pc requires.
_ABSL = [
    "base", "city", "civil_time", "cord", "cord_internal", "cordz_functions", "cordz_handle",
    "cordz_info", "crc32c", "crc_cord_state", "crc_cpu_detect", "crc_internal",
    "debugging_internal", "decode_rust_punycode", "demangle_internal", "demangle_rust",
    "exponential_biased", "graphcycles_internal", "hash", "hashtablez_sampler", "int128",
    "kernel_timeout_internal", "leak_check", "log_severity", "malloc_internal",
    "random_distributions", "random_internal_entropy_pool", "random_internal_platform",
    "random_internal_randen", "random_internal_randen_hwaes", "random_internal_randen_hwaes_impl",
    "random_internal_randen_slow", "random_internal_seed_material", "random_seed_gen_exception",
    "random_seed_sequences", "raw_hash_set", "raw_logging_internal", "source_location",
    "spinlock_wait", "stacktrace", "status", "statusor", "str_format_internal", "strerror",
    "strings", "strings_internal", "symbolize", "synchronization", "throw_delegate", "time",
    "time_zone", "tracing_internal", "utf8_for_code_point",
]

GRPC_LINKOPTS = (
    ["-Wl,-Bstatic", "-Wl,--start-group"] +
    ["-l" + name for name in _LIBRARIES] +
    ["-labsl_" + name for name in _ABSL] +
    ["-Wl,--end-group", "-Wl,-Bdynamic"]
)
