"""Runs inside the image that is diagnosed: tells which of the named modules Python finds. Imports none.

Usage: imports_probe.py FOLDER[:FOLDER...] MODULE...

A module that is not found prints one line to stdout, ``tfbuild-probe`` and a JSON object; exit code 1 then.
Only the first part of a name is looked for: what a package has inside may be made when it is imported. In a
folder without __init__.py, and in distutils, of which Debian has a part, modules are files: there all is
looked for. Nothing newer than Python 3.6 is used.
"""

import importlib.machinery
import json
import sys


def find(name, path):
    """The spec that an import of ``name`` would take, or None."""
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path) if hasattr(finder, "find_spec") else None
        if spec is not None:
            return spec
    return None


def is_there(module):
    first, *rest = module.split(".")
    spec = find(first, None)
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            break
        if first != "distutils" and spec.origin not in (None, "namespace"):
            break
        # Without its parent's name: that would have to be imported.
        spec = importlib.machinery.PathFinder.find_spec(part, list(spec.submodule_search_locations))
    return spec is not None


def say(step, ok, detail):
    sys.stdout.write("tfbuild-probe " + json.dumps({"step": step, "ok": ok, "detail": detail}) + "\n")
    sys.stdout.flush()


def main(folders, modules):
    # The script's own folder is where an import looks first; ours is none of the application's.
    sys.path[:1] = folders.split(":")
    importlib.invalidate_caches()
    missing = [module for module in modules if not is_there(module)]
    for module in missing:
        say("module", False, module)
    say("modules", not missing, f"{len(modules) - len(missing)} of {len(modules)} found")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
