"""Gives a wheel the platform tag that its libraries allow, which only shows when they are linked.

https://packaging.python.org/specifications/binary-distribution-format/: the tag stands in the file's name and
in WHEEL, whose hash stands in RECORD.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import zipfile
from pathlib import Path

from tfbuild.artifacts.elf.read import parse_elf
from tfbuild.artifacts.platforms import load_platforms
from tfbuild.artifacts.wheel import Wheel
from tfbuild.base.errors import PackagingError
from tfbuild.base.project import PROJECT
from tfbuild.verify.checks.wheel import tag_facts

# Of the zip format: its first year. The times in a wheel mean nothing, and so they are all the same.
_TIME = (1980, 1, 1, 0, 0, 0)


def fitting_platform(path: Path) -> str:
    """``manylinux_2_39_x86_64``, or ``linux_x86_64`` where the libraries need what no manylinux tag allows.

    Raises :class:`PackagingError` for a wheel without libraries, or with those of several machines.
    """
    with Wheel(path) as wheel:
        files = tuple(parse_elf(wheel.read(name), name) for name in wheel.elf_names())
    facts = tag_facts(files, load_platforms(PROJECT))
    if facts is None:
        raise PackagingError(f"{path.name} has no libraries, or those of several machines")
    return facts.fits or f"linux_{facts.machine}"


def retag(path: Path, folder: Path, platform: str) -> Path:
    """Write the wheel ``path`` with the tag ``platform`` to ``folder``; same content, same bytes."""
    stem, _, _ = path.stem.rpartition("-")
    target = folder / f"{stem}-{platform}.whl"
    with zipfile.ZipFile(path) as old:
        names = [each.filename for each in old.infolist() if not each.is_dir()]
        contents = {name: old.read(name) for name in names}
    document, record = (
        next(n for n in names if n.endswith(f".dist-info/{file}")) for file in ("WHEEL", "RECORD")
    )
    contents[document] = re.sub(
        rb"(?m)^(Tag: .*-)[^-\r\n]+$", rb"\g<1>" + platform.encode(), contents[document]
    )
    contents[record] = _record(contents, record)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        # The metadata comes last, as the format recommends.
        for name in sorted(names, key=lambda each: (".dist-info/" in each, each == record, each)):
            member = zipfile.ZipInfo(name, _TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o100644 << 16
            new.writestr(member, contents[name])
    return target


def _record(contents: dict[str, bytes], record: str) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for name, data in sorted(contents.items()):
        if name != record:
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.writerow((name, f"sha256={digest}", len(data)))
    rows.writerow((record, "", ""))
    return text.getvalue().encode()
