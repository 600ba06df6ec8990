"""YAML with positions: what a user wrote, where, and everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tfbuild.base.values import Origin
from tfbuild.config.yaml_source import YamlMapping, YamlScalar, YamlSequence, parse_yaml, read_yaml, to_plain


def problems(text: str) -> list[str]:
    return [f"{p.line}:{p.column}: {p.message}" for p in parse_yaml(text, "f.yaml").problems]


def test_positions_of_keys_values_and_items_count_from_one() -> None:
    root = parse_yaml("a: 1\nb:\n  c: [x, yy]\n", "f.yaml").root
    b = root.get("b")
    assert b is not None
    assert b.key_origin == Origin("f.yaml", 2, 1)
    assert isinstance(b.value, YamlMapping)
    c = b.value.get("c")
    assert c is not None
    assert isinstance(c.value, YamlSequence)
    assert [item.origin for item in c.value.items] == [Origin("f.yaml", 3, 7), Origin("f.yaml", 3, 10)]


@pytest.mark.parametrize("text", ["2.20", "010", "1e3", "no", "12:30:45", "2026-11-20", "0x10", "1_000"])
def test_scalars_stay_as_they_are_written(text: str) -> None:
    assert to_plain(parse_yaml(f"release: {text}", "f").root) == {"release": text}


@pytest.mark.parametrize(
    ("text", "value"), [("", None), ("~", None), ("null", None), ("'null'", "null"), ("''", "")]
)
def test_only_an_unquoted_null_is_none(text: str, value: str | None) -> None:
    assert to_plain(parse_yaml(f"k: {text}", "f").root) == {"k": value}


def test_a_duplicate_key_names_the_first_line_and_all_are_reported() -> None:
    text = "a: 1\nb: 2\na: 3\nc:\n  d: 1\n  d: 2\n"
    assert problems(text) == [
        "3:1: duplicate key 'a' (first at line 1)",
        "6:3: duplicate key 'd' (first at line 5)",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\n\tb: 1\n", "2:1: a tab cannot indent or separate here; use spaces"),
        ("- a\n", "1:1: expected 'key: value' lines at the top, found a list"),
        ("word\n", "1:1: expected 'key: value' lines at the top, found the value 'word'"),
        ("# only a comment\n", "1:1: the file is empty"),
        ("", "1:1: the file is empty"),
        ("a: 1\n---\nb: 2\n", "2:1: a second document starts here; a file holds one"),
        ("a: !secret x\n", "1:4: the tag '!secret' is not supported; remove it"),
        ("a: &x {p: 1}\nb:\n  <<: *x\n", "3:3: merge keys ('<<') are not supported; use 'extends'"),
        ("? [a, b]\n: 1\n", "1:3: a key must be a single word"),
        ("a: &x [*x]\n", "1:4: an alias that contains itself"),
        ("a: b\n  \x07c\n", "2:3: character U+0007 is not allowed in YAML"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, expected: str) -> None:
    assert problems(text) == [expected]


def test_a_syntax_error_shows_the_line_and_a_caret() -> None:
    (problem,) = parse_yaml("a: 1\nb: [1, 2\nc: 3\n", "f.yaml").problems
    first, snippet, caret = str(problem).splitlines()
    assert first.startswith(f"f.yaml:{problem.line}:{problem.column}: not YAML: ")
    assert snippet == f"  {problem.line} | c: 3"
    assert caret.index("^") == snippet.index("c: 3") + problem.column - 1


def test_the_snippet_cannot_steer_the_terminal() -> None:
    (problem,) = parse_yaml("a: \x1b[31mred\n", "f").problems
    assert "\x1b" not in str(problem)


def test_anchors_are_fine() -> None:
    document = parse_yaml("a: &x [p, q]\nb: *x\n", "f")
    assert document.problems == ()
    assert to_plain(document.root) == {"a": ["p", "q"], "b": ["p", "q"]}


def test_aliases_of_aliases_do_not_take_the_memory() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert any("aliases of aliases" in problem for problem in problems("\n".join(lines)))


def test_deep_nesting_is_a_problem_not_a_crash() -> None:
    assert any("nested too deeply" in each for each in problems("a: " + "[" * 60 + "]" * 60))
    assert problems("a: " + "[" * 5000 + "]" * 5000) == ["1:1: nested too deeply"]


def test_an_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: caf\xe9\n")
    assert "not UTF-8" in read_yaml(tmp_path / "latin.yaml", "latin.yaml").problems[0].message
    assert "cannot be read" in read_yaml(tmp_path / "none.yaml", "none.yaml").problems[0].message


def test_a_byte_order_mark_and_windows_lines_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    document = read_yaml(tmp_path / "w.yaml", "w.yaml")
    assert document.problems == ()
    assert to_plain(document.root) == {"a": "1", "b": "2"}


@given(st.text(max_size=200))
def test_no_text_is_a_crash_and_every_problem_has_a_place(text: str) -> None:
    document = parse_yaml(text, "f")
    assert all(problem.line >= 1 and problem.column >= 1 for problem in document.problems)


_words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co")), max_size=12)
_trees = st.recursive(
    _words, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=3)
)


@given(st.dictionaries(_words, _trees, min_size=1, max_size=4))
def test_text_that_yaml_wrote_is_read_back(tree: dict[str, object]) -> None:
    document = parse_yaml(yaml.safe_dump(tree, default_style='"', allow_unicode=False), "f")
    assert document.problems == ()
    assert to_plain(document.root) == tree


def test_each_scalar_stands_where_its_origin_says() -> None:
    text = "alpha: one\nbeta: {gamma: two, delta: [three]}\n"
    document = parse_yaml(text, "f")

    def leaves(node: object) -> list[YamlScalar]:
        if isinstance(node, YamlMapping):
            return [leaf for entry in node.entries for leaf in leaves(entry.value)]
        if isinstance(node, YamlSequence):
            return [leaf for item in node.items for leaf in leaves(item)]
        return [node] if isinstance(node, YamlScalar) else []

    found = leaves(document.root)
    assert [leaf.text for leaf in found] == ["one", "two", "three"]
    for leaf in found:
        line = document.lines[leaf.origin.line - 1]
        assert line[leaf.origin.column - 1 :].startswith(leaf.text or "?")
