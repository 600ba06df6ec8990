"""A throw-away project with configs in it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, ExitCode
from tfbuild.config.load import ResolvedConfig, load_config


class Folder:
    """A project with configs in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "build_configs").mkdir()

    def write(self, **files: str) -> Folder:
        for name, text in files.items():
            path = self.root / "build_configs" / f"{name}.yaml"
            path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return self

    def load(self, name: str = "mine", arch: Arch = Arch.AMD64, *sets: str) -> ResolvedConfig:
        return load_config(self.root, name, arch, sets)

    def problems(self, name: str = "mine", arch: Arch = Arch.AMD64, *sets: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.load(name, arch, *sets)
        assert caught.value.exit_code is ExitCode.USAGE
        return [str(problem).splitlines()[0] for problem in caught.value.problems]
