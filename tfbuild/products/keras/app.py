"""What a user adds to an image of Keras: a folder with a program, and a model. Reads files, runs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import Field

from tfbuild.artifacts.git_tree import object_id, typed_tree_id
from tfbuild.base.errors import ConfigError, ConfigProblem, UsageError
from tfbuild.base.values import Origin
from tfbuild.config.binding import bind
from tfbuild.config.load import ResolvedConfig
from tfbuild.config.types import Keys
from tfbuild.config.yaml_source import read_yaml
from tfbuild.products.keras.keys import AppKeys
from tfbuild.products.keras.part import AppFolder, KerasModel
from tfbuild.products.keras.plan import AskedLine
from tfbuild.products.saved_model import saved_model_problem

REQUIREMENTS = "requirements.txt"
APP_LOCK = "requirements.wheels.json"
APP_FILE = "app.yaml"
# A part of the build id, and so of an image's tag.
_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"


class AppFile(Keys):
    """``app.yaml`` in the folder of a program."""

    app: AppKeys = Field(description="How the program runs; --set wins over it.")


@dataclass(frozen=True)
class Application:
    """A user's program: the folder, the lines of its requirements.txt, and its app.yaml, if it has one."""

    folder: AppFolder
    asked: tuple[AskedLine, ...]
    settings: AppKeys | None


def read_app(folder: Path, *, named: bool = False) -> Application:
    """The program in ``folder``; ``named``: the build has a name of the user's, and needs none of the folder.

    :raises UsageError: there is no such folder, or its name cannot be part of an image's name.
    :raises ConfigError: requirements.txt has lines that cannot be pinned, or app.yaml is wrong; all of it.
    """
    if not folder.is_dir():
        raise UsageError(f"--app takes a folder, and there is none at {folder}", hint="--app DIR")
    name = folder.resolve().name.lower().replace("_", "-")
    if not _NAME.fullmatch(name):
        if not named:
            raise UsageError(
                f"'{folder.resolve().name}' cannot be part of an image's name",
                hint="--name WORD, or rename the folder: letters, digits, '.', '_', '-'",
            )
        name = ""
    tree = typed_tree_id(folder)  # first: reading a pipe would wait for ever
    asked = tuple(_requirements(folder / REQUIREMENTS))
    requirements = tuple(each.requirement for each in asked)
    settings = _settings(folder / APP_FILE)
    return Application(AppFolder(str(folder), name, tree, requirements), asked, settings)


def _settings(path: Path) -> AppKeys | None:
    if not path.is_file():
        return None
    document = read_yaml(path, str(path))
    found, problems = bind(document, AppFile)
    if found is None or document.problems or problems:
        raise ConfigError((*document.problems, *problems))
    return found.app


def run_settings(config: ResolvedConfig, own: AppKeys | None) -> AppKeys:
    """How the program runs: --set over the program's own app.yaml over the configuration; key by key,
    and variables one by one."""
    typed = {name for name, origin in config.origins.items() if str(origin).startswith("--set")}
    return _own_over(config.values.of(AppKeys), own, typed)


def run_settings_unset(config: ResolvedConfig, own: AppKeys | None) -> AppKeys:
    """The same, as it is without --set."""
    return _own_over(config.named.of(AppKeys), own, set())


def _own_over(found: AppKeys, own: AppKeys | None, typed: set[str]) -> AppKeys:
    if own is None:
        return found
    variables = {
        **found.environment,
        **own.environment,
        **{key: text for key, text in found.environment.items() if f"app.environment.{key}" in typed},
    }
    kept = {
        key: getattr(own, key)
        for key in own.model_fields_set
        if not any(name == f"app.{key}" or name.startswith(f"app.{key}.") for name in typed)
    }
    return found.model_copy(update={**kept, "environment": variables})


def require_files(config: ResolvedConfig, app: Application | None, run: AppKeys) -> None:
    """The files that the program's command and healthcheck start have to be in its folder.

    :raises ConfigError: one is not, or there is no folder; each with the place that names it.
    """
    problems = []
    for key, command in (("command", run.command), ("healthcheck", run.healthcheck)):
        script = script_of(command)
        if script is None or (app and (Path(app.folder.path) / script).exists()):
            continue
        where = f"in {app.folder.path}" if app else "in the image without --app DIR"
        message = f"app.{key} starts '{script}', and there is no such file {where}"
        if app and app.settings and key in app.settings.model_fields_set and key not in _typed(config):
            problems.append(ConfigProblem(str(Path(app.folder.path) / APP_FILE), 0, 0, message))
        else:
            problems.append(config.problem(f"app.{key}", message))
    if problems:
        raise ConfigError(tuple(problems))


def script_of(command: tuple[str, ...]) -> str | None:
    """The file below /app that ``command`` starts; None where it starts none, or where that cannot be told.

    https://docs.python.org/3/using/cmdline.html for what stands before a script.
    """
    if not command:
        return None
    word = command[0]
    if re.fullmatch(r"python[0-9.]*", PurePosixPath(word).name):
        words = iter(command[1:])
        for word in words:
            if word in {"-X", "-W"}:
                next(words, "")
            elif not word.startswith("-"):
                break
            elif word == "-" or (not word.startswith("--") and {"m", "c"} & set(word)):
                return None  # standard input, a module, a line of code; also behind other letters, as -um
        else:
            return None
    elif "/" not in word:
        return None  # a program of the image, found by PATH
    path = PurePosixPath("/app", word)
    return str(path.relative_to("/app")) if path.is_relative_to("/app") else None


def _typed(config: ResolvedConfig) -> frozenset[str]:
    """The keys of 'app' that stand on the command line: they win over app.yaml."""
    typed = (name for name, origin in config.origins.items() if str(origin).startswith("--set"))
    return frozenset(name.split(".")[1] for name in typed if name.startswith("app."))


def _requirements(path: Path) -> Iterator[AskedLine]:
    """https://pip.pypa.io/en/stable/reference/requirements-file-format/, without options and URLs."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    except UnicodeDecodeError as error:
        raise ConfigError((ConfigProblem(str(path), 1, 1, f"not UTF-8: {error.reason}"),)) from None
    problems: list[ConfigProblem] = []
    for number, raw in enumerate(lines, start=1):
        text = re.sub(r"(^|\s)#.*", "", raw).strip()
        if not text:
            continue
        try:
            if text.startswith("-") or Requirement(text).url:
                raise InvalidRequirement("options and URLs cannot be pinned")
        except InvalidRequirement as error:
            why = str(error).splitlines()[0]
            problems.append(ConfigProblem(str(path), number, 1, f"'{text}' is not a requirement: {why}"))
            continue
        yield AskedLine(text, Origin(str(path), number))
    if problems:
        raise ConfigError(tuple(problems), hint="one NAME or NAME>=VERSION per line")


def read_keras_model(path: Path) -> KerasModel:
    """The model at ``path``: .keras, .h5 or a SavedModel folder.

    :raises UsageError: it is none of them; the message says what its bytes say against it.
    """
    name = path.resolve().name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise UsageError(f"'{name}' cannot be the name of a model", hint="letters, digits, '.', '_', '-'")
    if path.is_dir():
        return KerasModel(str(path), name, "saved_model", _saved_model(path))
    if not path.is_file():
        raise UsageError(f"there is no model at {path}", hint="--model FILE.keras, FILE.h5 or a SavedModel")
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(b"version https://git-lfs"):
        raise UsageError(f"{path} is a pointer of Git LFS, not the model", hint="git lfs pull")
    kind = _kind(path)
    magic = _ZIP if kind == "keras" else _HDF5
    if not head.startswith(magic):
        what = "a .keras file is a zip archive" if kind == "keras" else "an .h5 file is HDF5"
        raise UsageError(
            f"{path} is not what its name says: {what}, and it starts with {head[:8]!r}",
            hint="save it once more: model.save('model.keras')",
        )
    return KerasModel(str(path), name, kind, object_id("blob", path.read_bytes()))


def _kind(path: Path) -> Literal["keras", "h5"]:
    if path.suffix == ".keras":
        return "keras"
    if path.suffix in {".h5", ".hdf5"}:
        return "h5"
    raise UsageError(
        f"{path}: its name does not say what kind of model it is",
        hint="FILE.keras, FILE.h5 or a SavedModel folder",
    )


def _saved_model(folder: Path) -> str:
    pb = folder / "saved_model.pb"
    if not pb.is_file():
        held = ", ".join(sorted(each.name for each in folder.iterdir())[:5]) or "nothing"
        raise UsageError(
            f"{folder} is not a SavedModel: no saved_model.pb in it",
            details=(f"it holds: {held}",),
            hint="tf.saved_model.save, or model.export('DIR')",
        )
    with pb.open("rb") as file:
        problem = saved_model_problem(file.read(64))
    if problem:
        raise UsageError(f"{pb} is not a SavedModel: {problem}", hint="save it once more")
    return typed_tree_id(folder)
