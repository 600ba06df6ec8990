"""A build without an engine: what mmdebstrap and buildx would leave, and an engine that only remembers."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support.images import Image, oci_archive, program
from tests.support.plans import make_plan
from tests.support.reporters import ListReporter
from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.arch import Arch
from tfbuild.base.values import Pin, Reporter, Unhashed
from tfbuild.build.execute import execute
from tfbuild.build.layout import Layout
from tfbuild.build.oci_index import read_saved
from tfbuild.build.roots import Archive
from tfbuild.build.run import BuildResult, Effects
from tfbuild.build.shared.store import LayerStore
from tfbuild.engine.docker_cli import DockerCli
from tfbuild.engine.facts import EngineFacts, ImageFacts, RunOptions, RunResult, Server, image_facts
from tfbuild.plan.plan import Plan
from tfbuild.products.table import recipe_of
from tfbuild.products.tflite.smoke.cases import SmokeCase
from tfbuild.products.tflite.smoke.operators import OperatorCase

PROJECT = Path(__file__).resolve().parents[2]
ELF = PROJECT / "tests" / "data" / "elf" / "x86_64"
MIRROR = "http://mirror.example/debian"
PACKAGES = (
    "gcc-14\t14.2.0-19\tamd64\tgcc-14\t14.2.0-19\t\nlibabsl-dev\t1\tamd64\tabseil\t1\t" + "9" * 64 + "\n"
)
TARGETS = ("builder", "compile", "logs", "smoke", "runtime-files", "image")

Case = SmokeCase | OperatorCase


class FakeEngine:
    """Images by name; ``ids`` are their ids. A container answers as ``answer`` says."""

    def __init__(self, cases: Sequence[Case], version: str) -> None:
        self.images: dict[str, str] = {}
        self.made = 0
        self.runs: list[tuple[str, tuple[str, ...], RunOptions]] = []
        self.libc = "libc.so.6"
        self.labels: dict[str, str] = {}  # of the image that was made last
        self.labels_of: dict[str, dict[str, str]] = {}
        self.answer: Callable[[Case], RunResult] = lambda case: right_answer(case, version)
        self._cases = {case.command("/smoke"): case for case in cases}

    def info(self) -> EngineFacts:
        return EngineFacts("26.1", "1.45", "linux/amd64", 8, 7 << 30, "overlayfs", True, "/d", True)

    def make(self, ref: str) -> None:
        """What the image target of bake does."""
        self.made += 1
        self.images[ref] = f"sha256:{self.made:064}"
        self.labels_of[self.images[ref]] = dict(self.labels)

    def image(self, ref: str) -> ImageFacts | None:
        if ref not in self.images:
            return None
        identity = self.images[ref]
        labels = self.labels_of.get(identity, self.labels)
        return image_facts({"Id": identity, "Size": 1, "Config": {"Labels": labels}})

    def save_image(self, ref: str, path: Path) -> None:
        assert ref in self.images
        assert ref in self.images
        layer = [
            program("usr/bin/benchmark_model", (ELF / "pie").read_bytes()),
            program("usr/lib/libtensorflowlite_c.so", (ELF / "good.so").read_bytes()),
            program("usr/lib/libc.so.6", (ELF / self.libc).read_bytes()),
            program("lib64/ld-linux-x86-64.so.2", (ELF / "static").read_bytes()),
        ]
        settings = {
            "User": "65532",
            "Entrypoint": ["/usr/bin/benchmark_model"],
            "Labels": self.labels,
        }
        oci_archive(
            path, Image([layer], settings, created=self.labels.get("org.opencontainers.image.created"))
        )

    def load_image(self, path: Path, name: str) -> None:
        raise AssertionError(f"a build of one platform loads nothing, but {path} as {name}")

    def remove_image(self, ref: str) -> bool:
        return self.images.pop(ref, None) is not None

    def tag_image(self, ref: str, new: str) -> None:
        self.images[new] = self.images[ref]

    def run_once(self, image: str, command: Sequence[str], options: RunOptions | None = None) -> RunResult:
        options = options or RunOptions()
        argv = (*(options.entrypoint or ()), *command)
        self.runs.append((image, argv, options))
        return self.answer(self._cases[argv[-len(argv) :] if argv in self._cases else argv[1:]])

    def serve(
        self, image: str, command: Sequence[str], options: RunOptions
    ) -> AbstractContextManager[Server]:
        raise AssertionError(f"a TFLite build starts no server, but {image} {command} {options}")

    def cleanup_leftovers(self) -> tuple[str, ...]:
        return ()


def right_answer(case: Case, version: str) -> RunResult:
    """What the smoke program prints when all is well."""
    if isinstance(case, OperatorCase):
        counts = [f"operators {way} 3 3 {2 * (way == 'xnnpack')}" for way in case.ways]
        return RunResult(0, "\n".join((f"version {version}", *counts)), "")
    lines = [f"version {version}", f"delegated {int(case.must_delegate)}"]
    lines.append(f"output {' '.join(map(str, case.outputs))}")
    return RunResult(0, "\n".join(lines), case.says)


@dataclass
class Build:
    """A build in ``folder``; change the plan, the replies or the engine, then :meth:`run`."""

    folder: Path
    plan: Plan[Any] = field(
        default_factory=lambda: make_plan("2.14.1-debian", "opt", Arch.AMD64, "policy=default")
    )
    reporter: ListReporter = field(default_factory=ListReporter)
    replies: dict[str, Reply] = field(default_factory=dict)
    fetched: list[tuple[str, ...]] = field(default_factory=list)
    preflights: int = 0
    lock_wait_s: float = 0
    offline: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict)
    unused_entries: str = ""  # what CMake said nobody has asked for
    proxies: Mapping[str, str] = field(default_factory=dict)
    layers: LayerStore | None = None
    runner: RecordingRunner = field(default_factory=RecordingRunner)

    def __post_init__(self) -> None:
        part = self.plan.part
        self.engine = FakeEngine((*part.smoke, *part.operators), self.plan.library_version)
        self.output = self.folder / "dist" / "amd64"

    @property
    def layout(self) -> Layout:
        return Layout(PROJECT, self.folder / "cache", self.plan.build_id)

    @property
    def done(self) -> list[str]:
        """The programs of the last run in their order: mmdebstrap, or the targets of bake."""
        names = []
        for argv in self.runner.commands:
            if "bake" in argv:
                names.append(" ".join(argv[5:]))
            elif "--version" not in argv:
                names.append(argv[0])
        return names

    def run(self, reporter: Reporter | None = None) -> BuildResult:
        """Carry the plan out; tell ``reporter``, else :attr:`reporter`."""
        self.reporter.events.clear()
        self.runner = RecordingRunner(self.usual_replies())
        effects = replace(self.effects(), reporter=reporter or self.reporter)
        return execute(self.plan, recipe_of(self.plan), self.layout, self.output, effects)

    def effects(self) -> Effects:
        return Effects(
            runner=self.runner,
            engine=self.engine,
            reporter=self.reporter,
            find_cli=lambda: DockerCli(None, ("docker", "buildx"), "0.13.1"),
            fetch_all=self._fetch,
            archives_of=lambda root: (Archive(MIRROR),),
            preflight=self._preflight,
            host_arch=Arch.AMD64,
            is_root=True,
            proxies=self.proxies,
            ca_bundle=None,
            offline=self.offline,
            lock_wait_s=self.lock_wait_s,
            secrets=lambda plan: self.secrets,
            layers=self.layers,
        )

    def _preflight(self) -> None:
        self.preflights += 1

    def _fetch(self, pins: tuple[Pin, ...], unhashed: Unhashed | None) -> Mapping[str, Path]:
        assert unhashed is None
        self.fetched.append(tuple(pin.name for pin in pins))
        folder = self.folder / "cache" / "downloads"
        folder.mkdir(parents=True, exist_ok=True)
        files = {}
        for number, pin in enumerate(pins):
            files[pin.name] = folder / pin.filename
            if number == 0 and not files[pin.name].exists():
                _write_source(files[pin.name], self.plan)
            elif number and not files[pin.name].exists():
                files[pin.name].write_bytes(b"package")
        return files

    def usual_replies(self) -> list[Reply]:
        def bake(*targets: str) -> tuple[str, ...]:
            file = f"--file={self.layout.bake_file}"
            return ("docker", "buildx", "bake", file, "--progress=rawjson", *targets)

        usual = {
            "mmdebstrap": Reply(("mmdebstrap",), effect=lambda argv: _write(Path(argv[-2]), "root")),
            "builder": Reply(bake("builder")),
            "export": Reply(bake("export-builder"), effect=lambda _: self.export()),
            "compile": Reply(bake("compile"), effect=lambda _: self.compile()),
            "logs": Reply(bake("logs")),
            "runtime-files": Reply(bake("runtime-files", "smoke"), effect=lambda _: self.runtime_files()),
            "image": Reply(bake("image"), effect=lambda argv: self._image()),
        }
        changed = [replace(reply, match=usual[name].match) for name, reply in self.replies.items()]
        version = Reply(("mmdebstrap", "--version"), stdout="mmdebstrap 1.2.3\n")
        return [*changed, version, *usual.values()]

    def export(self) -> None:
        """What export-builder writes."""
        _write(self.layout.builder(self.plan, "builder") / "rootfs.tar.part", f"builder of {self.folder}")

    def compile(self, library: str = "good.so") -> None:
        """What the compile target writes."""
        dist = self.layout.out / "dist"
        for name in ("lib/libtensorflowlite.so", "lib/libtensorflowlite_c.so", "bin/benchmark_model"):
            (dist / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ELF / ("pie" if name.startswith("bin") else library), dist / name)
        _write(self.layout.out / "log" / "compile.log", "[1/1] Linking libtensorflowlite.so\n")
        _write(self.layout.out / "log" / "unused-cmake-entries", self.unused_entries)
        _write(self.layout.out / "packages.tsv", PACKAGES)
        _write(self.layout.out / "tools.txt", "gcc 14.2.0\ncmake 3.31\n")

    def runtime_files(self) -> None:
        """What runtime-files and smoke write."""
        for name in ("smoke-c", "smoke-cc", "add.bin"):
            _write(self.layout.smoke / name, "x")
        with tarfile.open(self.layout.runtime / "runtime.tar", "w") as tar:
            for path in sorted(self.layout.out.joinpath("dist").rglob("*")):
                if path.is_file():
                    tar.add(path, f"usr/{path.relative_to(self.layout.out / 'dist')}")

    def _image(self) -> None:
        target = json.loads(self.layout.bake_file.read_text())["target"]["image"]
        self.engine.labels = target["labels"]
        for tag in target["tags"]:
            self.engine.make(tag)


def with_real_ids(build: Build) -> None:
    """The engine calls an image what its archive says, as a real one does."""
    make = build.engine.make

    def real(ref: str) -> None:
        make(ref)
        archive = build.folder / "probe.tar"
        build.engine.save_image(ref, archive)
        identity = read_saved(archive).manifest.digest
        build.engine.images[ref] = identity
        build.engine.labels_of[identity] = dict(build.engine.labels)

    build.engine.make = real  # type: ignore[method-assign]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _write_source(path: Path, plan: Plan[Any]) -> None:
    with tarfile.open(path, "w:xz") as tar:
        for tree in plan.tree.subtrees:
            tar.addfile(tarfile.TarInfo(f"{plan.tree.strip_prefix}/{tree}"))
