"""The archives that Bazel's files pin with a sha256; pure.

Starlark's syntax is a subset of Python's (https://github.com/bazelbuild/starlark/blob/master/spec.md), so
Python's own parser reads it; nothing is run. Only strings that can be told without running are understood.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Published:
    """A URL and the sha256 that a file gives for it."""

    url: str
    sha256: str
    file: str


def published(file: str, text: str) -> tuple[Published, ...]:
    """What ``file`` pins: every call with the keywords ``sha256`` and ``url`` or ``urls``. A file that is no
    Starlark pins nothing."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    constants = dict(_constants(tree))
    return tuple(_pins(file, tree, constants))


def _constants(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            for value in _strings(node.value, {}):
                yield node.targets[0].id, value
                break


def _pins(file: str, tree: ast.AST, constants: Mapping[str, str]) -> Iterator[Published]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        given = {word.arg: word.value for word in node.keywords if word.arg}
        hashes = list(_strings(given["sha256"], constants)) if "sha256" in given else []
        if len(hashes) != 1 or not _SHA256.fullmatch(hashes[0]):
            continue
        for key in ("url", "urls"):
            for url in _strings(given[key], constants) if key in given else ():
                yield Published(url, hashes[0], file)


def _strings(node: ast.expr, constants: Mapping[str, str]) -> Iterator[str]:
    """The strings that ``node`` amounts to: itself, those of a list, or those that a function is given."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Name) and node.id in constants:
        yield constants[node.id]
    elif isinstance(node, ast.List | ast.Tuple):
        for each in node.elts:
            yield from _strings(each, constants)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = (list(_strings(side, constants)) for side in (node.left, node.right))
        yield from (one + other for one in left for other in right)
    elif isinstance(node, ast.Call):
        yield from _called(node, constants)


def _called(node: ast.Call, constants: Mapping[str, str]) -> Iterator[str]:
    if not isinstance(node.func, ast.Attribute):
        for argument in node.args:  # tf_mirror_urls(…)
            yield from _strings(argument, constants)
        return
    if node.func.attr != "format":
        return
    values = {word.arg: value for word in node.keywords for value in _strings(word.value, constants)}
    numbered = [value for argument in node.args for value in _strings(argument, constants)]
    for text in _strings(node.func.value, constants):
        try:
            yield text.format(*numbered, **{str(name): value for name, value in values.items()})
        except (LookupError, ValueError):
            continue
