"""The types of values in configurations and releases, as YAML hands them over: raw text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from tfbuild.base.urls import has_credentials, rule_problem

_BOOLS: Mapping[str, bool] = MappingProxyType(
    {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
)
# Spelled out, since the regular expressions of JSON Schema know no case-insensitive mode.
_BOOL_WORDS = [form for word in _BOOLS for form in (word, word.capitalize(), word.upper())]
# 18 digits fit into 64 bits; nothing here counts further.
# More than any machine has CPUs, and fewer digits than Python refuses to convert.
MAX_JOBS = 999_999
# https://snapshot.debian.org/
_FIRST_SNAPSHOT = datetime(2005, 3, 12, tzinfo=timezone.utc)
_DECIMAL = re.compile(r"[0-9]{1,18}")


def _read_bool(value: object) -> object:
    found = _BOOLS.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise ValueError("expected true or false")
    return found


def _read_int(value: object) -> object:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("expected a whole number")


def _one_line(value: str) -> str:
    if any(ord(char) < 0x20 for char in value):
        raise ValueError("a line break or control character cannot be passed to a tool")
    return value


def _flag(value: str) -> str:
    if value in {"-Wl", "-Wa", "-Wp"}:
        raise ValueError(f"'{value}' without its argument: a comma ends a list item, so quote the whole flag")
    if not value.strip():
        raise ValueError("an empty flag")
    return _one_line(value)


def _cpu_name(value: object) -> object:
    if isinstance(value, str) and value.startswith("-m"):
        raise ValueError(f"write only the name, as in '{value.partition('=')[2] or 'x86-64-v3'}'")
    return value


def _requirement(value: str) -> str:
    try:
        Requirement(value)
    except InvalidRequirement as error:
        raise ValueError(f"not a requirement: {str(error).splitlines()[0]}") from None
    return value


def _no_credentials(value: str) -> str:
    if has_credentials(value):
        raise ValueError(
            "a user name or password: it would end up in plans and manifests; put it into ~/.netrc"
        )
    return value


def _mirror_rule(value: str) -> str:
    problem = rule_problem(value)
    if problem:
        raise ValueError(f"{problem}; a mirror is PREFIX=REPLACEMENT")
    return _no_credentials(value)


def _snapshot(value: str) -> str:
    try:
        moment = datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise ValueError("there is no such date or time; expected YYYYMMDDTHHMMSSZ") from None
    if moment < _FIRST_SNAPSHOT:
        raise ValueError(f"snapshot.debian.org has nothing before {_FIRST_SNAPSHOT:%Y-%m-%d}")
    return value


def _fold(value: str) -> str:
    return " ".join(value.split())


_SCALARS = ["string", "number", "boolean"]

YamlBool = Annotated[
    bool,
    BeforeValidator(_read_bool),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"enum": _BOOL_WORDS}]}),
]
PositiveInt = Annotated[
    int,
    BeforeValidator(_read_int),
    Field(gt=0),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "exclusiveMinimum": 0},
                {"type": "string", "pattern": "^(?=.*[1-9])[0-9]{1,18}$"},
            ]
        }
    ),
]
# As many as --jobs takes.
JobCount = Annotated[
    int,
    BeforeValidator(_read_int),
    Field(gt=0, le=MAX_JOBS),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "exclusiveMinimum": 0, "maximum": MAX_JOBS},
                {"type": "string", "pattern": "^(?=.*[1-9])[0-9]{1,6}$"},
            ]
        }
    ),
]
# What container engines take, but root: https://github.com/moby/sys/blob/main/user/user.go (minID, maxID).
MAX_USER = (1 << 31) - 1
UserId = Annotated[
    int,
    BeforeValidator(_read_int),
    Field(gt=0, le=MAX_USER),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "exclusiveMinimum": 0, "maximum": MAX_USER},
                {"type": "string", "pattern": "^(?=.*[1-9])[0-9]{1,10}$"},
            ]
        }
    ),
]
SnapshotTime = Annotated[str, Field(pattern=r"^[0-9]{8}T[0-9]{6}Z$"), AfterValidator(_snapshot)]
Text = Annotated[
    str,
    AfterValidator(_one_line),
    WithJsonSchema({"type": _SCALARS, "pattern": "^[^\\u0000-\\u001f]*$"}),
]
Prose = Annotated[str, AfterValidator(_fold), WithJsonSchema({"type": _SCALARS})]
Flag = Annotated[
    str,
    AfterValidator(_flag),
    WithJsonSchema({"type": _SCALARS, "pattern": "^(?!-W[lap]$)(?=.*[^ ])[^\\u0000-\\u001f]+$"}),
]
CpuName = Annotated[
    str,
    # The words that YAML takes for truth values have this form; no number has.
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_.+-]*$", json_schema_extra={"type": ["string", "boolean"]}),
    BeforeValidator(_cpu_name),
]
WholeNumber = Annotated[
    int,
    BeforeValidator(_read_int),
    Field(ge=0),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]{1,18}$"}]}
    ),
]
MacroName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
CMakeName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.+-]*$")]
# https://bazel.build/run/bazelrc#config
BazelName = Annotated[
    str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", json_schema_extra={"type": ["string", "boolean"]})
]
UriText = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[^\s]+$"), AfterValidator(_no_credentials)]
DebianUrl = Annotated[str, Field(pattern=r"^https?://[^\s]+$"), AfterValidator(_no_credentials)]
MirrorText = Annotated[
    str,
    Field(pattern=r"^[^\s=]+=[^\s]+$"),
    AfterValidator(_mirror_rule),
]
UrlPath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/-]*$")]
LabelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]
FileStem = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", json_schema_extra={"type": [*_SCALARS]})
]
# A name, or the path of a file.
FileWord = Annotated[
    str,
    Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*|[^\n]+\.yaml)$", json_schema_extra={"type": [*_SCALARS]}),
]
Optimisation = Annotated[
    Literal["0", "1", "2", "3", "s", "z", "g"],
    WithJsonSchema({"enum": ["0", "1", "2", "3", "s", "z", "g", 0, 1, 2, 3]}),
]


# https://packaging.python.org/specifications/dependency-specifiers/
RequirementText = Annotated[str, AfterValidator(_requirement)]
# 3.11 may stand there without quotes: the text is what counts, not the number that YAML sees.
PythonVersion = Annotated[
    str, Field(pattern=r"^3\.[0-9]{1,2}$", json_schema_extra={"type": ["string", "number"]})
]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Keys(BaseModel):
    """A group of keys: closed, and frozen once read. ``renamed`` has what a key of it was once called."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    renamed: ClassVar[Mapping[str, str]] = MappingProxyType({})
