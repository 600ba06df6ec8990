"""A page in a real browser: headless Chromium loads it, and a script of the test tells what came of it."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tfbuild.machine.runner import SubprocessRunner

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PROBE = Path(__file__).with_name("page_probe.js")


def look(page: Path, width: int, *, dark: bool) -> dict[str, Any]:
    """What ``page_probe.js`` says of the page in a window of this width. Without a browser the test is
    skipped, in CI it fails."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), "")
    if not program:
        message = f"no browser: apt-get install {PROGRAMS[0]}"
        pytest.fail(message) if os.environ.get("TFBUILD_REQUIRE_ENGINE") else pytest.skip(message)
    probed = page.with_name(f"probed-{page.name}")
    script = f"<script>{PROBE.read_text(encoding='utf-8')}</script>"
    probed.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{script}</body>"))
    argv = [
        program,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        f"--window-size={width},1200",
        "--dump-dom",
        probed.as_uri(),
    ]
    ran = SubprocessRunner().capture(argv, timeout_s=60)
    answer = re.search(r'<pre id="probe">(.*?)</pre>', ran.stdout, re.DOTALL)
    assert answer, ran.stderr[-2000:]
    told = json.loads(html.unescape(answer[1]))
    assert isinstance(told, dict)
    return told
