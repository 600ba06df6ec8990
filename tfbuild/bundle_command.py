"""``invoke bundle``, between the words of the command line and what is printed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tfbuild import wiring
from tfbuild.bundle_file import BundleDocument
from tfbuild.releases import load_release
from tfbuild.request import Words, host_arch, plan_of
from tfbuild.ui import ConsoleReporter


def write_file(product: str, words: dict[str, Any], file: str) -> BundleDocument:
    """Write what the plan of ``words`` needs to ``file``."""
    place = _place(file)
    plan = plan_of(wiring.PROJECT, product, Words(**words), env=os.environ, build_arch=host_arch())
    release = load_release(wiring.PROJECT, plan.product, words["release"] or plan.release)
    with ConsoleReporter() as reporter:
        found, sha256 = wiring.bundle(plan, release, place, reporter=reporter)
    return BundleDocument(status="written", file=str(place), sha256=sha256, bundle=found)


def load_file(file: str) -> BundleDocument:
    """Put what is in the bundle ``file`` into the cache."""
    place = _place(file)
    with ConsoleReporter() as reporter:
        found, sha256 = wiring.unbundle(place, reporter=reporter)
    return BundleDocument(status="loaded", file=str(place), sha256=sha256, bundle=found)


def _place(file: str) -> Path:
    return Path(os.path.abspath(file))  # noqa: PTH100 - resolve() would follow the user's links
