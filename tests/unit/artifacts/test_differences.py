"""What differs between two files: told by section, function, member or line, whatever the bytes are."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.support.plans import PROJECT
from tfbuild.artifacts.differences import describe_difference

ELF = PROJECT / "tests" / "data" / "elf" / "x86_64"


def told(before: bytes, after: bytes) -> str:
    return "\n".join(describe_difference(before, after))


def test_libraries_differ_by_sections_functions_and_texts() -> None:
    text = told((ELF / "good.so").read_bytes(), (ELF / "pie").read_bytes())
    assert "section .text" in text
    assert "functions only in the first" in text


def test_one_changed_text_is_quoted_from_both() -> None:
    data = (ELF / "good.so").read_bytes()
    changed = data.replace(b"GCC: (", b"XYZ: (")
    assert changed != data
    text = told(data, changed)
    assert "section .comment" in text
    assert "only in the first: GCC: (" in text
    assert "only in the second: XYZ: (" in text


def archive(*members: tuple[str, str, bytes]) -> bytes:
    found = b"!<arch>\n"
    for name, time, content in members:
        found += f"{name + '/':<16}{time:<12}{'0':<6}{'0':<6}{'644':<8}{len(content):<10}`\n".encode()
        found += content + b"\n" * (len(content) % 2)
    return found


def test_static_archives_differ_by_members() -> None:
    one = archive(("a.o", "0", b"a"), ("b.o", "0", b"b"))
    assert told(one, archive(("a.o", "17", b"a"), ("b.o", "0", b"c"))) == (
        "member a.o/: its header (time, owner, mode) is another\nmember b.o/ has other content"
    )
    assert "another order" in told(one, archive(("b.o", "0", b"b"), ("a.o", "0", b"a")))


def packed(*members: tuple[str, tuple[int, ...], bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, time, content in members:
            file.writestr(zipfile.ZipInfo(name, time), content)  # type: ignore[arg-type]
    return buffer.getvalue()


def test_wheels_differ_by_what_is_in_them() -> None:
    early, late = (1980, 1, 1, 0, 0, 0), (2024, 1, 1, 0, 0, 0)
    one = packed(("a.py", early, b"a\n"), ("b.so", early, (ELF / "good.so").read_bytes()))
    other = packed(("a.py", late, b"b\n"), ("b.so", early, (ELF / "pie").read_bytes()))
    text = told(one, other)
    assert "member a.py: its time is another" in text
    assert "member a.py: line 1 of the second: b" in text
    assert "member b.so: section .dynsym has" in text


def test_bytes_differ_from_a_place_on() -> None:
    assert told(b"\0\1\2", b"\0\1\3") == "3 bytes each; the first difference is at 0x2"
    assert told(b"\0\1\2", b"\0\1") == "3 and 2 bytes; the first difference is at 0x2"


def test_what_acts_on_a_terminal_is_escaped() -> None:
    assert "\x1b" not in told(b"\x1b[2J\n", b"x\n")


STARTS = [b"", b"\x7fELF", b"!<arch>\n", b"PK\x03\x04", (ELF / "good.so").read_bytes()[:2000]]


@given(st.sampled_from(STARTS), st.binary(max_size=300), st.binary(max_size=300))
def test_any_two_contents_that_differ_give_lines(start: bytes, one: bytes, two: bytes) -> None:
    if one != two:
        assert describe_difference(start + one, start + two)


def test_any_cut_of_a_library_gives_lines(tmp_path: Path) -> None:
    data = (ELF / "good.so").read_bytes()
    for end in range(64, len(data), 997):
        assert describe_difference(data, data[:end])
