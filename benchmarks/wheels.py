"""Verifies wheels that everybody installs, and compares with what is known of them and with auditwheel.

Needs the network once: pip downloads the wheels (about 330 MB, most of it TensorFlow's) from the index that
it is set up with. They are compared with sha256 sums and kept in the cache folder.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import say, table
from tfbuild.base.project import PROJECT
from tfbuild.machine.cache import cache_root
from tfbuild.machine.files import hash_file
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.verify.report import VerifyReport
from tfbuild.verify.verify import load_policy, verify_path


@dataclass(frozen=True)
class Known:
    """A wheel, and what readelf says of the highest versions in it; no ``finding``: it is honest."""

    requirement: str
    tag: str
    sha256: str
    glibc: str
    glibcxx: str | None
    finding: str | None
    level: str | None  # the least CPU; None where instructions are not decoded


WHEELS = (
    Known(
        "tflite-runtime==2.14.0",
        "manylinux2014_x86_64",
        "195ab752e7e57329a68e54dd3dd5439fad888b9bff1be0f0dc042a3237a90e4d",
        "2.29",
        "3.4.22",
        "wheel-tag",
        "x86-64",
    ),
    Known(
        "tflite-runtime==2.14.0",
        "manylinux_2_34_aarch64",
        "ce9fa5d770a9725c746dcbf6f59f3178233b3759f09982e8b2db8d2234c333b0",
        "2.27",
        None,
        "wheel-tag-strict",
        "armv8-a",
    ),
    Known(
        "tflite-runtime==2.14.0",
        "manylinux_2_34_armv7l",
        "c4e66a74165b18089c86788400af19fa551768ac782d231a9beae2f6434f7949",
        "2.27",
        None,
        "wheel-tag-strict",
        None,
    ),
    Known(
        "ai-edge-litert==1.4.0",
        "manylinux_2_17_x86_64",
        "138aac5f29c1dfc220519be79c86afec815bc992bd3f08b0f82cee967d8e386f",
        "2.17",
        "3.4.19",
        None,
        "x86-64-v2",
    ),
    Known(
        "ai-edge-litert==1.4.0",
        "manylinux_2_17_aarch64",
        "131d1c12dedc0c45aa683106d71ea895117c2332b0efb52712965f8b5e63781d",
        "2.30",
        "3.4.26",
        "wheel-tag",
        "armv8-a",
    ),
    Known(
        "ai-edge-litert==2.2.0",
        "manylinux_2_27_x86_64",
        "0171f556fffa335281acd7d468de999fd4de32f6bf1a5f14e680676591cef764",
        "2.27",
        "3.4.22",
        None,
        "x86-64-v2+avx",
    ),
    Known(
        "ai-edge-litert==2.2.0",
        "manylinux_2_27_aarch64",
        "808da1d1b3f93f05ce27444bf3d3bed8be928d2779483b5065df226e01c599d5",
        "2.34",
        "3.4.30",
        "wheel-tag",
        "armv8.1-a+rcpc",
    ),
    Known(
        "tensorflow-cpu==2.19.1",
        "manylinux2014_x86_64",
        "0b6d72bd09c267e7573757bd309f5b1e2cdb02577339991da751f3a1411e4dae",
        "2.17",
        "3.4.19",
        None,
        "x86-64-v2+avx",
    ),
)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.wheels", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--folder", type=Path, help="of the wheels [in the cache folder]")
    parser.add_argument(
        "--without", default="", help="leave out requirements that begin so, such as tensorflow"
    )
    return parser.parse_args()


def download(known: Known, folder: Path) -> Path:
    """The wheel, by pip where it is not there yet; its sha256 decides."""
    runner = SubprocessRunner()
    for attempt in (False, True):
        found = [path for path in sorted(folder.glob("*.whl")) if hash_file(path) == known.sha256]
        if found or attempt:
            break
        runner.run(
            [
                sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
                "--platform", known.tag, "--python-version", "3.11", "--implementation", "cp",
                "--abi", "cp311",
                "--dest", str(folder), known.requirement,
            ]
        )  # fmt: skip
    if not found:
        raise SystemExit(
            f"{known.requirement} for {known.tag}: pip found no wheel with sha256 {known.sha256}"
        )
    return found[0]


def auditwheel_tag(wheel: Path) -> str:
    """The tag that auditwheel derives from symbol versions (``sym_tag`` of its JSON)."""
    found = SubprocessRunner().capture([sys.executable, "-m", "auditwheel", "show", "--json", str(wheel)])
    return str(json.loads(found.stdout)["sym_tag"])


def differences(known: Known, report: VerifyReport, theirs: str) -> Iterator[str]:
    """Where our findings differ from what is known, or from auditwheel."""
    tag = report.facts.tag
    assert tag is not None
    needs = {floor.family: floor.version for floor in tag.needs}
    for what, expected, found in (
        ("GLIBC", known.glibc, needs.get("GLIBC")),
        ("GLIBCXX", known.glibcxx, needs.get("GLIBCXX")),
        (
            "finding",
            known.finding,
            next((f.id for f in report.findings if f.id.startswith("wheel-tag")), None),
        ),
        ("CPU", known.level, level(report)),
        ("auditwheel's tag", theirs, tag.fits),
    ):
        if expected != found:
            yield f"{what}: {found} instead of {expected}"


def level(report: VerifyReport) -> str | None:
    """The highest level that a file of the wheel needs."""
    found = [each.isa.level for each in report.facts.elf if each.isa is not None]
    return max(found, key=lambda name: (name.partition("+")[0], len(name)), default=None)


def main(options: argparse.Namespace) -> int:
    folder = options.folder or cache_root(os.environ) / "benchmarks" / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    policy = load_policy(PROJECT)
    rows, wrong = [], 0
    for known in WHEELS:
        if options.without and known.requirement.startswith(options.without):
            continue
        wheel = download(known, folder)
        say(f"verifying {wheel.name}")
        started = time.monotonic()
        report = verify_path(wheel, policy)
        seconds = time.monotonic() - started
        code = sum(each.isa.code for each in report.facts.elf if each.isa)
        unequal = list(differences(known, report, auditwheel_tag(wheel)))
        wrong += bool(unequal)
        fits = report.facts.tag.fits if report.facts.tag else None
        rows.append(
            [
                f"{known.requirement} {known.tag}", str(fits), str(level(report)), f"{seconds:.1f} s",
                f"{code / 1e6:.0f} MB", "; ".join(unequal) or "equal",
            ]
        )  # fmt: skip
    sys.stdout.write(table(["wheel", "fits", "CPU", "time", "code", "against what is known"], rows))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(parse()))
