"""CMake's language is read as CMake reads it, whatever is in the arguments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfbuild.products.tflite.lock.cmake_text import CMakeSyntaxError, Command, commands, expand, keywords


def one(text: str) -> tuple[str, ...]:
    (command,) = commands(text)
    return command.arguments


def test_the_forms_of_arguments() -> None:
    text = 'set(A plain "quoted words" [[raw ${X} \\n]] [=[ a ]] b ]=] x\\ y -DA=B ${REF} "")'
    assert one(text) == (
        "A",
        "plain",
        "quoted words",
        "raw ${X} \\n",
        " a ]] b ",
        "x y",
        "-DA=B",
        "${REF}",
        "",
    )


def test_escapes_and_joined_lines() -> None:
    assert one('f("a\\"b" "a\\\\" "tab\\there" "one\\\ntwo" \\;)') == (
        'a"b',
        "a\\",
        "tab\there",
        "onetwo",
        ";",
    )


def test_comments_are_not_arguments_and_hide_nothing_but_themselves() -> None:
    text = """
    # set(A 1)
    #[[ set(B 2)
    ]] Set(C # not here )
      3 #[=[ nor ) here ]=] 4)
    set(D "#5")
    """
    assert [(each.name, each.arguments) for each in commands(text)] == [
        ("set", ("C", "3", "4")),
        ("set", ("D", "#5")),
    ]


def test_parentheses_nest_and_lines_are_counted() -> None:
    found = commands("if(A AND (B OR C))\n\n  endif()\n")
    assert found == (
        Command("if", ("A", "AND", "(", "B", "OR", "C", ")"), 1),
        Command("endif", (), 3),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("set(A", "line 1: the command has no closing parenthesis"),
        ('\nset("A)', "line 2: a string has no end"),
        ("set([[A)", "line 1: a bracket has no end"),
        ("#[[ never closed", "line 1: a bracket has no end"),
        ("set", "line 1: expected a command"),
        ("set(A))", "line 1: expected a command"),
        ("a(b(c)", "line 1: the command has no closing parenthesis"),
    ],
)
def test_what_cmake_would_not_take_is_an_error_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(CMakeSyntaxError, match=complaint.replace("(", r"\(")):
        commands(text)


def test_a_keyword_is_not_the_value_of_another() -> None:
    names = frozenset({"URL", "URL_HASH", "GIT_PROGRESS"})
    assert keywords(("x", "URL", "URL_HASH", "h", "GIT_PROGRESS"), names) == {"URL_HASH": "h"}
    assert keywords(("URL", "a", "URL", "b"), names) == {"URL": "a"}


def test_only_known_variables_are_replaced() -> None:
    assert expand("${A}/${B}/$A", {"A": "1"}) == "1/${B}/$A"


def test_only_a_backslash_that_is_not_escaped_itself_joins_lines() -> None:
    assert one('f("a\\\nb" "a\\\\\nb")') == ("ab", "a\\\nb")


def quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


words = st.text(st.characters(codec="utf-8"), max_size=12)


@given(st.lists(words, max_size=6))
def test_what_is_quoted_is_read_back(arguments: list[str]) -> None:
    assert one(f"f({' '.join(map(quote, arguments))})") == tuple(arguments)


@given(
    st.lists(st.tuples(st.sampled_from(["set", "Foo_1", "include"]), st.lists(words, max_size=3)), max_size=4)
)
def test_every_command_is_found_between_any_comments(made: list[tuple[str, list[str]]]) -> None:
    text = "".join(f"# a ( comment\n{name}({' '.join(map(quote, given))})\n" for name, given in made)
    assert [(each.name, list(each.arguments)) for each in commands(text)] == [
        (name.lower(), given) for name, given in made
    ]


@given(st.text(st.sampled_from('()[]="\\#\n aX$')))
def test_any_text_is_read_or_refused_with_its_line(text: str) -> None:
    try:
        commands(text)
        refusal = "line"
    except CMakeSyntaxError as error:
        refusal = str(error)
    assert refusal.startswith("line")
