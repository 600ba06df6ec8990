"""The dist folder: what the product consists of, its manifest and checksums. Complete or not there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tfbuild.base.documents import Bytes, HexDigest
from tfbuild.base.errors import HostError, PackagingError
from tfbuild.base.text import ArtifactRow
from tfbuild.base.values import Finding
from tfbuild.machine.files import hash_file


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A main result."""

    path: str
    size: Bytes
    sha256: HexDigest


@dataclass(frozen=True, kw_only=True)
class BuildDocument:
    """``invoke build-tflite --json``; ``up-to-date``: nothing had to be done."""

    version: Literal[1] = 1
    status: Literal["built", "up-to-date"]
    output: str
    image: str
    image_id: str
    seconds: Annotated[float, Field(ge=0)]
    artifacts: tuple[Artifact, ...]
    findings: tuple[Finding, ...]


CHECKSUMS = "SHA256SUMS"
MANIFEST = "manifest.json"
VERIFY_REPORT = "verify.json"


def staging_of(target: Path) -> Path:
    """Where the new tree is put together, beside the one that it replaces."""
    return target.parent / f".{target.name}.new"


def require_writable(target: Path) -> None:
    """Raises :class:`HostError` when ``target`` could not be replaced at the end of a build."""
    folder = target
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK) or not folder.is_dir():
        raise HostError(
            f"the output folder {target} cannot be written",
            details=(f"no permission in {folder}" if folder.is_dir() else f"{folder} is not a folder",),
            hint="choose another one: --output DIR",
        )


def stage(target: Path, product: Path, logs: Path) -> Path:
    """Copy what the compile step gave (``product``) and ``logs`` beside ``target``; returns that folder."""
    staging = staging_of(target)
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(product, staging, symlinks=True)
        shutil.copytree(logs, staging / "logs")
    except OSError as error:
        raise PackagingError(
            f"couldn't write {staging}", details=(str(error),), hint="df -h; or --output DIR"
        ) from error
    return staging


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write beside, then rename: a reader never sees half a document."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(json.dumps(document, indent=2, sort_keys=False, default=str) + "\n")
    partial.replace(path)


def write_checksums(folder: Path) -> None:
    """SHA256SUMS over every file in ``folder`` but itself, in the form that ``sha256sum --check`` reads."""
    lines = [
        f"{hash_file(path)}  {path.relative_to(folder)}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != CHECKSUMS
    ]
    (folder / CHECKSUMS).write_text("".join(lines))


def swap(staging: Path, target: Path) -> None:
    """Put ``staging`` in the place of ``target``; what was there is only removed when that is done."""
    old = target.parent / f".{target.name}.old"
    try:
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        staging.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if old.exists() and not target.exists():
            old.rename(target)
        raise PackagingError(
            f"couldn't replace {target}", details=(str(error),), hint="--output DIR"
        ) from error


def artifact_rows(folder: Path, names: Iterable[str], seconds: float) -> tuple[ArtifactRow, ...]:
    """Size and hash of the files ``names`` in ``folder``, for the closing table; names may be patterns."""
    files = (
        path for name in names for path in (sorted(folder.glob(name)) if "*" in name else [folder / name])
    )
    return tuple(ArtifactRow(path, path.stat().st_size, hash_file(path), seconds) for path in files)


def read_manifest(target: Path) -> dict[str, Any] | None:
    """The manifest of a finished build in ``target``, or None."""
    try:
        document = json.loads((target / MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and document.get("version") == 1 else None


def is_intact(target: Path) -> bool:
    """Whether every file that SHA256SUMS names is there with its hash."""
    try:
        lines = (target / CHECKSUMS).read_text().splitlines()
        return bool(lines) and all(
            hash_file(target / name) == digest for digest, name in (line.split("  ", 1) for line in lines)
        )
    except (OSError, ValueError):
        return False
