"""check-upstream: against a small repository of the same form, right and wrong."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.plans import PROJECT
from tests.support.products import Product, load_release
from tfbuild.base.errors import NothingMatchesError, UsageError, VerificationError
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.products.serving.bazel.release import ServingRelease
from tfbuild.products.serving.upstream import UpstreamReport, check_upstream, report_lines, write_list
from tfbuild.products.serving.wheel.release import ServingWheelRelease

pytestmark = pytest.mark.real_processes

REAL: ServingRelease = load_release(PROJECT, Product.SERVING, "2.19.1")
FILES = {
    ".bazelrc": (
        "build:release --copt=-mavx\nbuild -c opt\n# build:old --copt=-O1\ncommon:local --repo_env A=1\n"
    ),
    "WORKSPACE": (
        'load("//tensorflow_serving:repo.bzl", "tensorflow_http_archive")\n'
        "tensorflow_http_archive(\n"
        '    name = "org_tensorflow",\n'
        f'    sha256 = "{"5" * 64}",\n'
        f'    git_commit = "{"c" * 40}",\n'
        '    patch = "//third_party/tensorflow:tensorflow.patch",\n'
        ")\n"
        'versions.check("6.5.0")\n'
        "http_archive(\n"
        f'    sha256 = "{"6" * 64}",\n'
        ")\n"
    ),
    "tensorflow_serving/workspace.bzl": 'new_git_repository(\n    name = "org_boost",\n)\n',
    "tensorflow_serving/model_servers/BUILD": (
        'cc_binary(\n    name = "server",\n    srcs = ["main.cc"],\n    stamp = 1,\n)\n'
    ),
    "tensorflow_serving/model_servers/version.h": (
        "#define TF_MODELSERVER_MAJOR_VERSION 2\n#define TF_MODELSERVER_MINOR_VERSION 19\n"
        '#define TF_MODELSERVER_PATCH_VERSION 1\n#define TF_MODELSERVER_VERSION_SUFFIX "-rc0"\n'
    ),
    "tensorflow_serving/tools/docker/Dockerfile.devel": (
        "# comment\nFROM ubuntu:20.04 as base_build\nENV BAZEL_VERSION 6.5.0\n"
    ),
}


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(("git", *identity, "-C", str(folder), *arguments), check=True, capture_output=True)
    return done.stdout.decode().strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "serving"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(tmp_path, "init", "--quiet", str(folder))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=c")
    git(folder, "tag", "2.19.1")
    return folder


@pytest.fixture
def release(clone: Path) -> ServingRelease:
    """What a right release file says of the clone."""
    assert REAL.serving
    serving = REAL.serving.model_copy(
        update={
            "tensorflow": REAL.serving.tensorflow.model_copy(update={"commit": "c" * 40, "sha256": "5" * 64}),
            "bazelrc_configs": ("local", "release"),
            "targets": ("//tensorflow_serving/model_servers:server",),
            "files": ("WORKSPACE", "tensorflow_serving/workspace.bzl"),
        }
    )
    return REAL.model_copy(
        update={
            "revision": git(clone, "rev-parse", "HEAD"),
            "source_date_epoch": int(git(clone, "log", "-1", "--format=%ct")),
            "source": REAL.source.model_copy(update={"tree": git(clone, "rev-parse", "HEAD^{tree}")}),
            "serving": serving,
        }
    )


def check(release: ServingRelease, clone: Path) -> UpstreamReport:
    return check_upstream(release, clone, SubprocessRunner())


def with_serving(release: ServingRelease, **values: object) -> ServingRelease:
    assert release.serving
    return release.model_copy(update={"serving": release.serving.model_copy(update=values)})


def test_a_release_file_that_is_right(release: ServingRelease, clone: Path) -> None:
    report = check(release, clone)
    assert report.wrong == ()
    lines = list(report_lines(report))
    assert lines[-1] == f"{len(report.checks)} of {len(report.checks)} as the release file says"
    assert f"  ok    git tree: {release.source.tree}" in lines


def test_a_bare_clone_or_one_with_another_checkout_will_do(release: ServingRelease, clone: Path) -> None:
    (clone / "WORKSPACE").write_text("something else\n")
    git(clone, "commit", "--quiet", "--all", "--message=later")
    bare = clone.with_name("bare.git")
    git(clone, "clone", "--quiet", "--bare", str(clone), str(bare))
    assert check(release, clone).wrong == check(release, bare).wrong == ()


@pytest.mark.parametrize(
    ("values", "name", "found"),
    [
        ({"targets": ("//tensorflow_serving/model_servers:sever",)}, "label", "no target of that name"),
        ({"bazelrc_configs": ("release", "opt")}, ".bazelrc configs", "local, release"),
        ({"files": ("WORKSPACE", "MODULE.bazel")}, "file", "not there"),
        ({"version_suffix": ""}, "suffix in version.h", "-rc0"),
        (
            {"version_pattern": r"^2\.19\.1$"},
            "version_pattern",
            "TensorFlow ModelServer: 2.19.1-rc0+dev.sha.no_git",
        ),
        ({"upstream_builder": "ubuntu:22.04"}, "base of Dockerfile.devel", "ubuntu:20.04"),
    ],
)
def test_each_thing_that_is_wrong_is_told_with_what_upstream_has(
    release: ServingRelease, clone: Path, values: dict[str, object], name: str, found: str
) -> None:
    report = check(with_serving(release, **values), clone)
    (wrong,) = report.wrong
    assert (wrong.name, wrong.found) == (name, found)
    lines = list(report_lines(report))
    assert f"  WRONG {name}" in lines


def test_wrong_pins_are_found_out(release: ServingRelease, clone: Path) -> None:
    assert release.serving
    pin = release.serving.tensorflow
    for change, name in (
        ({"commit": "d" * 40}, "TensorFlow commit"),
        ({"sha256": "6" * 64}, "TensorFlow sha256"),
        ({"patch": None}, "TensorFlow patch"),
    ):
        wrong = check(with_serving(release, tensorflow=pin.model_copy(update=change)), clone).wrong
        assert [each.name for each in wrong] == [name]
    bazel = release.serving.bazel.model_copy(update={"version": "6.4.0"})
    names = [each.name for each in check(with_serving(release, bazel=bazel), clone).wrong]
    assert names == ["Bazel that WORKSPACE demands", "Bazel of Dockerfile.devel"]
    source = release.source.model_copy(update={"tree": "0" * 40})
    wrong = check(release.model_copy(update={"source": source, "source_date_epoch": 1}), clone).wrong
    assert [each.name for each in wrong] == ["git tree", "source_date_epoch"]
    git(clone, "tag", "--delete", "2.19.1")
    assert [each.name for each in check(release, clone).wrong] == ["commit of the tag"]


def test_a_folder_that_is_no_clone_or_lacks_the_commit(
    release: ServingRelease, clone: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="is not a git repository"):
        check(release, tmp_path / "nowhere")
    with pytest.raises(NothingMatchesError) as caught:
        check(release.model_copy(update={"revision": "1" * 40}), clone)
    assert "does not have 1111" in caught.value.message
    assert caught.value.hint == f"git -C {clone} fetch --tags origin"


def test_a_release_of_another_product_is_nothing_to_check(clone: Path) -> None:
    with pytest.raises(UsageError, match=r"tflite 2\.20\.0 names no commit"):
        check(load_release(PROJECT, Product.TFLITE, "2.20.0"), clone)


# -- a release that is linked with a wheel -----------------------------------------------------------


@pytest.fixture
def linked(clone: Path, release: ServingRelease, tmp_path: Path) -> ServingWheelRelease:
    """What a right release file of that kind says of the clone; its list is written."""
    found = load_release(PROJECT, Product.SERVING, "2.19.1-wheel")
    pinned = found.wheel.tensorflow.model_copy(update={"commit": "c" * 40, "sha256": "5" * 64})
    wheel = found.wheel.model_copy(
        update={"tensorflow": pinned, "target": "//tensorflow_serving/model_servers:server"}
    )
    same = {name: getattr(release, name) for name in ("revision", "source_date_epoch", "source")}
    made: ServingWheelRelease = found.model_copy(update={"wheel": wheel, **same})
    made.read_from(str(tmp_path / "2.19.1-wheel.yaml"))
    assert write_list(made, clone, SubprocessRunner()) == str(tmp_path / "2.19.1-wheel.sources.json")
    return made


def test_a_release_with_a_wheel_is_compared_with_its_list(linked: ServingWheelRelease, clone: Path) -> None:
    report = check_upstream(linked, clone, SubprocessRunner())
    assert report.wrong == ()
    assert "list of sources" in {each.name for each in report.checks}
    stored = json.loads(Path(linked.sources_path).read_text())
    assert stored["sources"] == ["tensorflow_serving/model_servers/main.cc"]


def test_a_list_of_another_source_is_wrong_and_names_each_file(
    linked: ServingWheelRelease, clone: Path
) -> None:
    path = Path(linked.sources_path)
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "sources": ["tensorflow_serving/model_servers/other.cc"]}))
    wrong = check_upstream(linked, clone, SubprocessRunner()).wrong
    assert {each.found for each in wrong} == {
        "tensorflow_serving/model_servers/main.cc: in the source, not in the list",
        "tensorflow_serving/model_servers/other.cc: in the list, not in the source",
    }


def test_another_tensorflow_than_the_wheels_is_wrong(linked: ServingWheelRelease, clone: Path) -> None:
    tensorflow = linked.wheel.tensorflow.model_copy(update={"commit": "d" * 40})
    other = linked.model_copy(update={"wheel": linked.wheel.model_copy(update={"tensorflow": tensorflow})})
    (wrong,) = check_upstream(other, clone, SubprocessRunner()).wrong
    assert (wrong.name, wrong.said, wrong.found) == ("TensorFlow commit", "d" * 40, "c" * 40)


def test_build_files_that_are_not_understood_write_no_list(linked: ServingWheelRelease, clone: Path) -> None:
    before = Path(linked.sources_path).read_text()
    wheel = linked.wheel.model_copy(update={"target": "//tensorflow_serving/model_servers:sever"})
    with pytest.raises(VerificationError, match="BUILD files are not understood"):
        write_list(linked.model_copy(update={"wheel": wheel}), clone, SubprocessRunner())
    assert Path(linked.sources_path).read_text() == before


def test_a_release_of_bazels_has_no_list(release: ServingRelease, clone: Path) -> None:
    with pytest.raises(UsageError, match="has no list of sources"):
        write_list(release, clone, SubprocessRunner())
