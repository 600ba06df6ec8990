"""What an image starts, and what all that it loads needs of the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.images import Image, Member, docker_archive, program, symlink
from tfbuild.artifacts.image.archive import ImageArchive
from tfbuild.artifacts.runs_on import RunsOn
from tfbuild.base.project import PROJECT
from tfbuild.verify import image as verify_image
from tfbuild.verify.image import started
from tfbuild.verify.verify import load_policy, verify_path

ELF = PROJECT / "tests" / "data" / "elf" / "x86_64"
DEFAULT = load_policy(PROJECT)
PATH = {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]}
PYTHON = "usr/bin/python3.11"
MODULE = "usr/lib/python3/dist-packages/tflite_runtime/_wrapper.cpython-311-x86_64-linux-gnu.so"


def elf(name: str, source: str) -> Member:
    return program(name, (ELF / source).read_bytes())


def script(name: str, text: str) -> Member:
    return program(name, text.encode())


def image(tmp_path: Path, layer: Sequence[Member], **settings: Any) -> Path:
    words: Mapping[str, Any] = {"User": "1", **PATH, **settings}
    return docker_archive(tmp_path / "i.tar", Image([layer], words))


def place(path: Path) -> RunsOn:
    found = verify_path(path, DEFAULT).facts.runs_on
    assert found is not None
    return found


PYTHON_LAYER = (
    elf(PYTHON, "isa-old.so"),
    symlink("usr/bin/python3", "python3.11"),
    elf(MODULE, "isa-new.so"),
    elf("usr/bin/tini", "static"),
    elf("usr/bin/dash", "static"),
    symlink("bin/sh", "/usr/bin/dash"),
    script("usr/local/bin/serve", "#!/usr/bin/env python3\nimport tflite_runtime\n"),
    script("usr/local/bin/start.sh", "#!/bin/sh\nexec python3 -m app\n"),
)


@pytest.mark.parametrize(
    "settings",
    [
        {"Entrypoint": ["python3"]},
        {"Entrypoint": ["/usr/bin/python3", "/app/main.py"]},
        {"Cmd": ["python3", "main.py"]},
        {"Entrypoint": ["tini", "--"], "Cmd": ["python3", "-m", "app"]},
        {"Cmd": ["/bin/sh", "-c", "exec python3 -m app --port '80'"]},
        {"Entrypoint": ["serve"]},
    ],
)
def test_the_modules_of_a_python_program_count(tmp_path: Path, settings: Mapping[str, Any]) -> None:
    """The Python flavour's image said "any 64-bit x86 CPU", though the wheel in it needs AVX2."""
    found = place(image(tmp_path, PYTHON_LAYER, **settings))
    assert "Haswell" in found.cpus
    assert any(each.startswith("only _wrapper.cpython-311") and "AVX2" in each for each in found.conditions)


def test_modules_do_not_count_where_no_python_starts(tmp_path: Path) -> None:
    assert place(image(tmp_path, PYTHON_LAYER, Entrypoint=["tini"])).cpus == "any 64-bit x86 CPU"


def test_libraries_that_the_program_loads_count(tmp_path: Path) -> None:
    layer = [elf("usr/bin/tool", "pie"), elf("usr/lib/libtensorflowlite_c.so", "isa-new.so")]
    assert "Haswell" in place(image(tmp_path, layer, Entrypoint=["tool"])).cpus


def test_a_plugin_for_another_machine_counts_for_nothing(tmp_path: Path) -> None:
    arm = program(MODULE.replace("x86_64", "aarch64"), (ELF.parent / "aarch64" / "isa-new.so").read_bytes())
    found = place(image(tmp_path, [*PYTHON_LAYER, arm], Entrypoint=["python3"]))
    assert "Haswell" in found.cpus


def test_what_is_too_large_to_measure_leaves_the_line_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_image, "_MEASURED", (ELF / "static").stat().st_size)
    layer = [elf("usr/bin/tool", "static"), *PYTHON_LAYER]
    found = place(image(tmp_path, layer, Cmd=["tool", "/usr/bin/python3"]))
    assert found.cpus.startswith("unclear: ")
    assert "_wrapper.cpython-311-x86_64-linux-gnu.so" in found.cpus
    assert "not measured" in found.cpus


def test_what_a_shells_script_starts_is_said_to_be_unknown(tmp_path: Path) -> None:
    found = place(image(tmp_path, PYTHON_LAYER, Entrypoint=["start.sh"]))
    assert "what the script /usr/local/bin/start.sh starts is not looked at" in found.conditions


def test_an_image_that_starts_nothing_has_no_such_line(tmp_path: Path) -> None:
    assert verify_path(image(tmp_path, PYTHON_LAYER), DEFAULT).facts.runs_on is None


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"Entrypoint": ["tini", "--", "python3"]}, ("/usr/bin/tini", "/usr/bin/python3")),
        ({"Entrypoint": ["bin/tini"], "WorkingDir": "/usr"}, ("/usr/bin/tini",)),
        ({"Cmd": ["nothing", "there"]}, ()),
        ({"Cmd": ["serve"]}, ("/usr/local/bin/serve", "/usr/bin/python3")),
        ({"Cmd": ["python3", "-c", "it's broken"]}, ("/usr/bin/python3",)),
    ],
)
def test_what_a_container_starts(
    tmp_path: Path, settings: Mapping[str, Any], expected: tuple[str, ...]
) -> None:
    with ImageArchive(image(tmp_path, PYTHON_LAYER, **settings)) as archive:
        assert started(archive) == expected
