"""A value for each key of a configuration, for tests that go over all of them."""

from __future__ import annotations

from tfbuild.base.project import PROJECT

MODEL = str(PROJECT / "dockerfiles" / "tflite" / "smoke" / "models" / "conv_int8.tflite")
PROFILE = str(PROJECT / "build_configs" / "releases" / "tflite" / "2.2.0-litert.profiles" / "amd64.profdata")
# A value for each key that its built-in default is not, with what must come out of it.
EXAMPLES: dict[str, tuple[str, object]] = {
    "compile.march": ("haswell", "haswell"),
    "compile.mtune": ("haswell", "haswell"),
    "compile.compiler": ("clang", "clang"),
    "compile.optimisation": ("z", "z"),
    "compile.lto": ("on", True),
    "compile.debug_info": ("separate", "separate"),
    "compile.strip": ("off", False),
    "compile.defines": ("{A: 1, B: }", {"A": "1", "B": None}),
    "compile.cflags": ("-fwrapv,-fno-plt", ("-fwrapv", "-fno-plt")),
    "compile.cxxflags": ("[-fwrapv, '-Wl,-z']", ("-fwrapv", "-Wl,-z")),
    "compile.ldflags": ("-Wl,-z,now", ("-Wl,-z,now",)),
    "compile.ccache": ("no", False),
    "tflite.xnnpack": ("false", False),
    "tflite.gpu_delegate": ("true", True),
    "tflite.xnnpack_compiler": ("clang", "clang"),
    "tflite.profile": (PROFILE, PROFILE),
    "tflite.ruy": ("yes", True),
    "tflite.ops": ("from-models", "from-models"),
    "tflite.models": (MODEL, (MODEL,)),
    "tflite.python": ("3.11", "3.11"),
    "keras.variant": ("gpu", "gpu"),
    "keras.python": ("3.13", "3.13"),
    "keras.keep": ("headers,tests", ("headers", "tests")),
    "keras.requirements": ("keras>=3,numpy", ("keras>=3", "numpy")),
    "app.command": ("[python3, main.py]", ("python3", "main.py")),
    "app.environment": ("{A: 1}", {"A": "1"}),
    "app.healthcheck": ("python3,health.py", ("python3", "health.py")),
    "tflite.cmake_definitions": ("{X: 2.20}", {"X": "2.20"}),
    "serving.bazel_configs": ("mkl,cuda_clang", ("mkl", "cuda_clang")),
    "serving.bazel_defines": ("{no_aws: true}", {"no_aws": "true"}),
    "serving.copts": ("-fno-plt", ("-fno-plt",)),
    "serving.host_copts": ("[-O1]", ("-O1",)),
    "serving.linkopts": ("-Wl,-z,now", ("-Wl,-z,now",)),
    "serving.build_on": ("target", "target"),
    "serving.without": ("tflite", ("tflite",)),
    "serving.op_libraries": ("fix.patch", ("fix.patch",)),
    "serving.server_args": ("--grpc_max_threads=4", ("--grpc_max_threads=4",)),
    "serving.batching.enabled": ("true", True),
    "serving.batching.max_batch_size": ("8", 8),
    "serving.batching.batch_timeout_micros": ("0", 0),
    "serving.batching.max_enqueued_batches": ("9", 9),
    "serving.batching.num_batch_threads": ("2", 2),
    "serving.batching.allowed_batch_sizes": ("[2, 4]", (2, 4)),
    "serving.batching.pad_variable_length_inputs": ("on", True),
    "serving.monitoring.prometheus": ("yes", True),
    "serving.monitoring.path": ("/metrics", "/metrics"),
    "source.patches": ("fix.patch", ("fix.patch",)),
    "runtime.base": ("debian", "debian"),
    "runtime.flavour": ("python", "python"),
    "runtime.user": ("1000", 1000),
    "runtime.labels": ("{a.b: c}", {"a.b": "c"}),
    "debian.suite": ("bookworm", "bookworm"),
    "debian.mirror": ("https://mirror.example/debian", "https://mirror.example/debian"),
    "debian.security_mirror": ("https://mirror.example/security", "https://mirror.example/security"),
    "mirrors": (
        "https://a.example/=/srv/a,debian:=http://b",
        ("https://a.example/=/srv/a", "debian:=http://b"),
    ),
    "debian.security_updates": ("off", False),
    "debian.snapshot": ("20261030T080801Z", "20261030T080801Z"),
    "resources.jobs": ("3", 3),
    "resources.memory_per_job_mib": ("4096", 4096),
    "distributable": ("no", False),
    "distributable_note": ("only here", "only here"),
    "remote.executor": ("grpcs://run.example:1", "grpcs://run.example:1"),
    "remote.cache": ("grpcs://cache.example", "grpcs://cache.example"),
    "remote.instance": ("main", "main"),
    "remote.insecure": ("yes", True),
    "remote.ca": ("/keys/ca.pem", "/keys/ca.pem"),
    "remote.certificate": ("/keys/me.pem", "/keys/me.pem"),
    "remote.key": ("/keys/me.key", "/keys/me.key"),
    "remote.token": ("/keys/token", "/keys/token"),
    "remote.timeout_s": ("5", 5),
    "remote.jobs": ("64", 64),
    "remote.upload": ("no", False),
    "remote.fallback": ("local", "local"),
    "remote.platform": ("{OSFamily: linux}", {"OSFamily": "linux"}),
    "remote.root_property": ("root", "root"),
    "cache.registry": ("registry.example/team/tfbuild", "registry.example/team/tfbuild"),
    "cache.public_key": ("/keys/team.pub", "/keys/team.pub"),
    "cache.upload": ("yes", True),
    "cache.insecure": ("yes", True),
    "cache.fallback": ("local", "local"),
    "signing.builder_id": ("https://ci.example/builders/1", "https://ci.example/builders/1"),
    "signing.key": ("/keys/release.pem", "/keys/release.pem"),
    "signing.command": ("sign-with-hsm,--slot,1", ("sign-with-hsm", "--slot", "1")),
    "signing.public_key": ("/keys/release.pub", "/keys/release.pub"),
    "policy": ("strict", "strict"),
}


# A key of batching says nothing as long as batching is off.
_ON = "serving.batching.enabled=true"
NEEDED = {
    key: (_ON, "serving.batching.max_batch_size=4") if key.endswith("sizes") else (_ON,)
    for key in EXAMPLES
    if key.startswith("serving.batching.") and not key.endswith("enabled")
}
NEEDED |= {
    key: ("remote.executor=grpcs://run.example:1",)
    for key in EXAMPLES
    if key.startswith("remote.") and key not in ("remote.executor", "remote.cache")
}
NEEDED |= {
    key: ("cache.registry=registry.example/team/tfbuild",)
    for key in EXAMPLES
    if key.startswith("cache.") and key != "cache.registry"
}
_PAIR = ("remote.certificate=/keys/other.pem", "remote.key=/keys/other.key")
NEEDED |= {key: (*NEEDED[key], *_PAIR) for key in ("remote.certificate", "remote.key")}
NEEDED["distributable_note"] = ("distributable=false",)
NEEDED["serving.monitoring.path"] = ("serving.monitoring.prometheus=true",)
NEEDED["tflite.ops"] = (f"tflite.models={MODEL}",)
NEEDED["tflite.profile"] = ("compile.compiler=clang",)
NEEDED["tflite.models"] = ("tflite.ops=from-models",)
