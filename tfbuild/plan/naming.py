"""The name of a build: one for each result that can be asked for. Pure.

A build of a configuration as it is has the configuration's name. What is asked beyond it (``--set``, a
patch, words for Bazel, a program, a model) belongs to the result, and so to its name: by a word where the
project has one (``opt-python``), else by a hash (``opt-set.1a2b3c``), or by the user's own word (``--name``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tfbuild.base.documents import fingerprint
from tfbuild.base.errors import UsageError
from tfbuild.config.keys import BuildConfig
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.effect import KeyRules
from tfbuild.releases.wheels.keys import WheelPython

# A tag of an image has at most 128 characters:
# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
_LONGEST_TAG = 128
# "-" and the hash of the cache, which the name has until the image is verified.
_CANDIDATE = 9
_OWN_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_DIGITS = 6

# What says how a result comes about, where from, how fast, or what it is checked against: no name depends on
# it.
_NO_RESULT = (
    "resources.",
    "mirrors",
    "debian.mirror",
    "debian.security_mirror",
    "compile.ccache",
    "policy",
    "signing.",
    "remote.",
    "cache.",
)
# What is added to a result when everything is compiled.
_AFTER_THE_COMPILE = (
    "compile.strip",
    "runtime.base",
    "runtime.user",
    "runtime.labels",
    "distributable",
    "--app",
    "--model",
)
_PATCHES = "source.patches"


@dataclass(frozen=True)
class Extra:
    """One thing that was asked beyond the configuration.

    ``word`` is how a name tells it: None by a hash, empty not at all. ``place`` is where it lies, if it is a
    file or folder of the user's. ``late``: it is added when everything is compiled.
    """

    key: str
    value: str
    word: str | None = None
    place: str = ""
    late: bool = False

    def is_same_as(self, other: Extra) -> bool:
        """A file or folder that is edited stays the same one, and one that is moved."""
        return self.value == other.value or bool(self.place and self.place == other.place)


@dataclass(frozen=True)
class Asked:
    """What a build is of: the configuration, what was asked beyond it, and the user's own name for that."""

    config: str
    name: str = ""
    beyond: tuple[Extra, ...] = ()

    @property
    def word(self) -> str:
        """What stands for it in names: build id, folder, tag."""
        words = [self.config, *(each.word for each in self.beyond if each.word)]
        hashed = sorted((each.key, each.value) for each in self.beyond if each.word is None)
        if self.name:
            words.append(self.name)
        elif hashed:
            words.append(f"set.{fingerprint(hashed)[:_DIGITS]}")
        return "-".join(words)

    @property
    def tree_word(self) -> str:
        """What stands for it in the name of a build tree: without what is added after the compile."""
        compiled = tuple(each for each in self.beyond if not each.late)
        return replace(self, name=self.name if compiled else "", beyond=compiled).word

    def is_same_as(self, other: Asked) -> bool:
        """Whether the two would have the same name on purpose: one is another state of the other."""
        if (self.config, self.name) != (other.config, other.name):
            return False
        mine, others = ({each.key: each for each in one.beyond} for one in (self, other))
        return bool(self.name) or (
            mine.keys() == others.keys() and all(mine[key].is_same_as(others[key]) for key in mine)
        )


def common_word(asked: Sequence[Asked]) -> str:
    """What stands for builds of several architectures; a configuration may have other values for each."""
    words = sorted({each.word for each in asked})
    return words[0] if len(words) == 1 else f"{asked[0].config}-set.{fingerprint(words)[:_DIGITS]}"


def read_asked(document: Mapping[str, Any]) -> Asked | None:
    """What a stored plan was asked for; None where it does not say, as plans of earlier versions."""
    try:
        found = document["asked"]
        extras = tuple(Extra(**each) for each in found["beyond"])
        return Asked(str(found["config"]), str(found["name"]), extras)
    except (KeyError, TypeError):
        return None


def config_extras(config: ResolvedConfig, rules: KeyRules, patches: tuple[str, ...]) -> tuple[Extra, ...]:
    """Where the values of ``config`` differ from those that it has by itself; ``patches`` are hashes."""
    foreign = tuple(f"{each.name}." for each in rules.foreign(config.model))
    return tuple(_differences(config, rules, (*_NO_RESULT, *rules.unnamed, *foreign), patches))


def merged(changed: tuple[Extra, ...], told: tuple[Extra, ...]) -> tuple[Extra, ...]:
    """Both, each key once: ``told`` is what the product has to say of its own."""
    keys = {each.key for each in told}
    return (*(each for each in changed if each.key not in keys), *told)


def _differences(
    config: ResolvedConfig, rules: KeyRules, left_out: tuple[str, ...], patches: tuple[str, ...]
) -> Iterator[Extra]:
    for path in config.model.keys:
        if path.startswith(left_out):
            continue
        before, after = _value(config.named, path), _value(config.values, path)
        if before == after:
            continue
        word = str(after) if path in ("runtime.flavour", *rules.words) else None
        late = path.startswith((*_AFTER_THE_COMPILE, *rules.late))
        yield Extra(path, as_text(list(patches) if path == _PATCHES else after), word, late=late)


def _value(config: BuildConfig, path: str) -> Any:
    found: Any = config
    for part in path.split("."):
        found = getattr(found, part)
    return found


def as_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def raw_extra(raw: tuple[str, ...]) -> tuple[Extra, ...]:
    """Words for the build tool itself."""
    return (Extra("--", as_text(raw)),) if raw else ()


def model_extra(word: str, content: str, place: str) -> Extra:
    """A model in the image; ``word`` is what names call it."""
    return Extra("--model", content, word, place, late=True)


def python_extra(key: str, chosen: WheelPython, plain: WheelPython | None) -> tuple[Extra, ...]:
    """The Python of an image, where it is not ``plain``, the one that the configuration gives."""
    return () if plain and plain.version == chosen.version else (Extra(key, chosen.version),)


def parse_name(word: str) -> str:
    """``--name``. Raises :class:`UsageError` for what cannot be a part of a build's name."""
    if word and not _OWN_NAME.fullmatch(word):
        raise UsageError(
            f"--name '{word}' cannot be part of an image's name",
            hint="lower case letters and digits, with '.', '_' or '-' between them, as in --name skylake-lto",
        )
    return word


def require_short(build_id: str) -> str:
    """``build_id``, if an image can have it in its tag; else :class:`UsageError`."""
    longest = _LONGEST_TAG - _CANDIDATE
    if len(build_id) > longest:
        raise UsageError(
            f"the name of this build has {len(build_id)} characters, and an image's tag takes {longest}",
            details=(build_id,),
            hint="a shorter --name, or a shorter name of the program's or model's folder",
        )
    return build_id
