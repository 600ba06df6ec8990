"""Checks of ELF files."""

from __future__ import annotations

from collections.abc import Iterator

from tfbuild.artifacts.elf.facts import ElfFacts, ElfKind, Relro, version_key
from tfbuild.base.arch import Arch
from tfbuild.base.text import first_lines, matches
from tfbuild.verify.checks.isa import check_api, check_isa
from tfbuild.verify.findings import Observation
from tfbuild.verify.policy import Context, Policy, Role

_RELRO_ORDER = (Relro.NONE, Relro.PARTIAL, Relro.FULL)
SHOWN = 12  # lines of evidence; the JSON's facts have the rest
NO_CONTEXT = Context()


def check_elf(
    facts: ElfFacts, policy: Policy, role: str | None = None, context: Context = NO_CONTEXT
) -> Iterator[Observation]:
    """What is wrong with one ELF file; ``role`` is one of the policy's. Debug files only have a machine."""
    yield from _machine(facts, context.arch)
    if facts.kind is ElfKind.DEBUG:
        return
    yield from _libraries(facts, policy)
    yield from _versions(facts, policy)
    if role is not None:
        yield from _role(facts, policy.roles[role], context.exports.get(role, ()))
    yield from _hardening(facts, policy)
    if facts.isa is not None:
        yield from check_isa(facts.path, facts.isa, policy, role, context)
    if role is not None and policy.roles[role].complete_api:
        yield from check_api(facts)
    if policy.elf.require_stripped and not context.keep_symbols:
        yield from _stripped(facts)


def _machine(facts: ElfFacts, arch: Arch | None) -> Iterator[Observation]:
    if arch is None or _is_for(facts, arch):
        return
    yield Observation(
        "elf-machine",
        f"{facts.path} is for {machine_name(facts.machine)}, not for {arch}",
        fix=f"build with --arch {arch} and a compiler for {arch.platform.triplet}",
    )


def _is_for(facts: ElfFacts, arch: Arch) -> bool:
    return facts.machine == arch.platform.elf_machine


def machine_name(machine: str) -> str:
    """Our name of an ELF machine, or ELF's own."""
    return next((a.value for a in Arch if a.platform.elf_machine == machine), machine.removeprefix("EM_"))


def _libraries(facts: ElfFacts, policy: Policy) -> Iterator[Observation]:
    allowed = policy.elf.allowed_libraries
    extra = tuple(n for n in facts.needed if allowed is not None and not matches(n, allowed))
    if extra:
        yield Observation(
            "elf-library",
            f"{facts.path} needs {_words(extra)}, not on the policy's list",
            fix="link it statically or leave it out; or add it to elf.allowed_libraries",
        )


def _versions(facts: ElfFacts, policy: Policy) -> Iterator[Observation]:
    for floor in facts.floors:
        allowed = policy.elf.max_versions.get(floor.family)
        if allowed is not None and floor.key > version_key(allowed):
            yield Observation(
                "elf-version",
                f"{facts.path} needs {floor.family}_{floor.version} of {floor.library}; "
                f"{floor.family}_{allowed} is the newest allowed",
                first_lines(floor.symbols, SHOWN),
                "build against an older distribution, whose libraries have only what is allowed",
            )
    private = [v for v in facts.required_versions if v.version.endswith("_PRIVATE")]
    if private:
        yield Observation(
            "elf-private-version",
            f"{facts.path} needs private symbols of {_words(sorted({v.library for v in private}))}",
            tuple(v.version for v in private),
            "do not call the library's internal functions",
        )


def _role(facts: ElfFacts, role: Role, further: tuple[str, ...]) -> Iterator[Observation]:
    if role.soname is not None and facts.soname != role.soname:
        yield Observation(
            "elf-soname",
            f"{facts.path} has the SONAME {facts.soname or '(none)'}, dependents look for {role.soname}",
            fix=f"link with -Wl,-soname,{role.soname}",
        )
    required = (*role.required_exports, *further)
    missing = tuple(p for p in required if not any(matches(name, (p,)) for name in facts.exports))
    if missing:
        yield Observation(
            "elf-export-missing",
            f"{facts.path} lacks {len(missing)} of the symbols that it should export",
            first_lines(missing, SHOWN),
            "look at the version script and at the objects that are linked in",
        )
    allowed = role.allowed_exports
    extra = tuple(name for name in facts.exports if allowed is not None and not matches(name, allowed))
    if extra:
        yield Observation(
            "elf-export-extra",
            f"{facts.path} exports {len(extra)} symbols that are not {_words(allowed or ())}",
            first_lines(extra, SHOWN),
            "link with upstream's version script, which hides all others",
        )


def _hardening(facts: ElfFacts, policy: Policy) -> Iterator[Observation]:
    rules = policy.elf
    if facts.executable_stack and not rules.allow_executable_stack:
        yield Observation(
            "elf-executable-stack",
            f"{facts.path} asks for an executable stack",
            fix="link with -Wl,-z,noexecstack; find assembler files without a .note.GNU-stack section",
        )
    weak = _RELRO_ORDER.index(facts.relro) < _RELRO_ORDER.index(rules.min_relro)
    if weak and not facts.static:
        full = rules.min_relro is Relro.FULL
        yield Observation(
            "elf-relro",
            f"{facts.path} has RELRO {facts.relro}, at least {rules.min_relro} is required",
            fix="link with -Wl,-z,relro" + (",-z,now" if full else ""),
        )
    if rules.require_bind_now and not facts.bind_now and not facts.static:
        yield Observation("elf-bind-now", f"{facts.path} is bound lazily", fix="link with -Wl,-z,now")
    if rules.require_pie and facts.kind is ElfKind.EXECUTABLE:
        yield Observation("elf-not-pie", f"{facts.path} is not position-independent", fix="link with -pie")
    pages = next((n for arch, n in rules.min_alignment.items() if _is_for(facts, arch)), 0)
    if facts.alignment is not None and facts.alignment < pages:
        yield Observation(
            "elf-alignment",
            f"{facts.path} is aligned to {facts.alignment // 1024} KiB; a kernel with pages of "
            f"{pages // 1024} KiB does not load it",
            fix=f"link with -Wl,-z,max-page-size={pages}",
        )
    if facts.text_relocations and not rules.allow_text_relocations:
        yield Observation(
            "elf-text-relocations",
            f"{facts.path} has relocations in its code",
            fix="compile every object with -fPIC",
        )
    paths = facts.rpath + facts.runpath
    stray = tuple(
        p for p in paths if rules.allowed_run_paths is not None and not matches(p, rules.allowed_run_paths)
    )
    if stray:
        yield Observation(
            "elf-run-path",
            f"{facts.path} searches for libraries in {_words(stray)}",
            fix="set CMAKE_SKIP_RPATH, or a path that begins with $ORIGIN",
        )


def _stripped(facts: ElfFacts) -> Iterator[Observation]:
    if facts.stripped and not facts.has_debug_info:
        return
    what = "debug information" if facts.has_debug_info else "its symbol table"
    yield Observation(
        "elf-not-stripped",
        f"{facts.path} still has {what} ({facts.size / 1e6:.1f} MB)",
        fix="strip --strip-unneeded, after saving the debug information if it is wanted",
    )


def _words(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
