"""The platform tag of a wheel that was just built: from what its libraries need, in every place that has it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.support.wheels import make_wheel
from tfbuild.errors import PackagingError
from tfbuild.verify import load_policy, verify_path
from tfbuild.wheel import Wheel
from tfbuild.wheel_tag import fitting_platform, retag

PROJECT = Path(__file__).resolve().parents[2]
ELF = PROJECT / "tests" / "data" / "elf"
