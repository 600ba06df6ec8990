"""What the shape of the code promises: who may do what, and what is nowhere in the project."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "tfbuild"
MODULES = {path.stem: path for path in sorted(PACKAGE.glob("*.py"))}

# Who alone may use what touches the world.
ALONE = {
    "subprocess": {"runner"},
    "docker": {"engine"},
    "requests": {"fetch"},
    "urllib3": {"fetch"},
    "socket": {"engine"},  # the name of this machine, in labels of containers
    "http.client": set[str](),
    "urllib.request": set[str](),
}
EFFECTS = {"runner", "engine", "fetch"}
# Decide and describe; nothing that they import, directly or not, can touch the world.
PURE = {
    "attempts",
    "bazel_flags",
    "bazel_words",
    "bake",
    "bake_serving",
    "binding",
    "checks",
    "checks_isa",
    "checks_wheel",
    "cmake_entries",
    "cmake_text",
    "command_words",
    "compilers",
    "compiler_cpus",
    "config",
    "config_effect",
    "config_layers",
    "config_rules",
    "config_schema",
    "dependency",
    "diagnose",
    "diagnose_app",
    "diagnose_binaries",
    "diagnose_facts",
    "diagnose_gpu",
    "diagnose_html",
    "diagnose_isa",
    "diagnose_known",
    "diagnose_models",
    "diagnose_modules",
    "diagnose_operation",
    "diagnose_packages",
    "diagnose_python",
    "diagnose_read",
    "diagnose_run",
    "diagnose_start",
    "diagnose_text",
    "diagnosis",
    "documents",
    "elf_facts",
    "environment",
    "errors",
    "fingerprint",
    "first_seen",
    "flags",
    "git_tree",
    "hdf5_text",
    "hints",
    "image_manifest",
    "image_names",
    "index_plan",
    "isa",
    "isa_arm64",
    "isa_calls",
    "isa_facts",
    "isa_march",
    "isa_names",
    "isa_sites",
    "isa_x86",
    "license_text",
    "lock_file",
    "lock_state",
    "mirrors",
    "patch_text",
    "trust_store",
    "model",
    "plan",
    "naming",
    "plan_parts",
    "plan_serving",
    "plan_text",
    "plan_tflite",
    "preflight",
    "printable",
    "policy",
    "programs",
    "progress",
    "release_schema",
    "release_serving",
    "release_types",
    "release_upstream",
    "release_wheels",
    "release_text",
    "releases",
    "report_text",
    "request",
    "retry",
    "saved_model",
    "server_files",
    "serving_request",
    "setup_plan",
    "simple_index",
    "smoke",
    "smoke_operators",
    "smoke_serving",
    "starlark_text",
    "suggest",
    "upstream_sources",
    "verify_code_text",
    "wheel_lock",
    "wheel_rules",
    "where",
    "upstream_check",
    "yaml_source",
}
LONGEST = 450


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def _type_checking_only(tree: ast.Module) -> set[ast.AST]:
    """Imports that only a type checker sees."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }


@cache
def imports_of(module: str) -> frozenset[str]:
    """All that ``module`` imports, at its top or inside functions: ``a.b`` for both import forms."""
    tree = tree_of(module)
    skipped = _type_checking_only(tree)
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: relative import"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def ours(module: str) -> set[str]:
    """Modules of this package that ``module`` imports."""
    return {name.split(".")[1] for name in imports_of(module) if name.startswith("tfbuild.")} & set(MODULES)


def reachable(module: str) -> dict[str, str]:
    """Every module of this package below ``module``, with the one that imports it."""
    found: dict[str, str] = {}
    pending = [module]
    while pending:
        current = pending.pop()
        for name in sorted(ours(current) - set(found)):
            found[name] = current
            pending.append(name)
    return found


def uses(module: str, package: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for name in imports_of(module))


@pytest.mark.parametrize("package", ALONE)
def test_only_one_module_touches_each_part_of_the_world(package: str) -> None:
    assert {module for module in MODULES if uses(module, package)} - {"__init__"} == ALONE[package]


def test_processes_are_not_started_by_another_door() -> None:
    doors = re.compile(
        r"\bos\.(system|popen|fork|forkpty|exec[lv]p?e?|spawn\w+|posix_spawnp?)\b|\bmultiprocessing\b"
    )
    for module, path in MODULES.items():
        assert not doors.search(path.read_text(encoding="utf-8")), module


def test_what_people_see_is_written_by_one_module() -> None:
    """There it is made printable; nothing else writes to stdout or stderr."""
    doors = re.compile(r"(?<![.\w])print\(|\bstd(out|err)\.write|\bos\.write\(")
    found = {module for module, path in MODULES.items() if doors.search(path.read_text(encoding="utf-8"))}
    assert found == set()


@pytest.mark.parametrize("module", sorted(PURE))
def test_a_pure_module_cannot_reach_an_effect(module: str) -> None:
    below = reachable(module)
    for effect in sorted(EFFECTS & set(below)):
        chain = [effect]
        while chain[-1] != module:
            chain.append(below[chain[-1]])
        pytest.fail(" <- ".join(chain))


def test_a_plan_is_printed_without_what_carries_it_out() -> None:
    """What ``--dry-run`` needs; it would be slow, and could do harm, with the rest."""
    for module in ("request", "bake", "plan_text"):
        assert not {"execute", "wiring", "doctor", "host", "ui"} & set(reachable(module))


def test_no_module_imports_itself_in_a_circle() -> None:
    for module in MODULES:
        assert module not in reachable(module), f"{module} <- {reachable(module).get(module)}"


def test_tasks_hold_no_work() -> None:
    tree = ast.parse((PROJECT / "tasks.py").read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours_only = {str(name) for name in modules if str(name).startswith("tfbuild")}
    assert ours_only == {"tfbuild", "tfbuild.commands", "tfbuild.invoke_usage"}
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        assert not any(
            isinstance(node, ast.For | ast.While | ast.Try | ast.With) for node in ast.walk(function)
        )


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is_for_and_stays_readable(module: str) -> None:
    assert ast.get_docstring(tree_of(module))
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= LONGEST


# -- the files of the project -------------------------------------------------------------------------


def project_files() -> Iterator[tuple[str, str]]:
    """Path and text of every text file that belongs to the project, by what .gitignore leaves."""
    ignored = {line.strip("/") for line in (PROJECT / ".gitignore").read_text().splitlines()} | {".git"}
    for path in sorted(PROJECT.rglob("*")):
        parts = path.relative_to(PROJECT).parts
        above = {"/".join(parts[:count]) for count in range(1, len(parts) + 1)}
        if ignored & (above | set(parts)) or ".egg-info/" in str(path) or not path.is_file():
            continue
        try:
            yield "/".join(parts), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


FILES = dict(project_files())

# In pieces, so that this file does not have them.
REGISTRIES = tuple(
    ".".join(name)
    for name in (
        ("deb", "debian", "org"),
        ("ftp", "debian", "org"),
        ("security", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("ports", "ubuntu", "com"),
        ("security", "ubuntu", "com"),
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("test", "pypi", "org"),
        ("registry", "npmjs", "org"),
        ("index", "docker", "io"),
        ("registry-1", "docker", "io"),
        ("hub", "docker", "com"),
        ("download", "docker", "com"),
        ("quay", "io"),
        ("ghcr", "io"),
        ("gcr", "io"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("conda", "anaconda", "org"),
    )
)


@pytest.mark.parametrize("name", REGISTRIES)
def test_no_file_names_a_package_registry(name: str) -> None:
    """A host's own mirrors are used; which ones, its configuration says."""
    pattern = re.compile(rf"(?<![A-Za-z0-9-]){re.escape(name)}(?![A-Za-z0-9-])", re.IGNORECASE)
    assert [path for path, text in FILES.items() if pattern.search(text)] == []


def test_no_file_names_a_folder_of_one_machine() -> None:
    """Folders of whoever wrote this."""
    pattern = re.compile("/" + "work/|/" + "tmp/x/|/home/(?!user|me|tfbuild)[a-z]")
    assert [path for path, text in FILES.items() if pattern.search(text)] == []


def test_nothing_is_left_to_be_done_later() -> None:
    pattern = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    assert [path for path, text in FILES.items() if pattern.search(text)] == []


def test_every_shell_script_stops_at_its_first_error() -> None:
    scripts = {
        path: text for path, text in FILES.items() if path.endswith(".sh") or text.startswith("#!/bin/bash")
    }
    assert scripts
    for path, text in scripts.items():
        assert re.search(r"^set -euo pipefail$" if "bash" in text[:20] else "^set -eu", text, re.MULTILINE), (
            path
        )


def test_the_recipe_downloads_nothing_while_it_compiles() -> None:
    """Each RUN but the one that installs packages is without network."""
    text = (PROJECT / "dockerfiles" / "tflite" / "Dockerfile").read_text()
    runs = re.split(r"^RUN ", text, flags=re.MULTILINE)[1:]
    networked = [run for run in runs if not run.startswith("--network=none")]
    assert len(networked) == 1
    assert "install-builder.sh" in networked[0]
