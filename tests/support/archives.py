"""Archives made of folders of this project; the same files give the same bytes on every machine."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import tarfile
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data"

# Archive: its top folder, and the folders of this project that are packed; a later one's files win.
MINIATURES = {
    "serving-mini.tar": ("serving-mini", ("serving-mini",)),
    "serving-mini-wheel.tar": ("serving-mini", ("serving-mini", "serving-mini-wheel")),
    "tensorflow-mini.tar": ("tensorflow-mini", ("serving-mini-tensorflow",)),
    "boost-mini.tar": ("boost_1_75_0", ("serving-mini-boost",)),
}


def pack(folder: Path, top: str, path: Path, *over: Path) -> str:
    """Write the files of ``folder``, and of those ``over`` it, to the tar ``path``, below ``top``; its
    sha256."""
    files = {
        source.relative_to(each): source
        for each in (folder, *over)
        for source in each.rglob("*")
        if source.is_file()
    }
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, source in sorted(files.items()):
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = source.stat().st_size
            member.mode = 0o755 if os.access(source, os.X_OK) else 0o644
            with source.open("rb") as content:
                archive.addfile(member, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pack_miniatures(folder: Path) -> dict[str, str]:
    """The archives of the miniature upstream in ``folder``; their hashes by name."""
    return {
        name: pack(DATA / first, top, folder / name, *(DATA / each for each in over))
        for name, (top, (first, *over)) in MINIATURES.items()
    }


def fresh_archive(folder: Path) -> tuple[Path, str]:
    """An archive for Bazel that no cache has, and its sha256."""
    content = folder / "content"
    content.mkdir(parents=True)
    (content / "BUILD").write_text(
        'filegroup(name = "data", srcs = ["x"], visibility = ["//visibility:public"])\n'
    )
    (content / "WORKSPACE").write_text("")
    (content / "x").write_text(secrets.token_hex())
    path = folder / "fresh.tar"
    return path, pack(content, ".", path)


def miniature_that_downloads(folder: Path, name: str, url: str, sha256: str) -> Path:
    """The release file ``name``, whose server needs an archive that Bazel alone knows; archives beside it."""
    folder.mkdir()
    pack_miniatures(folder)
    source = folder / "source"
    shutil.copytree(DATA / "serving-mini", source)
    rule = f'http_archive(name = "fresh", urls = ["{url}"], sha256 = "{sha256}")\n'
    load = 'load("@bazel_tools//tools/build_defs/repo:http.bzl", "http_archive")\n'
    with (source / "WORKSPACE").open("a") as workspace:
        workspace.write(load + rule)
    build = source / "tensorflow_serving/model_servers/BUILD"
    needs = '    stamp = 1,\n    data = ["@fresh//:data"],\n'
    build.write_text(build.read_text().replace("    stamp = 1,\n", needs))
    digest = pack(source, "serving-mini", folder / "serving-mini.tar")
    text = (DATA / "serving-releases/2.19.1-mini.yaml").read_text()
    text = text.replace("release: 2.19.1-mini", f"release: {name}")
    text = re.sub(r'(serving-mini\.tar\]\n  sha256: ")[0-9a-f]+', rf"\g<1>{digest}", text)
    release = folder / f"{name}.yaml"
    release.write_text(text)
    return release
