"""Build configurations: layers of YAML files and ``--set`` values, resolved for one architecture.

Layers, later ones over earlier ones: built-in defaults, the ``extends`` chain (base first), the
``arch`` section of each file for the chosen architecture, ``--set``. A scalar or list replaces what
was there, ``key+`` appends to a list, maps merge by entry. Every value knows where it came from.

A configuration is asked for by its name, which is looked up in a user's folders and then in the project's, or
by the path of its file. Paths in a file are relative to it, those of ``--set`` to the current folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, ConfigProblem, NothingMatchesError, UsageError
from tfbuild.base.places import (
    FOLDER,
    NOWHERE,
    NamedFile,
    SearchPath,
    UserPlaces,
    is_path,
    search_path,
)
from tfbuild.base.text import did_you_mean
from tfbuild.base.urls import safe_url
from tfbuild.base.values import Origin
from tfbuild.config.binding import bind
from tfbuild.config.keys import BuildConfig
from tfbuild.config.layers import (
    BUILT_IN,
    Layers,
    Setting,
    check_settings,
    drop_append_marks,
    parse_set,
    settings_of,
)
from tfbuild.config.model import NO_FILE, ConfigModel, FileKeys
from tfbuild.config.patch_text import patch_problem, patched_trees
from tfbuild.config.yaml_source import YamlDocument, YamlScalar, read_yaml

CONFIG_FOLDER = FOLDER
DEFAULT_CONFIG = "opt"
# A part of a build's name, and so of an image's.
_NAME = re.compile(r"[A-Za-z0-9]+(?:[._-]+[A-Za-z0-9]+)*")


@dataclass(frozen=True)
class ConfigInfo:
    """One line of ``list-configs``; ``arches`` is empty where every architecture will do."""

    name: str
    description: str
    path: str
    arches: tuple[Arch, ...] = ()


@dataclass(frozen=True)
class ResolvedConfig:
    """A configuration with nothing left to decide.

    ``origins`` has an entry for each leaf by dotted path: ``compile.march``, ``compile.cflags.0``,
    ``compile.defines.NAME``; a list or map itself is there as well, by where it was last touched.
    ``files`` are the files that were read, base first, relative to the project, or as a user's are shown.
    ``named`` are the values that its name stands for: those of the configuration as it is, without ``--set``;
    where the project has one of that name, those of the project's.
    """

    name: str
    arch: Arch
    description: str
    values: BuildConfig
    named: BuildConfig
    origins: Mapping[str, Origin]
    files: tuple[str, ...]
    model: ConfigModel = field(repr=False)
    documents: Mapping[str, YamlDocument] = field(default_factory=dict, compare=False, repr=False)

    def problem(self, key: str, message: str) -> ConfigProblem:
        """What is wrong with the value of the dotted ``key``, at the place that gave it."""
        return _at(self.documents, self.origins.get(key, BUILT_IN), message)


@dataclass(frozen=True)
class _File:
    """A file of the chain; ``model`` is None when it has problems."""

    source: NamedFile
    document: YamlDocument
    model: FileKeys | None


def load_config(
    root: Path,
    word: str,
    arch: Arch,
    sets: Sequence[str] = (),
    *,
    model: ConfigModel,
    to_build: bool = True,
    user: UserPlaces = NOWHERE,
) -> ResolvedConfig:
    """The configuration ``word``, a name or the path of a file, for ``arch``. One that is only there to be
    extended will not do ``to_build``. ``root`` is the project, ``user`` the folders that come before it.

    Raises :class:`NothingMatchesError` for an unknown config, or one that has no meaning for
    ``arch``; :class:`ConfigError` with all problems of all files and ``--set`` values at once.
    """
    lookup = search_path(root, user)
    source = _find(lookup, word, to_build=to_build)
    name = source.name
    files, problems = _load_chain(lookup, source, model)
    settings: list[Setting] = []
    for file in reversed(files):
        settings += _file_settings(lookup, file, arch, problems, model)
    of_files = len(settings)
    for text in sets:
        settings += _set_settings(lookup, text, problems, model)
    _raise_if(problems)
    _refuse_other_arch(name, arch, files)
    layers = Layers(settings, model)
    values = model.values.model_validate(layers.nested())
    documents = {file.document.path: file.document for file in files}
    _raise_if(
        [
            _at(documents, origin, message)
            for contradictions in model.contradictions
            for origin, message in contradictions(values, layers.origins)
        ]
    )
    plain = model.values.model_validate(Layers(settings[:of_files], model).nested()) if sets else values
    return ResolvedConfig(
        name=name,
        arch=arch,
        description=files[0].model.description if files[0].model else "",
        values=values,
        named=_shipped_values(lookup, source, arch, model) or plain,
        origins=MappingProxyType(layers.origins),
        files=tuple(file.document.path for file in reversed(files)),
        documents=documents,
        model=model,
    )


def list_configs(root: Path, *, model: ConfigModel, user: UserPlaces = NOWHERE) -> tuple[ConfigInfo, ...]:
    """The configurations that can be asked for, by name. A broken file is listed with its first problem."""
    lookup = search_path(root, user)
    found: list[ConfigInfo] = []
    for source in lookup.files():
        files, problems = _load_chain(lookup, source, model)
        file, path = files[0].model, files[0].document.path
        if file is None or problems:
            first = min(problems)
            found.append(ConfigInfo(source.name, f"broken: {first.path}:{first.line}: {first.message}", path))
        elif not file.abstract:
            found.append(ConfigInfo(source.name, file.description, path, _arches(files)))
    return tuple(found)


def _shipped_values(
    lookup: SearchPath, source: NamedFile, arch: Arch, model: ConfigModel
) -> BuildConfig | None:
    """The values of the project's configuration of this name, where ``source`` is another one."""
    shipped = lookup.places[-1].folder / f"{source.name}.yaml"
    if not shipped.is_file() or _same(shipped, source.file):
        return None
    try:
        return load_config(lookup.root, source.name, arch, model=model).values
    except NothingMatchesError:  # not for this architecture: nobody can ask for it
        return None


def _find(lookup: SearchPath, word: str, *, to_build: bool) -> NamedFile:
    """The file of ``word``. Raises :class:`NothingMatchesError`."""
    if is_path(word):
        found = lookup.at(word, lookup.user.current)
        if not found.file.is_file():
            raise NothingMatchesError(
                f"there is no configuration file '{word}'",
                details=(f"looked for {found.file}", f"there are: {', '.join(_offered(lookup))}"),
                hint="invoke list-configs",
            )
    elif files := lookup.named(word):
        found = files[0]
    else:
        odd = lookup.no_files(word) if _NAME.fullmatch(word) else ()
        if odd:
            raise _unknown(lookup, f"{odd[0]} is a folder, a pipe or a link to nothing, and no file")
        raise _unknown(lookup, f"unknown config '{word}'", word)
    if not _NAME.fullmatch(found.name):
        raise UsageError(
            f"the configuration '{found.name}' cannot be a part of an image's name",
            hint=f"rename {found.shown}: letters and digits, with '.', '_' or '-' between them",
        )
    if to_build and _is_abstract(found):
        raise _unknown(lookup, f"the config '{found.name}' is only there to be extended")
    return found


def _is_abstract(source: NamedFile) -> bool:
    entry = read_yaml(source.file, source.shown).root.get("abstract")
    return (
        entry is not None
        and isinstance(entry.value, YamlScalar)
        and (entry.value.text or "").lower() in {"true", "yes", "on"}
    )


def _unknown(lookup: SearchPath, message: str, name: str = "") -> NothingMatchesError:
    """``message``, with the nearest to ``name``, what there is, and where it was looked for."""
    offered = _offered(lookup)
    return NothingMatchesError(
        message + (did_you_mean(name, offered) if name else ""),
        details=tuple(filter(None, (f"there are: {', '.join(offered)}", lookup.looked_in))),
        hint="invoke list-configs",
    )


def _offered(lookup: SearchPath) -> list[str]:
    return [each.name for each in lookup.files() if not _is_abstract(each)]


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _load_chain(
    lookup: SearchPath, first: NamedFile, model: ConfigModel
) -> tuple[list[_File], list[ConfigProblem]]:
    """The files from ``first`` up to its last base, and what is wrong with them."""
    files: list[_File] = []
    problems: list[ConfigProblem] = []
    pending: NamedFile | None = first
    while pending is not None:
        document = read_yaml(pending.file, pending.shown)
        plain, found = drop_append_marks(document, model)
        bound, wrong = bind(document, model.file, plain, elsewhere=model.keys)
        if not document.root.entries and document.problems:
            wrong = ()  # nothing could be read: a missing description is not what is wrong
        problems += [*document.problems, *found, *wrong]
        files.append(_File(pending, document, bound))
        pending = _next_base(lookup, files, problems)
    return files, problems


def _next_base(lookup: SearchPath, files: list[_File], problems: list[ConfigProblem]) -> NamedFile | None:
    """What the last of ``files`` extends: a name, or a path from its folder.

    The name of a file itself means the one behind it in the search path.
    """
    document, own = files[-1].document, files[-1].source
    entry = document.root.get("extends")
    if entry is None or not isinstance(entry.value, YamlScalar) or not entry.value.text:
        return None
    word, base = entry.value.text, None
    if is_path(word):
        there = lookup.at(word, own.file.parent)
        base = there if there.file.is_file() else None
        missing = f"there is no file '{word}' to extend (looked for {there.shown})"
    else:
        found = lookup.named(word)
        base = next((each for each in found if not _same(each.file, own.file)), found[0] if found else None)
        missing = f"there is no config '{word}' to extend{did_you_mean(word, lookup.names())}"
        missing += f" ({lookup.looked_in})" if lookup.looked_in else ""
    if base is None:
        problems.append(document.problem(entry.value.origin, missing))
        return None
    same = [number for number, each in enumerate(files) if _same(each.source.file, base.file)]
    if same:
        circle = " -> ".join([*(each.source.name for each in files[same[0] :]), base.name])
        problems.append(document.problem(entry.value.origin, f"'extends' goes in a circle: {circle}"))
        return None
    return base


def _file_settings(
    lookup: SearchPath, file: _File, arch: Arch, problems: list[ConfigProblem], model: ConfigModel
) -> list[Setting]:
    """What a file gives for ``arch``. Patches of every arch section are looked for: a typo is one."""
    settings = settings_of(file.document.root, model)
    sections = file.document.root.get("arch")
    per_arch = {each: settings_of(sections.value, model, str(each)) if sections else [] for each in Arch}
    folder = file.source.file.parent
    resolved: dict[int, Setting] = {}
    for setting in [*settings, *(each for found in per_arch.values() for each in found)]:
        resolved[id(setting)], missing = _with_paths(lookup, folder, setting, model)
        problems += [file.document.problem(origin, message) for origin, message in missing]
    return [resolved[id(setting)] for setting in [*settings, *per_arch[arch]]]


def _set_settings(
    lookup: SearchPath, text: str, problems: list[ConfigProblem], model: ConfigModel
) -> list[Setting]:
    origin = Origin(f"--set {safe_url(text)}")
    settings, wrong = parse_set(text, origin, model)
    wrong = wrong or check_settings(settings, model)
    resolved: list[Setting] = []
    for setting in () if wrong else settings:
        found, missing = _with_paths(lookup, lookup.user.current or lookup.root, setting, model)
        wrong += [message for _, message in missing]
        resolved.append(found)
    # No line: the whole argument is its own place.
    problems += [ConfigProblem(origin.path, 0, 0, message) for message in wrong]
    return resolved


_KEY_FILES = frozenset(
    {
        *("signing.key", "signing.public_key", "cache.public_key"),
        *("remote.ca", "remote.certificate", "remote.key", "remote.token"),
    }
)


def _with_paths(
    lookup: SearchPath, folder: Path, setting: Setting, model: ConfigModel
) -> tuple[Setting, list[tuple[Origin, str]]]:
    """``setting`` with paths from the project's root, or absolute ones outside it, and what is not there."""
    if setting.path == "policy" and isinstance(setting.value, str):
        return _with_policy(lookup, folder, setting, setting.value)
    if setting.path in _KEY_FILES and isinstance(setting.value, str):
        # Looked for where it is needed: a plan does not need it.
        file = Path(os.path.normpath(folder / setting.value))
        return replace(setting, value=_from_root(lookup.root, file)), []
    if setting.path in model.files:
        return _with_files(lookup, folder, setting)
    if setting.path != "source.patches":
        return setting, []
    missing: list[tuple[Origin, str]] = []
    items: list[tuple[str | None, Origin]] = []
    for text, origin in setting.items:
        full = Path(os.path.normpath(folder / (text or "")))
        shown = _from_root(lookup.root, full)
        if text and not full.is_file():
            missing.append((origin, f"there is no patch file '{text}' (looked for {shown})"))
        elif text and (problem := _patch_problem(full)):
            missing.append((origin, f"the patch '{text}' {problem}"))
        items.append((shown if text else text, origin))
    return setting.with_items(tuple(items)), missing


def _with_files(
    lookup: SearchPath, folder: Path, setting: Setting
) -> tuple[Setting, list[tuple[Origin, str]]]:
    missing: list[tuple[Origin, str]] = []

    def found(text: str, origin: Origin) -> str:
        full = Path(os.path.normpath(folder / text))
        shown = _from_root(lookup.root, full)
        if not full.is_file():
            missing.append((origin, f"there is no file '{text}' (looked for {shown})"))
        return shown

    if isinstance(setting.value, str):
        one = setting.value
        return replace(setting, value=one if one == NO_FILE else found(one, setting.origin)), missing
    items = tuple((found(text, origin) if text else text, origin) for text, origin in setting.items)
    return setting.with_items(items), missing


def _with_policy(
    lookup: SearchPath, folder: Path, setting: Setting, word: str
) -> tuple[Setting, list[tuple[Origin, str]]]:
    """A policy by its path, or that of a user's where one has its name; the project's keep their names."""
    policies = search_path(lookup.root, lookup.user, "policies")
    if is_path(word):
        file = Path(os.path.normpath(folder / word))
        if not file.is_file():
            shown = _from_root(lookup.root, file)
            return setting, [(setting.origin, f"there is no policy file '{word}' (looked for {shown})")]
    else:
        found = policies.named(word)
        if not found or found[0].file.parent == policies.places[-1].folder:
            return setting, []
        file = found[0].file
    return replace(setting, value=_from_root(lookup.root, file)), []


def _patch_problem(path: Path) -> str | None:
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"would change nothing: it cannot be read ({error.strerror})"
    if problem := patch_problem(content):
        return f"would change nothing: {problem}"
    trees = patched_trees(content)
    if len(trees) > 1:
        shown = ", ".join(f"dependencies/{name}" if name else "the source" for name in trees)
        return f"changes {shown}: make a patch for each"
    return None


def _from_root(root: Path, path: Path) -> str:
    base = Path(os.path.normpath(root))
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()


def _arches(files: list[_File]) -> tuple[Arch, ...]:
    """The nearest ``arches`` of the chain; empty means all."""
    return next((file.model.arches for file in files if file.model and file.model.arches), ())


def _refuse_other_arch(name: str, arch: Arch, files: list[_File]) -> None:
    arches = _arches(files)
    if arches and arch not in arches:
        allowed = ", ".join(map(str, arches))
        raise NothingMatchesError(
            f"the config '{name}' has no meaning for {arch}",
            details=(f"it is for: {allowed}",),
            hint=f"use --arch {arches[0]}, or another config: invoke list-configs",
        )


def _at(documents: Mapping[str, YamlDocument], origin: Origin, message: str) -> ConfigProblem:
    document = documents.get(origin.path)
    return document.problem(origin, message) if document else ConfigProblem(origin.path, 0, 0, message)


def _raise_if(problems: Sequence[ConfigProblem]) -> None:
    if problems:
        raise ConfigError(tuple(dict.fromkeys(problems)))
