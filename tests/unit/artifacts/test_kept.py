"""What was read of a file before is not read again, and nothing else is taken for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tfbuild.artifacts import examine, kept
from tfbuild.artifacts.elf.code import Code, read_code
from tfbuild.artifacts.elf.facts import ElfFacts
from tfbuild.artifacts.examine import Beside, examine_file
from tfbuild.base.errors import UsageError
from tfbuild.base.project import PROJECT
from tfbuild.machine.cache import prepare_cache

DATA = PROJECT / "tests" / "data" / "elf" / "x86_64"


@dataclass
class Reading:
    """Commands that share a cache, each with nothing in memory; ``reads`` counts how often code was read."""

    cache: Path
    monkeypatch: pytest.MonkeyPatch
    reads: int = 0

    def __call__(self, name: str, symbols: Path | None = None) -> ElfFacts:
        self.monkeypatch.setattr(examine, "_KNOWN", {})
        with kept.kept_below(lambda: self.cache):
            return examine_file(DATA / name, Beside.of(self.cache, symbols))


@pytest.fixture
def reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reading:
    found = Reading(prepare_cache(tmp_path / "cache"), monkeypatch)

    def counted(data: bytes, name: str, symbols: bytes | None = None) -> Code:
        found.reads += 1
        return read_code(data, name, symbols)

    monkeypatch.setattr(examine, "read_code", counted)
    return found


def test_the_next_command_knows_what_this_one_read(reading: Reading) -> None:
    first = reading("isa-new.so")
    assert first.isa is not None
    assert reading("isa-new.so") == first
    assert reading.reads == 1


def test_another_file_and_other_symbols_are_read(reading: Reading) -> None:
    nameless = reading("isa-nameless-old.so").isa
    named = reading("isa-nameless-old.so", DATA / "symbols").isa
    assert nameless is not None
    assert named is not None
    assert (nameless.named, named.named > 50) == (0, True)
    assert reading("isa-old.so").isa != named
    assert reading.reads == 3


def test_other_code_of_this_program_reads_again(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    reading("isa-new.so")
    monkeypatch.setattr(kept, "_reader", lambda: "newer")
    reading("isa-new.so")
    assert reading.reads == 2


def test_what_is_no_whole_document_is_read_again(reading: Reading) -> None:
    first = reading("isa-new.so")
    (file,) = (reading.cache / kept.FOLDER).iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:-7], b"{}", b"\xff"):
        file.write_bytes(damaged)
        assert reading("isa-new.so") == first
        assert file.read_bytes() == whole
    assert reading.reads == 5


def test_without_a_cache_nothing_is_made(tmp_path: Path) -> None:
    with kept.kept_below(lambda: tmp_path / "none"):
        assert examine_file(DATA / "isa-old.so").isa is not None
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_nobody_can_name_keeps_no_command_from_reading() -> None:
    def unusable() -> Path:
        raise UsageError("TFBUILD_CACHE_DIR is nothing")

    with kept.kept_below(unusable):
        assert examine_file(DATA / "isa-dispatch.so").isa is not None
