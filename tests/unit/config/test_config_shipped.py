"""The configs that we ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfbuild.base.arch import Arch
from tfbuild.base.errors import NothingMatchesError
from tfbuild.config.load import ConfigInfo, list_configs, load_config

PROJECT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("arch", [Arch.AMD64, Arch.ARM64])
@pytest.mark.parametrize("info", list_configs(PROJECT), ids=lambda each: each.name)
def test_every_config_loads_for_every_arch_that_it_is_for(info: ConfigInfo, arch: Arch) -> None:
    if info.arches and arch not in info.arches:
        with pytest.raises(NothingMatchesError):
            load_config(PROJECT, info.name, arch)
        return
    config = load_config(PROJECT, info.name, arch)
    assert config.values.compile.march, "a build says what CPU it is for"
    assert config.values.tflite.xnnpack
    assert config.origins["tflite.gpu_delegate"].path == "build_configs/base.yaml", "GPU off is explicit"
    assert not config.values.tflite.gpu_delegate


def test_the_promised_configs_say_what_was_promised() -> None:
    def compile_keys(name: str, arch: Arch) -> tuple[str | None, str | None, str]:
        keys = load_config(PROJECT, name, arch).values.compile
        return keys.march, keys.mtune, keys.optimisation

    assert compile_keys("opt", Arch.AMD64) == ("x86-64-v3", None, "3")
    assert compile_keys("opt", Arch.ARM64) == ("armv8-a", None, "3")
    assert compile_keys("portable", Arch.AMD64) == ("x86-64-v2", None, "3")
    assert compile_keys("portable", Arch.ARM64) == ("armv8-a", None, "3")
    assert compile_keys("native", Arch.ARM64)[0] == "native"
    assert compile_keys("cortex-a72", Arch.ARM64) == ("armv8-a+crc", "cortex-a72", "3")
    native = load_config(PROJECT, "native", Arch.AMD64).values
    assert not native.distributable
    assert native.distributable_note
    names = {each.name for each in list_configs(PROJECT)}
    assert names >= {"opt", "portable", "native", "size", "debug", "haswell", "skylake-avx512", "znver4"}
    assert names >= {"cortex-a72", "neoverse-n1"}
    assert "base" not in names
