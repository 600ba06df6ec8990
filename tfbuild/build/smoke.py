"""What smoke tests of every product share: the findings on a program that gave no answer; pure."""

from __future__ import annotations

from tfbuild.base.values import Finding
from tfbuild.engine.facts import RunResult


def no_output(what: str, stderr: str = "") -> Finding:
    """A program that ended well and gave no answer: neither a right one nor a wrong one."""
    return Finding(
        "smoke-no-output",
        "error",
        f"{what}: exit code 0, and no answer was printed",
        tuple(stderr.strip().splitlines()[-10:]),
        "the engine lost its output, as happens on a machine that is too busy: run the command again, "
        "it continues; if that does not help, invoke doctor",
    )


def repeated(what: str, ran: RunResult) -> tuple[Finding, ...]:
    """That the program was run twice, because the first run printed nothing."""
    if not ran.repeated:
        return ()
    text = f"{what}: the first run printed nothing, so it was run once more"
    return (Finding("smoke-repeated", "warning", text),)
