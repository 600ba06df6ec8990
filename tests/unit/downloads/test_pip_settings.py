"""What pip says of its configuration."""

from __future__ import annotations

import pytest

from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.errors import HostError
from tfbuild.downloads.pip_settings import parse_settings, pip_settings

DEFAULT = "https://index.example/simple"


def test_the_environment_wins_over_the_files_and_there_is_a_default() -> None:
    listed = "\n".join(
        [
            "global.extra-index-url='file:///opt/a https://user:secret@b.example/simple'",
            "global.find-links='/opt/one'",
            ":env:.find-links='/opt/two /opt/three'",
            "install.index-url='https://not-asked.example/'",
            "global.timeout='3'",
        ]
    )
    settings = parse_settings(listed, DEFAULT)
    assert settings.indexes == (
        "https://index.example/simple",
        "file:///opt/a",
        "https://user:secret@b.example/simple",
    )
    assert settings.find_links == ("/opt/two", "/opt/three")
    own = parse_settings("global.index-url='https://mine.example/'\n", DEFAULT)
    assert own.indexes == ("https://mine.example/",)
    closed = parse_settings("global.no-index='true'\nglobal.find-links='/w'\n", DEFAULT)
    assert (closed.indexes, closed.find_links) == ((), ("/w",))


def test_an_empty_value_is_none_as_for_pip() -> None:
    listed = "global.index-url='https://mine.example/'\n:env:.index-url=''\n:env:.no-index=' '\n"
    assert parse_settings(listed, DEFAULT).indexes == ("https://mine.example/",)
    assert parse_settings(":env:.index-url=''\n", DEFAULT).indexes == (DEFAULT,)


@pytest.mark.parametrize(
    ("value", "closed"), [("1", True), ("Yes", True), ("t", True), ("0", False), ("no", False)]
)
def test_no_index_is_read_as_pip_reads_it(value: str, closed: bool) -> None:
    assert (parse_settings(f":env:.no-index='{value}'", DEFAULT).indexes == ()) is closed


def test_values_of_several_lines_are_read_as_pip_writes_them() -> None:
    listed = r"global.extra-index-url='\nhttps://a.example/simple\nhttps://b.example/simple'"
    settings = parse_settings(listed, DEFAULT)
    assert settings.indexes == (DEFAULT, "https://a.example/simple", "https://b.example/simple")


def test_pip_is_asked_for_its_configuration_and_its_help_is_read_by_nobody() -> None:
    runner = RecordingRunner([Reply((), stdout="global.index-url='https://mine.example/'\n")])
    assert pip_settings(runner).indexes == ("https://mine.example/",)
    assert [command[-2:] for command in runner.commands] == [("pip", "--version"), ("config", "list")]


def test_a_pip_that_cannot_say_its_configuration_is_an_unready_host() -> None:
    broken = Reply((), returncode=1, stderr="ERROR: Configuration file contains invalid utf-8 characters\n")
    with pytest.raises(HostError, match="pip config list failed") as caught:
        pip_settings(RecordingRunner([Reply((), times=1), broken]))
    assert caught.value.details == ("ERROR: Configuration file contains invalid utf-8 characters",)
