"""Policies: what they allow, what they refuse, and that their files are right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.support.images import Image, Member, docker_archive, folder, program
from tfbuild.artifacts.elf.facts import ElfFacts, Relro, RequiredVersion
from tfbuild.artifacts.elf.read import read_elf
from tfbuild.artifacts.image.archive import ImageArchive
from tfbuild.artifacts.image.closure import Closure, Link, UnmetVersion
from tfbuild.artifacts.image.facts import ImageFacts
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, NothingMatchesError
from tfbuild.base.text import matches
from tfbuild.base.values import Finding
from tfbuild.verify.checks.elf import check_elf
from tfbuild.verify.checks.image import check_image, epoch
from tfbuild.verify.findings import FINDINGS
from tfbuild.verify.policy import Context, Policy
from tfbuild.verify.policy_file import policy_file_schema
from tfbuild.verify.verify import load_policy

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data" / "elf"
POLICIES = sorted(path.stem for path in (ROOT / "build_configs" / "policies").glob("*.yaml"))
NOTHING = Closure((), ())


def policy(**parts: Any) -> Policy:
    return Policy.model_validate({"description": "test", **parts})


def ids(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.id for finding in findings]


@pytest.fixture
def good() -> ElfFacts:
    return read_elf(DATA / "x86_64" / "good.so")


@pytest.fixture
def bad() -> ElfFacts:
    return read_elf(DATA / "x86_64" / "bad.so")


NO_CONTEXT = Context()
STRICT = policy(
    elf={"require_stripped": True, "allowed_libraries": ["libc.so.*"], "min_relro": "full"},
    roles={
        "c": {
            "files": ["good.so", "bad.so"],
            "soname": "libtensorflowlite_c.so",
            "required_exports": ["TfLiteVersion"],
            "allowed_exports": ["TfLite*"],
        }
    },
)


def elf_findings(
    facts: ElfFacts, policy: Policy, role: str | None = None, context: Context = NO_CONTEXT
) -> tuple[Finding, ...]:
    return policy.weigh(check_elf(facts, policy, role, context))


def image_findings(
    facts: ImageFacts, closure: Closure, policy: Policy, context: Context = NO_CONTEXT
) -> tuple[Finding, ...]:
    return policy.weigh(check_image(facts, closure, policy, context))


def test_a_good_library_has_no_findings(good: ElfFacts) -> None:
    assert elf_findings(good, STRICT, "c", Context(arch=Arch.AMD64)) == ()


def test_every_weakness_of_a_bad_library_is_found_once(bad: ElfFacts) -> None:
    found = elf_findings(bad, STRICT, "c")
    assert sorted(ids(found)) == [
        "elf-executable-stack",
        "elf-export-extra",
        "elf-not-stripped",
        "elf-relro",
        "elf-run-path",
        "elf-soname",
    ]
    assert all(f.severity == "error" and f.fix for f in found)
    extra = next(f for f in found if f.id == "elf-export-extra")
    assert set(extra.evidence) == {"internal_helper", "_ZN6tflite6Helper3runEv"}


def test_the_machine_must_match_for_debug_files_too() -> None:
    for name in ("good.so", "bad.so.debug"):
        facts = read_elf(DATA / "aarch64" / name)
        (found,) = elf_findings(facts, policy(), None, Context(arch=Arch.AMD64))
        assert found.id == "elf-machine"
        assert "arm64, not for amd64" in found.message


def test_versions_above_the_floor_name_the_symbols(good: ElfFacts) -> None:
    (found,) = elf_findings(good, policy(elf={"max_versions": {"GLIBC": "2.36"}}))
    assert found.id == "elf-version"
    assert "GLIBC_2.38" in found.message
    assert "GLIBC_2.36" in found.message
    assert found.evidence == ("strlcpy",)
    assert elf_findings(good, policy(elf={"max_versions": {"GLIBC": "2.38"}})) == ()


def test_libraries_off_the_list_are_named(good: ElfFacts) -> None:
    facts = replace(good, needed=("libc.so.6", "libssl.so.3", "libfoo.so"))
    (found,) = elf_findings(facts, STRICT, "c")
    assert found.id == "elf-library"
    assert "libssl.so.3, libfoo.so" in found.message


def test_private_versions_and_text_relocations(good: ElfFacts) -> None:
    facts = replace(
        good,
        required_versions=(RequiredVersion("libc.so.6", "GLIBC_PRIVATE"),),
        text_relocations=True,
    )
    assert ids(elf_findings(facts, policy())) == ["elf-private-version", "elf-text-relocations"]


def test_the_pages_of_every_kernel_are_as_large_as_the_policy_says() -> None:
    found = read_elf(DATA / "aarch64" / "good.so")
    rules = policy(elf={"min_alignment": {"arm64": 16384}})
    (finding,) = elf_findings(found, rules)
    assert finding.id == "elf-alignment"
    assert "is aligned to 4 KiB; a kernel with pages of 16 KiB does not load it" in finding.message
    assert elf_findings(replace(found, alignment=65536), rules) == ()
    assert elf_findings(read_elf(DATA / "x86_64" / "good.so"), rules) == ()  # other pages


def test_missing_exports_may_be_patterns_and_come_from_the_caller_too(good: ElfFacts) -> None:
    role = {"files": ["*"], "required_exports": ["TfLite*", "_ZN6tflite*Resolver*"]}
    context = Context(exports={"c": ("TfLiteXNNPackDelegateCreate",)})
    (found,) = elf_findings(good, policy(roles={"c": role}), "c", context)
    assert found.id == "elf-export-missing"
    assert found.evidence == ("_ZN6tflite*Resolver*", "TfLiteXNNPackDelegateCreate")


def test_a_debug_build_keeps_its_symbols(bad: ElfFacts) -> None:
    assert "elf-not-stripped" not in ids(elf_findings(bad, STRICT, "c", Context(keep_symbols=True)))


def test_severities_lower_and_silence(bad: ElfFacts) -> None:
    milder = policy(severities={"elf-executable-stack": "warning", "elf-run-path": "ignore"})
    found = {f.id: f.severity for f in elf_findings(bad, milder)}
    assert found == {"elf-executable-stack": "warning", "elf-relro": "error"}


def test_severity_is_decided_where_a_report_is_made_and_nowhere_else() -> None:
    texts = {path.name: path.read_text() for path in (ROOT / "tfbuild" / "verify").rglob("*.py")}
    assert {name for name, text in texts.items() if ".weigh(" in text} == {"report.py"}
    assert {name for name, text in texts.items() if " Finding(" in text} == {"policy.py"}


@pytest.mark.parametrize("relro", list(Relro))
@pytest.mark.parametrize("least", list(Relro))
def test_relro_is_compared_by_strength(good: ElfFacts, relro: Relro, least: Relro) -> None:
    order = ["none", "partial", "full"]
    found = elf_findings(replace(good, relro=relro), policy(elf={"min_relro": least.value}))
    assert (ids(found) == ["elf-relro"]) is (order.index(relro.value) < order.index(least.value))


@pytest.mark.parametrize(
    ("name", "glob", "expected"),
    [
        ("libc.so.6", "libc.so.*", True),
        ("libcxso.6", "libc.so.*", False),
        ("xlibc.so.6", "libc.so.*", False),
        ("$ORIGIN/../lib", "$ORIGIN*", True),
        ("libstdc++.so.6", "libstdc++.so.?", True),
        ("a", "[a]", False),
    ],
)
def test_patterns_have_only_stars_and_question_marks(name: str, glob: str, expected: bool) -> None:
    assert matches(name, (glob,)) is expected


# --- images -----------------------------------------------------------------------------------

GOOD_LABELS = {"org.opencontainers.image.title": "t", "org.opencontainers.image.revision": "abc"}


def image(tmp_path: Path, members: list[Member], settings: Mapping[str, Any], **more: Any) -> ImageFacts:
    with ImageArchive(docker_archive(tmp_path / "i.tar", Image([members], settings, **more))) as archive:
        return archive.facts


def image_policy(**rules: Any) -> Policy:
    return policy(image={"required_labels": sorted(GOOD_LABELS), "max_uncompressed_mb": 1, **rules})


def test_a_good_image_has_no_findings(tmp_path: Path) -> None:
    facts = image(tmp_path, [program("bin/tool", b"x")], {"User": "65532", "Labels": GOOD_LABELS})
    context = Context(arch=Arch.AMD64, created=1700000000, labels=GOOD_LABELS)
    assert image_findings(facts, NOTHING, image_policy(), context) == ()


def test_every_fault_of_a_bad_image_is_found_once(tmp_path: Path) -> None:
    members = [
        program("bin/sh", b"x"),
        program("bin/su", b"x", 0o4755),
        folder("scratch", 0o777),
        Member("large", b"x" * 2_000_000),
    ]
    facts = image(tmp_path, members, {}, architecture="arm64", created="2020-01-01T00:00:00Z")
    links = Closure(
        (Link("/bin/sh", "libfoo.so", None), Link("/bin/sh", "libc.so.6", "/lib/libc.so.6")),
        (UnmetVersion("/bin/sh", "libc.so.6", "GLIBC_2.38", "/lib/libc.so.6"),),
    )
    found = image_findings(facts, links, image_policy(), Context(arch=Arch.AMD64, created=1700000000))
    assert ids(found) == [
        "image-architecture",
        "image-size",
        "image-root",
        "image-setid",
        "image-shell",
        "image-open-directory",
        "image-library-missing",
        "image-version-missing",
        "image-label",
        "image-created",
    ]
    evidence = {f.id: f.evidence for f in found}
    assert "/large" in evidence["image-size"][0]
    assert evidence["image-library-missing"] == ("libfoo.so, needed by /bin/sh",)
    assert evidence["image-label"] == tuple(sorted(GOOD_LABELS))


def test_what_the_container_runtime_brings_is_not_missed(tmp_path: Path) -> None:
    facts = image(tmp_path, [program("bin/a", b"x")], {"Labels": GOOD_LABELS, "User": "65532"})
    links = Closure((Link("/a.so", "libcuda.so.1", None), Link("/a.so", "libfoo.so", None)), ())
    found = image_findings(facts, links, image_policy(provided=("libcuda.so.*",)))
    evidence = {each.id: each.evidence for each in found}
    assert evidence["image-library-missing"] == ("libfoo.so, needed by /a.so",)


def test_what_one_plugin_finds_in_its_host_others_have_to_have(tmp_path: Path) -> None:
    facts = image(tmp_path, [program("bin/a", b"x")], {"Labels": GOOD_LABELS, "User": "65532"})
    links = Closure(
        (Link("/p/plugin.so", "libhost.so.2", None), Link("/p/other.so", "libhost.so.2", None)), ()
    )
    found = image_findings(facts, links, image_policy(provided_to={"*/plugin.so": ("libhost.so.*",)}))
    evidence = {each.id: each.evidence for each in found}
    assert evidence["image-library-missing"] == ("libhost.so.2, needed by /p/other.so",)


def test_what_a_policy_allows_is_not_found(tmp_path: Path) -> None:
    facts = image(tmp_path, [program("bin/sh", b"x", 0o4755), folder("s", 0o777)], {"Labels": GOOD_LABELS})
    rules = image_policy(allow_root=True, allow_setid=True, allow_shells=True, allow_open_directories=True)
    assert image_findings(facts, NOTHING, rules) == ()


def test_labels_must_say_what_was_built(tmp_path: Path) -> None:
    facts = image(tmp_path, [], {"User": "1", "Labels": GOOD_LABELS})
    expected = Context(labels={"org.opencontainers.image.revision": "def"})
    (found,) = image_findings(facts, NOTHING, image_policy(), expected)
    assert found.id == "image-label"
    assert found.evidence == ("org.opencontainers.image.revision is 'abc', expected 'def'",)


def test_an_unknown_user_is_not_taken_for_a_safe_one(tmp_path: Path) -> None:
    facts = image(tmp_path, [], {"User": "app", "Labels": GOOD_LABELS})
    assert ids(image_findings(facts, NOTHING, image_policy())) == ["image-unknown-user"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2023-11-14T22:13:20Z", 1700000000),
        ("2023-11-14T22:13:20.000000000Z", 1700000000),
        ("2023-11-14T23:13:20+01:00", 1700000000),
        ("2023-11-14T22:13:20.5Z", 1700000000.5),
        ("2023-13-14T22:13:20Z", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_creation_times_are_compared_as_times(text: str | None, seconds: float | None) -> None:
    assert epoch(text) == seconds


# --- the files --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POLICIES)
def test_shipped_policies_load_and_follow_the_schema(name: str) -> None:
    loaded = load_policy(ROOT, name)
    assert loaded.name == name
    path = ROOT / "build_configs" / "policies" / f"{name}.yaml"
    jsonschema.validate(yaml.safe_load(path.read_text()), policy_file_schema())


def test_the_published_schema_is_the_models() -> None:
    published = json.loads((ROOT / "build_configs" / "policies" / "schema.json").read_text())
    assert published == policy_file_schema()
    jsonschema.Draft202012Validator.check_schema(published)


@pytest.mark.parametrize(
    ("version", "limit"), [("1.9", 1), ("2.17.0", 2), ("2.19.1", 2), ("2.20.0", 3), ("", 1), ("a b", 1)]
)
def test_the_limit_of_the_size_follows_the_version_of_the_label(
    tmp_path: Path, version: str, limit: int
) -> None:
    rules = image_policy(max_uncompressed_mb_from={"2.20": 3, "2.17": 2})
    for size, says in ((limit * 1_000_000 - 100_000, False), (limit * 1_000_000 + 100_000, True)):
        labels = {**GOOD_LABELS, "org.opencontainers.image.version": version}
        facts = image(tmp_path, [Member("large", b"x" * size)], {"User": "65532", "Labels": labels})
        found = image_findings(facts, NOTHING, rules, Context(arch=Arch.AMD64, created=1700000000))
        assert ("image-size" in ids(found)) is says


def test_a_policy_with_a_version_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="2-x"):
        image_policy(max_uncompressed_mb_from={"2-x": 3})


def test_the_scratch_policy_is_what_the_product_promises() -> None:
    rules = load_policy(ROOT, "tflite-scratch").policy
    assert rules.image.max_mb("2.14.1") == rules.image.max_uncompressed_mb == 30
    assert not any((rules.image.allow_root, rules.image.allow_shells, rules.image.allow_setid))
    assert rules.image.closure == ("/*",)
    assert len(rules.image.required_labels) == 7
    assert not rules.severities
    role = rules.roles[str(rules.role_for("libtensorflowlite_c.so"))]
    assert role.allowed_exports == ("TfLite*",)
    assert rules.roles[str(rules.role_for("libtensorflowlite.so"))].soname == "libtensorflowlite.so"


@pytest.mark.parametrize("name", [name for name in POLICIES if name.startswith("keras-")])
def test_images_with_keras_are_asked_for_what_every_library_of_the_wheels_needs(name: str) -> None:
    rules = load_policy(ROOT, name).policy.image
    packages = "/usr/local/lib/python3.11/dist-packages"
    plugin = f"{packages}/tensorflow_io_gcs_filesystem/core/python/ops/libtensorflow_io_gcs_filesystem.so"
    core = f"{packages}/tensorflow/libtensorflow_cc.so.2"
    cudnn = f"{packages}/nvidia/cudnn/lib/libcudnn.so.9"
    assert all(matches(path, rules.closure) for path in (plugin, core))
    assert matches(cudnn, rules.closure) == ("gpu" in name)
    host = "libtensorflow_framework.so.2"
    assert not matches(host, rules.provided)
    assert [each for each in (plugin, core) if matches(each, tuple(rules.provided_to))] == [plugin]


def test_an_unknown_policy_names_the_nearest() -> None:
    with pytest.raises(NothingMatchesError, match="did you mean 'tflite-scratch'"):
        load_policy(ROOT, "tflite-scrach")


def test_a_policy_file_with_mistakes_names_every_place(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "description: x\nelf:\n  min_relo: full\n  max_versions: {GLIBC: two}\n"
        "severities:\n  elf-soname: fatal\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_policy(ROOT, str(path))
    lines = [problem.line for problem in caught.value.problems]
    assert lines == [3, 4, 6]
    assert "did you mean 'min_relro'" in caught.value.problems[0].message


def test_a_severity_for_no_finding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("description: x\nseverities:\n  elf-sonam: ignore\n")
    with pytest.raises(ConfigError, match="1 problem") as caught:
        load_policy(ROOT, str(path))
    assert "did you mean 'elf-soname'" in caught.value.details[0]


SUBJECTS = {
    "api",
    "archive",
    "dist",
    "elf",
    "file",
    "image",
    "isa",
    "license",
    "provenance",
    "reproducible",
    "sbom",
    "signature",
    "wheel",
}


def test_finding_ids_name_their_subject() -> None:
    assert all(id.split("-")[0] in SUBJECTS for id in FINDINGS)


# readelf -d of libtensorflow_cc.so.2 and libtensorflow_framework.so.2 in official wheels, of 2.19.1 (amd64)
# and 2.21.0 (arm64): the code that upstream links into the server, by upstream's own toolchains.
OFFICIAL = {
    Arch.AMD64: (
        "libpthread.so.0", "libdl.so.2", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libc.so.6",
        "ld-linux-x86-64.so.2",
    ),
    Arch.ARM64: (
        "libpthread.so.0", "libdl.so.2", "libm.so.6", "librt.so.1", "libc.so.6", "ld-linux-aarch64.so.1",
        "libstdc++.so.6", "libgcc_s.so.1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("arch", sorted(OFFICIAL))
def test_a_server_of_upstreams_toolchain_meets_the_policy_of_the_server(good: ElfFacts, arch: Arch) -> None:
    # A limit that upstream's own binaries do not keep would be told at the end of a build of hours.
    rules = load_policy(ROOT, "serving-scratch").policy
    server = replace(good, needed=OFFICIAL[arch])
    assert "elf-library" not in ids(elf_findings(server, rules, "server"))
    assert "elf-library" in ids(elf_findings(replace(good, needed=("libgrpc.so.29",)), rules, "server"))


@pytest.mark.parametrize(
    "name", ["_ZN4absl12lts_2023080213CHexUnescapeB5cxx11E", "xnn_initialize", "_ZN3ruy3MulE"]
)
def test_the_cxx_library_exports_nothing_that_an_application_may_have_too(good: ElfFacts, name: str) -> None:
    shipped = load_policy(ROOT, "tflite-scratch").policy
    own = ("TfLiteVersion", "_ZN6tflite19FlatBufferModelD1Ev", "_ZN11flatbuffers5CheckIN6tflite5ModelEEEv")
    library = replace(good, path="lib/libtensorflowlite.so", exports=own)
    clashing = replace(library, exports=(*own, name))
    extra = [f for f in elf_findings(clashing, shipped, "cxx-library") if f.id == "elf-export-extra"]
    assert [f.evidence for f in extra] == [(name,)]
    assert "elf-export-extra" not in ids(elf_findings(library, shipped, "cxx-library"))
