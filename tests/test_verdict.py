"""Whether a trained model may rank searches, by intervals worked by hand."""

from __future__ import annotations

import pytest

from rerank.evaluation.intervals import Interval
from rerank.training.comparison.compare import Comparison, ComparisonRow, Figure
from rerank.training.comparison.verdict import reason_against

BETTER, LEVEL, WORSE = Interval(0.03, 0.01, 0.05), Interval(0.005, -0.02, 0.03), Interval(-0.03, -0.05, -0.01)


def comparison(logged: Interval, unbiased: Interval, random: Interval | None = None) -> Comparison:
    def row(name: str, *intervals: Interval | None) -> ComparisonRow:
        first, second, third = (Figure(0.5, interval) if interval else None for interval in intervals)
        assert first is not None
        assert second is not None
        return ComparisonRow(name, ndcg=first, mrr=first, unbiased=second, random=third)

    none = Interval(0.0, 0.0, 0.0)
    base = row("engine order", none, none, none if random else None)
    return Comparison(40, 10 if random else 0, (base, row("neural fusion", logged, unbiased, random)))


@pytest.mark.parametrize(
    ("logged", "unbiased", "random", "refused_by"),
    [
        (WORSE, WORSE, None, "without position bias"),
        (LEVEL, WORSE, None, "without position bias"),
        (BETTER, WORSE, None, "without position bias"),
        (WORSE, LEVEL, None, "clicks as logged"),
        (WORSE, BETTER, None, None),  # clicks as logged favour the order that was shown
        (LEVEL, LEVEL, None, None),
        (BETTER, BETTER, WORSE, "random order"),
        (WORSE, WORSE, BETTER, None),
        (LEVEL, WORSE, LEVEL, "without position bias"),
    ],
)
def test_the_least_biased_estimate_that_differs_from_zero_decides(
    logged: Interval, unbiased: Interval, random: Interval | None, refused_by: str | None
) -> None:
    reason = reason_against(comparison(logged, unbiased, random), "neural fusion")
    assert (reason is None) == (refused_by is None)
    if reason and refused_by:
        assert refused_by in reason
        assert "-0.050 to -0.010" in reason
