"""What each ranker's order would have earned, from held-out searches that were shown in random order.

Every position of a random order is one logged decision: a product was put there with the probability 1 / n, and an order
under judgment puts one product there for certain. This is the item-position estimator (Li, Abbasi-Yadkori, Kveton,
Muthukrishnan, Vinay, Wen 2018), which assumes that a click depends on product and position, not on the other products.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from rerank.arrays import DoubleArray, FloatArray, IndexArray
from rerank.evaluation.intervals import Interval
from rerank.evaluation.off_policy import LoggedDecisions, off_policy_estimates
from rerank.models.ranker import order_of
from rerank.training.examples import Examples

PLACES = 10  # of an order, whose clicks are estimated
MIN_SEARCHES = 30


@dataclass(frozen=True)
class OrderEstimate:
    """Clicks on the first ten places of a search under a ranker's order, with 95 % intervals by estimator.

    `warning` says why the intervals are not to be trusted; None: nothing speaks against them.
    """

    ranker: str
    clicks: dict[str, Interval]
    effective_sample_size: float
    decisions: int
    warning: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the estimate of `to_dict`."""
        clicks = {name: Interval(**interval) for name, interval in values["clicks"].items()}
        return cls(**{**values, "clicks": clicks})


def estimate_orders(
    examples: Examples,
    scores: Mapping[str, FloatArray],
    probabilities: Mapping[str, FloatArray],
    propensity: DoubleArray,
) -> tuple[OrderEstimate, ...]:
    """Return the estimate of each ranker on examples that were shown in random order, clicked or not.

    `scores` (S, L) are by ranker. `probabilities` (S, L) are those of a click on an examined candidate, for the rankers
    that have them: with the examination probability of a position they are the reward model of the doubly robust estimate.
    Fewer than 30 such searches give no estimate.
    """
    if len(examples) < MIN_SEARCHES:
        return ()
    estimates = []
    for ranker, values in scores.items():
        decisions = _decisions(examples, values, probabilities.get(ranker), propensity)
        found = off_policy_estimates(decisions)
        places = len(decisions.rewards) / len(examples)  # of a search
        first = next(iter(found.values()))
        clicks = {
            name: Interval(*(places * bound for bound in (e.value.mean, e.value.low, e.value.high)))
            for name, e in found.items()
        }
        estimates.append(
            OrderEstimate(ranker, clicks, first.effective_sample_size, first.decisions, first.warning)
        )
    return tuple(estimates)


def _decisions(
    examples: Examples, scores: FloatArray, probability: FloatArray | None, propensity: DoubleArray
) -> LoggedDecisions:
    rows = [_places(examples, scores[row], row) for row in range(len(examples))]
    logged, chosen, count = (np.concatenate(values) for values in zip(*rows, strict=True))
    slate = np.repeat(np.arange(len(examples)), [len(places) for places, _, _ in rows])
    predicted = expected = None
    if probability is not None:
        examined = propensity[np.concatenate([np.arange(len(places)) for places, _, _ in rows])]
        predicted, expected = (examined * probability[slate, rows_] for rows_ in (logged, chosen))
    return LoggedDecisions(
        rewards=(examples.gains[slate, logged] > 0).astype(np.float64),
        logged=1.0 / count,
        target=(chosen == logged).astype(np.float64),
        predicted=predicted,
        expected=expected,
    )


def _places(examples: Examples, scores: FloatArray, row: int) -> tuple[IndexArray, IndexArray, DoubleArray]:
    """Return the candidates that a slate showed first, those that the scores put there, and how many it showed."""
    shown = np.flatnonzero(examples.mask[row] & (examples.position[row] >= 0))  # in the engine's order
    logged = shown[np.argsort(examples.position[row, shown], kind="stable")][:PLACES]
    chosen = shown[order_of(scores[shown])][:PLACES]
    return logged, chosen, np.full(len(logged), float(len(shown)))
