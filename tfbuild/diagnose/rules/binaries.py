"""Findings about libraries, instructions and architectures. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from tfbuild.artifacts.elf.facts import version_key
from tfbuild.artifacts.image.closure import UnmetVersion
from tfbuild.base.arch import Arch
from tfbuild.base.text import first_lines
from tfbuild.diagnose.catalog import Diagnosis, Weight, diagnosis
from tfbuild.diagnose.facts import DiagnoseFacts, LibraryCopies, Proof
from tfbuild.diagnose.host import TargetHost

_SHOWN = 8  # lines of evidence of one kind
_ARCH_OF = {arch.platform.elf_machine: arch for arch in Arch}
_GLIBC_LIBRARY = re.compile(
    r"^(?:ld-linux.*|lib(?:c|m|dl|rt|pthread|resolv|util|nsl|anl|crypt))\.so\.[0-9]+$"
)
# Which OpenMP runtimes cannot live in one process, by their file names.
_INTEL_LIKE = ("libiomp5", "libomp")


def library_findings(facts: DiagnoseFacts, proof: Proof) -> Iterator[Diagnosis]:
    """What the dynamic loader will not find, or will find in the wrong place."""
    musl = tuple(libc.path for libc in facts.libc if libc.kind == "musl")
    glibc = any(libc.kind == "glibc" for libc in facts.libc)
    missing = tuple(link for link in facts.missing if facts.is_required(link.owner, proof))
    unmet = tuple(gap for gap in facts.unmet if facts.is_required(gap.owner, proof))
    if musl and not glibc:
        mine = tuple(link for link in missing if _GLIBC_LIBRARY.match(link.needed))
        if mine:
            lines = first_lines([f"{link.owner} needs {link.needed}" for link in mine], _SHOWN)
            yield diagnosis("library-musl", Weight.ERROR, f"the C library is {musl[0]}", *lines)
            missing = tuple(link for link in missing if link not in mine)
    if missing:
        lines = first_lines([f"{link.owner} needs {link.needed}" for link in missing], _SHOWN)
        names = ", ".join(sorted({link.needed for link in missing}))
        yield diagnosis("library-missing", Weight.ERROR, *lines, title=f"missing: {names}"[:200])
    yield from _shadowed(facts, unmet)
    yield from _symbol_versions(facts, unmet)
    yield from _optional(facts, proof)
    yield from _foreign(facts)
    yield from _openmp(facts, proof)


def _symbol_versions(facts: DiagnoseFacts, required: tuple[UnmetVersion, ...]) -> Iterator[Diagnosis]:
    shadowed = {copies.taken for copies in facts.copies if _newer(copies)}
    unmet = tuple(gap for gap in required if gap.found not in shadowed)
    if unmet:
        lines = first_lines(
            [f"{g.owner} needs {g.version}; {g.found} does not have it" for g in unmet], _SHOWN
        )
        top = sorted({f"{g.version} ({g.library})" for g in unmet})
        yield diagnosis(
            "library-symbol-version", Weight.ERROR, *lines, title=f"not found: {', '.join(top)}"[:200]
        )


def _optional(facts: DiagnoseFacts, proof: Proof) -> Iterator[Diagnosis]:
    """What cannot be loaded and need not be. A file that a run has loaded lacks nothing."""
    lines = []
    names = set()
    for owner, name, says in (
        *((link.owner, link.needed, f"needs {link.needed}") for link in facts.missing),
        *((g.owner, g.version, f"needs {g.version} of {g.library}") for g in facts.unmet),
    ):
        if owner not in proof.loaded and not facts.is_required(owner, proof):
            lines.append(f"{owner} {says}")
            names.add(name)
    if lines:
        ran = f"without it worked: {', '.join(sorted(proof.worked))}" if proof.worked else "nothing was run"
        title = f"optional, and cannot be loaded: {', '.join(sorted(names))}"[:200]
        yield diagnosis("library-optional", Weight.WARNING, *first_lines(lines, _SHOWN), ran, title=title)


def _shadowed(facts: DiagnoseFacts, unmet: tuple[UnmetVersion, ...]) -> Iterator[Diagnosis]:
    for copies in facts.copies:
        newer = _newer(copies)
        if not newer:
            continue
        gaps = tuple(f"{gap.owner} needs {gap.version}" for gap in unmet if gap.found == copies.taken)
        lines = (
            f"taken: {copies.taken} ({copies.taken_version or 'no versions'})",
            *(f"passed over: {path} ({version})" for path, version in newer),
            *first_lines(gaps, _SHOWN),
        )
        weight = Weight.ERROR if gaps else Weight.WARNING
        title = f"an older {copies.name} is found before the system's"
        yield diagnosis("library-shadowed", weight, *lines, title=title)


def _newer(copies: LibraryCopies) -> tuple[tuple[str, str], ...]:
    """Copies with a higher version than the one that is taken."""
    mine = version_key(copies.taken_version) if copies.taken_version else ()
    return tuple((path, v) for path, v in copies.others if v and version_key(v) > mine)


def _foreign(facts: DiagnoseFacts) -> Iterator[Diagnosis]:
    if facts.unowned:
        lines = first_lines([f"{path} belongs to no installed package" for path in facts.unowned], _SHOWN)
        names = ", ".join(posixpath.basename(path) for path in facts.unowned)
        title = f"not from this distribution: {names}"[:200]
        yield diagnosis("library-foreign", Weight.WARNING, *lines, title=title)


def _openmp(facts: DiagnoseFacts, proof: Proof) -> Iterator[Diagnosis]:
    kinds: dict[str, list[str]] = {}
    for path in facts.openmp:
        name = re.split(r"[-.]", posixpath.basename(path))[0]
        kinds.setdefault(name, []).append(path)
    # They may lie in the image and never meet: then what was run has worked.
    both = all(name in kinds for name in _INTEL_LIKE) and not proof.worked
    if len(kinds) > 1:
        lines = tuple(f"{name}: {', '.join(paths)}" for name, paths in sorted(kinds.items()))
        yield diagnosis("library-openmp-twice", Weight.ERROR if both else Weight.WARNING, *lines)


def cpu_findings(facts: DiagnoseFacts, host: TargetHost, proof: Proof) -> Iterator[Diagnosis]:
    """Another architecture, or a CPU that is too old."""
    wanted = image_arch(facts)
    if wanted is not None and wanted is not host.arch:
        yield from _architecture(facts, host, wanted)
        return  # flags of another architecture say nothing
    lines = []
    lacking: set[str] = set()
    weight = Weight.WARNING
    for need in facts.isa:
        gone = sorted(set(need.features) - set(host.cpu_flags))
        if gone:
            lacking |= set(gone)
            weight = Weight.ERROR if facts.is_required(need.path, proof) else weight
            lines.append(f"{need.path}: {need.reason}; this CPU lacks {', '.join(gone)}")
    if lines:
        names = ", ".join(name.upper() for name in sorted(lacking))
        if weight is Weight.WARNING:
            lines.append(f"worked here all the same: {', '.join(sorted(proof.worked))}; other code may not")
        title = f"{host.name}'s CPU lacks {names}"
        yield diagnosis("cpu-instructions", weight, *first_lines(lines, _SHOWN), title=title)


def image_arch(facts: DiagnoseFacts) -> Arch | None:
    """The architecture of TensorFlow's files; where there are none, what the image says of itself."""
    machines = {arch for name in facts.machines if (arch := _ARCH_OF.get(name))}
    if len(machines) == 1:
        return machines.pop()
    return facts.config.arch


def _architecture(facts: DiagnoseFacts, host: TargetHost, wanted: Arch) -> Iterator[Diagnosis]:
    lines = [f"the image is for {wanted}, {host.name} is {host.arch}"]
    stated = Arch.parse(facts.config.architecture)
    if stated is not None and stated is not wanted:
        lines.append(f"its configuration says {facts.config.architecture}, but its programs are for {wanted}")
    if wanted in host.emulated:
        yield diagnosis(
            "cpu-architecture",
            Weight.WARNING,
            *lines,
            f"binfmt_misc starts qemu-{wanted.platform.qemu}",
            title=f"an image for {wanted}, run under emulation",
            cause="qemu translates every instruction: TensorFlow is slower by a factor of ten or more, and "
            "parts of it fail under emulation",
            threads=("https://github.com/tensorflow/tensorflow/issues/57121",),
        )
        return
    yield diagnosis(
        "cpu-architecture",
        Weight.ERROR,
        *lines,
        "no emulation is set up for it",
        title=f"an image for {wanted} on {host.arch}",
        fix=f"docker pull --platform {host.arch.platform.oci}; or build it for {host.arch}",
    )
