"""benchmarks.inference: what its report says of figures, and what the program says of its environment."""

from __future__ import annotations

from benchmarks.inference import Series, report
from benchmarks.sampler import CLIENT_VARIABLE
from benchmarks.zoo import MODELS, NAMES, SAME_OUTPUT, SHORT_OF_CPUS, Limits, limits_of
from tfbuild.cli.line.environment import check_environment


def series(
    program: str, ms: float, model: str = "lstm-float32", output: tuple[float, ...] = (0, 1)
) -> Series:
    return Series(
        model=model,
        threads=1,
        program=program,
        rounds=((round(ms * 1e6),),) * 6,
        cpu=(round(ms * 1e6),) * 6,
        others=(0.0,) * 6,
        output=output,
        peak_kib=1024,
        loaded={},
        cannot="",
    )


def lines(*found: Series) -> str:
    return report(found, Limits(1.05, 1.25))


def test_the_median_of_the_models_and_the_slowest_of_them_decide() -> None:
    text = lines(
        *(series("wheel", 2.0, model) for model in NAMES[:3]),
        series("C++", 2.0, NAMES[0]),
        series("C++", 2.2, NAMES[1]),
        series("C++", 4.0, NAMES[2]),
    )
    assert "C++, 1 thread: median of 3 models at most 1.05: 1.1, MISSED by 5 %" in text
    assert f"C++, 1 thread: slowest model ({NAMES[2]}) at most 1.25: 2, MISSED by 60 %" in text


def test_where_cpus_are_short_only_the_slowest_model_has_a_limit() -> None:
    text = report([series("wheel", 1.0), series("C++", 1.2)], SHORT_OF_CPUS)
    assert "C++, 1 thread: median of 1 models 1.20" in text
    assert "C++, 1 thread: slowest model (lstm-float32) at most 1.3: 1.2, met" in text


def test_a_model_that_a_program_cannot_run_is_named_and_counts_nowhere() -> None:
    refused = Series("lstm-float32", 1, "C", (), (), (), (), 0, {}, cannot="cannot run it (exit 1)")
    text = lines(series("wheel", 1.0), series("C++", 1.0), refused)
    assert "lstm-float32, 1 thread, C      cannot run it (exit 1)" in text
    assert "C++, 1 thread: median of 1 models at most 1.05: 1, met" in text
    assert "C, 1 thread" not in text.replace("lstm-float32, 1 thread, C ", "")


def test_an_answer_that_is_not_the_wheels_is_called_wrong() -> None:
    text = lines(series("wheel", 1.0), series("C++", 0.5, output=(0, 0.9)))
    assert "WRONG: lstm-float32, 1 thread, C++: output differs from the wheel's by 10.0% of its range" in text


def test_every_kind_of_model_and_every_release_has_a_limit() -> None:
    assert {kind for kinds in MODELS.values() for kind in kinds} == set(SAME_OUTPUT)
    assert limits_of("upstream", "2.2.0-litert") == Limits(0.95, 1.02)
    assert limits_of("upstream", "2.16.1") == Limits(1.05)
    assert limits_of("debian", "2.14.1-debian") == Limits(1.10, 1.25)


def test_the_mark_of_a_benchmarks_processes_is_no_variable_that_the_program_refuses() -> None:
    check_environment({CLIENT_VARIABLE: "cold-1234"})
