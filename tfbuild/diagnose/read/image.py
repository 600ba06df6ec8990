"""Reads from an image archive all that a diagnosis looks at. Nothing is judged, nothing of the image runs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from typing import Literal

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection

from tfbuild.artifacts.elf.facts import ElfFacts, split_version, version_key
from tfbuild.artifacts.image.archive import ImageArchive
from tfbuild.artifacts.image.closure import Closure, Link, closure_and_loads
from tfbuild.artifacts.image.facts import FileType
from tfbuild.diagnose.facts import (
    COMMAND_RUN,
    LIBRARY,
    PLUG_IN,
    SERVER_RUN,
    TENSORFLOW_RUN,
    TENSORFLOWS,
    TFLITES,
    CudaBuild,
    DiagnoseFacts,
    IsaNeed,
    LibC,
    LibraryCopies,
    Load,
    ModelFile,
    PythonEnvironment,
)
from tfbuild.diagnose.read.app import read_app
from tfbuild.diagnose.read.isa import wheel_needs
from tfbuild.diagnose.read.models import MODEL_BYTES, model_paths, read_model
from tfbuild.diagnose.read.python import cuda_build, environments, python_files
from tfbuild.diagnose.read.start import start_lines, start_program, start_scripts

ReadIsa = Callable[[ImageArchive, tuple[str, ...]], tuple[IsaNeed, ...]]


"""Which instructions the ELF files at the given paths need, as :func:`tfbuild.diagnose.read.isa.read_isa`."""

# What is loaded when TensorFlow, TFLite or a model server starts, by path.
_LOADED = re.compile(
    r"-packages/(?:"
    r"tensorflow/(?:lib[^/]*\.so[^/]*|(?:python|lite)/(?:[^/]+/)*_pywrap_tensorflow[^/]*\.so)"
    # tensorflow/__init__.py loads all of this folder: https://github.com/tensorflow/community/pull/262
    r"|tensorflow-plugins/[^/]+\.so"
    r"|numpy/(?:[^/]+/)*_multiarray_umath[^/]*\.so"
    r"|h5py/defs[^/]*\.so"
    r"|google/_upb/_message[^/]*\.so"
    r"|grpc/_cython/cygrpc[^/]*\.so"
    r"|ml_dtypes/[^/]+\.so"
    r"|(?:tflite_runtime|ai_edge_litert)/[^/]+\.so"
    r")$"
)
# A library for C and C++ programs; the same name inside another Python package (tensorflow_io's
# libtensorflow_io_ffmpeg_2.8.so) is a plug-in, which that package tries to load and may do without:
# https://github.com/tensorflow/io/issues/489
_LIBRARY = re.compile(r"/lib(?:tensorflow|LiteRt)[^/]*\.so[^/]*$")
_PACKAGES = re.compile(r"-packages/")
# Folders and files of TensorFlow and TFLite, with or without METADATA beside them.
_SIGN = re.compile(r"/(?:tensorflow|tensorflow_core|tflite_runtime|ai_edge_litert)/__init__\.pyc?$")
_TENSORFLOW = re.compile(r"/lib(?:tensorflow|LiteRt)|_pywrap_tensorflow|/tensorflow_model_server$")
_MODEL_SERVER = re.compile(r"/bin/(?:[^/]*_)?tensorflow_model_server$")
_CUDA_LIBRARY = re.compile(r"/lib(?:cudart|cudnn|cublas|nccl)\.so\.[0-9]+")
_OPENMP = re.compile(r"/(libgomp|libiomp5|libomp)(?:-[0-9a-f]+)?\.so[.0-9]*$")
_MUSL = re.compile(r"^(?:/usr)?/lib/ld-musl-[^/]+\.so\.1$")
_GLIBC = re.compile(r"^(?:/usr)?/lib(?:64|/[^/]+)?/libc\.so\.6$")
_GLIBC_BANNER = re.compile(
    rb"GNU C Library\b[^\n\0]* (?:stable|development) release version ([0-9]+(?:\.[0-9]+)+)"
)
_SYSTEM = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/")
# Libraries that the driver brings into the container: https://github.com/NVIDIA/libnvidia-container
FROM_DRIVER = re.compile(r"^lib(?:cuda|nvidia-[a-z-]+|nvcuvid|nvoptix)\.so\.[0-9]+$")
# Their versions tell which of two copies is newer; the family that counts.
_VERSIONED: Mapping[str, str] = {
    "libstdc++.so.6": "GLIBCXX",
    "libgcc_s.so.1": "GCC",
    "libgomp.so.1": "GOMP",
    "libtinfo.so.6": "NCURSES6_TINFO",
    "libncursesw.so.6": "NCURSESW6",
    "libncurses.so.6": "NCURSES6",
    "libz.so.1": "ZLIB",
    "libssl.so.3": "OPENSSL",
    "libcrypto.so.3": "OPENSSL",
}
_LOCALE_ARCHIVE = "/usr/lib/locale/locale-archive"


def read_image(archive: ImageArchive, subject: str, read_isa: ReadIsa) -> DiagnoseFacts:
    """All facts of the image in ``archive``; ``subject`` is what the user called it."""
    regular = [path for path, file in archive.files.items() if file.type is FileType.FILE]
    texts = _texts(archive, regular)
    pythons = environments(archive.files, texts, archive.config.variable("PATH") or "")
    servers = tuple(sorted(p for p in regular if _MODEL_SERVER.search(p)))
    starts = _starts(archive, regular, pythons, servers)
    elf = archive.elf_facts(path for paths in starts.values() for path in paths)
    links, loaded = closure_and_loads(archive, elf)
    plug_ins = starts[PLUG_IN]
    ours = tuple(sorted(p for p in elf if _TENSORFLOW.search(p) and p not in plug_ins))
    models, unread = _models(archive, regular)
    return DiagnoseFacts(
        subject=subject,
        tags=archive.source.tags,
        config=archive.config,
        uid=archive.facts.uid,
        unknown_users=_unknown_users(archive),
        has_tensorflow=_has_tensorflow(archive, regular, pythons, servers),
        environments=pythons,
        model_servers=servers,
        loads=_loads(starts, loaded),
        machines=tuple(sorted({elf[p].machine for p in ours} or {f.machine for f in elf.values()})),
        cuda=_cuda(texts, {path: facts for path, facts in elf.items() if path not in plug_ins}),
        cuda_libraries=tuple(sorted(p for p in archive.files if _CUDA_LIBRARY.search(p))),
        missing=_missing(archive, links),
        unmet=links.unmet,
        copies=_copies(archive, links),
        unowned=_unowned(archive, links, texts),
        openmp=tuple(sorted({archive.resolve(p) or p for p in archive.files if _OPENMP.search(p)})),
        libc=_libc(archive, regular),
        isa=_isa(archive, pythons, elf, read_isa(archive, ours)),
        models=models,
        start_lines=start_lines(archive.config, texts),
        app=read_app(archive),
        locales=_locales(archive),
        unread=(*unread, *(f"{path}: {error.message}" for path, error in sorted(archive.damaged.items()))),
    )


def _texts(archive: ImageArchive, regular: list[str]) -> dict[str, bytes]:
    """All small files that are needed, in one pass over the layers."""
    wanted = set(python_files(regular).all)
    wanted |= {p for p in regular if p.startswith("/var/lib/dpkg/info/") and p.endswith(".list")}
    scripts = start_scripts(archive.config, archive.resolve)
    return dict(archive.read_many(wanted | set(scripts), limit=1 << 20))


def _starts(
    archive: ImageArchive,
    regular: list[str],
    pythons: tuple[PythonEnvironment, ...],
    servers: tuple[str, ...],
) -> dict[str, frozenset[str]]:
    """Where loading begins, by what loads: TensorFlow and its Python, model servers, the image's command."""
    named = {path for path in regular if _LIBRARY.search(path) and not _LOADED.search(path)}
    plug_ins = {path for path in named if _PACKAGES.search(path)}
    python = {e.interpreter for e in pythons if e.tensorflow and e.interpreter}
    program = start_program(archive.config, archive.resolve)
    found = {
        TENSORFLOW_RUN: {path for path in regular if _LOADED.search(path)} | python,
        SERVER_RUN: set(servers),
        COMMAND_RUN: {program} if program else set(),
        LIBRARY: named - plug_ins,
        PLUG_IN: plug_ins,
    }
    return {kind: frozenset(archive.resolve(p) or p for p in paths) for kind, paths in found.items()}


def _loads(starts: Mapping[str, frozenset[str]], loaded: Mapping[str, tuple[str, ...]]) -> tuple[Load, ...]:
    return tuple(
        Load(kind=kind, paths=frozenset(path for start in paths for path in loaded.get(start, ())))
        for kind, paths in starts.items()
    )


def _has_tensorflow(
    archive: ImageArchive,
    regular: list[str],
    pythons: tuple[PythonEnvironment, ...],
    servers: tuple[str, ...],
) -> bool:
    names = {d.name for environment in pythons for d in environment.distributions}
    if servers or names & (TENSORFLOWS | TFLITES):
        return True
    if any(_SIGN.search(path) or _LIBRARY.search(path) for path in regular):
        return True
    # A program may have it inside: its symbols, messages and paths of source files have the name.
    program = start_program(archive.config, archive.resolve)
    return bool(program in regular and re.search(rb"tensorflow|tflite", archive.read(program)))


def _unknown_users(archive: ImageArchive) -> tuple[str, ...]:
    """Names in USER that no line of /etc/passwd or /etc/group has; a number needs none."""
    _, _, group = archive.config.user.partition(":")
    found = [] if archive.facts.uid is not None else [f"USER is {archive.config.user}: not in /etc/passwd"]
    if group and not group.isdecimal():
        known = archive.read("/etc/group") if archive.resolve("/etc/group") else b""
        if not any(line.startswith(f"{group}:".encode()) for line in known.splitlines()):
            found.append(f"USER is {archive.config.user}: the group {group} is not in /etc/group")
    return tuple(found)


def _cuda(texts: Mapping[str, bytes], elf: Mapping[str, ElfFacts]) -> tuple[CudaBuild, ...]:
    builds = [b for path in python_files(texts).build_info if (b := cuda_build(path, texts[path]))]
    for path, facts in sorted(elf.items()):
        needed = " ".join(facts.needed)
        cuda = re.search(r"\blibcudart\.so\.([0-9]+(?:\.[0-9]+)?)", needed)
        cudnn = re.search(r"\blibcudnn\.so\.([0-9]+)", needed)
        linked = "libcuda.so.1" in facts.needed
        if cuda or cudnn or linked:
            builds.append(
                CudaBuild(
                    path=path,
                    cuda=cuda[1] if cuda else None,
                    cudnn=cudnn[1] if cudnn else None,
                    linked=linked,
                )
            )
    return tuple(builds)


def _isa(
    archive: ImageArchive,
    pythons: tuple[PythonEnvironment, ...],
    elf: Mapping[str, ElfFacts],
    read: tuple[IsaNeed, ...],
) -> tuple[IsaNeed, ...]:
    """``read``, and what is known of official wheels where that says nothing of AVX."""
    if archive.config.architecture != "amd64" or any("avx" in need.features for need in read):
        return read
    x86 = [path for path, facts in elf.items() if facts.machine == "EM_X86_64"]
    return (*read, *wheel_needs(pythons, x86))


def _missing(archive: ImageArchive, links: Closure) -> tuple[Link, ...]:
    """Libraries that are nowhere in reach.

    A Python package loads its own libraries in an order that makes each find the other: one that lies in
    the same site-packages folder counts as found.
    """
    names: dict[str, list[str]] = {}
    for path in archive.files:
        names.setdefault(posixpath.basename(path), []).append(path)

    def beside(link: Link) -> bool:
        site, marker, _ = link.owner.partition("-packages/")
        return bool(marker) and any(p.startswith(site + marker) for p in names.get(link.needed, ()))

    return tuple(k for k in links.missing if not FROM_DRIVER.match(k.needed) and not beside(k))


def _copies(archive: ImageArchive, links: Closure) -> tuple[LibraryCopies, ...]:
    """Libraries that are there more than once, with the version that each copy defines."""
    taken = {link.needed: archive.resolve(link.found) or link.found for link in links.links if link.found}
    places: dict[str, set[str]] = {}
    for path in archive.files:
        name = posixpath.basename(path)
        if name in _VERSIONED and name in taken and (real := archive.resolve(path)):
            places.setdefault(name, set()).add(real)
    wanted = {path for paths in places.values() if len(paths) > 1 for path in paths}
    elf = archive.elf_facts(wanted)
    found = []
    for name, paths in sorted(places.items()):
        versions = {p: _highest(elf[p], _VERSIONED[name]) for p in paths if p in elf}
        if len(versions) > 1 and taken[name] in versions:
            others = tuple(sorted((p, v) for p, v in versions.items() if p != taken[name]))
            found.append(
                LibraryCopies(
                    name=name, taken=taken[name], taken_version=versions[taken[name]], others=others
                )
            )
    return tuple(found)


def _highest(facts: ElfFacts, family: str) -> str:
    pairs = [split for name in facts.defined_versions if (split := split_version(name.replace("6_", "6", 1)))]
    known = [version for name, version in pairs if name == family.replace("6_", "6", 1)]
    return max(known, key=version_key, default="")


def _unowned(archive: ImageArchive, links: Closure, texts: Mapping[str, bytes]) -> tuple[str, ...]:
    """Needed libraries in system folders that dpkg knows no package of; nothing without dpkg's lists."""
    owned = {
        line
        for path, data in texts.items()
        if path.startswith("/var/lib/dpkg/info/")
        for line in data.decode("utf-8", errors="replace").splitlines()
    }
    if not owned:
        return ()
    known = {archive.resolve(path) or path for path in owned}
    found = {archive.resolve(k.found) or k.found for k in links.links if k.found}
    return tuple(sorted(path for path in found if path.startswith(_SYSTEM) and path not in known))


def _libc(archive: ImageArchive, regular: list[str]) -> tuple[LibC, ...]:
    found = [_libc_facts(p, "musl", archive) for p in regular if _MUSL.match(p)]
    real = {archive.resolve(p) for p in archive.files if _GLIBC.match(p)} - {None}
    return (*found, *(_libc_facts(str(p), "glibc", archive) for p in sorted(map(str, real))))


def _libc_facts(path: str, kind: Literal["glibc", "musl"], archive: ImageArchive) -> LibC:
    if kind == "musl":
        return LibC(kind=kind, path=path, version=None, minimum_kernel=None)
    data = archive.read(path)
    elf = archive.elf_facts((path,)).get(path)
    version = glibc_version(data) or (_highest(elf, "GLIBC") if elf else "")
    return LibC(kind=kind, path=path, version=version or None, minimum_kernel=minimum_kernel(data))


def glibc_version(data: bytes) -> str | None:
    """The release that glibc's banner names (csu/version.c).

    Symbol versions do not tell it: a release without a new symbol (2.31 on x86-64) has none of its own.
    """
    match = _GLIBC_BANNER.search(data)
    return match[1].decode() if match else None


def minimum_kernel(data: bytes) -> str | None:
    """The oldest kernel that glibc's ABI note names (Linux Standard Base, "NT_GNU_ABI_TAG")."""
    try:
        for section in ELFFile(BytesIO(data)).iter_sections("SHT_NOTE"):
            for note in section.iter_notes() if isinstance(section, NoteSection) else ():
                if note["n_type"] == "NT_GNU_ABI_TAG":
                    tag = note["n_desc"]
                    return f"{tag['abi_major']}.{tag['abi_minor']}.{tag['abi_tiny']}"
    # What pyelftools lets out on damaged files; see tfbuild.artifacts.elf.read.
    except (ELFError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError):
        return None
    return None


def _models(archive: ImageArchive, regular: Iterable[str]) -> tuple[tuple[ModelFile, ...], list[str]]:
    paths = model_paths(regular)
    large = {p for p in paths if p.endswith(".keras") and archive.files[p].size > MODEL_BYTES}
    unread = [f"{path}: larger than {MODEL_BYTES} bytes" for path in sorted(large)]
    read = archive.read_many((p for p in paths if p not in large), limit=MODEL_BYTES)
    return tuple(m for path, data in read if (m := read_model(path, data))), unread


def _locales(archive: ImageArchive) -> tuple[str, ...]:
    """Names of compiled locales: folders below /usr/lib/locale, and "*" for a locale archive."""
    folders = {
        p.split("/")[4] for p in archive.files if p.startswith("/usr/lib/locale/") and p.count("/") > 4
    }
    return tuple(sorted(folders | ({"*"} if archive.resolve(_LOCALE_ARCHIVE) else set())))
