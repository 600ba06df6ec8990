"""``invoke show-config`` and ``new-config``."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tfbuild.base.arch import Arch
from tfbuild.base.documents import dump
from tfbuild.base.errors import ExitCode, HostError, UsageError
from tfbuild.base.places import NOWHERE, UserPlaces, is_path, search_path
from tfbuild.base.program_name import program_name
from tfbuild.base.project import PROJECT
from tfbuild.cli.guide.keys import KeyEntry, keys
from tfbuild.cli.line.own_files import config_word, user_places
from tfbuild.config.layers import BUILT_IN
from tfbuild.config.load import CONFIG_FOLDER, DEFAULT_CONFIG, ResolvedConfig
from tfbuild.machine.terminal import write_json, write_lines
from tfbuild.machine.user_files import beside_of
from tfbuild.plan.words import host_arch, parse_arch
from tfbuild.products import table


@dataclass(frozen=True, kw_only=True)
class ConfigValue:
    """A value; ``file`` is null for a built-in default, and says ``--set …`` for an argument, with line 0."""

    key: str
    value: Any
    file: str | None
    line: int
    products: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ShownConfig:
    """``invoke show-config --json``: every value, and where it comes from.

    ``files`` are those that were read, base first; ``product`` is null where all keys are shown.
    """

    version: Literal[1] = 1
    config: str
    description: str
    arch: Arch
    product: str | None
    files: tuple[str, ...]
    values: tuple[ConfigValue, ...]


@dataclass(frozen=True, kw_only=True)
class ShowRequest:
    """What to show; all words as they were typed. ``everything``: built-in defaults too."""

    name: str
    product: str = ""
    arch: str = ""
    sets: tuple[str, ...] = ()
    everything: bool = False


def show_config(request: ShowRequest, *, as_json: bool) -> int:
    """``invoke show-config``"""
    if request.product:
        table.parse_product(request.product)
    arch = parse_arch(request.arch, host_arch())
    name = config_word(request.name, "NAME") or DEFAULT_CONFIG
    config = table.load_config(PROJECT, name, arch, request.sets, to_build=False, user=user_places())
    shown = shown_config(config, request.product)
    if as_json:
        write_json(dump(shown))
    else:
        write_lines(shown_lines(shown, everything=request.everything))
    return ExitCode.OK


def shown_config(config: ResolvedConfig, product: str = "") -> ShownConfig:
    """Every value of ``config`` that ``product`` reads; of all products without one."""
    entries = [each for each in keys() if each.set and (not product or product in each.products)]
    return ShownConfig(
        config=config.name,
        description=config.description,
        arch=config.arch,
        product=product or None,
        files=config.files,
        values=tuple(_value(config, each) for each in entries),
    )


def _value(config: ResolvedConfig, entry: KeyEntry) -> ConfigValue:
    found: Any = config.values
    for part in entry.key.split("."):
        found = getattr(found, part)
    if isinstance(found, tuple):
        found = list(found)
    elif hasattr(found, "items"):
        found = dict(found)
    origin = config.origins[entry.key]
    own = origin != BUILT_IN
    return ConfigValue(
        key=entry.key,
        value=found,
        file=origin.path if own else None,
        line=origin.line,
        products=entry.products,
    )


def shown_lines(shown: ShownConfig, *, everything: bool) -> Iterator[str]:
    """The values that files give, each with its place; ``everything``: the built-in defaults too."""
    whose = f", for {shown.product}" if shown.product else ""
    yield f"{shown.config} ({shown.arch}{whose}): {shown.description}"
    yield f"files: {', '.join(shown.files)}"
    values = [each for each in shown.values if everything or each.file is not None]
    rows = [(f"{each.key} = {_text(each.value)}", _place(each)) for each in values]
    width = min(60, max((len(left) for left, _ in rows), default=0))
    for left, place in rows:
        yield f"  {left:<{width}}  {place}"
    if left_out := len(shown.values) - len(values):
        yield f"and {left_out} built-in defaults: --all"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _place(value: ConfigValue) -> str:
    if value.file is None:
        return str(BUILT_IN)
    return f"{value.file}:{value.line}" if value.line else value.file


# -- new-config ------------------------------------------------------------------------------------------

# A part of a build's name, and so of an image's.
_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 .;,()/-]*(?<! )")
# The keys that people change first.
_FIRST_KEYS = (
    *("compile.march", "compile.mtune", "compile.optimisation", "compile.lto", "compile.defines"),
    *("compile.cflags", "source.patches", "runtime.base", "policy"),
)


@dataclass(frozen=True, kw_only=True)
class WrittenConfig:
    """``invoke new-config --json``; ``path`` as it is in messages, from the current folder."""

    version: Literal[1] = 1
    config: str
    path: str


def new_config(name: str, extends: str, description: str, *, as_json: bool) -> int:
    """``invoke new-config``"""
    base = config_word(extends, "--extends") or DEFAULT_CONFIG
    path = write_config(PROJECT, name, base, description, user_places())
    if as_json:
        write_json(dump(WrittenConfig(config=name, path=path)))
        return ExitCode.OK
    write_lines([f"wrote {path}", f"next: edit it, then invoke show-config {name}"])
    return ExitCode.OK


def write_config(root: Path, name: str, extends: str, description: str, user: UserPlaces = NOWHERE) -> str:
    """Write a configuration that extends another into build_configs/ of the current folder; its path as it is
    shown. Without one, into the project in ``root``.

    :raises UsageError: the name cannot be one, or is taken; the description cannot be one.
    :raises NothingMatchesError: there is no configuration to extend.
    :raises HostError: the folder cannot be written.
    """
    if not _NAME.fullmatch(name) or len(name) > 60:
        raise UsageError(
            f"'{name[:60]}' cannot be the name of a configuration",
            hint="lower case letters and digits, with '.', '_' or '-' between them, as in pi4-lto",
        )
    if any(not each.isprintable() for each in description):
        raise UsageError(
            "--description takes one line of text", hint="write more into the file, as a comment"
        )
    base = _base(root, extends, user)
    lookup = search_path(root, user)
    folder = user.current or root
    own = (folder / CONFIG_FOLDER).resolve() != (root / CONFIG_FOLDER).resolve()
    if taken := lookup.named(name):
        if own and taken[0].file.parent == lookup.places[-1].folder:
            raise UsageError(
                f"'{name}' is a configuration of tfbuild's own: nothing written",
                hint=f"another name, as in invoke new-config my-{name} --extends {name}",
            )
        raise UsageError(
            f"{taken[0].shown} is there already: nothing written", hint="another name, or edit the file"
        )
    word = os.path.relpath(base.files[-1], f"./{CONFIG_FOLDER}") if is_path(extends) else base.name
    text = config_text(
        base, description or f"{base.name}, changed", extends=word, schema="" if own else "schema.json"
    )
    path = folder / CONFIG_FOLDER / f"{name}.yaml"
    shown = lookup.shown(path)
    _write_new(path, text, shown)
    return shown


def _base(root: Path, extends: str, user: UserPlaces) -> ResolvedConfig:
    """``extends``, for the first architecture that it is for."""
    known = {each.name: each for each in table.list_configs(root, user)}
    arches = known[extends].arches if extends in known else ()
    arch = arches[0] if arches else host_arch()
    return table.load_config(root, extends, arch, to_build=False, user=user)


def config_text(
    base: ResolvedConfig, description: str, *, extends: str = "", schema: str = "schema.json"
) -> str:
    """The file: what it has to say, and commented, the keys that are changed most, as ``base`` has them."""
    shown = shown_config(base)
    values = {each.key: each for each in shown.values}
    meanings = {each.key: each.meaning for each in keys()}
    lines = [
        *([f"# yaml-language-server: $schema={schema}"] if schema else ()),
        f"description: {_yaml(description)}",
        f"extends: {extends or base.name}",
        "",
        f"# Remove the '#' from what you want to change; the values are those of {base.name} ({base.arch}).",
        f"# {program_name()} list-keys lists all keys.",
    ]
    section = ""
    for key in _FIRST_KEYS:
        above, _, leaf = key.rpartition(".")
        if above != section:
            lines += [f"#{above}:"] if above else []
            section = above
        indent = "  " if above else ""
        lines += [f"#{indent}# {meanings[key]}", f"#{indent}{leaf}: {_yaml(values[key].value)}"]
    return "\n".join(lines) + "\n"


def _yaml(value: Any) -> str:
    """JSON is YAML: https://yaml.org/spec/1.2.2/#chapter-1-introduction-to-yaml"""
    plain = isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() != "null"
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


def _write_new(path: Path, text: str, shown: str) -> None:
    """Write ``path`` in one step, and only where nothing has its name, not even a broken link."""
    beside = beside_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("x", encoding="utf-8") as out:
            out.write(text)
        os.link(beside, path)
    except FileExistsError:
        raise UsageError(
            f"{shown} is there already: nothing written", hint="another name, or edit the file"
        ) from None
    except OSError as error:
        raise HostError(f"cannot write {shown}: {error.strerror}", hint="check the folder's owner") from error
    finally:
        with suppress(OSError):
            beside.unlink()
