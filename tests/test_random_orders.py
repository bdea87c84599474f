"""Estimates of an order from searches in random order, against the truth of a simulation."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from rerank.evaluation.intervals import Interval
from rerank.training.comparison.compare import Comparison
from rerank.training.comparison.random_orders import MIN_SEARCHES, OrderEstimate, estimate_orders
from rerank.training.comparison.tables import orders_table
from rerank.training.examples import Examples

PROPENSITY = 1.0 / np.sqrt(1.0 + np.arange(30))
SHOWN = 6


def shuffled(count: int, relevance: np.ndarray, seed: int = 3) -> Examples:
    """Slates of six products in random order, clicked with propensity times relevance; the seventh was never shown."""
    rng = np.random.default_rng(seed)
    position = np.array([[*rng.permutation(SHOWN), -1] for _ in range(count)])
    probability = np.where(position >= 0, PROPENSITY[position] * relevance, 0.0)
    empty = np.zeros((count, 0))
    return Examples(
        items=np.tile(np.arange(SHOWN + 1), (count, 1)),
        mask=np.ones((count, SHOWN + 1), dtype=np.bool_),
        x=np.zeros((count, SHOWN + 1, 0), dtype=np.float32),
        gains=(rng.random(probability.shape) < probability).astype(np.float32),
        position=position,
        offset=np.zeros((count, SHOWN + 1), dtype=np.float32),
        clicks=empty.astype(np.int64),
        click_mask=empty.astype(np.bool_),
        age_hours=empty.astype(np.float32),
        query=np.zeros(count, dtype=np.int64),
        random=np.ones(count, dtype=np.bool_),
        at=np.arange(count, dtype=np.float64),
    )


def test_the_intervals_hold_the_clicks_that_an_order_would_get() -> None:
    relevance = np.array([0.1, 0.8, 0.05, 0.5, 0.1, 0.3, 0.9])
    examples = shuffled(3000, relevance)
    orders = {"engine order": -np.arange(SHOWN + 1.0), "best": relevance, "worst": -relevance}
    scores = {name: np.tile(values, (len(examples), 1)).astype(np.float32) for name, values in orders.items()}
    probability = {"best": np.tile(relevance, (len(examples), 1)).astype(np.float32)}
    found = {row.ranker: row for row in estimate_orders(examples, scores, probability, PROPENSITY)}
    for name, values in orders.items():
        order = np.argsort(-values[:SHOWN])
        truth = float((PROPENSITY[:SHOWN] * relevance[order]).sum())
        for interval in found[name].clicks.values():
            assert interval.low <= truth <= interval.high
        assert found[name].warning is None
    # one of six products stands at its place by chance
    assert found["best"].effective_sample_size == pytest.approx(3000, rel=0.1)
    assert found["best"].decisions == 3000 * SHOWN
    assert list(found["best"].clicks) == ["IPS", "SNIPS", "doubly robust"]
    assert list(found["worst"].clicks) == ["IPS", "SNIPS"]
    assert found["best"].clicks["SNIPS"].low > found["worst"].clicks["SNIPS"].high
    width = {name: interval.high - interval.low for name, interval in found["best"].clicks.items()}
    assert width["doubly robust"] < width["IPS"]
    assert OrderEstimate.from_dict(found["best"].to_dict()) == found["best"]


def test_a_few_searches_give_no_estimate() -> None:
    examples = shuffled(MIN_SEARCHES - 1, np.full(SHOWN + 1, 0.5))
    scores = {"engine order": np.zeros((len(examples), SHOWN + 1), dtype=np.float32)}
    assert estimate_orders(examples, scores, {}, PROPENSITY) == ()


def test_the_table_has_one_row_a_ranker_and_one_warning() -> None:
    clicks = {"IPS": Interval(0.3, 0.1, 0.5)}
    rows = [
        OrderEstimate(name, clicks, size, 2640, "log more") for name, size in (("a", 161.0), ("b", 157.0))
    ]
    console = Console(width=120, record=True, file=StringIO())
    console.print(orders_table(Comparison(0, 0, (), orders=tuple(rows))))
    text = " ".join(console.export_text().split())
    assert "effective sample size at least 157 of 2,640 positions" in text
    assert text.count("log more") == 1
    assert text.count("0.300 [0.100 0.500]") == 2
