"""Rankers compared on held-out slates: the engine's order, single signals, and the candidates that were trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from opensearch.index.spaces import IMAGE
from rerank.arrays import BoolArray, DoubleArray, FloatArray
from rerank.evaluation.intervals import Interval, bootstrap
from rerank.features.groups import COLLABORATIVE, FeaturePlan, feature_names
from rerank.models.ranker import order_of
from rerank.models.rrf import (
    DECISION_FUSIONS,
    ENGINE,
    POPULARITY,
    RRFSettings,
    Signals,
    rrf_after_bm25,
    rrf_scores,
)
from rerank.training.examples import Examples
from rerank.training.propensity import DEPTH

from .random_orders import OrderEstimate

ENGINE_ORDER = "engine order"
DEPTH_JUDGED = 10
_MAX_WEIGHT = 10.0  # of a click, so that one click does not decide
_DISCOUNTS = 1.0 / np.log2(np.arange(2, 12))


@dataclass(frozen=True)
class Figure:
    """A mean over slates, and the paired difference to engine order with its interval."""

    mean: float
    difference: Interval


@dataclass(frozen=True)
class ComparisonRow:
    """The figures of one ranker.

    `ndcg` and `mrr` count clicks as logged, which favours the order that was shown; `unbiased` weighs a click by
    1 / examination probability of its position; `random` is `ndcg` on slates that were shown in random order.
    """

    ranker: str
    ndcg: Figure
    mrr: Figure
    unbiased: Figure
    random: Figure | None  # None without such slates


@dataclass(frozen=True)
class SignalAblation:
    """What a ranker reaches without a signal, without position bias; the difference is to the ranker with all signals."""

    signal: str
    unbiased: Figure


@dataclass(frozen=True)
class Comparison:
    """Rankers compared at depth 10 on the examined products of the same held-out slates, and the ablation of the best.

    `orders` are estimates from slates in random order, those without a click included; none without enough of them.
    """

    slates: int
    random_slates: int
    rows: tuple[ComparisonRow, ...]
    ablations: tuple[SignalAblation, ...] = ()
    orders: tuple[OrderEstimate, ...] = ()  # by ranker, the engine's first

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        return asdict(self)

    def row(self, ranker: str) -> ComparisonRow:
        """Return the row of a ranker. Raises KeyError."""
        return {row.ranker: row for row in self.rows}[ranker]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the comparison of `to_dict`, as a model card holds it."""

        def figure(value: Mapping[str, Any]) -> Figure:
            return Figure(value["mean"], Interval(**value["difference"]))

        rows = [
            ComparisonRow(
                ranker=row["ranker"],
                ndcg=figure(row["ndcg"]),
                mrr=figure(row["mrr"]),
                unbiased=figure(row["unbiased"]),
                random=figure(row["random"]) if row["random"] else None,
            )
            for row in values["rows"]
        ]
        ablations = [
            SignalAblation(row["signal"], figure(row["unbiased"])) for row in values.get("ablations", ())
        ]
        orders = [OrderEstimate.from_dict(row) for row in values.get("orders", ())]
        return cls(values["slates"], values["random_slates"], tuple(rows), tuple(ablations), tuple(orders))


def compare_rankers(
    examples: Examples, plan: FeaturePlan, models: Mapping[str, FloatArray], propensity: DoubleArray
) -> Comparison:
    """Compare engine order, single signals, fusions of these and `models` (scores (S, L) by name) on held-out slates."""
    rankers = {**signal_scores(examples, plan), **decision_scores(examples, plan), **models}
    values = {name: _example_metrics(scores, examples, propensity) for name, scores in rankers.items()}
    base, random = values[ENGINE_ORDER], examples.random

    def figure(value: DoubleArray, metric: int, slates: BoolArray | slice = slice(None)) -> Figure:
        difference = value[slates, metric] - base[slates, metric]
        return Figure(float(value[slates, metric].mean()), bootstrap(difference))

    rows = [
        ComparisonRow(
            ranker=name,
            ndcg=figure(value, 0),
            mrr=figure(value, 1),
            unbiased=figure(value, 2),
            random=figure(value, 0, random) if random.any() else None,
        )
        for name, value in values.items()
    ]
    return Comparison(len(examples), int(random.sum()), tuple(rows))


def ablate(
    score: Callable[[frozenset[str]], FloatArray],
    signals: Sequence[str],
    examples: Examples,
    propensity: DoubleArray,
) -> tuple[SignalAblation, ...]:
    """Return what each signal is worth to a ranker, which is not trained again: `score` returns (S, L) without some."""

    def values(missing: frozenset[str]) -> DoubleArray:
        return _example_metrics(score(missing), examples, propensity)[:, 2]

    full = values(frozenset())
    rows = {signal: values(frozenset({signal})) for signal in signals}
    return tuple(
        SignalAblation(signal, Figure(float(row.mean()), bootstrap(row - full)))
        for signal, row in rows.items()
    )


def _example_metrics(scores: FloatArray, examples: Examples, propensity: DoubleArray) -> DoubleArray:
    examined = examples.mask & (examples.position >= 0)
    probability = propensity[np.clip(examples.position, 0, DEPTH - 1)]
    return slate_metrics(scores, examples.gains, examined, probability)


def example_signals(examples: Examples, plan: FeaturePlan) -> dict[str, FloatArray]:
    """Return the signals (S, L) that a reciprocal rank fusion reads, by name; NaN where missing or padded."""
    column = {name: number for number, name in enumerate(feature_names(plan))}

    def signal(name: str, missing: str | None = None) -> FloatArray:
        values = np.where(examples.mask, examples.x[:, :, column[name]], np.nan)
        return values if missing is None else np.where(examples.x[:, :, column[missing]] > 0, np.nan, values)

    cosines = {space: signal(f"{space}_cosine", f"{space}_missing") for space in plan.spaces}
    return {ENGINE: signal("rank"), **cosines, POPULARITY: signal("popularity")}


def rrf_of_examples(examples: Examples, plan: FeaturePlan, settings: RRFSettings) -> FloatArray:
    """Return the scores (S, L) of a reciprocal rank fusion."""
    signals = example_signals(examples, plan)
    if IMAGE in signals:
        # the feature is -log2(1 + rank) / 8: a rank divided by the correction adds the logarithm of it
        asked = np.isfinite(signals[IMAGE]).any(axis=1, keepdims=True)
        without = asked & ~np.isfinite(signals[IMAGE])
        shift = np.float32(np.log2(settings.missing_image_correction) / 8)
        signals[ENGINE] = np.asarray(signals[ENGINE] + without * shift, dtype=np.float32)
    return _fused(signals, settings.weights, rrf_scores)


def decision_scores(examples: Examples, plan: FeaturePlan) -> dict[str, FloatArray]:
    """Return the scores (S, L) of the fusions of single signals that learn nothing, by name."""
    signals, weights = example_signals(examples, plan), rrf_after_bm25().weights
    return {name: _fused(signals, weights, fusion) for name, fusion in DECISION_FUSIONS.items()}


def _fused(
    signals: Mapping[str, FloatArray],
    weights: Mapping[str, float],
    fusion: Callable[[Signals, Mapping[str, float]], FloatArray],
) -> FloatArray:
    chosen = {name: values for name, values in signals.items() if name in weights}
    slates = zip(*chosen.values(), strict=True)
    fused = [fusion(dict(zip(chosen, slate, strict=True)), weights) for slate in slates]
    return np.array(fused, dtype=np.float32).reshape(next(iter(signals.values())).shape)


def signal_scores(examples: Examples, plan: FeaturePlan) -> dict[str, FloatArray]:
    """Return the scores (S, L) of engine order and single signals; a missing signal scores lowest."""
    labels = {ENGINE: ENGINE_ORDER, **{s: f"{s} cosine" for s in plan.spaces}}
    column = feature_names(plan).index(COLLABORATIVE)
    signals = example_signals(examples, plan) | {
        COLLABORATIVE: np.where(examples.mask, examples.x[:, :, column], np.nan)
    }
    return {labels.get(name, name): np.nan_to_num(values, nan=-np.inf) for name, values in signals.items()}


def slate_metrics(
    scores: FloatArray, gains: FloatArray, examined: BoolArray, probability: DoubleArray
) -> DoubleArray:
    """Return nDCG@10, reciprocal rank of the first click, and discounted clicks weighed by 1 / probability, (S, 3).

    A click has gain 1. The third is the inverse-propensity estimate of the discount at 10 that a click receives (Joachims,
    Swaminathan, Schnabel 2017, eq. 5), normalised so that its mean over slates lies between 0 and 1; a weight is at most
    10.
    """
    values = np.zeros((len(scores), 3))
    weights = np.minimum(1.0 / probability, _MAX_WEIGHT) * ((gains > 0) & examined)
    # by hand, because sklearn's ndcg_score averages over ties where a ranker keeps the engine's order, and its call for
    # each slate is slower than the comparison
    for row, (score, weight, mask) in enumerate(zip(scores, weights, examined, strict=True)):
        ordered = weight[mask][order_of(score[mask])]
        clicked = ordered > 0
        if clicked.any():
            discounts = _DISCOUNTS[: len(ordered)]
            ideal = _DISCOUNTS[: int(clicked.sum())].sum()
            values[row, 0] = discounts @ clicked[:DEPTH_JUDGED] / ideal
            values[row, 1] = 1.0 / (1 + int(clicked.argmax()))
            values[row, 2] = discounts @ ordered[:DEPTH_JUDGED]
    values[:, 2] /= max(float(weights.sum(axis=1).mean()), 1e-9)
    return values
