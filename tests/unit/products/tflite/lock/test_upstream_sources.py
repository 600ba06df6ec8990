"""What upstream's files declare, and which hashes its own Bazel files have for the same commits."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tfbuild.base.arch import Arch
from tfbuild.products.tflite.lock.declared import (
    UpstreamSourceError,
    Wanted,
    archive_url,
    hashed_by,
    nested_sources,
    not_given,
    wanted_sources,
)
from tfbuild.products.tflite.lock.starlark_text import Published, published
from tfbuild.products.tflite.release import LITE
from tfbuild.releases.keys import Repin

MODULES = f"{LITE}/tools/cmake/modules/"
BOTH = (Arch.AMD64, Arch.ARM64)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHA = "ab" * 32


def declare(name: str, more: str) -> tuple[str, str]:
    text = f"include(OverridableFetchContent)\nOverridableFetchContent_Declare(\n  {name}\n  {more}\n)\n"
    return f"{MODULES}{name}.cmake", text


def wanted(*files: tuple[str, str], repins: dict[str, Repin] | None = None) -> dict[str, Wanted]:
    found = wanted_sources({path: dedent(text) for path, text in files}, BOTH, repins or {})
    return {each.name: each for each in found}


PLAIN = declare(
    "ruy", f"GIT_REPOSITORY https://github.com/google/ruy.git\n GIT_TAG {COMMIT}\n GIT_PROGRESS TRUE"
)


def test_a_git_repository_becomes_the_archive_of_its_commit() -> None:
    ruy = wanted(PLAIN)["ruy"]
    assert ruy.repository == "https://github.com/google/ruy"
    assert ruy.urls == (f"https://github.com/google/ruy/archive/{COMMIT}.tar.gz",)
    assert (ruy.sha256, ruy.filename, ruy.strip_prefix) == (None, f"ruy-{COMMIT}.tar.gz", f"ruy-{COMMIT}")
    assert (ruy.variables, ruy.arches, ruy.only_with) == (("FETCHCONTENT_SOURCE_DIR_RUY",), BOTH, None)
    assert ruy.declared == f"{MODULES}ruy.cmake"


def test_litert_declares_its_dependencies_in_a_folder_of_another_name() -> None:
    (path, text), folder = PLAIN, "tflite"
    moved = path.replace(LITE, folder)
    (ruy,) = wanted_sources({moved: text}, BOTH, {}, folder)
    assert (ruy.ref, ruy.declared) == (COMMIT, "tflite/tools/cmake/modules/ruy.cmake")
    with pytest.raises(UpstreamSourceError, match="no FetchContent declaration in tflite/tools"):
        wanted_sources({path: text}, BOTH, {}, folder)


def test_a_url_of_tensorflows_mirror_is_also_looked_for_where_it_comes_from() -> None:
    mirrored = (
        f"https://storage.googleapis.com/mirror.tensorflow.org/github.com/o/NEON/archive/{COMMIT}.tar.gz"
    )
    path, text = declare(
        "neon2sse", f'URL "${{NEON_URL}}"\n URL_HASH SHA256={SHA.upper()}\n LICENSE_FILE LICENSE'
    )
    neon = wanted((path, f"set(NEON_URL\n {mirrored}\n)\n{text}"))["neon2sse"]
    assert neon.urls == (f"https://github.com/o/NEON/archive/{COMMIT}.tar.gz", mirrored)
    assert (neon.sha256, neon.repository, neon.ref) == (SHA, "https://github.com/o/NEON", COMMIT)
    assert (neon.arches, neon.license_file) == ((Arch.AMD64,), "LICENSE")


def test_bazels_hash_of_the_same_commit_counts_and_of_another_does_not() -> None:
    bazel = (
        "third_party/ruy/workspace.bzl",
        f'''
        def repo():
            RUY_COMMIT = "{COMMIT}"
            RUY_SHA256 = "{SHA}"
            URL = "https://github.com/google/ruy/archive/{{commit}}.zip"
            tf_http_archive(
                name = "ruy",
                sha256 = RUY_SHA256,
                urls = tf_mirror_urls(URL.format(commit = RUY_COMMIT)),
            )
        ''',
    )
    ruy = wanted(PLAIN, bazel)["ruy"]
    assert (ruy.sha256, ruy.evidence) == (SHA, "third_party/ruy/workspace.bzl")
    assert ruy.urls[0] == f"https://github.com/google/ruy/archive/{COMMIT}.zip"
    assert ruy.filename.endswith(".zip")
    other = wanted(PLAIN, bazel, repins={"ruy": Repin("f" * 40)})["ruy"]
    assert (other.sha256, other.ref, other.strip_prefix) == (None, "f" * 40, f"ruy-{'f' * 40}")


def test_a_tag_names_the_folder_without_its_v() -> None:
    flat = wanted(
        declare("flatbuffers", "GIT_REPOSITORY https://github.com/google/flatbuffers GIT_TAG v23.5.26")
    )
    assert flat["flatbuffers"].strip_prefix == "flatbuffers-23.5.26"
    eigen = wanted(
        declare("eigen", f"GIT_REPOSITORY https://gitlab.com/libeigen/eigen.git GIT_TAG {COMMIT}")
    )["eigen"]
    assert eigen.urls == (f"https://gitlab.com/libeigen/eigen/-/archive/{COMMIT}/eigen-{COMMIT}.tar.gz",)


def test_what_only_the_gpu_delegate_needs_says_so() -> None:
    gpu = wanted(declare("opencl_headers", f"GIT_REPOSITORY https://github.com/K/OpenCL GIT_TAG {COMMIT}"))
    assert gpu["opencl_headers"].only_with == "tflite.gpu_delegate"


EXTERNAL = """
ExternalProject_Add({name}
  URL https://github.com/{repository}/archive/{commit}.zip
  URL_HASH SHA256={sha}
  SOURCE_DIR "x"
)
"""


def external(name: str, repository: str, folder: str = "cmake/") -> tuple[str, str]:
    return f"{folder}Download{name}.cmake", EXTERNAL.format(
        name=name.lower(), repository=repository, commit=COMMIT, sha=SHA
    )


def test_external_projects_are_handed_over_by_a_variable_of_their_own() -> None:
    found = wanted(PLAIN, external("PThreadPool", "M/pthreadpool", "tensorflow/lite/cmake/"))["pthreadpool"]
    assert found.variables == ("PTHREADPOOL_SOURCE_DIR",)
    assert (found.sha256, found.arches) == (SHA, BOTH)


def test_what_a_dependency_downloads_counts_where_nobody_else_hands_it_over() -> None:
    own = wanted(
        declare("xnnpack", f"GIT_REPOSITORY https://github.com/google/XNNPACK GIT_TAG {COMMIT}"),
        declare("cpuinfo", f"GIT_REPOSITORY https://github.com/pytorch/cpuinfo GIT_TAG {COMMIT}"),
    )
    files = dict(
        [
            external("KleidiAI", "ARM-software/kleidiai"),
            external("Cpuinfo", "pytorch/cpuinfo"),
            external("GoogleTest", "google/googletest"),
        ]
    )
    nested = nested_sources(own["xnnpack"], files, {})
    (kleidiai,) = not_given(nested, own.values())
    assert (kleidiai.name, kleidiai.arches) == ("kleidiai", (Arch.ARM64,))
    assert kleidiai.declared == "xnnpack:cmake/DownloadKleidiAI.cmake"
    # The same commit of cpuinfo has a hash in XNNPACK's file.
    assert hashed_by(own["cpuinfo"], nested).sha256 == SHA


def test_a_dependency_of_one_architecture_wants_its_own_for_that_one_only() -> None:
    parent = wanted(PLAIN, declare("neon2sse", f"GIT_REPOSITORY https://github.com/o/N GIT_TAG {COMMIT}"))
    (nested,) = nested_sources(parent["neon2sse"], dict([external("Inner", "o/inner")]), {})
    assert nested.arches == (Arch.AMD64,)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ((), "no FetchContent declaration"),
        ((declare("a", "GIT_REPOSITORY https://github.com/o/a"),), "neither URL nor"),
        ((declare("a", "URL https://example.org/a.tar.gz"),), "not an archive of a repository"),
        (
            (declare("a", f"GIT_REPOSITORY https://example.org/o/a GIT_TAG {COMMIT}"),),
            "serves archives is not known",
        ),
        (((f"{MODULES}a.cmake", 'set("'),), "a.cmake: line 1: a string has no end"),
        ((declare("a", "URL ${WHERE}/archive/x.zip"),), "not an archive of a repository"),
    ],
)
def test_what_is_not_understood_is_an_error_and_not_a_guess(
    files: tuple[tuple[str, str], ...], complaint: str
) -> None:
    with pytest.raises(UpstreamSourceError, match=complaint):
        wanted(*files)


def test_modules_that_only_tests_ask_for_are_left_out() -> None:
    assert "googletest" not in wanted(
        PLAIN, (f"{MODULES}Findgoogletest.cmake", declare("googletest", "GIT_REPOSITORY x GIT_TAG y")[1])
    )


def test_starlark_is_read_and_not_run() -> None:
    text = f"""
A = "https://example.org/"
http_archive(name = "a", sha256 = "{SHA}", url = A + "a.tar.gz")
http_archive(name = "b", sha256 = "{SHA}", urls = ["https://one/b", mirror("https://two/b")])
http_archive(name = "c", sha256 = unknown(), url = "https://c")
http_archive(name = "d", sha256 = "short", url = "https://d")
http_archive(name = "e", sha256 = "{SHA}", url = "https://{{}}/{{x}}".format("h", x = "y"))
http_archive(name = "f", sha256 = "{SHA}", url = "{{missing}}".format(other = 1))
"""
    assert published("f.bzl", text) == tuple(
        Published(url, SHA, "f.bzl")
        for url in ("https://example.org/a.tar.gz", "https://one/b", "https://two/b", "https://h/y")
    )
    assert published("f.bzl", "def (") == ()


def test_a_host_whose_archives_are_not_known_is_refused() -> None:
    assert archive_url("https://gitlab.arm.com/kleidi/kleidiai", "v1").endswith(
        "/-/archive/v1/kleidiai-v1.tar.gz"
    )
    with pytest.raises(UpstreamSourceError):
        archive_url("https://git.example.org/a", "v1")
