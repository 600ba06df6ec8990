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


def module_name(path: Path) -> str:
    """``plan.words`` for ``tfbuild/plan/words.py``; ``plan`` for a folder's ``__init__.py``."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE}

# A folder imports from itself and from those on floors below it.
FLOORS = (
    ("cli",),
    ("products", "compare"),
    ("build",),
    ("plan",),
    ("verify", "diagnose", "releases", "doctor", "registry"),
    ("artifacts", "downloads", "engine", "trust"),
    ("config", "machine"),
    ("base",),
)
FLOOR_OF = {folder: number for number, floor in enumerate(FLOORS) for folder in floor}
# Who alone may use what touches the world.
ALONE = {
    "subprocess": {"machine.runner"},
    "docker": {"engine.engine"},
    "requests": {"downloads.fetch"},
    "urllib3": {"downloads.fetch", "downloads.attempts"},  # the second for what a header means
    "socket": {"engine.engine"},  # the name of this machine, in labels of containers
    "grpc": {"doctor.reapi"},
    "http.client": set[str](),
    "urllib.request": set[str](),
}
PRODUCTS = {path.parent.name for path in (PACKAGE / "products").glob("*/__init__.py")}
# Where such a word names no product, but what somebody else made and this program recognises.
RECOGNISED = {
    "diagnose": "any image, so packages such as keras and tflite-runtime and files that end in .keras",
    "artifacts.foreign": "the file format .tflite",
    "artifacts.isa.names": "the owners of C++ namespaces that choose code by the CPU",
    "artifacts.elf.c_api": "the macro of upstream's C headers, and lists of what these declare",
}
LONGEST = 450
WIDEST = 12  # modules of one folder


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
def imports_of(module: str) -> frozenset[str]:
    """All that ``module`` imports, at its top or inside functions: ``a.b`` for both import forms."""
    found: set[str] = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: relative import"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


@cache
def ours(module: str) -> frozenset[str]:
    """Modules of this package that ``module`` imports."""
    names = {name.removeprefix("tfbuild.") for name in imports_of(module) if name.startswith("tfbuild.")}
    return frozenset(names & set(MODULES) - {module})


def reachable(module: str) -> set[str]:
    """Every module of this package below ``module``."""
    found: set[str] = set()
    pending = [module]
    while pending:
        new = ours(pending.pop()) - found
        found |= new
        pending += new
    return found


def arrows() -> Iterator[tuple[str, str]]:
    for module in MODULES:
        for name in ours(module):
            yield module, name


def test_a_folder_imports_only_from_itself_and_from_lower_floors() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, name in arrows()
        if (mine := module.split(".")[0]) != (other := name.split(".")[0])
        and FLOOR_OF[mine] >= FLOOR_OF[other]
    ]
    assert wrong == []


def test_a_product_never_imports_another() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, name in arrows()
        if module.startswith("products.")
        and name.startswith("products.")
        and {module.split(".")[1], name.split(".")[1]} <= PRODUCTS
        and module.split(".")[1] != name.split(".")[1]
    ]
    assert wrong == []


def test_only_the_command_line_knows_the_table_of_products() -> None:
    assert {module.split(".")[0] for module, name in arrows() if name == "products.table"} == {"cli"}


# What a command does that only one product has; all else asks the table.
OF_ONE_PRODUCT = {
    ("cli.build", "tflite"): "build-tflite --model",
    ("cli.inspect", "serving"): "check-upstream",
    ("cli.schemas", "serving"): "check-upstream --json",
    ("cli.lock", "tflite"): "lock, of upstream's CMake files",
    ("cli.lock", "keras"): "lock --app",
}


def test_the_command_line_reaches_past_the_table_only_for_a_command_of_one_product() -> None:
    found = {
        (module, name.split(".")[1])
        for module, name in arrows()
        if module.startswith("cli.") and name.startswith("products.") and name != "products.table"
    }
    assert found == set(OF_ONE_PRODUCT)


SHARED = [module for module in MODULES if module.split(".")[0] not in {"products", "cli"}]


def segments(word: str) -> set[str]:
    """``kerasplan``, ``keras``, ``plan`` of ``KerasPlan``; ``tflite``, ``python`` of ``tflite.python``."""
    plain = re.findall(r"[A-Za-z0-9]+", word)
    parts = {part for each in plain for part in (each, *re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", each))}
    return {part.lower() for part in parts}


def words_of(tree: ast.Module) -> Iterator[str]:
    """Every name in the code, and every text but docstrings."""
    lone = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    docstrings = {id(value) for value in lone if isinstance(value, ast.Constant)}
    for node in ast.walk(tree):
        if id(node) not in docstrings:
            values = (getattr(node, name, None) for name in node._fields)
            yield from (value for value in values if isinstance(value, str))
            yield from getattr(node, "names", ()) if isinstance(node, ast.Global | ast.Nonlocal) else ()


def recognised(module: str) -> bool:
    return any(f"{module}.".startswith(f"{each}.") for each in RECOGNISED)


def test_no_shared_module_names_a_product() -> None:
    assert len(PRODUCTS) > 2
    found = {
        module: named
        for module in SHARED
        if not recognised(module)
        and (named := [word for word in words_of(tree_of(module)) if PRODUCTS & segments(word)])
    }
    assert found == {}


def test_what_is_excused_from_naming_no_product_does_name_one() -> None:
    """An excuse that nothing needs any more would hide the next fault."""
    for excused in RECOGNISED:
        modules = [each for each in MODULES if f"{each}.".startswith(f"{excused}.")]
        words = [word for module in modules for word in words_of(tree_of(module))]
        assert any(PRODUCTS & segments(word) for word in words), excused


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("KerasPlan()", True),
        ("x.serving_port", True),
        ("f(tflite=1)", True),
        ("import a.keras as b", True),
        ("x = 'take serving.build_on=target'", True),
        ("x = f'{y}: TFLite'", True),
        ("def f():\n    'A docstring about Keras.'", False),
        ("x = 'tensorflow, observing, TfLiteVersion'", False),
    ],
)
def test_the_search_for_names_finds_them(code: str, names: bool) -> None:
    assert any(PRODUCTS & segments(word) for word in words_of(ast.parse(code))) is names


def asks_of_part(node: ast.AST) -> bool:
    """``isinstance(x.part, ...)`` and ``isinstance(..., XPart)``, also as a pattern of ``match``."""
    if isinstance(node, ast.MatchClass):
        return ast.unparse(node.cls).endswith("Part")
    if not (isinstance(node, ast.Call) and ast.unparse(node.func) in {"isinstance", "issubclass", "type"}):
        return False
    return bool(re.search(r"\.part\b|\w*Part\b", " ".join(map(ast.unparse, node.args))))


def test_no_shared_module_asks_what_kind_of_part_a_plan_has() -> None:
    assert asks_of_part(ast.parse("isinstance(plan.part, X)", mode="eval").body)
    assert asks_of_part(ast.parse("isinstance(x, (A, KerasPart))", mode="eval").body)
    assert [each for each in SHARED if any(map(asks_of_part, ast.walk(tree_of(each))))] == []


def test_no_module_imports_itself_in_a_circle() -> None:
    assert [module for module in MODULES if module in reachable(module)] == []


def test_a_folder_can_be_overlooked() -> None:
    counts = {
        folder: len([path for path in folder.glob("*.py") if path.name != "__init__.py"])
        for folder in {path.parent for path in MODULES.values()}
    }
    assert {str(folder): count for folder, count in counts.items() if count > WIDEST} == {}


def uses(module: str, package: str) -> bool:
    """Whether it imports ``package`` when it runs; a type checker's import touches nothing."""
    tree = tree_of(module)
    typing = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    names = {
        name
        for node in ast.walk(tree)
        if node not in typing
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    return any(name == package or name.startswith(f"{package}.") for name in names)


@pytest.mark.parametrize("package", ALONE)
def test_only_one_module_touches_each_part_of_the_world(package: str) -> None:
    assert {module for module in MODULES if uses(module, package)} == ALONE[package]


def test_processes_are_not_started_by_another_door() -> None:
    doors = re.compile(
        r"\bos\.(system|popen|fork|forkpty|exec[lv]p?e?|spawn\w+|posix_spawnp?)\b|\bmultiprocessing\b"
    )
    for module, path in MODULES.items():
        assert not doors.search(path.read_text(encoding="utf-8")), module


def test_a_plan_is_printed_without_what_carries_it_out() -> None:
    """What ``--dry-run`` needs; it would be slow, and could do harm, with the rest."""
    for module in ("plan.asked", "plan.show.text"):
        below = reachable(module)
        assert not {each for each in below if each.split(".")[0] in {"build", "cli", "doctor", "engine"}}
        assert not {"machine.runner", "downloads.fetch"} & below


def test_tasks_hold_no_work() -> None:
    tree = ast.parse((PACKAGE / "tasks.py").read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours_only = {str(name) for name in modules if str(name).startswith("tfbuild")}
    assert {".".join(name.split(".")[:2]) for name in ours_only} == {"tfbuild.cli"}
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        assert not any(
            isinstance(node, ast.For | ast.While | ast.Try | ast.With) for node in ast.walk(function)
        )


@pytest.mark.parametrize("module", [name for name, path in MODULES.items() if path.name != "__init__.py"])
def test_every_module_says_what_it_is_for_and_stays_readable(module: str) -> None:
    assert ast.get_docstring(tree_of(module))
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= LONGEST


UNIT = PROJECT / "tests" / "unit"


def test_the_tests_lie_as_the_modules_do() -> None:
    folders = [path.relative_to(UNIT) for path in UNIT.rglob("*") if path.is_dir()]
    there = [each for each in folders if each.name != "__pycache__" and each.parts[0] != "examples"]
    assert [each for each in there if not (PACKAGE / each).is_dir()] == []


def test_what_tests_share_lies_in_their_support() -> None:
    shares = re.compile(r"^(from|import) tests\.unit\b", re.MULTILINE)
    assert [path.name for path in UNIT.rglob("*.py") if shares.search(path.read_text(encoding="utf-8"))] == []


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
    """Packages are installed once, in the builder; no other RUN of a recipe has a network, but Bazel's and a
    cluster's."""
    networked: dict[str, list[str]] = {}
    for dockerfile in (PROJECT / "dockerfiles").rglob("*Dockerfile"):
        runs = re.split(r"^RUN ", dockerfile.read_text(), flags=re.MULTILINE)[1:]
        found = [run for run in runs if not run.startswith("--network=none")]
        if found:
            networked[str(dockerfile.relative_to(PROJECT / "dockerfiles"))] = found
    assert set(networked) == {"common/builder.Dockerfile", "serving/Dockerfile", "tflite/Dockerfile"}
    # For a cluster or a cache of others alone.
    assert len(networked["tflite/Dockerfile"]) == 1
    assert "FROM compile-${NETWORK} AS compile\n" in (PROJECT / "dockerfiles/tflite/Dockerfile").read_text()
    assert [re.findall(r"bash (\S+)", run) for run in networked["common/builder.Dockerfile"]] == [
        ["/common/install-builder.sh"]
    ]
