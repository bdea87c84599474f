"""How the fused model ranks held-back slates, beside the engine, single signals, their fusion and LightGBM."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rerank.arrays import BoolArray, DoubleArray, FloatArray
from rerank.evaluation.intervals import Interval, bootstrap
from rerank.models.fusion import RRF_AFTER_BM25, reciprocal_ranks
from rerank.models.ranker import order_of

from .propensity import DEPTH
from .slates import Examples

if TYPE_CHECKING:
    from rich.table import Table

ENGINE = "engine order"
_DISCOUNTS = 1.0 / np.log2(np.arange(2, 12))


@dataclass(frozen=True)
class Figure:
    """A mean over slates, and the paired difference to engine order with its interval."""

    mean: float
    difference: Interval


@dataclass(frozen=True)
class ComparisonRow:
    """One way to rank held-back slates.

    `ndcg` and `mrr` take clicks as they came, and so favour the order that was shown; `unbiased` weighs a click by
    1 / (chance that its position was looked at); `random` is `ndcg` on slates that were shown in random order.
    """

    arm: str
    ndcg: Figure
    mrr: Figure
    unbiased: Figure
    random: Figure | None  # None without such slates


@dataclass(frozen=True)
class Comparison:
    """Ways to rank the same held-back slates: their products that were looked at, judged at depth 10."""

    slates: int
    random_slates: int
    rows: tuple[ComparisonRow, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave, as a model's card keeps it."""

        def figure(value: Mapping[str, Any]) -> Figure:
            return Figure(value["mean"], Interval(**value["difference"]))

        rows = [
            ComparisonRow(
                arm=row["arm"],
                ndcg=figure(row["ndcg"]),
                mrr=figure(row["mrr"]),
                unbiased=figure(row["unbiased"]),
                random=figure(row["random"]) if row["random"] else None,
            )
            for row in values["rows"]
        ]
        return cls(values["slates"], values["random_slates"], tuple(rows))


def compare(
    examples: Examples, features: Sequence[str], models: Mapping[str, FloatArray], propensity: DoubleArray
) -> Comparison:
    """Compare engine order, single signals and `models` (scores (S, L) by name) on held-back slates."""
    arms = {**signal_scores(examples, features), **models}
    looked = examples.there & (examples.position >= 0)
    chances = propensity[np.clip(examples.position, 0, DEPTH - 1)]
    values = {name: judged(scores, examples.gains, looked, chances) for name, scores in arms.items()}
    base, random = values[ENGINE], examples.random

    def figure(value: DoubleArray, measure: int, which: BoolArray | slice = slice(None)) -> Figure:
        away = value[which, measure] - base[which, measure]
        return Figure(float(value[which, measure].mean()), bootstrap(away))

    rows = [
        ComparisonRow(
            arm=name,
            ndcg=figure(value, 0),
            mrr=figure(value, 1),
            unbiased=figure(value, 2),
            random=figure(value, 0, random) if random.any() else None,
        )
        for name, value in values.items()
    ]
    return Comparison(len(examples), int(random.sum()), tuple(rows))


def signal_scores(examples: Examples, features: Sequence[str]) -> dict[str, FloatArray]:
    """Scores (S, L) of engine order, single signals and their reciprocal rank fusion; missing counts least."""
    at = {name: column for column, name in enumerate(features)}

    def signal(name: str, missing: str | None = None) -> FloatArray:
        values = np.where(examples.there, examples.x[:, :, at[name]], np.nan)
        return values if missing is None else np.where(examples.x[:, :, at[missing]] > 0, np.nan, values)

    singles = {
        ENGINE: signal("rank"),
        "text cosine": signal("text_cosine", "text_missing"),
        "image cosine": signal("image_cosine", "image_missing"),
        "popularity": signal("popularity"),
    }
    stacked = np.stack(list(singles.values()), axis=-1)  # (S, L, 4)
    weights = np.array(RRF_AFTER_BM25.weights)
    fused = [reciprocal_ranks(slate, weights) for slate in stacked]
    filled = {name: np.nan_to_num(values, nan=-np.inf) for name, values in singles.items()}
    return {**filled, "rank fusion": np.array(fused, dtype=np.float32).reshape(examples.gains.shape)}


def judged(scores: FloatArray, gains: FloatArray, looked: BoolArray, chances: DoubleArray) -> DoubleArray:
    """nDCG@10, reciprocal rank of the first click, and discounted clicks weighed by 1 / chance, (S, 3).

    A click is worth 1. The third is the inverse-propensity estimate of the discount at 10 that a click earns
    (Joachims, Swaminathan, Schnabel 2017, eq. 5), normalised so that its mean over slates lies between 0 and 1;
    a weight is cut at 10, which keeps one click from deciding.
    """
    values = np.zeros((len(scores), 3))
    weights = np.minimum(1.0 / chances, 10.0) * ((gains > 0) & looked)
    for row, (score, weight, seen) in enumerate(zip(scores, weights, looked, strict=True)):
        ordered = weight[seen][order_of(score[seen])]
        clicked = ordered > 0
        if clicked.any():
            discounts = _DISCOUNTS[: len(ordered)]
            ideal = _DISCOUNTS[: int(clicked.sum())].sum()
            values[row, 0] = discounts @ clicked[:10] / ideal
            values[row, 1] = 1.0 / (1 + int(clicked.argmax()))
            values[row, 2] = discounts @ ordered[:10]
    values[:, 2] /= max(float(weights.sum(axis=1).mean()), 1e-9)
    return values


def lambdamart(train: Examples, trees: int = 100) -> Callable[[Examples], FloatArray]:
    """LightGBM LambdaMART on the same features, slates and gains, with its own correction of position bias."""
    import lightgbm

    position = np.where(train.position < 0, DEPTH, train.position)
    data = lightgbm.Dataset(
        train.x[train.there],
        label=train.gains[train.there].astype(np.int64),
        group=train.there.sum(axis=1),
        position=position[train.there],
    )
    settings = {
        "objective": "lambdarank",
        "num_leaves": 31,
        "learning_rate": 0.05,
        "min_data_in_leaf": 20,
        "verbosity": -1,
        "num_threads": 1,
        "seed": 7,
        "deterministic": True,
    }
    # no early stop: measured on clicks as they came it would stop where the shown order is learned
    booster = lightgbm.train(settings, data, num_boost_round=trees)

    def scores(examples: Examples) -> FloatArray:
        made = np.full(examples.there.shape, -np.inf, dtype=np.float32)
        made[examples.there] = booster.predict(examples.x[examples.there])
        return made

    return scores


def table(comparison: Comparison) -> Table:
    """The comparison for a terminal; a star where the interval of a difference excludes zero."""
    from rich.table import Table

    drawn = Table(
        title=f"{comparison.slates} held-back searches, {comparison.random_slates} of them shown in random order",
        caption="[ ]: difference to engine order, 95 % paired bootstrap; *: not zero. Clicks as they came favour\n"
        "the shown order; without position bias: a click weighed by 1 / chance that its position is looked at",
    )
    drawn.add_column("ranked by")
    for head in ("nDCG@10", "MRR", "without position bias", "random order only"):
        drawn.add_column(head, justify="right")
    for row in comparison.rows:
        figures = (row.ndcg, row.unbiased, row.random)
        ndcg, unbiased, random = (_told(figure, row.arm == ENGINE) for figure in figures)
        drawn.add_row(row.arm, ndcg, f"{row.mrr.mean:.3f}", unbiased, random)
    return drawn


def _told(figure: Figure | None, alone: bool) -> str:
    if figure is None:
        return "-"
    if alone:
        return f"{figure.mean:.3f}"
    away = figure.difference
    star = "*" if away.excludes_zero else " "
    return f"{figure.mean:.3f} \\[{away.low:+.3f} {away.high:+.3f}]{star}"
