"""What is compiled of a source: the BUILD files that say it, evaluated; the list that is stored, compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.plans import PROJECT
from tests.support.products import list_releases
from tfbuild.base.errors import ConfigError, NothingMatchesError, VerificationError
from tfbuild.products.serving.wheel.build_files import NotUnderstood, Read, closure
from tfbuild.products.serving.wheel.sources import list_of, read_list, reader_of, require_same

SERVER = "//server:main"
FILES = {
    "server/BUILD": """
load("//tools:serving.bzl", "if_google", "if_oss", "serving_proto_library")
OPS = if_v2([]) + if_not_v2(["@tensorflow//contrib"]) + ["@text//:ops"]
cc_binary(name = "main", deps = [":lib", ":unknown_to_nobody"])
cc_library(
    name = "lib",
    srcs = ["lib.cc", "lib.h"],
    linkstamp = "stamp.cc",
    hdrs = ["other.h"],
    deps = ["//util", ":api_cc_proto"] + if_oss([":oss"]) + if_google(["//internal:nowhere"]) + OPS,
)
cc_library(name = "oss", srcs = ["oss.cc"], deps = select({
    "//conditions:default": [],
    ":windows": ["//windows:nowhere"],
}))
alias(name = "unknown_to_nobody", actual = ":lib")
serving_proto_library(name = "api_proto", srcs = ["api.proto"], cc_grpc_version = 1, deps = [":types_proto"])
serving_proto_library(
    name = "types_proto",
    srcs = ["types.proto"],
    deps = [serving_tensorflow_proto_dep("@tensorflow//core:protos")],
)
cc_test(name = "lib_test", srcs = glob(["*_test.cc"]) + [strange for strange in []])
""",
    "util/BUILD": """
cc_library(name = "util", srcs = ["util.cc"])
""",
}


def reader(**changed: str) -> Read:
    files = {**FILES, **{name.replace("__", "/"): text for name, text in changed.items()}}
    return files.get


def test_the_closure_has_what_the_open_source_build_has() -> None:
    found = closure(reader(), SERVER)
    assert found.sources == ("server/lib.cc", "server/oss.cc", "server/stamp.cc", "util/util.cc")
    assert found.protos == ("server/api.proto", "server/types.proto")
    assert found.services == ("server/api.proto",)
    assert found.external == ("@tensorflow//core:protos_cc", "@text//:ops")


def test_what_is_left_out_takes_what_only_it_needs_with_it() -> None:
    found = closure(reader(), SERVER, without=("//util:util",))
    assert "util/util.cc" not in found.sources


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('cc_library(name = "util", srcs = glob(["*.cc"]))', "util/BUILD:1: a glob where files are listed"),
        ('cc_library(name = "util", srcs = [x for x in ["a"]])', "util/BUILD:1: not understood: [x for x in"),
        ('cc_library(name = "util", srcs = ODD)', "util/BUILD:1: not understood: ODD"),
        ('cc_library(name = "util", srcs = odd(["a.cc"]))', "util/BUILD:1: not understood: odd(['a.cc'])"),
        ('for x in [1]:\n    cc_library(name = "util")', "util/BUILD:1: not understood: for x in [1]:"),
        ('odd_library(name = "util", srcs = ["a.cc"])', "util/BUILD has no target //util:util"),
        ("cc_library(", "util/BUILD: '(' was never closed"),
    ],
)
def test_what_is_not_understood_is_an_error_with_its_place(text: str, told: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        closure(reader(util__BUILD=text), SERVER)
    assert told in str(caught.value)


def test_a_package_that_is_not_there_is_told_with_who_needs_it() -> None:
    with pytest.raises(NotUnderstood, match="util/BUILD is not there, and //util:util would be in it"):
        closure({"server/BUILD": FILES["server/BUILD"]}.get, SERVER)


def test_a_list_that_is_the_source_s_own_passes() -> None:
    require_same(list_of(reader(), SERVER), "x.sources.json", reader())


def test_a_list_that_differs_names_every_file_and_on_which_side_it_is() -> None:
    stored = list_of(reader(), SERVER)
    other = replace(stored, sources=(*stored.sources[1:], "server/gone.cc"), external=stored.external[1:])
    with pytest.raises(VerificationError) as caught:
        require_same(other, "x.sources.json", reader())
    assert caught.value.details == (
        "server/lib.cc: in the source, not in the list",
        "server/gone.cc: in the list, not in the source",
        "@tensorflow//core:protos_cc: in the source, not in the list",
    )
    assert "x.sources.json" in caught.value.message


def test_a_source_whose_build_files_are_not_understood_is_not_compiled() -> None:
    stored = list_of(reader(), SERVER)
    with pytest.raises(VerificationError) as caught:
        require_same(stored, "x.sources.json", reader(util__BUILD="cc_library(name = ODD)"))
    assert caught.value.details == ("util/BUILD:1: not understood: ODD",)


def test_a_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    stored, path = list_of(reader(), SERVER), tmp_path / "x.sources.json"
    path.write_text(stored.text())
    assert read_list(path, "x.sources.json") == stored


def test_a_list_that_is_missing_or_damaged_is_told_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "x.sources.json"
    with pytest.raises(NothingMatchesError, match=r"there is no list of sources: x\.sources\.json"):
        read_list(path, "x.sources.json")
    for text in ("{", '{"target": 1}', '{"surprise": true}'):
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            read_list(path, "x.sources.json")
        assert str(caught.value.problems[0]).startswith("x.sources.json:1:")


def test_build_files_of_a_folder_are_read_where_they_are(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert closure(reader_of(tmp_path), SERVER) == closure(reader(), SERVER)


LINKED = [each for each in list_releases(PROJECT) if each.product == "serving" and each.origin == "wheel"]


@pytest.mark.parametrize("release", LINKED, ids=lambda each: each.release)
def test_every_release_has_a_list_that_is_plausible(release: object) -> None:
    shown = release.sources_path  # type: ignore[attr-defined]
    stored = read_list(PROJECT / shown, shown)
    assert "tensorflow_serving/model_servers/main.cc" in stored.sources
    assert "tensorflow_serving/apis/prediction_service.proto" in stored.services
    assert set(stored.services) <= set(stored.protos)
    for each in (stored.sources, stored.protos, stored.services, stored.external):
        assert list(each) == sorted(set(each))
    assert not [each for each in stored.sources if "test" in each.rpartition("/")[2]]
