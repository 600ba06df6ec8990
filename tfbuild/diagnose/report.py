"""A diagnosis in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from tfbuild.base.printable import joined
from tfbuild.diagnose.catalog import Diagnosis
from tfbuild.diagnose.diagnose import DiagnoseReport, ImageSummary
from tfbuild.diagnose.host import TargetHost
from tfbuild.diagnose.known import MISSING_MODULE, RunOutcome

_WIDTH = 110
_UNREMARKABLE = ("shared-memory", "locale")  # told only when they fail


def render(report: DiagnoseReport) -> str:
    """The whole report: what it is, what was run, what was found. Ends with a newline."""
    lines = [f"{report.subject}: {report.kind}, judged for {report.host.name}", ""]
    lines += [
        f"  {label:<9} {value}" for label, value in (*image_rows(report.image), *host_rows(report.host))
    ]
    lines += [f"  {label:<9} {value}" for label, value in run_rows(report.runs)]
    lines.append("")
    for finding in report.findings:
        lines += _finding(finding)
    return joined([*lines, summary(report)])


def summary(report: DiagnoseReport) -> str:
    """One line: how many will fail, how many are warnings."""
    if not report.findings:
        return "Nothing found."
    errors, warnings = len(report.errors), len(report.warnings)
    parts = [f"{errors} finding{'s' if errors != 1 else ''} that will fail"] if errors else []
    parts += [f"{warnings} warning{'s' if warnings != 1 else ''}"] if warnings else []
    return f"{', '.join(parts)}."


def image_rows(image: ImageSummary) -> Iterator[tuple[str, str]]:
    """Label and value of each fact worth a line."""
    made = f", made {image.created[:10]}" if image.created else ""
    yield "image", f"{image.platform}{made}, user {image.user or 'root (not set)'}"
    if image.command:
        yield "starts", " ".join(image.command)
    if image.packages:
        versions = ", ".join(f"{p.name} {p.version}" for p in image.packages)
        yield "python", f"{image.python}: {versions}"
    if image.model_servers:
        yield "server", ", ".join(image.model_servers)
    if image.cuda:
        yield "cuda", ", ".join(image.cuda)
    if image.libc:
        yield "libc", ", ".join(image.libc)
    for model in image.models:
        yield "model", f"{model.path}, made with {model.maker} {model.version}"
    for line in image.unread:
        yield "unread", line


def host_rows(host: TargetHost) -> Iterator[tuple[str, str]]:
    level = f" (x86-64-v{host.cpu_level})" if host.cpu_level else ""
    gpus = ", ".join(gpu.name or gpu.address for gpu in host.gpus) or "no GPU"
    driver = f", driver {host.nvidia_driver}" if host.nvidia_driver else ""
    memory = f"{host.memory / (1 << 30):.1f} GiB"
    yield "machine", f"{host.name}: {host.arch}{level}, Linux {host.kernel}, {memory}, {gpus}{driver}"


def run_rows(runs: tuple[RunOutcome, ...]) -> Iterator[tuple[str, str]]:
    for run in runs:
        if run.skipped is not None:
            yield "not run", run.skipped
            continue
        told = [s for s in run.steps if not s.ok or s.name not in _UNREMARKABLE]
        told = [s for s in told if s.name != MISSING_MODULE]  # each is in a finding
        steps = "; ".join(f"{s.name}: {s.detail if s.ok else 'FAILED, ' + s.detail}" for s in told)
        yield "run", f"{run.name}: {'worked' if run.ok else 'failed'}{', ' + steps if steps else ''}"


def _finding(finding: Diagnosis) -> Iterator[str]:
    yield f"{finding.severity}: {finding.title}  [{finding.id}]"
    for line in finding.evidence:
        yield f"    {line}"
    for label, text in (("cause", finding.cause), ("fix", finding.fix)):
        first, *rest = wrap(f"{label}: {text}", _WIDTH - 4, break_long_words=False) or [""]
        yield f"    {first}"
        yield from (f"    {' ' * (len(label) + 2)}{line}" for line in rest)
    for url in finding.threads:
        yield f"    see: {url}"
    yield ""
