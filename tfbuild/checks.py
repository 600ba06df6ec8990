"""Applies a policy to the facts of ELF files and images. Pure: facts in, findings out."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from tfbuild.checks_isa import check_api, check_isa
from tfbuild.closure import Closure, Link
from tfbuild.elf_facts import ElfFacts, ElfKind, Relro, version_key
from tfbuild.image_facts import ImageFacts
from tfbuild.model import Arch, Finding
from tfbuild.policy import Context, Findings, ImageRules, Policy, Role, matches

_RELRO_ORDER = (Relro.NONE, Relro.PARTIAL, Relro.FULL)
_VERSION_LABEL = "org.opencontainers.image.version"
_SHOWN = 12  # lines of evidence; the JSON's facts have the rest
_NO_CONTEXT = Context()


def check_elf(
    facts: ElfFacts, policy: Policy, role: str | None = None, context: Context = _NO_CONTEXT
) -> tuple[Finding, ...]:
    """Findings of one ELF file; ``role`` is one of the policy's. Separate debug files only have a machine."""
    found = Findings(policy)
    _machine(found, facts, context.arch)
    if facts.kind is ElfKind.DEBUG:
        return found.all()
    _libraries(found, facts, policy)
    _versions(found, facts, policy)
    if role is not None:
        _role(found, facts, policy.roles[role], context.exports.get(role, ()))
    _hardening(found, facts, policy)
    if facts.isa is not None:
        check_isa(found, facts.path, facts.isa, policy, role, context)
    if role is not None and policy.roles[role].complete_api:
        check_api(found, facts)
    if policy.elf.require_stripped and not context.keep_symbols:
        _stripped(found, facts)
    return found.all()


def _machine(found: Findings, facts: ElfFacts, arch: Arch | None) -> None:
    if arch is None or facts.machine == arch.platform.elf_machine:
        return
    found.add(
        "elf-machine",
        f"{facts.path} is for {machine_name(facts.machine)}, not for {arch}",
        fix=f"build with --arch {arch} and a compiler for {arch.platform.triplet}",
    )


def machine_name(machine: str) -> str:
    """Our name of an ELF machine, or ELF's own."""
    return next((a.value for a in Arch if a.platform.elf_machine == machine), machine.removeprefix("EM_"))


def _libraries(found: Findings, facts: ElfFacts, policy: Policy) -> None:
    allowed = policy.elf.allowed_libraries
    extra = tuple(n for n in facts.needed if allowed is not None and not matches(n, allowed))
    if extra:
        found.add(
            "elf-library",
            f"{facts.path} needs {_words(extra)}, not on the policy's list",
            fix="link it statically or leave it out; or add it to elf.allowed_libraries",
        )


def _versions(found: Findings, facts: ElfFacts, policy: Policy) -> None:
    for floor in facts.floors:
        allowed = policy.elf.max_versions.get(floor.family)
        if allowed is not None and floor.key > version_key(allowed):
            found.add(
                "elf-version",
                f"{facts.path} needs {floor.family}_{floor.version} of {floor.library}; "
                f"{floor.family}_{allowed} is the newest allowed",
                _some(floor.symbols),
                "build against an older distribution, whose libraries have only what is allowed",
            )
    private = [v for v in facts.required_versions if v.version.endswith("_PRIVATE")]
    if private:
        found.add(
            "elf-private-version",
            f"{facts.path} needs private symbols of {_words(sorted({v.library for v in private}))}",
            tuple(v.version for v in private),
            "do not call the library's internal functions",
        )


def _role(found: Findings, facts: ElfFacts, role: Role, further: tuple[str, ...]) -> None:
    if role.soname is not None and facts.soname != role.soname:
        found.add(
            "elf-soname",
            f"{facts.path} has the SONAME {facts.soname or '(none)'}, dependents look for {role.soname}",
            fix=f"link with -Wl,-soname,{role.soname}",
        )
    required = (*role.required_exports, *further)
    missing = tuple(p for p in required if not any(matches(name, (p,)) for name in facts.exports))
    if missing:
        found.add(
            "elf-export-missing",
            f"{facts.path} lacks {len(missing)} of the symbols that it should export",
            _some(missing),
            "look at the version script and at the objects that are linked in",
        )
    allowed = role.allowed_exports
    extra = tuple(name for name in facts.exports if allowed is not None and not matches(name, allowed))
    if extra:
        found.add(
            "elf-export-extra",
            f"{facts.path} exports {len(extra)} symbols that are not {_words(allowed or ())}",
            _some(extra),
            "link with upstream's version script, which hides all others",
        )


def _hardening(found: Findings, facts: ElfFacts, policy: Policy) -> None:
    rules = policy.elf
    if facts.executable_stack and not rules.allow_executable_stack:
        found.add(
            "elf-executable-stack",
            f"{facts.path} asks for an executable stack",
            fix="link with -Wl,-z,noexecstack; find assembler files without a .note.GNU-stack section",
        )
    weak = _RELRO_ORDER.index(facts.relro) < _RELRO_ORDER.index(rules.min_relro)
    if weak and not facts.static:
        full = rules.min_relro is Relro.FULL
        found.add(
            "elf-relro",
            f"{facts.path} has RELRO {facts.relro}, at least {rules.min_relro} is asked for",
            fix="link with -Wl,-z,relro" + (",-z,now" if full else ""),
        )
    if rules.require_bind_now and not facts.bind_now and not facts.static:
        found.add("elf-bind-now", f"{facts.path} is bound lazily", fix="link with -Wl,-z,now")
    if rules.require_pie and facts.kind is ElfKind.EXECUTABLE:
        found.add("elf-not-pie", f"{facts.path} is not position-independent", fix="link with -pie")
    if facts.text_relocations and not rules.allow_text_relocations:
        found.add(
            "elf-text-relocations",
            f"{facts.path} has relocations in its code",
            fix="compile every object with -fPIC",
        )
    paths = facts.rpath + facts.runpath
    stray = tuple(
        p for p in paths if rules.allowed_run_paths is not None and not matches(p, rules.allowed_run_paths)
    )
    if stray:
        found.add(
            "elf-run-path",
            f"{facts.path} searches for libraries in {_words(stray)}",
            fix="set CMAKE_SKIP_RPATH, or a path that begins with $ORIGIN",
        )


def _stripped(found: Findings, facts: ElfFacts) -> None:
    if facts.stripped and not facts.has_debug_info:
        return
    what = "debug information" if facts.has_debug_info else "its symbol table"
    found.add(
        "elf-not-stripped",
        f"{facts.path} still has {what} ({facts.size / 1e6:.1f} MB)",
        fix="strip --strip-unneeded, after saving the debug information if it is wanted",
    )


def check_image(
    facts: ImageFacts, closure: Closure, policy: Policy, context: Context = _NO_CONTEXT
) -> tuple[Finding, ...]:
    """Findings of one image and of what is loaded in it."""
    found = Findings(policy)
    _platform(found, facts, context.arch)
    _size(found, facts, policy)
    _rights(found, facts, policy)
    _closure(found, closure, policy.image)
    _labels(found, facts, policy, context)
    return found.all()


def image_arch(facts: ImageFacts) -> Arch | None:
    """The architecture that the image says it is for, where it is one of ours."""
    config = facts.config
    return Arch.parse(f"{config.architecture}/{config.variant}") or Arch.parse(config.architecture)


def _platform(found: Findings, facts: ImageFacts, arch: Arch | None) -> None:
    if arch is None or (image_arch(facts) is arch and facts.config.os == "linux"):
        return
    named = "/".join(p for p in (facts.config.os, facts.config.architecture, facts.config.variant) if p)
    found.add(
        "image-architecture",
        f"the image says {named or 'nothing about its platform'}, expected {arch.platform.oci}",
        fix=f"build with --platform {arch.platform.oci}",
    )


def _size(found: Findings, facts: ImageFacts, policy: Policy) -> None:
    limit = policy.image.max_mb(facts.config.labels.get(_VERSION_LABEL, ""))
    if limit is None or facts.layers_bytes <= limit * 1e6:
        return
    largest = sorted(facts.files, key=lambda f: (-f.size, f.path))[:_SHOWN]
    found.add(
        "image-size",
        f"the image has {facts.layers_bytes / 1e6:.1f} MB uncompressed, {limit:g} MB are allowed",
        tuple(f"{f.size / 1e6:6.1f} MB {f.path}" for f in largest),
        "strip the libraries and leave out what the program does not load",
    )


def _rights(found: Findings, facts: ImageFacts, policy: Policy) -> None:
    rules, user = policy.image, facts.config.user
    if facts.uid == 0 and not rules.allow_root:
        found.add("image-root", f"containers run as root (user: {user or 'not set'})", fix="USER 65532:65532")
    if facts.uid is None:
        found.add(
            "image-unknown-user",
            f"the user {user!r} is not in the image's /etc/passwd: containers will not start",
            fix="add it to /etc/passwd, or give USER as a number",
        )
    for id, paths, allowed, what, fix in (
        ("image-setid", facts.setid, rules.allow_setid, "set-user-id or set-group-id programs", "chmod a-s"),
        ("image-shell", facts.shells, rules.allow_shells, "shells", "take a base without a shell"),
        (
            "image-open-directory",
            facts.open_directories,
            rules.allow_open_directories,
            "directories that anybody may write to",
            "chmod o-w, or chmod +t",
        ),
    ):
        if paths and not allowed:
            found.add(id, f"the image has {what}: {len(paths)}", _some(paths), fix)


def _closure(found: Findings, closure: Closure, rules: ImageRules) -> None:
    missing = tuple(link for link in closure.missing if not _is_provided(link, rules))
    if missing:
        found.add(
            "image-library-missing",
            f"{len({link.needed for link in missing})} needed libraries are not in the image",
            _some(tuple(f"{link.needed}, needed by {link.owner}" for link in missing)),
            "add the packages that have them",
        )
    if closure.unmet:
        found.add(
            "image-version-missing",
            "libraries in the image are older than what was linked against",
            _some(tuple(f"{gap.owner} needs {gap.version}, {gap.found} lacks it" for gap in closure.unmet)),
            "take a base of the same release as the builder, or build against an older one",
        )


def _is_provided(link: Link, rules: ImageRules) -> bool:
    own = (names for owners, names in rules.provided_to.items() if matches(link.owner, (owners,)))
    return any(matches(link.needed, names) for names in (rules.provided, *own))


def _labels(found: Findings, facts: ImageFacts, policy: Policy, context: Context) -> None:
    labels = facts.config.labels
    missing = tuple(name for name in policy.image.required_labels if not labels.get(name))
    if missing:
        found.add(
            "image-label", f"the image lacks {len(missing)} OCI labels", missing, "set them in the bake file"
        )
    wrong = tuple(
        f"{name} is {labels.get(name, '')!r}, expected {value!r}"
        for name, value in sorted(context.labels.items())
        if labels.get(name) != value and name not in missing
    )
    if wrong:
        found.add("image-label", "OCI labels do not say what was built", wrong, "set them from the plan")
    if context.created is not None and epoch(facts.config.created) != context.created:
        expected = datetime.fromtimestamp(context.created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        found.add(
            "image-created",
            f"the image was created {facts.config.created or '(not said)'}, expected {expected}",
            fix="pass SOURCE_DATE_EPOCH to the build, as build argument and in the environment",
        )


_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)


def epoch(text: str | None) -> float | None:
    """Seconds since 1970 of an RFC 3339 time; None where it is none."""
    match = _TIME.fullmatch(text or "")
    if match is None:
        return None
    zone = "+00:00" if match[3] == "Z" else match[3]
    try:
        whole = datetime.fromisoformat(match[1] + zone).timestamp()
    except (ValueError, OverflowError):
        return None
    return whole + float(f"0.{match[2] or 0}")


def _words(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)


def _some(lines: tuple[str, ...]) -> tuple[str, ...]:
    rest = len(lines) - _SHOWN
    return (*lines[:_SHOWN], f"and {rest} more") if rest > 0 else lines
