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
from tfbuild.artifacts.image.closure import Closure, Link, closure
from tfbuild.artifacts.image.facts import FileType
from tfbuild.diagnose.facts import (
    CudaBuild,
    DiagnoseFacts,
    IsaNeed,
    LibC,
    LibraryCopies,
    ModelFile,
    PythonEnvironment,
)
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
    r"|numpy/(?:[^/]+/)*_multiarray_umath[^/]*\.so"
    r"|h5py/defs[^/]*\.so"
    r"|google/_upb/_message[^/]*\.so"
    r"|grpc/_cython/cygrpc[^/]*\.so"
    r"|ml_dtypes/[^/]+\.so"
    r"|(?:tflite_runtime|ai_edge_litert)/[^/]+\.so"
    r")$|/lib(?:tensorflow|tensorflowlite|LiteRt)[^/]*\.so[^/]*$"
)
_TENSORFLOW = re.compile(r"/lib(?:tensorflow|LiteRt)|_pywrap_tensorflow|/tensorflow_model_server$")
_MODEL_SERVER = re.compile(r"/bin/(?:[^/]*_)?tensorflow_model_server$")
_CUDA_LIBRARY = re.compile(r"/lib(?:cudart|cudnn|cublas|nccl)\.so\.[0-9]+")
_OPENMP = re.compile(r"/(libgomp|libiomp5|libomp)(?:-[0-9a-f]+)?\.so[.0-9]*$")
_MUSL = re.compile(r"^(?:/usr)?/lib/ld-musl-[^/]+\.so\.1$")
_GLIBC = re.compile(r"^(?:/usr)?/lib(?:64|/[^/]+)?/libc\.so\.6$")
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
    start = _start(archive, regular, pythons, servers)
    elf = archive.elf_facts(start)
    links = closure(archive, elf)
    ours = tuple(sorted(p for p in elf if _TENSORFLOW.search(p)))
    models, unread = _models(archive, regular)
    return DiagnoseFacts(
        subject=subject,
        tags=archive.source.tags,
        config=archive.config,
        uid=archive.facts.uid,
        environments=pythons,
        model_servers=servers,
        machines=tuple(sorted({elf[p].machine for p in ours} or {f.machine for f in elf.values()})),
        cuda=_cuda(texts, elf),
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
        locales=_locales(archive),
        unread=(*unread, *(f"{path}: {error.message}" for path, error in sorted(archive.damaged.items()))),
    )


def _texts(archive: ImageArchive, regular: list[str]) -> dict[str, bytes]:
    """All small files that are needed, in one pass over the layers."""
    wanted = set(python_files(regular).all)
    wanted |= {p for p in regular if p.startswith("/var/lib/dpkg/info/") and p.endswith(".list")}
    scripts = start_scripts(archive.config, archive.resolve)
    return dict(archive.read_many(wanted | set(scripts), limit=1 << 20))


def _start(
    archive: ImageArchive,
    regular: list[str],
    pythons: tuple[PythonEnvironment, ...],
    servers: tuple[str, ...],
) -> tuple[str, ...]:
    """Where loading begins: TensorFlow's files, its Python, model servers, and what the image starts."""
    found = {path for path in regular if _LOADED.search(path)} | set(servers)
    found |= {e.interpreter for e in pythons if e.tensorflow and e.interpreter}
    program = start_program(archive.config, archive.resolve)
    if program:
        found.add(program)
    return tuple(sorted({archive.resolve(path) or path for path in found}))


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
    elf = archive.elf_facts((path,)).get(path)
    version = _highest(elf, "GLIBC") if elf else ""
    return LibC(
        kind=kind,
        path=path,
        version=version or None,
        minimum_kernel=minimum_kernel(archive.read(path)),
    )


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
