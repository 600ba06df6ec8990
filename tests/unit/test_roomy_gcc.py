"""GCC is told to collect less garbage only where its output says nothing of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
ROOMY = PROJECT / "dockerfiles" / "common" / "roomy-gcc.sh"
MORE = "--param=ggc-min-heapsize=1048576"

pytestmark = pytest.mark.real_processes


@pytest.mark.parametrize(
    ("compiler", "words", "more"),
    [
        ("x86_64-linux-gnu-g++", ("-O3", "-c", "a b.cc", "-o", "a.o"), True),
        ("aarch64-linux-gnu-gcc-14", ("-c", "a.c"), True),
        ("g++", ("-O0", "-g", "-c", "a.cc"), False),
        ("g++", ("-gdwarf-5", "-c", "a.cc"), False),
        ("g++", ("-flto=auto", "-c", "a.cc"), False),
        ("g++", ("-frecord-gcc-switches", "-c", "a.cc"), False),
        ("clang++-18", ("-O3", "-c", "a.cc"), False),
    ],
)
def test_the_words_that_a_compiler_gets(
    compiler: str, words: tuple[str, ...], more: bool, tmp_path: Path
) -> None:
    program = tmp_path / compiler
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 3\n')
    program.chmod(0o755)
    ran = subprocess.run([ROOMY, program, *words], capture_output=True, text=True, check=False)
    assert ran.stdout.splitlines() == [*words, *([MORE] if more else [])]
    assert ran.returncode == 3
