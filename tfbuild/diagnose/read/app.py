"""The Python program that an image starts: its files and what they import, without running anything. Pure.

Followed are ``python app.py``, ``python -m module``, ``python -c text``, scripts with Python in their first
line (gunicorn, uvicorn) with the ``module:name`` that they load, and all of these behind a shell or an init.
"""

from __future__ import annotations

import ast
import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from tfbuild.artifacts.image.facts import FileType, ImageConfig, ImageFile
from tfbuild.diagnose.facts import App, AppImport
from tfbuild.diagnose.read.start import which

_MAX_FILES = 300
_MAX_BYTES = 1 << 20
_MAX_DEPTH = 4  # a script that starts a script that starts ...
_PYTHON = re.compile(r"^python[0-9.]*$")
_SHELLS = frozenset({"sh", "ash", "bash", "dash"})
_WRAPPERS = frozenset({"--", "-g", "-s", "dumb-init", "env", "exec", "nice", "nohup", "tini"})
_WITH_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})
_TARGET = re.compile(r"^(?P<module>[A-Za-z_][\w.]*):[A-Za-z_][\w.]*(?:\(.*\))?$")
_CATCHES = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


class Tree(Protocol):
    """What is asked of an image; :class:`tfbuild.artifacts.image.archive.ImageArchive` is one."""

    @property
    def config(self) -> ImageConfig: ...
    @property
    def files(self) -> Mapping[str, ImageFile]: ...
    def resolve(self, path: str) -> str | None: ...
    def read_many(self, paths: Iterable[str], limit: int | None = None) -> Iterator[tuple[str, bytes]]: ...


@dataclass(frozen=True)
class _Start:
    """What Python is asked for: a file, a text, or modules to import."""

    interpreter: str
    folders: tuple[str, ...]
    script: str | None = None
    text: str | None = None
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Import:
    module: str
    names: tuple[str, ...]  # of "from module import names"
    line: int
    late: bool


def read_app(tree: Tree) -> App | None:
    """The Python program that ``tree`` starts, or None where it starts something else."""
    config = tree.config
    start = _start(tree, config.entrypoint + config.cmd, 0)
    if start is None:
        return None
    extra = (config.variable("PYTHONPATH") or "").split(":")
    ours = (p.rstrip("/") for p in extra if p.startswith("/") and "-packages" not in p)
    folders = tuple(dict.fromkeys((*start.folders, *ours)))
    return _Walk(tree, start, folders).app()


# -- the command ---------------------------------------------------------------------------------------


def _start(tree: Tree, words: tuple[str, ...], depth: int) -> _Start | None:
    while words and (posixpath.basename(words[0]) in _WRAPPERS or re.match(r"^[A-Za-z_]\w*=", words[0])):
        words = words[1:]
    program = which(words[0], tree.config, tree.resolve) if words else None
    if program is None or depth > _MAX_DEPTH:
        return None
    name = posixpath.basename(words[0])
    if _PYTHON.match(name):
        return _python(tree, program, words[1:])
    if name in _SHELLS:
        return _shell(tree, words[1:], depth)
    first, text = _script(tree, program)
    interpreter = posixpath.basename(first.split()[-1]) if first else ""
    if _PYTHON.match(interpreter):
        python = which(first.split()[-1], tree.config, tree.resolve)
        modules = tuple(m["module"] for word in words[1:] if (m := _TARGET.match(word)))
        if name == "flask" and (app := tree.config.variable("FLASK_APP")):
            modules = (*modules, app.partition(":")[0].removesuffix(".py"))
        # Where Python looks first is the script's folder; servers add the one that they are started in.
        folders = (posixpath.dirname(tree.resolve(program) or program), tree.config.working_dir or "/")
        return _Start(python, folders, script=tree.resolve(program), modules=modules) if python else None
    if interpreter in _SHELLS:
        return _commands(tree, text, words[1:], depth + 1)
    return None


def _python(tree: Tree, interpreter: str, words: tuple[str, ...]) -> _Start | None:
    place = tree.config.working_dir or "/"
    number = 0
    while number < len(words):
        word, rest = words[number], words[number + 1 :]
        if word == "-c" and rest:
            return _Start(interpreter, (place,), text=rest[0])
        if word == "-m" and rest:
            targets = tuple(m["module"] for arg in rest[1:] if (m := _TARGET.match(arg)))
            return _Start(interpreter, (place,), modules=(rest[0], *targets))
        if not word.startswith("-"):
            script = tree.resolve(posixpath.join(place, word))
            return _Start(interpreter, (posixpath.dirname(script),), script=script) if script else None
        number += 2 if word in _WITH_VALUE else 1
    return None


def _shell(tree: Tree, words: tuple[str, ...], depth: int) -> _Start | None:
    for number, word in enumerate(words):
        if re.match(r"^-[a-z]*c$", word) and number + 1 < len(words):
            return _commands(tree, words[number + 1], (), depth + 1)
        if not word.startswith("-"):
            script = tree.resolve(posixpath.join("/", tree.config.working_dir, word))
            return (
                _commands(tree, _script(tree, script)[1], words[number + 1 :], depth + 1) if script else None
            )
    return None


def _commands(tree: Tree, text: str, arguments: tuple[str, ...], depth: int) -> _Start | None:
    """The first command of a shell script that starts a Python program."""
    for line in re.split(r"\n|;|&&|\|\|", text.replace("\\\n", " ")):
        try:
            words = tuple(shlex.split(line, comments=True))
        except ValueError:
            continue
        if "$@" in words:
            place = words.index("$@")
            words = (*words[:place], *arguments, *words[place + 1 :])
        if words and (found := _start(tree, words, depth)):
            return found
    return None


def _script(tree: Tree, path: str) -> tuple[str, str]:
    """What stands behind ``#!`` in the file at ``path``, and the whole text; twice nothing for a binary."""
    real = tree.resolve(path)
    if real is None or tree.files[real].type is not FileType.FILE:
        return "", ""
    data = next(iter(tree.read_many((real,), _MAX_BYTES)))[1]
    if b"\0" in data[:1024]:
        return "", ""
    text = data.decode("utf-8", errors="replace")
    return (text.splitlines()[0][2:].strip() if text.startswith("#!") else ""), text


# -- its files -----------------------------------------------------------------------------------------


class _Walk:
    """Follows imports from file to file, as long as they lie in the program's own folders."""

    def __init__(self, tree: Tree, start: _Start, folders: tuple[str, ...]) -> None:
        self._tree = tree
        self._start = start
        self._folders = folders
        self._own = {name for folder in folders for name in _modules_in(folder, tree.files)}
        self._seen: dict[str, None] = {}
        self._found: dict[str, AppImport] = {}
        self._waiting: dict[str, tuple[str, bool]] = {}  # file → its package, and whether it is reached late

    def app(self) -> App:
        start = self._start
        for module in start.modules:
            self._import(_Import(module, (), 0, late=False), "the command")
        if start.text is not None:
            self._parse("the command", start.text.encode(), "", late=False)
        if start.script:
            self._waiting[start.script] = ("", False)
        while self._waiting and len(self._seen) < _MAX_FILES:
            level, self._waiting = self._waiting, {}
            self._seen.update(dict.fromkeys(level))
            for path, data in self._tree.read_many(level, _MAX_BYTES):
                self._parse(path, data, *level[path])
        return App(
            interpreter=start.interpreter,
            folders=self._folders,
            files=tuple(self._seen),
            imports=tuple(self._found[name] for name in sorted(self._found)),
        )

    def _parse(self, path: str, data: bytes, package: str, late: bool) -> None:
        try:
            module = ast.parse(data)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return  # the run says what is wrong with it
        for each in _imports(module.body, package, late):
            self._import(each, path)

    def _import(self, each: _Import, place: str) -> None:
        if not each.module:
            return
        if self._is_ours(each.module.partition(".")[0]):
            parts = each.module.split(".")
            names = [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
            for name in (*names, *(f"{each.module}.{name}" for name in each.names)):
                self._follow(name, each.late)
            return
        known = self._found.get(each.module)
        if known is None or (known.late and not each.late):
            where = f"{place}:{each.line}" if each.line else place
            self._found[each.module] = AppImport(module=each.module, place=where, late=each.late)

    def _is_ours(self, top: str) -> bool:
        return top in self._own

    def _follow(self, module: str, late: bool) -> None:
        below = module.replace(".", "/")
        for folder in self._folders:
            for path, package in (
                (f"{folder}/{below}/__init__.py", module),
                (f"{folder}/{below}.py", module.rpartition(".")[0]),
            ):
                real = self._tree.resolve(path)
                if real and real not in self._seen and self._tree.files[real].type is FileType.FILE:
                    late = late and self._waiting.get(real, ("", True))[1]
                    self._waiting[real] = (package, late)
                    return


def _modules_in(folder: str, files: Iterable[str]) -> Iterator[str]:
    """Names that an import finds in ``folder``: its .py files, and its folders that have some."""
    start = folder.rstrip("/") + "/"
    for path in files:
        if path.startswith(start) and path.endswith(".py"):
            yield path[len(start) :].partition("/")[0].removesuffix(".py")


def _imports(body: Iterable[ast.AST], package: str, late: bool) -> Iterator[_Import]:
    """Imports that have to work; ``late``: only when a function is called, or under a condition."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (_Import(alias.name, (), node.lineno, late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join((*parent, *filter(None, [node.module])))
            yield _Import(module, tuple(alias.name for alias in node.names), node.lineno, late)
        elif isinstance(node, ast.Try) and _catches(node):
            yield from _imports((*node.orelse, *node.finalbody), package, late)
        elif isinstance(node, ast.If):
            if not _is_for_types(node.test):
                conditional = late or not _is_main(node.test)
                yield from _imports((*node.body, *node.orelse), package, conditional)
        elif isinstance(node, ast.With) and "suppress" in ast.dump(node.items[0].context_expr):
            continue
        else:
            deferred = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _imports(ast.iter_child_nodes(node), package, late or deferred)


def _catches(node: ast.Try) -> bool:
    names = {
        each.id if isinstance(each, ast.Name) else ""
        for handler in node.handlers
        for each in (ast.walk(handler.type) if handler.type else ())
    }
    return bool(names & _CATCHES) or any(handler.type is None for handler in node.handlers)


def _is_for_types(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in ast.dump(test)


def _is_main(test: ast.expr) -> bool:
    return "'__name__'" in ast.dump(test) and "'__main__'" in ast.dump(test)
