"""The words of a build command, looked at before its plan is made, and where the plan's inputs would lie."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfbuild.base.project import PROJECT
from tfbuild.build.layout import Layout
from tfbuild.cli.line.own_files import release_word
from tfbuild.machine.cache import cache_root
from tfbuild.machine.path_words import input_word, output_folder
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words


def checked_words(words: Words, root: Path) -> Words:
    """The words of a build, with the paths among them looked at and ``~`` in them replaced.

    ``root`` is the project.
    """
    output = words.output
    if output:
        folder = output_folder(output, "--output")
        output = str(folder) if output.startswith("~") else output
    model, app = (
        input_word(word, option) if word else ""
        for word, option in ((words.model, "--model"), (words.app, "--app"))
    )
    return replace(words, output=output, model=model, app=app, release=release_word(words.release, root))


def layout_of(plan: Plan[Any]) -> Layout:
    """Where its inputs lie, or would; nothing is made."""
    return Layout(PROJECT, cache_root(os.environ), plan.build_id, plan.plain_id)
