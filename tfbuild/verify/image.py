"""Verifies image archives: what is started in them, what that loads, and whether all of it is there."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path

from tfbuild.artifacts.elf.facts import ElfFacts, ElfKind
from tfbuild.artifacts.examine import Beside, examine
from tfbuild.artifacts.foreign import HEAD, SUSPICIOUS, ForeignFiles, count_foreign, kind_of
from tfbuild.artifacts.image.archive import ImageArchive, image_platforms
from tfbuild.artifacts.image.closure import closure
from tfbuild.artifacts.image.facts import SHELLS, FileType
from tfbuild.artifacts.image.owners import elf_files, owners
from tfbuild.artifacts.platforms import load_platforms
from tfbuild.artifacts.runs_on import RunsOn, runs_on
from tfbuild.base.project import PROJECT
from tfbuild.base.text import matches
from tfbuild.verify.checks.dist import read_checksums
from tfbuild.verify.checks.elf import check_elf
from tfbuild.verify.checks.image import check_image, check_owners
from tfbuild.verify.findings import Observation
from tfbuild.verify.policy import Context
from tfbuild.verify.report import NamedPolicy, SubjectKind, VerifyFacts, VerifyReport

# A Python program may import any of these; PEP 3149 and the site module's folders.
_MODULE = re.compile(r"/(site-packages|dist-packages|lib-dynload)/.*\.so(\.[^/]*)?$")
_PYTHON = re.compile(r"(^|/)python[0-9.]*$")
_SHEBANG = re.compile(rb"#![ \t]*([^ \t\r\n]+)(?:[ \t]+([^ \t\r\n]+))?")
# Bytes of files whose instructions are read: a second takes 5 to 20 MB of code. TensorFlow's largest library
# alone has 1 GB; what is left out is said.
_MEASURED = 120_000_000


def verify_indexed(
    folder: Path, archive: Path, policy: NamedPolicy, context: Context, checksums: bool
) -> VerifyReport:
    """The dist folder of a multi-platform image: its archive, and the checksums of all in it."""
    sums, found = read_checksums(folder) if checksums else (None, ())
    report = verify_images(archive, policy, context, None, str(folder), SubjectKind.ARCHIVE, Beside())
    own = VerifyReport.of(report.subject, report.kind, policy, replace(report.facts, checksums=sums), found)
    return replace(report, facts=own.facts, findings=(*own.findings, *report.findings))


def verify_images(
    path: Path,
    policy: NamedPolicy,
    context: Context,
    platform: str | None,
    subject: str,
    kind: SubjectKind,
    beside: Beside,
) -> VerifyReport:
    """The image of ``platform``; without one, the image of each platform that the archive holds."""

    def report(platform: str | None) -> VerifyReport:
        with ImageArchive(path, platform=platform) as archive:
            return verify_opened(archive, policy, context, subject, kind, beside)

    platforms = image_platforms(path) if platform is None else ()
    if not platforms:
        return report(platform)
    return VerifyReport.of_platforms(subject, {each: report(each) for each in platforms})


def verify_opened(
    archive: ImageArchive,
    policy: NamedPolicy,
    context: Context,
    subject: str,
    kind: SubjectKind,
    beside: Beside,
) -> VerifyReport:
    """One image that the caller has opened, and may read further."""
    rules = policy.policy
    facts = archive.facts
    names = [f.path for f in facts.files if f.type is FileType.FILE]
    ours = [n for n in names if rules.role_for(posixpath.basename(n)) is not None]
    programs = started(archive)
    start = {n for n in names if matches(n, rules.image.closure)} | set(ours) | set(programs)
    links = closure(archive, start)
    elf = {
        name: replace(examine(archive.read(name), name, beside), path=name)
        for name in archive.elf_facts([*ours, *programs])
    }
    places = _runs_on(archive, start, programs, elf)
    foreign = _foreign(archive, names)
    unowned = _unowned(archive, set(ours))
    damaged = dict(archive.damaged)
    found = [
        Observation("elf-damaged", f"{name} in the image is a damaged ELF file", error.details, error.hint)
        for name, error in sorted(damaged.items())
    ]
    if rules.roles and not ours:
        files = sorted(glob for role in rules.roles.values() for glob in role.files)
        message = "the image has none of the files that the policy covers"
        found.append(Observation("image-nothing", message, tuple(files)))
    inner = replace(context, arch=context.arch or facts.config.arch)
    found += check_image(facts, links, rules, context)
    found += check_owners(unowned)
    for name, each in sorted(elf.items()):
        # Whatever else the entrypoint starts is the distribution's own work.
        if name in ours or not rules.roles:
            found += check_elf(each, rules, rules.role_for(posixpath.basename(name)), inner)
    return VerifyReport.of(
        subject,
        kind,
        policy,
        VerifyFacts(
            elf=tuple(elf[name] for name in sorted(elf)),
            image=facts,
            closure=links,
            runs_on=places,
            foreign=foreign,
        ),
        found,
    )


def started(archive: ImageArchive) -> tuple[str, ...]:
    """The programs that a container of the image starts: the first word as the engine searches it.

    Further words are programs, too, where a small one such as tini or a shell starts the next; a script's
    interpreter is one.
    """
    found: dict[str, None] = {}
    words = [token for word in (*archive.config.entrypoint, *archive.config.cmd) for token in _tokens(word)]
    for index, word in enumerate(words):
        place = None if word.startswith("-") else _lookup(archive, word)
        if place is None or (index and not _is_program(archive, place)):
            continue
        found[place] = None
        found |= dict.fromkeys(_interpreters(archive, place))
    return tuple(found)


def _tokens(word: str) -> list[str]:
    """What follows "sh -c" is a command line."""
    try:
        return shlex.split(word) if " " in word else [word]
    except ValueError:
        return word.split()


def _lookup(archive: ImageArchive, name: str) -> str | None:
    if "/" in name:
        places = [posixpath.normpath(posixpath.join("/", archive.config.working_dir, name))]
    else:
        places = [posixpath.join(d, name) for d in (archive.config.variable("PATH") or "").split(":") if d]
    return next((place for place in places if archive.resolve(place) is not None), None)


def _is_program(archive: ImageArchive, place: str) -> bool:
    file = archive.files[archive.resolve(place) or place]
    return file.type is FileType.FILE and bool(file.mode & 0o111)


def _interpreters(archive: ImageArchive, place: str) -> tuple[str, ...]:
    """What a script is run by: the program behind #!, or the one that env(1) looks for."""
    real = archive.resolve(place)
    if real is None or archive.files[real].type is not FileType.FILE:
        return ()
    _, head = next(archive.read_many((place,), HEAD))
    line = _SHEBANG.match(head)
    if line is None:
        return ()
    first, second = (part.decode("utf-8", errors="replace") if part else "" for part in line.groups())
    name = second if posixpath.basename(first) == "env" and second else first
    found = _lookup(archive, name)
    return (found,) if found is not None else ()


def _runs_on(
    archive: ImageArchive, start: set[str], programs: tuple[str, ...], known: dict[str, ElfFacts]
) -> RunsOn | None:
    """What a CPU needs for all that the programs load: libraries, and the modules that Python may import."""
    files = set(start)
    if any(_PYTHON.search(archive.resolve(path) or path) for path in programs):
        files |= {path for path in archive.files if _MODULE.search(path)}
    links = closure(archive, files)
    files |= {link.found for link in links.links if link.found is not None}
    loaded = {each.path: each for path, each in archive.elf_facts(files).items() if _is_loaded(each)}
    real = {archive.resolve(path) or path: each for path, each in sorted(loaded.items())}
    if not real:
        return None
    # Plug-ins for another machine are loaded by nobody.
    machine = Counter(each.machine for each in real.values()).most_common(1)[0][0]
    measured = [known[each.path] for each in real.values() if each.path in known]
    left: list[str] = []
    wanted: list[str] = []
    budget = _MEASURED
    for path, each in sorted(real.items(), key=lambda pair: (pair[1].size, pair[0])):
        if each.machine == machine and each.path not in known:
            budget -= each.size
            (wanted if budget >= 0 else left).append(path)
    # All at once: a compressed layer without a copy can only be read forwards.
    measured += [replace(examine(data, path), path=path) for path, data in archive.read_many(wanted)]
    measured = sorted((each for each in measured if each.machine == machine), key=lambda each: each.path)
    scripts = tuple(path for path in programs if _is_shell_script(archive, path))
    return runs_on(
        tuple(measured), load_platforms(PROJECT), image=True, unmeasured=tuple(left), scripts=scripts
    )


def _is_loaded(facts: ElfFacts) -> bool:
    return facts.kind is not ElfKind.DEBUG


def _is_shell_script(archive: ImageArchive, path: str) -> bool:
    """What a shell's script starts is not followed; a Python program is its modules."""
    return any(posixpath.basename(by) in SHELLS for by in _interpreters(archive, path))


def _unowned(archive: ImageArchive, ours: set[str]) -> tuple[str, ...]:
    """ELF files that no record names, and that are not what the policy is about. Of an image with no records
    at all, whose scanners see nothing anyway: none."""
    known = owners(archive)
    if not known:
        return ()
    return tuple(path for path in elf_files(archive) if path not in known and path not in ours)


def _foreign(archive: ImageArchive, names: list[str]) -> tuple[ForeignFiles, ...]:
    """Told by bytes, of files whose names are suspicious: an image has tens of thousands."""
    wanted = [name for name in names if posixpath.splitext(name)[1].lower() in SUSPICIOUS]
    heads = archive.read_many(wanted, HEAD)
    return count_foreign((name, kind) for name, head in heads if (kind := kind_of(head, name)) is not None)
