"""Build configurations: layers of YAML files and ``--set`` values, resolved for one architecture.

Layers, later ones over earlier ones: built-in defaults, the ``extends`` chain (base first), the
``arch`` section of each file for the chosen architecture, ``--set``. A scalar or list replaces what
was there, ``key+`` appends to a list, maps merge by entry. Every value knows where it came from.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, ConfigProblem, NothingMatchesError
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
from tfbuild.config.model import ConfigModel, FileKeys
from tfbuild.config.patch_text import patch_problem
from tfbuild.config.yaml_source import YamlDocument, YamlScalar, read_yaml

CONFIG_FOLDER = "build_configs"
DEFAULT_CONFIG = "opt"


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
    ``files`` are the files that were read, base first, relative to the project. ``named`` are the values of
    the configuration as it is, without ``--set``.
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

    name: str
    document: YamlDocument
    model: FileKeys | None


def load_config(
    root: Path,
    name: str,
    arch: Arch,
    sets: Sequence[str] = (),
    *,
    model: ConfigModel,
    to_build: bool = True,
) -> ResolvedConfig:
    """The configuration ``name`` of the project in ``root``, for ``arch``. One that is only there to be
    extended will not do ``to_build``.

    Raises :class:`NothingMatchesError` for an unknown config, or one that has no meaning for
    ``arch``; :class:`ConfigError` with all problems of all files and ``--set`` values at once.
    """
    if not (_is_offered(root, name) if to_build else name in _names(root)):
        raise _unknown(root, name)
    files, problems = _load_chain(root, name, model)
    settings: list[Setting] = []
    for file in reversed(files):
        settings += _file_settings(root, file, arch, problems, model)
    of_files = len(settings)
    for text in sets:
        settings += _set_settings(root, text, problems, model)
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
    return ResolvedConfig(
        name=name,
        arch=arch,
        description=files[0].model.description if files[0].model else "",
        values=values,
        named=model.values.model_validate(Layers(settings[:of_files], model).nested()) if sets else values,
        origins=MappingProxyType(layers.origins),
        files=tuple(file.document.path for file in reversed(files)),
        documents=documents,
        model=model,
    )


def list_configs(root: Path, *, model: ConfigModel) -> tuple[ConfigInfo, ...]:
    """The configurations that can be asked for, by name. A broken file is listed with its first problem."""
    found: list[ConfigInfo] = []
    for name in _names(root):
        files, problems = _load_chain(root, name, model)
        file, path = files[0].model, files[0].document.path
        if file is None or problems:
            first = min(problems)
            found.append(ConfigInfo(name, f"broken: {first.path}:{first.line}: {first.message}", path))
        elif not file.abstract:
            found.append(ConfigInfo(name, file.description, path, _arches(files)))
    return tuple(found)


def _names(root: Path) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in (root / CONFIG_FOLDER).glob("*.yaml") if path.is_file()))


def _is_offered(root: Path, name: str) -> bool:
    return name in _names(root) and not _is_abstract(root, name)


def _is_abstract(root: Path, name: str) -> bool:
    entry = _read(root, name).root.get("abstract")
    return (
        entry is not None
        and isinstance(entry.value, YamlScalar)
        and (entry.value.text or "").lower() in {"true", "yes", "on"}
    )


def _unknown(root: Path, name: str) -> NothingMatchesError:
    offered = [each for each in _names(root) if not _is_abstract(root, each)]
    if name in _names(root):
        message = f"the config '{name}' is only there to be extended"
    else:
        message = f"unknown config '{name}'{did_you_mean(name, offered)}"
    return NothingMatchesError(
        message, details=(f"there are: {', '.join(offered)}",), hint="invoke list-configs"
    )


def _read(root: Path, name: str) -> YamlDocument:
    path = f"{CONFIG_FOLDER}/{name}.yaml"
    return read_yaml(root / path, path)


def _load_chain(root: Path, name: str, model: ConfigModel) -> tuple[list[_File], list[ConfigProblem]]:
    """The files from ``name`` up to its last base, and what is wrong with them."""
    files: list[_File] = []
    problems: list[ConfigProblem] = []
    pending: str | None = name
    while pending is not None:
        document = _read(root, pending)
        plain, found = drop_append_marks(document, model)
        bound, wrong = bind(document, model.file, plain, elsewhere=model.keys)
        if not document.root.entries and document.problems:
            wrong = ()  # nothing could be read: a missing description is not what is wrong
        problems += [*document.problems, *found, *wrong]
        files.append(_File(pending, document, bound))
        pending = _next_base(root, files, problems)
    return files, problems


def _next_base(root: Path, files: list[_File], problems: list[ConfigProblem]) -> str | None:
    document = files[-1].document
    entry = document.root.get("extends")
    if entry is None or not isinstance(entry.value, YamlScalar) or not entry.value.text:
        return None
    base, loaded = entry.value.text, [file.name for file in files]
    if base in loaded:
        circle = " -> ".join([*loaded[loaded.index(base) :], base])
        problems.append(document.problem(entry.value.origin, f"'extends' goes in a circle: {circle}"))
    elif base not in _names(root):
        message = f"there is no config '{base}' to extend{did_you_mean(base, _names(root))}"
        problems.append(document.problem(entry.value.origin, message))
    else:
        return base
    return None


def _file_settings(
    root: Path, file: _File, arch: Arch, problems: list[ConfigProblem], model: ConfigModel
) -> list[Setting]:
    """What a file gives for ``arch``. Patches of every arch section are looked for: a typo is one."""
    settings = settings_of(file.document.root, model)
    sections = file.document.root.get("arch")
    per_arch = {each: settings_of(sections.value, model, str(each)) if sections else [] for each in Arch}
    folder = (root / file.document.path).parent
    resolved: dict[int, Setting] = {}
    for setting in [*settings, *(each for found in per_arch.values() for each in found)]:
        resolved[id(setting)], missing = _with_patches(root, folder, setting)
        problems += [file.document.problem(origin, message) for origin, message in missing]
    return [resolved[id(setting)] for setting in [*settings, *per_arch[arch]]]


def _set_settings(root: Path, text: str, problems: list[ConfigProblem], model: ConfigModel) -> list[Setting]:
    origin = Origin(f"--set {safe_url(text)}")
    settings, wrong = parse_set(text, origin, model)
    wrong = wrong or check_settings(settings, model)
    resolved: list[Setting] = []
    for setting in () if wrong else settings:
        patched, missing = _with_patches(root, root, setting)
        wrong += [message for _, message in missing]
        resolved.append(patched)
    # No line: the whole argument is its own place.
    problems += [ConfigProblem(origin.path, 0, 0, message) for message in wrong]
    return resolved


def _with_patches(root: Path, folder: Path, setting: Setting) -> tuple[Setting, list[tuple[Origin, str]]]:
    """``source.patches`` with paths from the project's root, or absolute ones outside it."""
    if setting.path != "source.patches":
        return setting, []
    missing: list[tuple[Origin, str]] = []
    items: list[tuple[str | None, Origin]] = []
    for text, origin in setting.items:
        full = Path(os.path.normpath(folder / (text or "")))
        if text and not full.is_file():
            missing.append((origin, f"there is no patch file '{text}' (looked for {_shown(root, full)})"))
        elif text and (problem := _patch_problem(full)):
            missing.append((origin, f"the patch '{text}' would change nothing: {problem}"))
        items.append((_shown(root, full) if text else text, origin))
    return setting.with_items(tuple(items)), missing


def _patch_problem(path: Path) -> str | None:
    try:
        return patch_problem(path.read_bytes())
    except OSError as error:
        return f"it cannot be read ({error.strerror})"


def _shown(root: Path, path: Path) -> str:
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
