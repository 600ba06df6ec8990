"""What runs when a container of an image starts, and what of it installs packages. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping

from tfbuild.artifacts.image.facts import ImageConfig
from tfbuild.diagnose.facts import StartLine

# A package manager with its installing command, at the start of a command or after an interpreter.
_INSTALL = re.compile(
    r"(?:^|[\s;&|(`'\"/])"
    r"(?:(?:pip|pip3|pip3?\.[0-9.]+|uv pip|conda|mamba|micromamba|apt|apt-get|yum|dnf|microdnf)"
    r"(?:\s+-[^\s]+)*\s+install|apk(?:\s+-[^\s]+)*\s+add|poetry\s+install|uv\s+sync|pipenv\s+(?:install|sync)"
    r"|easy_install)\b"
)
_SCRIPT_BYTES = 1 << 20
# What an engine sets where the image sets nothing.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def start_program(config: ImageConfig, resolve: Callable[[str], str | None]) -> str | None:
    """The file that a container starts first, with symbolic links followed."""
    words = config.entrypoint + config.cmd
    return _find(words[0], config, resolve) if words else None


def start_scripts(config: ImageConfig, resolve: Callable[[str], str | None]) -> tuple[str, ...]:
    """Files among the first words of the command that may be scripts."""
    found = []
    for word in (config.entrypoint + config.cmd)[:4]:
        path = _find(word, config, resolve)
        if path and not _is_library(path):
            found.append(path)
    return tuple(dict.fromkeys(found))


def start_lines(config: ImageConfig, texts: Mapping[str, bytes]) -> tuple[StartLine, ...]:
    """Lines that install packages, in the command itself and in the scripts in ``texts`` that it runs."""
    return tuple(line for line in _lines(config, texts) if _INSTALL.search(line.text))


def _lines(config: ImageConfig, texts: Mapping[str, bytes]) -> Iterator[StartLine]:
    for place, words in (("ENTRYPOINT", config.entrypoint), ("CMD", config.cmd)):
        if words:
            yield StartLine(place=place, text=" ".join(words))
    for path, data in texts.items():
        if path.endswith((".list", "/METADATA", "/PKG-INFO")) or "-packages/" in path:
            continue
        text = data[:_SCRIPT_BYTES]
        if not text.startswith(b"#!") and not path.endswith((".sh", ".py")):
            continue
        for number, raw in enumerate(text.decode("utf-8", errors="replace").splitlines(), start=1):
            line = raw.strip()
            if line and not line.startswith("#"):
                yield StartLine(place=f"{path}:{number}", text=line[:200])


def which(word: str, config: ImageConfig, resolve: Callable[[str], str | None]) -> str | None:
    """The path at which a container finds the program ``word``; links are not followed: a virtual
    environment is known by the path of its Python."""
    if not word or word.startswith("-") or any(c.isspace() for c in word):
        return None
    if "/" in word:
        candidates = [posixpath.normpath(posixpath.join("/", config.working_dir, word))]
    else:
        places = (config.variable("PATH") or _PATH).split(":")
        candidates = [posixpath.join(place, word) for place in places if place]
        if word.endswith((".sh", ".py")):
            candidates.append(posixpath.join("/", config.working_dir, word))
    return next((path for path in candidates if resolve(path)), None)


def _find(word: str, config: ImageConfig, resolve: Callable[[str], str | None]) -> str | None:
    path = which(word, config, resolve)
    return resolve(path) if path else None


def _is_library(path: str) -> bool:
    return ".so" in posixpath.basename(path)
