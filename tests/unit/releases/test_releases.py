"""Releases: what is pinned, how they are ordered, and what is said about wrong ones."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.products import Product, list_releases, load_release
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, NothingMatchesError
from tfbuild.cli.lists import list_releases_json, lock_statuses
from tfbuild.products.tflite.release import lite_folder, needs_cpus
from tfbuild.releases.keys import Release, source_of
from tfbuild.releases.load import default_release, release_key, release_origins, require_arch

PROJECT = Path(__file__).resolve().parents[3]
RELEASES = list_releases(PROJECT)

MINIMAL = """
    product: tflite
    release: 2.20
    description: d
    version: 2.20
    status: pinned
    arches: [amd64]
    provider: upstream
    licenses: Apache-2.0
    homepage: https://example.org/home
    source_url: https://example.org/source
    tag: v2.20
    source_date_epoch: 1
    source:
      name: tensorflow
      urls: [https://example.org/a.tar.gz]
      sha256: "{sha}"
      filename: a.tar.gz
      strip_prefix: a
    evidence: [none]
    """.format(sha="0" * 64)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "build_configs" / "releases" / "tflite").mkdir(parents=True)
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    path = root / "build_configs" / "releases" / "tflite" / f"{name}.yaml"
    path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")


def problems(root: Path, name: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_release(root, Product.TFLITE, name)
    return [
        str(each).splitlines()[0].removeprefix("build_configs/releases/tflite/")
        for each in caught.value.problems
    ]


# -- order -----------------------------------------------------------------------------------------


FROM_WHEELS = {(Product.TFLITE, "2.14.0-wheel"), (Product.TFLITE, "2.3.0-litert")}


def test_the_releases_are_listed_oldest_first() -> None:
    assert [each.release for each in RELEASES if each.product == Product.TFLITE] == [
        "2.1.5-litert",
        "2.2.0-litert",
        "2.3.0-litert",
        "2.14.0-wheel",
        "2.14.1",
        "2.14.1-debian",
        "2.15.1",
        "2.16.1",
        "2.17.1",
        "2.18.1",
        "2.19.1",
        "2.20.0",
        "2.21.0",
    ]


def test_order_is_by_number_and_a_candidate_comes_before_its_release() -> None:
    ordered = [
        "2.9",
        "2.9.1",
        "2.14.1",
        "2.14.1-debian",
        "2.20.0-rc1",
        "2.20.0rc2",
        "2.20.0",
        "2.20.0-b",
        "10.0",
    ]
    assert sorted(set(ordered), key=release_key) == ordered


_numbers = st.lists(st.integers(0, 300), min_size=2, max_size=4)


@given(_numbers, _numbers)
def test_plain_versions_order_as_their_numbers_do(one: list[int], other: list[int]) -> None:
    keys = [release_key(".".join(map(str, each))) for each in (one, other)]
    assert (keys[0] < keys[1]) == (one < other)
    assert (keys[0] == keys[1]) == (one == other)


@given(_numbers, st.integers(0, 50), st.integers(0, 50))
def test_candidates_order_by_their_number_and_before_the_release(
    numbers: list[int], one: int, other: int
) -> None:
    base = ".".join(map(str, numbers))
    assert (release_key(f"{base}-rc{one}") < release_key(f"{base}rc{other}")) == (one < other)
    assert release_key(f"{base}-rc{one}") < release_key(base) < release_key(f"{base}-debian")


@given(st.text(max_size=30))
def test_any_name_has_a_key(name: str) -> None:
    assert release_key(name) <= release_key(name)


def test_the_default_is_the_newest_that_was_built() -> None:
    assert default_release(RELEASES, Product.TFLITE).release == "2.14.1-debian"
    assert default_release(RELEASES, Product.KERAS).release == "2.21.0"
    pinned = [each for each in RELEASES if each.status == "pinned"]
    with pytest.raises(NothingMatchesError, match="no keras release has been built"):
        default_release(pinned, Product.KERAS)
    built = load_release(PROJECT, Product.TFLITE, "2.14.1-debian")
    both = [built, built.model_copy(update={"release": "2.9.0"})]
    assert default_release(both, Product.TFLITE).release == "2.14.1-debian"


def test_the_default_model_server_is_the_newest_though_nobody_has_compiled_it() -> None:
    release = default_release(RELEASES, Product.SERVING, never_built=True)
    assert (release.release, release.status) == ("2.20.0", "pinned")


# -- what is pinned --------------------------------------------------------------------------------


def test_the_debian_release_pins_the_archive_and_what_trixie_lacks_or_has_too_old() -> None:
    release = load_release(PROJECT, Product.TFLITE, "2.14.1-debian")
    source, fft2d, *pools = release.pins(Arch.ARM64)
    assert source.urls == ("debian:pool/main/t/tensorflow/tensorflow_2.14.1+dfsg.orig.tar.xz",)
    assert source.sha256 == "9dfff0627def4e999f66a80d0fb57fd0651d12d525dcd67d6c24f1e9bca72b93"
    assert (source.size, source.filename) == (55936404, "tensorflow_2.14.1+dfsg.orig.tar.xz")
    assert fft2d.filename == "libfft2d-dev_1.0-3+b1_arm64.deb"
    assert release.pins(Arch.AMD64)[1].filename == "libfft2d-dev_1.0-3+b1_amd64.deb"
    # One that sleeps after a thousand turns. Its headers and its library are one version.
    assert [each.filename for each in pools] == [
        f"{name}_0.0~git20251020.0e6ca13-1.1_arm64.deb" for name in ("libpthreadpool-dev", "libpthreadpool0")
    ]
    assert "libneon-2-sse-dev" in {each.name for each in release.packages(Arch.AMD64)}
    assert "libneon-2-sse-dev" not in {each.name for each in release.packages(Arch.ARM64)}
    defines = {each.name for each in release.compile_defines}
    assert defines >= {"XNNPACK_DELEGATE_ENABLE_QS8", "XNNPACK_DELEGATE_ENABLE_QU8"}


@pytest.mark.parametrize("release", RELEASES, ids=lambda each: f"{each.product}-{each.release}")
def test_each_release_agrees_with_itself(release: Release) -> None:
    assert release.release.split("-")[0] == release.version
    assert release.version in release.tag
    source = source_of(release)
    assert source is None or source.filename in "".join(source.urls) or release.version in source.filename
    assert (source is None) == (not release.is_compiled)
    assert (release.provider == "wheels") == (release.origin == "wheel")
    assert release.product != Product.KERAS or source is None
    built = {
        (Product.TFLITE, "2.14.1-debian"),
        (Product.TFLITE, "2.14.1"),
        (Product.TFLITE, "2.15.1"),
        (Product.TFLITE, "2.16.1"),
        (Product.KERAS, "2.18.1"),
        (Product.KERAS, "2.19.1"),
        (Product.KERAS, "2.20.0"),
        (Product.KERAS, "2.21.0"),
    } | FROM_WHEELS
    assert (release.status == "built") == ((release.product, release.release) in built)
    # 2015, TensorFlow's first release, to 2100: a date in seconds, not in milliseconds.
    assert 1_446_000_000 < release.source_date_epoch < 4_102_000_000
    # It cannot be built at all; the wheel of arm64 would be refused as well.
    amd64_alone = {(Product.SERVING, "2.15.1-wheel")}
    lacking = {Arch.AMD64, Arch.ARM64} - set(release.arches)
    assert lacking == ({Arch.ARM64} if (release.product, release.release) in amd64_alone else set())
    macros = {each.name: each.value for each in release.compile_defines if each.name.startswith("TF_")}
    if macros:
        spelled = f"{macros['TF_MAJOR_VERSION']}.{macros['TF_MINOR_VERSION']}.{macros['TF_PATCH_VERSION']}"
        assert spelled == release.version


def test_no_pin_is_used_twice() -> None:
    pins = [
        pin
        for each in RELEASES
        for arch in each.arches
        for pin in (each.pins(arch) if each.is_compiled else ())
    ]
    by_hash = {pin.sha256: pin.filename for pin in pins}
    assert len(by_hash) == len(set(by_hash.values()))


def test_the_json_is_the_contract() -> None:
    document = list_releases_json(RELEASES, lock_statuses(PROJECT, RELEASES))
    assert document["version"] == 1
    first = next(each for each in document["releases"] if each["release"] == "2.14.1-debian")
    assert {key: first[key] for key in ("product", "release", "status", "arches")} == {
        "product": "tflite",
        "release": "2.14.1-debian",
        "status": "built",
        "arches": ["amd64", "arm64"],
    }
    assert {each["status"] for each in document["releases"]} == {"built", "pinned"}


# -- what is said about wrong ones -----------------------------------------------------------------


def test_an_unknown_release_suggests_the_nearest() -> None:
    with pytest.raises(NothingMatchesError) as caught:
        load_release(PROJECT, Product.TFLITE, "2.19.2")
    assert "did you mean '2.19.1'?" in caught.value.message
    assert caught.value.hint == "invoke list-releases"
    with pytest.raises(NothingMatchesError):
        load_release(PROJECT, Product.TFLITE, "../tflite/2.20.0")


def test_an_arch_that_the_release_cannot_do() -> None:
    release = load_release(PROJECT, Product.TFLITE, "2.14.1-debian")
    require_arch(release, Arch.ARM64)
    with pytest.raises(NothingMatchesError) as caught:
        require_arch(release, Arch.RISCV64)
    assert caught.value.message == "tflite 2.14.1-debian cannot be built for riscv64"
    assert caught.value.details == ("it can for: amd64, arm64",)
    with pytest.raises(NothingMatchesError) as caught:
        require_arch(release, Arch.RISCV64, RELEASES)
    assert caught.value.details == ("it can for: amd64, arm64", "releases for riscv64: 2.16.1 (from source)")
    with pytest.raises(NothingMatchesError) as caught:
        require_arch(release, Arch.ARMHF, RELEASES)
    assert caught.value.details[1] == "releases for armhf: 2.14.0-wheel (from wheel), 2.16.1 (from source)"
    assert caught.value.hint == "use --arch amd64, or --from source --release 2.16.1"


def test_a_release_keeps_its_trailing_zero(root: Path) -> None:
    write(root, "2.20", MINIMAL)
    assert load_release(root, Product.TFLITE, "2.20").version == "2.20"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("status: pinned", "status: build", "2.20.yaml:5:9: expected 'built' or 'pinned', found 'build'"),
        ("a.tar.gz]", "../a]", "2.20.yaml:15:10: '..' in a URL"),
        (
            "https://example.org/a",
            "http://example.org/a",
            "2.20.yaml:15:10: expected https://…, debian:pool/… or pypi:NAME/FILENAME",
        ),
        ("filename: a.tar.gz", "filename: ../a", "2.20.yaml:17:13: '../a' does not match"),
        ("0" * 64, "0" * 63, "2.20.yaml:16:11: '000"),
        (
            "strip_prefix: a",
            "strip_prefix: a\n      subtrees: [x/../../y]",
            "2.20.yaml:19:14: expected a path inside",
        ),
        ("release: 2.20", "release: 2.2", "2.20.yaml:2:1: the file is called '2.20.yaml'"),
        ("product: tflite", "product: serving", "2.20.yaml:1:1: the file is in the folder of 'tflite'"),
        (
            "provider: upstream",
            "provider: debian",
            "2.20.yaml:1:1: missing key 'debian'",
        ),
        ("evidence: [none]", "evidence: []", "2.20.yaml:19:11: "),
        ("arches: [amd64]", "arches: []", "2.20.yaml:6:9: "),
        ("tag: v2.20", "tga: v2.20", "2.20.yaml:11:1: unknown key 'tga'; did you mean 'tag'?"),
    ],
)
def test_a_wrong_release_file_is_refused_at_its_place(
    root: Path, before: str, after: str, expected: str
) -> None:
    assert before in MINIMAL
    write(root, "2.20", MINIMAL.replace(before, after, 1))
    assert any(each.startswith(expected) for each in problems(root, "2.20")), problems(root, "2.20")


def test_no_host_of_a_package_registry_stands_in_a_release() -> None:
    for path in (PROJECT / "build_configs" / "releases").rglob("*.yaml"):
        hosts = set(re.findall(r"https?://([^/\s]+)", path.read_text(encoding="utf-8")))
        known = {"releases.bazel.build", "archives.boost.io"}  # of the projects themselves
        assert hosts - known <= {
            "github.com",
            "www.tensorflow.org",
            "ai.google.dev",
            "snapshot.debian.org",
        }, path


# -- the model server ------------------------------------------------------------------------------

SERVER = (PROJECT / "build_configs" / "releases" / "serving" / "2.20.0.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("  tree: 58d07a8e5c46abb303cbfe3b54d28406c3a31c20\n", "", "the source has neither sha256 nor tree"),
        ("  strip_prefix: serving-bc", "  subtrees: [tools]\n  strip_prefix: serving-bc", "without subtrees"),
        ("arches: [amd64, arm64]", "arches: [amd64]", "'ways' and 'arches' name different architectures"),
        ("      build_arch: arm64\n", "      build_arch: armhf\n", "'bazel.binaries' has none for it"),
        (
            "    version: 7.4.1\n",
            "    version: 7.4.1\n    package: bazel-bootstrap=4.2.3\n",
            "from one of them",
        ),
        ("    origin: hermetic\n  python", "    origin: suite\n  python", "'compiler.packages' names none"),
        ("version_pattern: '^", "version_pattern: '(", "not a regular expression"),
        (
            "//tensorflow_serving/model_servers:tensorflow",
            "tensorflow_serving/model_servers:tensorflow",
            "match",
        ),
        ("product: serving", "product: tflite", "the file is in the folder of 'serving'"),
    ],
)
def test_a_wrong_release_of_the_model_server_is_refused(
    tmp_path: Path, before: str, after: str, expected: str
) -> None:
    assert before in SERVER
    file = tmp_path / "build_configs" / "releases" / "serving" / "2.20.0.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(SERVER.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_release(tmp_path, Product.SERVING, "2.20.0")
    assert any(expected in str(each) for each in caught.value.problems), caught.value.problems


def test_a_release_of_tflite_has_no_part_of_the_model_server(root: Path) -> None:
    write(root, "2.20", MINIMAL)
    load_release(root, Product.TFLITE, "2.20")
    section = SERVER[SERVER.index("serving:\n") : SERVER.index("quirks:")]
    path = root / "build_configs" / "releases" / "tflite" / "2.20.yaml"
    path.write_text(path.read_text() + section, encoding="utf-8")
    assert any("unknown key 'serving'" in each for each in problems(root, "2.20"))


def test_a_release_file_of_ones_own_is_read_from_anywhere(tmp_path: Path) -> None:
    own = tmp_path / "2.20.0-fork.yaml"
    own.write_text(SERVER.replace("release: 2.20.0", "release: 2.20.0-fork"), encoding="utf-8")
    release = load_release(PROJECT, Product.SERVING, str(own))
    assert release.release == "2.20.0-fork"
    lines = release_origins(PROJECT, release)
    assert lines["serving.overrides.0"].path == str(own)
    with pytest.raises(ConfigError, match="1 problem"):
        load_release(PROJECT, Product.TFLITE, str(own))


def test_every_server_is_pinned_by_commit_tree_and_hashes() -> None:
    releases = [each for each in RELEASES if each.product == Product.SERVING and each.origin == "source"]
    assert [each.release for each in releases] == [
        "2.14.1",
        "2.15.1",
        "2.16.1",
        "2.17.1",
        "2.18.1",
        "2.19.1",
        "2.20.0",
    ]
    for release in releases:
        assert release.serving
        assert release.revision
        assert release.revision in release.source.urls[0]
        assert set(release.serving.bazel.binaries) == {Arch.AMD64, Arch.ARM64}
        assert {way.state for way in release.serving.ways} == {"never-run"}
        assert re.match(release.serving.version_pattern, f"TensorFlow ModelServer: {release.version}")
        suffixed = (
            f"TensorFlow ModelServer: {release.version}{release.serving.version_suffix}+dev.sha.1a2b3c4"
        )
        assert re.match(release.serving.version_pattern, suffixed)
        assert not re.match(release.serving.version_pattern, "TensorFlow ModelServer: 2.13.0")


PATCHED = """
    patches:
      - file: fix.patch
        reason: it is broken
        origin: ours
    """


def test_a_patch_of_a_release_that_is_not_there_is_told_with_its_folder(root: Path) -> None:
    write(root, "2.20", dedent(MINIMAL) + dedent(PATCHED))
    with pytest.raises(ConfigError) as caught:
        load_release(root, Product.TFLITE, "2.20")
    (problem,) = caught.value.problems
    assert "no patch 'fix.patch' in build_configs/releases/tflite/2.20.patches" in str(problem)


def test_a_patch_beside_a_release_that_nobody_names_is_told(root: Path) -> None:
    write(root, "2.20", dedent(MINIMAL) + dedent(PATCHED))
    folder = root / "build_configs/releases/tflite/2.20.patches"
    folder.mkdir()
    (folder / "fix.patch").write_text("--- a/x\n")
    assert [each.file for each in load_release(root, Product.TFLITE, "2.20").patches] == ["fix.patch"]
    (folder / "other.patch").write_text("--- a/x\n")
    with pytest.raises(ConfigError) as caught:
        load_release(root, Product.TFLITE, "2.20")
    assert "'other.patch' in build_configs/releases/tflite/2.20.patches is not named" in str(
        caught.value.problems[0]
    )


@pytest.mark.parametrize(
    "release", [each for each in RELEASES if each.patches], ids=lambda each: each.release
)
def test_a_patch_says_what_it_is_for_in_its_first_line_and_changes_only_sources(release: Release) -> None:
    folder = PROJECT / "build_configs" / "releases" / str(release.product) / f"{release.release}.patches"
    for each in release.patches:
        first, *lines = (folder / each.file).read_text().splitlines()
        assert first.endswith(".")
        changed = [line.removeprefix("+++ b/") for line in lines if line.startswith("+++ ")]
        assert changed
        folders = (f"{lite_folder(release)}/", "dependencies/cpuinfo/")
        assert any(all(path.startswith(folder) for path in changed) for folder in folders)


@pytest.mark.parametrize(
    "release",
    [each for each in RELEASES if each.product == Product.TFLITE and Arch.ARM64 in each.arches],
    ids=lambda each: each.release,
)
def test_where_the_list_of_cpus_is_hidden_a_release_has_a_patch_or_says_so(release: Release) -> None:
    patched = any(each.file.endswith("-cpuinfo-hidden-cpus.patch") for each in release.patches)
    assert patched != needs_cpus(release, Arch.ARM64)
    assert not needs_cpus(release, Arch.AMD64)


def test_two_releases_of_one_source_have_the_same_patches_under_the_same_name() -> None:
    folders = [
        PROJECT / f"build_configs/releases/tflite/{name}.patches" for name in ("2.14.1", "2.14.1-debian")
    ]
    upstream, debian = ({path.name: path.read_bytes() for path in each.iterdir()} for each in folders)
    assert upstream.pop("15-cpuinfo-hidden-cpus.patch")  # Debian's cpuinfo is a package
    assert upstream == {name: debian[name] for name in upstream}
    # Only Debian's XNNPACK infers shapes. The last one came when upstream's had been compiled and verified.
    assert set(debian) - set(upstream) == {
        "01-reduce-keep-dims.patch",
        "03-check-inferred-shapes.patch",
        "14-ruy-spin.patch",
    }
