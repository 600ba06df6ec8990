"""``--set``: it reaches every key, and says what is wrong with a value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.configs import Folder
from tests.support.patches import write_patch
from tfbuild.config import ResolvedConfig
from tfbuild.config_schema import BuildConfig, ConfigFile
from tfbuild.model import Arch

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def _leaves(schema: dict[str, Any], node: dict[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, each in node["properties"].items():
        if name.endswith("+") or name in set(ConfigFile.model_fields) - set(BuildConfig.model_fields):
            continue
        if "$ref" in each:
            inner = schema["$defs"][each["$ref"].rsplit("/", 1)[1]]
            found |= _leaves(schema, inner, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = each
    return found


SCHEMA = json.loads((PROJECT / "build_configs" / "schema.json").read_text(encoding="utf-8"))
LEAVES = _leaves(SCHEMA, SCHEMA)
# A value for each key that its built-in default is not, with what must come out of it.
EXAMPLES: dict[str, tuple[str, object]] = {
    "compile.march": ("haswell", "haswell"),
    "compile.mtune": ("haswell", "haswell"),
    "compile.optimisation": ("z", "z"),
    "compile.lto": ("on", True),
    "compile.debug_info": ("separate", "separate"),
    "compile.strip": ("off", False),
    "compile.defines": ("{A: 1, B: }", {"A": "1", "B": None}),
    "compile.cflags": ("-fa,-fb", ("-fa", "-fb")),
    "compile.cxxflags": ("[-fa, '-Wl,-z']", ("-fa", "-Wl,-z")),
    "compile.ldflags": ("-Wl,-z,now", ("-Wl,-z,now",)),
    "compile.ccache": ("no", False),
    "tflite.xnnpack": ("false", False),
    "tflite.gpu_delegate": ("true", True),
    "tflite.ruy": ("yes", True),
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
    "serving.copts": ("-fa", ("-fa",)),
    "serving.host_copts": ("[-O1]", ("-O1",)),
    "serving.linkopts": ("-Wl,-z,now", ("-Wl,-z,now",)),
    "serving.build_on": ("target", "target"),
    "serving.remote_cache": ("grpcs://cache.example", "grpcs://cache.example"),
    "serving.remote_executor": ("grpc://run.example:1", "grpc://run.example:1"),
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
    "policy": ("strict", "strict"),
}


# A key of batching says nothing as long as batching is off.
_ON = "serving.batching.enabled=true"
NEEDED = {
    key: (_ON, "serving.batching.max_batch_size=4") if key.endswith("sizes") else (_ON,)
    for key in EXAMPLES
    if key.startswith("serving.batching.") and not key.endswith("enabled")
}
NEEDED["distributable_note"] = ("distributable=false",)


def test_there_is_an_example_for_every_key() -> None:
    assert set(EXAMPLES) == set(LEAVES)


@pytest.mark.parametrize("key", sorted(LEAVES))
def test_set_reaches_every_key(folder: Folder, key: str) -> None:
    folder.write(mine="description: m\n")
    write_patch(folder.root / "fix.patch")
    text, expected = EXAMPLES[key]

    def value(config: ResolvedConfig) -> object:
        found: object = config.values
        for part in key.split("."):
            found = getattr(found, part)
        return found

    config = folder.load("mine", Arch.AMD64, *NEEDED.get(key, ()), f"{key}={text}")
    assert value(config) == expected
    assert value(folder.load()) != expected
    assert str(config.origins[key]) == f"--set {key}={text}"


@pytest.mark.parametrize("key", sorted(LEAVES))
def test_every_key_says_what_it_is_for(key: str) -> None:
    assert len(LEAVES[key].get("description", "")) > 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("compile.march", "expected KEY=VALUE"),
        ("march=x", "unknown key 'march'; did you mean 'compile.march'?"),
        ("compile.define.A=1", "unknown key 'compile.define.A'; did you mean 'compile.defines'?"),
        ("zzz=1", "unknown key 'zzz'"),
        ("extends=opt", "'extends' belongs to a config file and cannot be set"),
        ("compile.march+=x", "'compile.march' is not a list: write it without '+'"),
        ("compile.defines=A", "expected compile.defines.NAME=VALUE, or compile.defines={NAME: VALUE}"),
        (
            "compile.cflags=[-fa",
            "not YAML: expected ',' or ']', but got '<stream end>' while parsing a flow sequence",
        ),
        (
            "compile.cflags=-fa,-Wl,-z",
            "the comma of -Wl, -Wa or -Wp also ends a list item: write [a, '-Wl,b']",
        ),
        ("compile.defines.A-B=1", "'A-B' does not match ^[A-Za-z_][A-Za-z0-9_]*$"),
        ("debian.mirror=ftp://x", "'ftp://x' does not match ^https?://[^\\s]+$"),
        ("source=x", "'source' holds keys, not a value: source.patches"),
    ],
)
def test_a_wrong_set_says_what_is_wrong(folder: Folder, text: str, expected: str) -> None:
    folder.write(mine="description: m\n")
    assert folder.problems("mine", Arch.AMD64, text) == [f"--set {text}: {expected}"]


def test_the_last_set_wins_and_an_empty_one_unsets(folder: Folder) -> None:
    folder.write(mine="description: m\ncompile: {march: x86-64}\n")
    assert folder.load("mine", Arch.AMD64, "compile.march=a", "compile.march=b").values.compile.march == "b"
    assert folder.load("mine", Arch.AMD64, "compile.march=").values.compile.march is None
