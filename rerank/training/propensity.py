"""Position bias: examination probabilities, measured on random orders or estimated from click rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rerank.arrays import DoubleArray
from rerank.slate import Slate

DEPTH = 30  # shown positions that training reads
_MIN_CLICKS = 200  # on random orders, for a measurement
_MIN_PROPENSITY = 0.01


@dataclass(frozen=True)
class PositionBias:
    """Examination probabilities relative to the first position, and the click rate of an examined product.

    `measured` is False when there are too few random orders: the propensities are then the log's click rates by position,
    which include relevance.
    """

    propensity: DoubleArray  # (DEPTH,) never rising, from 1
    examined_click_rate: float
    measured: bool

    def expected(self, count: int) -> DoubleArray:
        """Return the clicks that an average product receives at each of the first `count` positions, (count,)."""
        probabilities = np.zeros(count)
        probabilities[:DEPTH] = self.propensity[:count]
        return probabilities * self.examined_click_rate


@dataclass(frozen=True)
class Impression:
    """One shown slate: its number of positions, the clicked positions from zero, and whether the order was random."""

    length: int
    clicked: tuple[int, ...]
    random: bool


def impressions(slates: Sequence[Slate], gains: Mapping[str, Mapping[str, float]]) -> list[Impression]:
    """Return the impressions of slates, on the pages that the shoppers opened."""
    results = []
    for slate in slates:
        gain = gains.get(slate.query_id, {})
        clicked = tuple(position for position, i in enumerate(slate.viewed_ids) if i in gain)
        results.append(Impression(len(slate.viewed_ids), clicked, slate.random))
    return results


def estimate_positions(shown: Sequence[Impression]) -> PositionBias:
    """Return the position bias: a never-rising fit to click rates, on random orders when these have 200 clicks.

    On a random order every position holds the same products on average, so click rates are proportional to the examination
    probability (Joachims, Swaminathan, Schnabel 2017, section 5.1: randomised intervention).
    """
    random = [impression for impression in shown if impression.random]
    measured = sum(len(impression.clicked) for impression in random) >= _MIN_CLICKS
    counts, clicks = _counts_by_position(random if measured else shown)
    rates = np.divide(clicks, counts, out=np.zeros(DEPTH), where=counts > 0)
    fitted = _fit_never_rising(rates, counts)
    propensity = np.maximum(fitted / fitted[0], _MIN_PROPENSITY) if fitted[0] > 0 else np.ones(DEPTH)
    all_counts, all_clicks = _counts_by_position(shown)
    examined = float((all_counts * propensity).sum())
    return PositionBias(propensity, float(all_clicks.sum()) / examined if examined else 0.0, measured)


def _counts_by_position(shown: Sequence[Impression]) -> tuple[DoubleArray, DoubleArray]:
    """Return how often each position was shown and clicked, (DEPTH,) and (DEPTH,)."""
    lengths = np.array([min(impression.length, DEPTH) for impression in shown], dtype=np.int64)
    counts = np.array([(lengths > position).sum() for position in range(DEPTH)], dtype=np.float64)
    clicked = [position for impression in shown for position in impression.clicked if position < DEPTH]
    return counts, np.bincount(np.array(clicked, dtype=np.int64), minlength=DEPTH).astype(np.float64)


def _fit_never_rising(rates: DoubleArray, weights: DoubleArray) -> DoubleArray:
    from sklearn.isotonic import IsotonicRegression

    positions = np.arange(len(rates))
    fit = IsotonicRegression(increasing=False)
    fitted: DoubleArray = fit.fit_transform(positions, rates, sample_weight=np.maximum(weights, 1e-9))
    return fitted
