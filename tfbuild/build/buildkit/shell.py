"""The bake definition of a shell in a builder, made of the one that the build left; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfbuild.base.errors import NothingMatchesError
from tfbuild.build.buildkit.bake import NO_PROVENANCE, BakeFile

TARGET = "shell"
_COMPILE = "compile"
_CONTEXTS = ("request", "common", "toolchains")
# What names the shell's own files, not a setting of the compile.
_NO_SETTINGS = frozenset({"BUILD_ID"})


@dataclass(frozen=True)
class Shell:
    """``settings`` are the variables that the compile's own scripts read."""

    definition: BakeFile
    settings: Mapping[str, str]


def shell_of(bake: Mapping[str, Any], tag: str, dockerfiles: Path, empty: Path, nonce: str) -> Shell:
    """The definition whose target :data:`TARGET` makes the image ``tag``.

    ``bake`` is that of a build, ``dockerfiles`` the project's folder, ``empty`` a folder with nothing in it.

    :raises NothingMatchesError: the build compiles nothing.
    """
    targets = bake.get("target")
    compiled = targets.get(_COMPILE) if isinstance(targets, dict) else None
    contexts = compiled.get("contexts", {}) if isinstance(compiled, dict) else {}
    builder = next((each for each in contexts.values() if str(each).startswith("target:")), None)
    if not isinstance(targets, dict) or not isinstance(compiled, dict) or builder is None:
        raise NothingMatchesError(
            "the build compiles nothing: there is no builder to look into",
            hint="invoke run starts its image",
        )
    arguments = {str(name): str(value) for name, value in compiled.get("args", {}).items()}
    shell = {
        "context": str(dockerfiles),
        "dockerfile": str(dockerfiles / "trial" / "shell.Dockerfile"),
        "target": TARGET,
        "contexts": {
            "builder": contexts.get("builder", builder),
            "recipe": str(compiled.get("context", empty)),
            **{name: contexts.get(name, str(empty)) for name in _CONTEXTS},
        },
        "args": {"BUILD_ID": arguments.get("BUILD_ID", ""), "SHELL_NONCE": nonce},
        "output": ["type=docker"],
        "attest": NO_PROVENANCE,
        "tags": [tag],
    }
    # The builder is there; its secrets are not, which only its network steps need.
    others = {
        name: {key: value for key, value in each.items() if key != "secret"} for name, each in targets.items()
    }
    settings = {name: value for name, value in arguments.items() if name not in _NO_SETTINGS}
    return Shell({"target": {**others, TARGET: shell}}, settings)
