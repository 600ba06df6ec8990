"""Which files upstream's BUILD files make a target of; pure.

Starlark's syntax is a subset of Python's (https://github.com/bazelbuild/starlark/blob/master/spec.md), so
Python's own parser reads it. The few forms that TensorFlow Serving uses are evaluated here; nothing is run,
and what is not understood of a rule that compiles is an error.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# The text of a file of the source, or None where there is no such file.
Read = Callable[[str], str | None]

# Rules that compile, and those that only stand for others.
_CC_RULES = ("cc_library", "cc_binary")
_PROTO_RULES = ("serving_proto_library", "tf_proto_library")
# Keywords of these that ask for the service stubs of gRPC.
_SERVICES = ("has_services", "cc_grpc_version")
# What upstream's macros choose between: this is the open-source build, for TensorFlow 2, without TPUs.
_TAKEN = ("if_oss", "if_v2")
_LEFT = ("if_google", "if_not_v2", "if_libtpu", "if_with_tpu_support")
_DEFAULT = "//conditions:default"


class NotUnderstood(Exception):
    """A form of Starlark that is not known here, or a label without a target; the message says where."""


@dataclass(frozen=True)
class Target:
    """A target of a BUILD file. ``files`` are paths in the source, ``labels`` what it depends on."""

    label: str
    rule: str
    files: tuple[str, ...]
    labels: tuple[str, ...]
    has_services: bool = False


@dataclass(frozen=True)
class Closure:
    """All that a target is made of: paths in the source, and labels of other repositories."""

    sources: tuple[str, ...]
    protos: tuple[str, ...]
    services: tuple[str, ...]  # those of the protos that define services of gRPC
    external: tuple[str, ...]


def closure(read: Read, label: str, without: Sequence[str] = ()) -> Closure:
    """What ``label`` is made of, without what lies behind the labels ``without``.

    :raises NotUnderstood: a BUILD file has a form that is not known, or names what is not there.
    """
    packages: dict[str, Mapping[str, Target]] = {}
    pending, seen = [label], {label, *without}
    sources: set[str] = set()
    protos: set[str] = set()
    services: set[str] = set()
    external: set[str] = set()
    while pending:
        target = _target(read, pending.pop(), packages)
        if target.rule in _CC_RULES:
            sources |= {each for each in target.files if each.endswith(".cc")}
        elif target.rule in _PROTO_RULES:
            protos |= set(target.files)
            services |= set(target.files) if target.has_services else set()
        for each in target.labels:
            if each.startswith("@"):
                external.add(each)
            elif each not in seen:
                seen.add(each)
                pending.append(each)
    return Closure(*(tuple(sorted(found)) for found in (sources, protos, services, external)))


def _target(read: Read, label: str, packages: dict[str, Mapping[str, Target]]) -> Target:
    package = label.removeprefix("//").partition(":")[0]
    if package not in packages:
        path = f"{package}/BUILD"
        text = read(path)
        if text is None:
            raise NotUnderstood(f"{path} is not there, and {label} would be in it")
        packages[package] = targets(package, path, text)
    found = packages[package].get(label)
    if found is None:
        raise NotUnderstood(f"{package}/BUILD has no target {label}, or one of a rule that is not known")
    return found


def targets(package: str, path: str, text: str) -> Mapping[str, Target]:
    """The targets of known rules in one BUILD file, by their labels.

    :raises NotUnderstood: the file is no Starlark, or a target of a known rule cannot be evaluated.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise NotUnderstood(f"{path}: {error}") from None
    file = _File(package, path)
    for node in tree.body:
        file.take(node)
    return file.targets


@dataclass
class _File:
    """One BUILD file while it is read."""

    package: str
    path: str
    names: dict[str, Any] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)

    def take(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            self.names[node.targets[0].id] = self.value(node.value)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            self._call(node.value)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            raise self._strange(node)

    def _call(self, call: ast.Call) -> None:
        rule = call.func.id if isinstance(call.func, ast.Name) else ""
        if rule not in (*_CC_RULES, *_PROTO_RULES, "alias"):
            return
        given = {each.arg: each.value for each in call.keywords if each.arg}
        name = self.value(given["name"])
        label = f"//{self.package}:{name}"
        if rule == "alias":
            self._add(Target(label, rule, (), (self._label(self.value(given["actual"])),)))
            return
        # A file made by other rules stands among the sources as a label.
        files = [*self._list(given, "srcs"), *self._list(given, "linkstamp")]
        own = tuple(f"{self.package}/{each}" for each in files if not each.startswith((":", "//", "@")))
        made = tuple(self._label(each) for each in files if each.startswith((":", "//", "@")))
        labels = (*made, *(self._label(each) for each in self._list(given, "deps")))
        services = any(self.value(given[key]) for key in _SERVICES if key in given)
        self._add(Target(label, rule, own, labels, services))
        if rule in _PROTO_RULES:
            # serving.bzl: NAME_cc_proto and, since 2.20, NAME_cc_grpc_proto stand for NAME_proto; of
            # TensorFlow's own macro it is NAME_cc.
            stem = label.removesuffix("_proto")
            for other in (f"{stem}_cc_proto", f"{stem}_cc_grpc_proto", f"{label}_cc"):
                self._add(Target(other, "alias", (), (label,)))

    def _add(self, target: Target) -> None:
        self.targets[target.label] = target

    def _label(self, text: str) -> str:
        """The whole label; https://bazel.build/concepts/labels"""
        if text.startswith("@"):
            return text
        if text.startswith(":"):
            return f"//{self.package}{text}"
        if text.startswith("//"):
            return text if ":" in text else f"{text}:{text.rpartition('/')[2]}"
        return f"//{self.package}:{text}"

    def _list(self, given: Mapping[str, ast.expr], key: str) -> Iterator[str]:
        value = self.value(given[key]) if key in given else ()
        yield from (value,) if isinstance(value, str) else value

    def value(self, node: ast.expr) -> Any:
        """What an expression comes to."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.List | ast.Tuple):
            return [self.value(each) for each in node.elts]
        if isinstance(node, ast.Name) and node.id in self.names:
            return self.names[node.id]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self.value(node.left) + self.value(node.right)
        if isinstance(node, ast.Dict):
            keys = (self.value(each) for each in node.keys if each)
            return dict(zip(keys, node.values, strict=True))
        if isinstance(node, ast.Call):
            return self._function(node)
        raise self._strange(node)

    def _function(self, node: ast.Call) -> Any:
        given = {each.arg: each.value for each in node.keywords if each.arg}
        if isinstance(node.func, ast.Name):
            name = node.func.id
            if name in _TAKEN:
                return self.value(node.args[0])
            if name in _LEFT:
                # TensorFlow's own if_google names both.
                return self.value(given["oss_value"]) if "oss_value" in given else []
            if name == "serving_tensorflow_proto_dep":
                return f"{self.value(node.args[0])}_cc"
            if name == "select":
                return self.value(self.value(node.args[0])[_DEFAULT])
            if name == "glob":
                raise NotUnderstood(f"{self.path}:{node.lineno}: a glob where files are listed one by one")
        raise self._strange(node)

    def _strange(self, node: ast.AST) -> NotUnderstood:
        text = ast.unparse(node).partition("\n")[0][:80]
        return NotUnderstood(f"{self.path}:{getattr(node, 'lineno', 1)}: not understood: {text}")
