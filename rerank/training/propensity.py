"""Position bias: examination probabilities from random orders, from one product at several positions, or from click rates.

A query and product that differing orders put at several positions are clicked in proportion to the examination probability
of each ("intervention harvesting"; Agarwal, Zaitsev, Wang, Li, Najork, Joachims, Estimating position bias without intrusive
interventions, 2019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rerank.arrays import DoubleArray
from rerank.features.behaviour import query_hash
from rerank.slate import Slate

DEPTH = 30  # shown positions that training reads
_MIN_CLICKS = 200  # on random orders, or on products at several positions
_CERTAIN = 0.01  # the probability of the clicks without position bias, below which a bias is claimed
_RESAMPLES = 200
_STEPS = 500
_MIN_PROPENSITY = 0.01


RANDOM_ORDERS, HARVESTED, CLICK_RATES = (
    "random orders",
    "products at several positions",
    "click rates by position",
)


@dataclass(frozen=True)
class PositionBias:
    """Examination probabilities relative to the first position, and the click rate of an examined product.

    `measured` is True for propensities from random orders. Without enough of these they come from products at several
    positions (`method` is HARVESTED), which an order by shopper can bias, or are the click rates of the log's positions
    (CLICK_RATES), which include relevance.
    """

    propensity: DoubleArray  # (DEPTH,) never rising, from 1
    examined_click_rate: float
    measured: bool
    method: str = RANDOM_ORDERS

    def expected(self, count: int) -> DoubleArray:
        """Return the clicks that an average product receives at each of the first `count` positions, (count,)."""
        probabilities = np.zeros(count)
        probabilities[:DEPTH] = self.propensity[:count]
        return probabilities * self.examined_click_rate


@dataclass(frozen=True)
class Impression:
    """One shown slate: its number of positions, the clicked positions from zero, and whether the order was random.

    `pairs` has a number for each position that is equal for equal query and product; empty: not known.
    """

    length: int
    clicked: tuple[int, ...]
    random: bool
    pairs: tuple[int, ...] = ()


@dataclass(frozen=True)
class PositionCounts:
    """How often each of G groups was shown and clicked at each of K positions, (G, K) and (G, K).

    The products of a group are equally relevant at every position: one query and product, or all products of random orders.
    """

    shown: DoubleArray
    clicked: DoubleArray


@dataclass(frozen=True)
class PositionEffect:
    """Propensities relative to the first position with 95 % intervals, (K,) each.

    `p_value` is the probability of clicks that differ as much between the positions where none has an effect.
    """

    propensity: DoubleArray
    low: DoubleArray
    high: DoubleArray
    p_value: float

    @property
    def is_certain(self) -> bool:
        """Whether the clicks show that positions matter at all."""
        return self.p_value < _CERTAIN


def impressions(slates: Sequence[Slate], gains: Mapping[str, Mapping[str, float]]) -> list[Impression]:
    """Return the impressions of slates, on the pages that the shoppers opened."""
    results = []
    numbers: dict[tuple[int, str], int] = {}
    for slate in slates:
        gain = gains.get(slate.query_id, {})
        clicked = tuple(position for position, i in enumerate(slate.viewed_ids) if i in gain)
        query = query_hash(slate.words)
        pairs = tuple(numbers.setdefault((query, i), len(numbers)) for i in slate.viewed_ids[:DEPTH])
        results.append(Impression(len(slate.viewed_ids), clicked, slate.random, pairs))
    return results


def estimate_positions(shown: Sequence[Impression]) -> PositionBias:
    """Return the position bias as a never-rising fit.

    It is fitted to the click rates on random orders when these have 200 clicks, else to the propensities of products at
    several positions when those have 200, else to all click rates. On a random order every position holds the same products
    on average, so click rates are proportional to the examination probability (Joachims, Swaminathan, Schnabel 2017,
    section 5.1: randomised intervention).
    """
    random = [impression for impression in shown if impression.random]
    measured = sum(len(impression.clicked) for impression in random) >= _MIN_CLICKS
    counts, clicks = _counts_by_position(random if measured else shown)
    rates = np.divide(clicks, counts, out=np.zeros(DEPTH), where=counts > 0)
    method = RANDOM_ORDERS if measured else CLICK_RATES
    if not measured:
        harvest = moved_products(shown)
        if harvest.clicked.sum() >= _MIN_CLICKS and harvest.clicked[:, 0].any():
            rates, counts, method = harvested(harvest, rates), harvest.clicked.sum(axis=0), HARVESTED
    fitted = _fit_never_rising(rates, counts)
    propensity = np.maximum(fitted / fitted[0], _MIN_PROPENSITY) if fitted[0] > 0 else np.ones(DEPTH)
    all_counts, all_clicks = _counts_by_position(shown)
    examined = float((all_counts * propensity).sum())
    return PositionBias(propensity, float(all_clicks.sum()) / examined if examined else 0.0, measured, method)


def moved_products(shown: Sequence[Impression]) -> PositionCounts:
    """Return the counts of the clicked pairs of query and product that were shown at several positions."""
    cells = [
        (pair, position, position in clicked)
        for impression in shown
        for clicked in [frozenset(impression.clicked)]
        for position, pair in enumerate(impression.pairs[:DEPTH])
    ]
    pairs, positions, clicks = np.array(cells, dtype=np.int64).reshape(-1, 3).T
    groups, group = np.unique(pairs, return_inverse=True)
    cell = group * DEPTH + positions
    size = len(groups) * DEPTH
    counts = np.bincount(cell, minlength=size).reshape(-1, DEPTH).astype(np.float64)
    clicked = np.bincount(cell, clicks, minlength=size).reshape(-1, DEPTH)
    kept = ((counts > 0).sum(axis=1) > 1) & clicked.any(axis=1)
    return PositionCounts(counts[kept], clicked[kept])


def harvested(counts: PositionCounts, start: DoubleArray) -> DoubleArray:
    """Return the propensities (K,) relative to the first position that make the counts most likely.

    Clicks are Poisson with mean impressions x relevance of the group x propensity of the position; both factors are
    updated in turn. `start` (K,) stays where no clicked group links a position to another.
    """
    shown, clicked = counts.shown, counts.clicked
    group_clicks, clicks = clicked.sum(axis=1), clicked.sum(axis=0)
    propensity = np.maximum(start / start[0] if start[0] > 0 else np.ones(len(start)), _MIN_PROPENSITY)
    for _ in range(_STEPS):
        relevance = group_clicks / np.maximum(shown @ propensity, 1e-12)  # (G,)
        expected = relevance @ shown  # (K,) clicks if all positions were examined
        new = np.where(expected > 0, clicks / np.maximum(expected, 1e-12), propensity)
        new = new / new[0] if new[0] > 0 else new
        if np.abs(new - propensity).max() < 1e-6:
            return new
        propensity = new
    return propensity


def position_effect(counts: PositionCounts, seed: int = 7) -> PositionEffect:
    """Return the propensities of positions with intervals, from resampled clicks, and whether there is any effect.

    The p-value is that of the likelihood-ratio test against equal propensities, with K - 1 degrees of freedom.
    """
    from scipy.stats import chi2

    start = np.ones(counts.shown.shape[1])
    propensity = harvested(counts, start)
    generator = np.random.default_rng(seed)
    resampled = [
        harvested(PositionCounts(counts.shown, generator.poisson(counts.clicked).astype(np.float64)), start)
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(resampled, (0.025, 0.975), axis=0)
    ratio = 2 * (_log_likelihood(counts, propensity) - _log_likelihood(counts, start))
    return PositionEffect(propensity, low, high, float(chi2.sf(ratio, len(start) - 1)))


def _log_likelihood(counts: PositionCounts, propensity: DoubleArray) -> float:
    """Return the log probability of where the clicks of each group fall, given how many it has."""
    weights = counts.shown * propensity
    shares = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    return float((counts.clicked * np.log(np.maximum(shares, 1e-12))).sum())


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
