"""Where the data of this project lies: configurations, recipes, toolchains.

In a checkout they are the folders beside the package, so an editable install uses those of the checkout. A
wheel carries them inside the package (pyproject.toml says how).
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
IS_INSTALLED = (_PACKAGE / "project").is_dir()
PROJECT = _PACKAGE / "project" if IS_INSTALLED else _PACKAGE.parent
