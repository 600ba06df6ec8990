"""TFLite's upstream or LiteRT's in miniature: repositories as clones, a source as an archive, a release."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.support.archives import DATA, pack
from tests.support.git_repositories import new_repository

_MINIATURE = DATA / "tflite-mini"
_TENSORFLOW = DATA / "litert-mini"
_LITERT = DATA / "litert-mini-runtime"
_RELEASE = DATA / "tflite-releases" / "2.14.1-mini.yaml"


@dataclass(frozen=True)
class Miniature:
    """Folders of clones and of archives, and the release file, beside which its lock lies."""

    clones: Path
    mirror: Path
    release: Path

    @property
    def lock(self) -> Path:
        return self.release.with_name("2.14.1-mini.lock.json")

    @property
    def mirrors(self) -> str:
        """A value of TFBUILD_MIRRORS, by which no other address is ever tried first."""
        return f"https://={self.mirror}/"


def make_miniature(folder: Path) -> Miniature:
    """Everything that the network would have, below ``folder``."""
    made = Miniature(folder / "clones", folder / "mirror", folder / "2.14.1-mini.yaml")
    for source in sorted((_MINIATURE / "dependencies").iterdir()):
        repository = new_repository(made.clones / "github.com" / "tfbuild-mini" / source.name)
        repository.commit(
            {str(each.relative_to(source)): each.read_bytes() for each in source.rglob("*") if each.is_file()}
        )
        repository.git("tag", "v1.2.3" if source.name == "flatbuffers" else "v1.0")
    _write_release(made, _MINIATURE / "source", _RELEASE.read_text())
    return made


def make_litert_miniature(folder: Path) -> Miniature:
    """The same as LiteRT has it: TFLite in tflite/, its own API, single files of TensorFlow beside it."""
    made = make_miniature(folder)
    source = folder / "source"
    shutil.copytree(_MINIATURE / "source" / "tensorflow" / "lite", source / "tflite")
    shutil.copytree(_LITERT, source / "litert")
    shutil.copyfile(_MINIATURE / "source" / "LICENSE", source / "LICENSE")
    shutil.copytree(_TENSORFLOW, made.mirror / "mini.invalid" / "tensorflow")
    paths = sorted(each.relative_to(_TENSORFLOW) for each in _TENSORFLOW.rglob("*") if each.is_file())
    files = "".join(f"      - {{path: {each}, sha256: {_sha256(_TENSORFLOW / each)}}}\n" for each in paths)
    upstream = (
        "upstream:\n  folder: tflite\n  litert: litert\n  published_as: ai_edge_litert\n"
        "  build_packages: [python3]\n  tensorflow:\n"
        "    url: https://mini.invalid/tensorflow\n    license_file: LICENSE\n"
        f"    evidence: [Written for this project.]\n    files:\n{files}"
    )
    _write_release(made, source, _RELEASE.read_text().replace("upstream:\n", upstream))
    return made


def _write_release(made: Miniature, source: Path, text: str) -> None:
    archive = made.mirror / "mini.invalid" / "tensorflow-mini.tar"
    archive.parent.mkdir(parents=True, exist_ok=True)
    made.release.write_text(text.replace("0" * 64, pack(source, "tensorflow-mini", archive)))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
