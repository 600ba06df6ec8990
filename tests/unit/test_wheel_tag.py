"""The platform tag of a wheel that was just built: from what its libraries need, in every place that has it."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
ELF = PROJECT / "tests" / "data" / "elf"
