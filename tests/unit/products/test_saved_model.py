"""--model: a folder that the server will load, or what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfbuild.artifacts.git_tree import tree_id
from tfbuild.base.errors import UsageError
from tfbuild.products.saved_model import read_model, saved_model_problem

# saved_model_schema_version: 1, then a MetaGraphDef of two bytes.
HEAD = b"\x08\x01\x12\x02\x0a\x00"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "half_plus_two"
    version = folder / "00000123"
    (version / "variables").mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(HEAD)
    (version / "variables" / "variables.index").write_bytes(b"i")
    (version / "variables" / "variables.data-00000-of-00001").write_bytes(b"d")
    return folder


def refused(folder: Path, name: str = "") -> UsageError:
    with pytest.raises(UsageError) as caught:
        read_model(folder, name)
    assert caught.value.hint
    return caught.value


def test_a_model_is_known_by_name_versions_and_every_byte(model: Path) -> None:
    found = read_model(model)
    assert (found.name, found.versions, found.tree) == ("half_plus_two", (123,), tree_id(model))
    (model / "7").mkdir()
    (model / "7" / "saved_model.pbtxt").write_text("saved_model_schema_version: 1\n")
    assert read_model(model, "other").versions == (7, 123)
    assert read_model(model, "other").name == "other"
    assert read_model(model).tree != found.tree


def test_other_folders_beside_the_versions_do_not_matter(model: Path) -> None:
    (model / "notes").mkdir()
    (model / "1.bak").mkdir()
    assert read_model(model).versions == (123,)


def test_a_model_without_variables_is_one(model: Path) -> None:
    for path in (model / "00000123" / "variables").iterdir():
        path.unlink()
    assert read_model(model).versions == (123,)


def test_the_version_folder_itself_is_told_from_a_model(model: Path) -> None:
    error = refused(model / "00000123")
    assert "needs it in a numbered folder" in error.message
    assert "MODEL/1" in str(error.hint)


def test_what_is_missing_is_named(model: Path, tmp_path: Path) -> None:
    assert "there is none at" in refused(tmp_path / "nowhere").message
    (tmp_path / "other" / "data").mkdir(parents=True)
    error = refused(tmp_path / "other")
    assert "no numbered version folder" in error.message
    assert error.details == ("it holds: data",)
    (model / "00000123" / "saved_model.pb").rename(model / "00000123" / "frozen.pb")
    error = refused(model)
    assert error.message.endswith("00000123 has no saved_model.pb")
    assert error.details == ("it holds: frozen.pb, variables",)


def test_every_version_is_looked_at(model: Path) -> None:
    (model / "2").mkdir()
    assert refused(model).message.endswith("half_plus_two/2 has no saved_model.pb")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"\x0a\x10\x0a\x03", "does not begin as that message does"),  # a frozen GraphDef
        (b"<!DOCTYPE html>", "does not begin as that message does"),
    ],
)
def test_a_file_of_that_name_that_is_another_is_found_out(model: Path, content: bytes, problem: str) -> None:
    (model / "00000123" / "saved_model.pb").write_bytes(content)
    assert problem in refused(model).message


@pytest.mark.parametrize("lost", ["variables.index", "variables.data-00000-of-00001"])
def test_half_of_the_weights_is_told(model: Path, lost: str) -> None:
    (model / "00000123" / "variables" / lost).unlink()
    assert "variables lacks variables." in refused(model).message


def test_a_name_that_is_no_part_of_a_url_is_refused(model: Path) -> None:
    model.rename(model.with_name("half plus two"))
    assert "cannot be the name of a model" in refused(model.with_name("half plus two")).message


@given(st.binary(min_size=1, max_size=24))
def test_any_bytes_are_judged(head: bytes) -> None:
    problem = saved_model_problem(head)
    assert problem is None or problem
    assert saved_model_problem(HEAD + head) is None


@given(st.integers(0, 2**32 - 1))
def test_any_schema_version_will_do(version: int) -> None:
    varint = bytearray()
    while version > 0x7F:
        varint.append(0x80 | version & 0x7F)
        version >>= 7
    varint.append(version)
    assert saved_model_problem(b"\x08" + bytes(varint) + b"\x12\x00") is None
    assert saved_model_problem(b"\x08" + bytes(varint) + b"\x0a\x00") is not None
