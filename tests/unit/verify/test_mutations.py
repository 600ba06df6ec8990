"""Damaged files of every kind: a report or a clear error, never anything else."""

from __future__ import annotations

from collections import Counter

from tests.support.mutations import damage


def test_damaged_files_give_a_report_or_a_clear_error() -> None:
    """``python -m benchmarks.mutations`` does the same with as many as one likes."""
    outcomes = list(damage(600))
    results = Counter(outcome.result for outcome in outcomes)
    assert set(results) == {"report", "UsageError", "VerificationError"}
    assert min(results.values()) > 20
    assert max(outcome.seconds for outcome in outcomes) < 10, "a loop without a bound"
