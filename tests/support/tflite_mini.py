"""The upstream of TFLite in miniature: its repositories as clones, its source as an archive, its release."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.support.archives import DATA, pack
from tests.support.git_repositories import new_repository

_MINIATURE = DATA / "tflite-mini"
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
    archive = made.mirror / "mini.invalid" / "tensorflow-mini.tar"
    archive.parent.mkdir(parents=True)
    sha256 = pack(_MINIATURE / "source", "tensorflow-mini", archive)
    made.release.write_text(_RELEASE.read_text().replace("0" * 64, sha256))
    return made
