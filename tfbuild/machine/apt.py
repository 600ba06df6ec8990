"""What the host's apt is set up with, so that builders can use the same Debian mirror.

Formats: one-line style (``sources.list``) and deb822 style (``*.sources``), as sources.list(5)
describes them: https://manpages.debian.org/stable/apt/sources.list.5.en.html
No mirror is ever assumed: where nothing is found, the result is empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tfbuild.base.errors import HostError
from tfbuild.machine.programs import Runner

_ONE_LINE = re.compile(r"^(?P<type>deb|deb-src)\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<rest>\S.*)$")
# Fields of ``apt-get indextargets``: https://manpages.debian.org/stable/apt/apt-get.8.en.html#indextargets
INDEXTARGETS_FORMAT = "$(ORIGIN)|$(LABEL)|$(CODENAME)|$(SUITE)|$(COMPONENT)|$(REPO_URI)"
# Names that a suite of Debian's main archive can have beside its codename.
_SUITE_ALIASES = ("oldoldstable", "oldstable", "stable", "testing", "unstable", "sid")
_LISTS = Path("var/lib/apt/lists")
_MAIN_LABEL = "Debian"  # backports say "Debian Backports"
_SECURITY_LABEL = "Debian-Security"


@dataclass(frozen=True)
class AptSource:
    """One entry of apt's sources; only binary entries (``deb``) are kept by the parsers."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""
    path: str = ""


def parse_one_line(text: str, path: str = "") -> tuple[AptSource, ...]:
    """Entries of a ``sources.list`` file; lines that are not understood are left out."""
    found = []
    for line in text.splitlines():
        match = _ONE_LINE.match(line.split("#", 1)[0].strip())
        if match is None or match["type"] != "deb":
            continue
        uri, *rest = match["rest"].split()
        if not rest:
            continue
        options = dict(o.split("=", 1) for o in (match["options"] or "").split() if "=" in o)
        signed_by = options.get("signed-by", "")
        found.append(AptSource((uri,), (rest[0],), tuple(rest[1:]), signed_by, path))
    return tuple(found)


def parse_deb822(text: str, path: str = "") -> tuple[AptSource, ...]:
    """Enabled binary entries of a ``*.sources`` file."""
    found = []
    for fields in _stanzas(text):
        if "deb" not in fields.get("types", "").split():
            continue
        if fields.get("enabled", "yes").lower() in ("no", "false", "without", "off", "disable", "0"):
            continue
        uris, suites = fields.get("uris", "").split(), fields.get("suites", "").split()
        if not uris or not suites:
            continue
        components = tuple(fields.get("components", "").split())
        # An embedded key has several lines; only the name of a key file is of use to others.
        signed_by = fields.get("signed-by", "")
        signed_by = "" if "BEGIN PGP" in signed_by else signed_by
        found.append(AptSource(tuple(uris), tuple(suites), components, signed_by, path))
    return tuple(found)


def _stanzas(text: str) -> Iterable[dict[str, str]]:
    fields: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, key = {}, ""
        elif line[0] in " \t":
            if key:
                fields[key] += "\n" + line.strip()
        elif ":" in line:
            name, value = line.split(":", 1)
            key = name.strip().lower()
            fields[key] = value.strip()
    if fields:
        yield fields


def read_sources(root: Path = Path("/")) -> tuple[AptSource, ...]:
    """All entries below ``root``/etc/apt; unreadable files are skipped (apt runs as another user)."""
    apt = root / "etc/apt"
    parts = apt / "sources.list.d"
    files = [apt / "sources.list", *sorted(parts.glob("*.list")), *sorted(parts.glob("*.sources"))]
    found: list[AptSource] = []
    for file in files:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        parse = parse_deb822 if file.suffix == ".sources" else parse_one_line
        found.extend(parse(text, str(file)))
    return tuple(found)


def main_archive_sources(sources: Iterable[AptSource], codename: str) -> tuple[AptSource, ...]:
    """Entries that can only be Debian's main archive on a Debian host of release ``codename``.

    Without apt's downloaded lists nothing says who the origin of an entry is, so the suite decides.
    """
    suites = {codename, *_SUITE_ALIASES}
    return tuple(s for s in sources if "main" in s.components and suites.intersection(s.suites))


def parse_indextargets(text: str, codename: str = "", label: str = _MAIN_LABEL) -> tuple[str, ...]:
    """Repository addresses of Debian's main archive (or of the one with ``label``) out of
    ``apt-get indextargets``.

    Those that serve the release ``codename`` come first; the order is else apt's own.
    """
    preferred: list[str] = []
    others: list[str] = []
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) != 6:
            continue
        origin, name, release, suite, component, uri = fields
        if origin != "Debian" or name != label or component != "main":
            continue
        if label == _MAIN_LABEL and suite.endswith("-security"):
            continue
        (preferred if release == codename else others).append(uri)
    return _unique(preferred + others)


def debian_archive_mirrors(
    runner: Runner, *, os_id: str, codename: str, root: Path = Path("/")
) -> tuple[str, ...]:
    """Addresses (http, https; no trailing slash) of the Debian archive that the host's apt uses.

    Empty where apt knows none, for example on Ubuntu. apt's downloaded lists are asked first, for
    they say the origin; on a Debian host without lists the source files are read.
    """
    uris = parse_indextargets(_indextargets(runner, root), codename)
    if not uris and os_id == "debian":
        sources = main_archive_sources(read_sources(root), codename)
        uris = tuple(uri for source in sources for uri in source.uris)
    return expand_mirrors(uris, lambda path: (root / path.lstrip("/")).read_text(encoding="utf-8"))


def debian_security_mirrors(runner: Runner, root: Path = Path("/")) -> tuple[str, ...]:
    """Addresses of Debian's security archive that the host's apt uses; empty where apt's lists name none."""
    uris = parse_indextargets(_indextargets(runner, root), label=_SECURITY_LABEL)
    return expand_mirrors(uris, lambda path: (root / path.lstrip("/")).read_text(encoding="utf-8"))


def _indextargets(runner: Runner, root: Path) -> str:
    words = ("--format", INDEXTARGETS_FORMAT, "Created-By: Packages")
    with suppress(HostError), TemporaryDirectory() as folder:  # no apt here
        _link_releases(root / _LISTS, Path(folder))
        for options in (("-o", f"Dir::State::lists={folder}/"), ()):
            answer = runner.capture(("apt-get", "indextargets", *options, *words))
            if answer.ok and answer.stdout:
                return answer.stdout
    return ""


def _link_releases(lists: Path, folder: Path) -> None:
    """In ``folder`` what apt has of each archive, and of its packages only that there is an index.

    apt reads all packages before it tells whose an archive is. Where it keeps no cache of them, as in
    Debian's container images, that takes a second each time.
    """
    try:
        found = tuple(lists.iterdir())
    except OSError:  # apt's words are taken then, or there are none
        return
    for file in found:
        name, index, _ = file.name.partition("_Packages")
        if index:
            (folder / f"{name}{index}").touch()
        elif file.name.endswith("Release"):
            (folder / file.name).symlink_to(file)


def expand_mirrors(uris: Iterable[str], read: Callable[[str], str]) -> tuple[str, ...]:
    """``uris`` as plain http(s) addresses.

    Debian's cloud images name a list instead (``mirror+file:/etc/apt/mirrors/debian.list``, see
    apt-transport-mirror(1)); ``read`` gives the text of such a file. Other transports are left out,
    since only apt can use them.
    """
    found: list[str] = []
    for uri in uris:
        if uri.startswith("mirror+file:"):
            path = "/" + uri.removeprefix("mirror+file:").strip("/")
            try:
                lines = read(path).splitlines()
            except OSError:
                continue
            found.extend(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))
        else:
            found.append(uri)
    return _unique(u.rstrip("/") for u in found if u.startswith(("http://", "https://")))


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
