"""The files that ``verify`` writes for other programs: where they may be written, and writing them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tfbuild import __version__
from tfbuild.base.errors import UsageError
from tfbuild.machine.path_words import output_file
from tfbuild.machine.user_files import replace_text, require_replaceable_file
from tfbuild.verify.exchange import junit, sarif
from tfbuild.verify.report import VerifyReport


@dataclass(frozen=True)
class ReportFile:
    """A report in the format of ``option``; a file is replaced only where ``mark`` says that it is one."""

    option: str
    mark: str
    text: Callable[[VerifyReport], str]
    path: Path

    def require_place(self) -> None:
        """:raises UsageError: the file cannot be written, or is something else."""
        hint = f"another name: {self.option} FILE"
        require_replaceable_file(self.path, self._is_ours, f"a report ({self.option})", hint)

    def _is_ours(self, path: Path) -> bool:
        with path.open("rb") as file:
            return self.mark.encode() in file.read(1000)

    def __call__(self, report: VerifyReport) -> None:
        """Write ``report``.

        :raises UsageError: the disk refuses.
        """
        try:
            replace_text(self.path, self.text(report))
        except OSError as error:
            why = error.strerror or error
            raise UsageError(f"cannot write {self.path}: {why}", hint=f"{self.option} FILE") from error


def report_writers(sarif_word: str, junit_word: str) -> tuple[ReportFile, ...]:
    """A writer for each file that was asked for; nothing is written yet.

    :raises UsageError: one of them cannot be written, or is something else.
    """
    files = []
    if sarif_word:
        place = output_file(sarif_word, "--sarif")
        files.append(ReportFile("--sarif", f'"name": "{sarif.DRIVER}"', _sarif_text, place))
    if junit_word:
        place = output_file(junit_word, "--junit")
        files.append(ReportFile("--junit", f'<testsuites name="{junit.NAME}"', junit.junit_text, place))
    for each in files:
        each.require_place()
    return tuple(files)


def _sarif_text(report: VerifyReport) -> str:
    return sarif.sarif_text(report, __version__)
