"""The readers below a diagnosis: machines, models, names, pages, and what damaged input does."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.diagnosing import diagnose_case
from tests.support.diagnosis import AMD64, CASES, library, saved_model
from tests.support.plans import PROJECT
from tfbuild.base.arch import Arch
from tfbuild.base.errors import UsageError
from tfbuild.diagnose.catalog import CATALOG
from tfbuild.diagnose.host import gather_target, load_target, target_json
from tfbuild.diagnose.html import STYLE, render_html
from tfbuild.diagnose.known import RunOutcome
from tfbuild.diagnose.read.image import glibc_version, minimum_kernel
from tfbuild.diagnose.read.isa import recorded_level
from tfbuild.diagnose.read.models import model_paths, read_model
from tfbuild.diagnose.read.python import cuda_build
from tfbuild.diagnose.rules.gpu import minimum_driver
from tfbuild.diagnose.rules.operation import is_floating
from tfbuild.machine.host import HostFacts, OsRelease

FIXTURES = PROJECT / "tests" / "data" / "diagnose"

# -- the machine --------------------------------------------------------------------------------------


def host_facts(**changes: Any) -> HostFacts:
    facts = HostFacts(
        os=OsRelease("debian", "12"),
        machine="x86_64",
        arch=Arch.AMD64,
        is_root=False,
        user="me",
        sudo=None,
        cpus=4,
        cpu_flags=frozenset({"avx", "sse4_2"}),
        memory=8 << 30,
        cgroup_memory_limit=4 << 30,
        systemd=True,
        ca_bundle=None,
    )
    return replace(facts, **changes)


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_machine_with_a_gpu_a_driver_and_emulation(tmp_path: Path) -> None:
    gpu, bridge = "sys/bus/pci/devices/0000:65:00.0", "sys/bus/pci/devices/0000:00:01.0"
    write(
        tmp_path,
        **{
            f"{gpu}/vendor": "0x10de\n",
            f"{gpu}/class": "0x030200\n",
            f"{bridge}/vendor": "0x10de\n",
            f"{bridge}/class": "0x040300\n",
            "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun\n",
            "proc/driver/nvidia/gpus/0000:65:00.0/information": "Model: \t\t NVIDIA A100\nIRQ: 1\n",
            "proc/sys/fs/binfmt_misc/qemu-aarch64": "enabled\ninterpreter /usr/bin/qemu-aarch64-static\n",
            "proc/sys/fs/binfmt_misc/qemu-arm": "disabled\n",
            "proc/sys/fs/binfmt_misc/python3.11": "enabled\n",
        },
    )
    found = gather_target(root=tmp_path, host=host_facts, release="5.15.0-91-generic", node="n")
    assert [(g.address, g.name) for g in found.gpus] == [("0000:65:00.0", "NVIDIA A100")]
    assert (found.nvidia_driver, found.emulated) == ("535.183.01", (Arch.ARM64,))
    assert (found.name, found.kernel, found.cgroup_memory_limit) == ("n", "5.15.0-91-generic", 4 << 30)


def test_the_open_driver_says_its_version_in_another_place(tmp_path: Path) -> None:
    text = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\n"
    write(tmp_path, **{"proc/driver/nvidia/version": text})
    assert gather_target(root=tmp_path, host=host_facts, release="6.1").nvidia_driver == "570.86.15"


def test_a_facts_file_is_read_back_and_matches_its_schema(tmp_path: Path) -> None:
    file = tmp_path / "host.json"
    file.write_text(json.dumps(target_json(AMD64)))
    assert load_target(file) == AMD64
    schema = json.loads((PROJECT / "schemas" / "host-facts.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(file.read_text()))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"arch": "vax"}, "arch"),
        ({"kernel": "new"}, "kernel"),
        ({"cpus": 0}, "cpus"),
        ({"nvidia_drivers": "1"}, "did you mean 'nvidia_driver'"),
        ({"version": 2}, "version"),
    ],
)
def test_a_wrong_facts_file_is_refused_with_what_is_wrong(
    change: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / "host.json"
    file.write_text(json.dumps({**target_json(AMD64), **change}))
    with pytest.raises(UsageError) as caught:
        load_target(file)
    assert complaint in "\n".join(caught.value.details)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"version": 1}'])
def test_what_is_no_facts_file_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "host.json"
    file.write_text(text)
    with pytest.raises(UsageError):
        load_target(file)
    with pytest.raises(UsageError):
        load_target(tmp_path / "none.json")


# -- readers of single facts ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cuda", "driver"),
    [
        ("13.0", "580"),
        ("12.5.1", "525"),
        ("12", "525"),
        ("11.8", "450"),
        ("10.1", "418.39"),
        ("9.0", None),
        ("1", None),
    ],
)
def test_the_oldest_driver_of_a_cuda_release(cuda: str, driver: str | None) -> None:
    assert minimum_driver(cuda) == driver


@pytest.mark.parametrize(
    ("reference", "floating"),
    [
        ("app", True),
        ("app:latest", True),
        ("registry.example:5000/app", True),
        ("registry.example:5000/app:1.2", False),
        ("app:2.19.0-gpu", False),
        ("app:latest@sha256:" + "a" * 64, False),
        ("sha256:" + "b" * 64, False),
        ("3c50e853caaf", False),
    ],
)
def test_floating_names(reference: str, floating: bool) -> None:
    assert is_floating(reference) is floating


def test_what_a_build_says_of_cuda() -> None:
    text = b"build_info = collections.OrderedDict([('is_cuda_build', True), ('cuda_version', '12.3')])"
    build = cuda_build("p", text)
    assert build is not None
    assert (build.cuda, build.cudnn) == ("12.3", None)
    assert cuda_build("p", b"build_info = collections.OrderedDict([('is_cuda_build', False)])") is None


def test_notes_of_elf_files() -> None:
    assert minimum_kernel(library("libc-linux-9.so")) == "9.0.0"
    assert minimum_kernel(library("tensorflow.so")) is None


@pytest.mark.parametrize(
    ("banner", "version"),
    [
        ("GNU C Library (Debian GLIBC 2.31-13+deb11u11) stable release version 2.31.", "2.31"),
        ("GNU C Library (Debian GLIBC 2.36-9+deb12u14) stable release version 2.36.", "2.36"),
        (
            "GNU C Library (Debian GLIBC 2.19-18) stable release version 2.19, by Roland McGrath et al.",
            "2.19",
        ),
        ("GNU C Library (GNU libc) stable release version 2.28.", "2.28"),
        ("GNU C Library (GNU libc) development release version 2.39.9000.", "2.39.9000"),
        ("GNU C Library stable release version 2.5, by Roland McGrath et al.", "2.5"),
        ("The C Library (Debian GLIBC 2.31-13)", None),
    ],
)
def test_glibc_says_its_release_itself(banner: str, version: str | None) -> None:
    """2.31 has no symbol version of its own on x86-64: bullseye's was taken for 2.30."""
    assert glibc_version(b"GLIBC_2.30\0" + banner.encode() + b"\nCopyright (C)\0") == version
    assert recorded_level(library("tensorflow-v4.so")) == 4
    assert recorded_level(library("tensorflow.so")) == 0


@given(data=st.data())
def test_damaged_elf_files_have_no_notes_or_some(data: st.DataObject) -> None:
    original = bytearray(library(data.draw(st.sampled_from(["libc-linux-9.so", "tensorflow-v4.so"]))))
    for _ in range(data.draw(st.integers(1, 8))):
        original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(original[: data.draw(st.integers(0, len(original)))])
    assert minimum_kernel(cut) is None or isinstance(minimum_kernel(cut), str)
    assert 0 <= recorded_level(cut) <= 4


H5 = (FIXTURES / "keras.h5").read_bytes()


def test_models_tell_what_made_them() -> None:
    model = read_model("/m/saved_model.pb", saved_model("2.19.1") + b"\x00")
    assert model is not None
    assert (model.maker, model.version) == ("tensorflow", "2.19.1")
    model = read_model("/m.h5", H5)
    assert model is not None
    assert (model.maker, model.version) == ("keras", "3.15.1")
    assert read_model("/m.h5", b"not HDF5 keras_version\x003.8.0") is None


def test_models_of_packages_are_not_the_users() -> None:
    paths = ("/m/saved_model.pb", "/usr/lib/python3/dist-packages/x/saved_model.pb", "/a.keras", "/b.txt")
    assert model_paths(paths) == ("/a.keras", "/m/saved_model.pb")


@given(data=st.binary(max_size=300), name=st.sampled_from(["/saved_model.pb", "/m.h5", "/m.keras"]))
def test_no_model_file_breaks_the_reader(data: bytes, name: str) -> None:
    for content in (
        data,
        saved_model("2.1.0")[: len(data)] + data,
        H5[: len(data) * 40] + data,
        H5[:1000] + data + H5[1000:],
    ):
        model = read_model(name, content)
        assert model is None or model.version


# -- the page -------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Collects tags, what they refer to, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [str(v) for name, v in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(name: str, folder: Path, **changes: Any) -> tuple[Page, str]:
    report = replace(diagnose_case(CASES[name], folder), **changes)
    text = render_html(report, (PROJECT / STYLE).read_text())
    return Page(text), text


def test_a_page_needs_nothing_from_elsewhere_and_says_all(tmp_path: Path) -> None:
    page, text = page_of("Keras 2", tmp_path)
    assert text.startswith("<!doctype html>")
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert [a for a in page.addresses if not a.startswith("https://github.com/")] == []
    for part in ("python-keras2", "1 finding that will fail.", "keras 2.15.0", CATALOG["python-keras2"].fix):
        assert part in page.text


def test_what_an_image_says_cannot_become_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\x1b[31m & \"quoted\" 'text'"
    run = RunOutcome(name=evil, command=evil, ok=False, exit_code=1, steps=(), output=(evil,))
    page, text = page_of("clean", tmp_path, subject=evil, runs=(run,))
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in page.text
    assert "\x1b" not in text
