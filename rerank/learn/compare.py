"""How the fused model ranks held-back slates, beside the engine, single signals, their fusion and LightGBM."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import BoolArray, DoubleArray, FloatArray
from ..judge.intervals import Interval, bootstrap
from ..ranker import FusionRanker, order_of, reciprocal_ranks
from .position import DEPTH
from .slates import Examples

if TYPE_CHECKING:
    from rich.table import Table

ENGINE = "engine order"


@dataclass(frozen=True)
class Row:
    """One way to rank: means over slates, and the paired difference to engine order with its interval."""

    arm: str
    ndcg: float
    difference: Interval
    mrr: float
    random_ndcg: float | None  # on slates that were shown in random order, where no position favours any
    random_difference: Interval | None


@dataclass(frozen=True)
class Comparison:
    """Ways to rank the same held-back slates; nDCG@10 and MRR of clicks among the products looked at."""

    slates: int
    random_slates: int
    rows: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(examples: Examples, features: Sequence[str], models: Mapping[str, FloatArray]) -> Comparison:
    """Compare engine order, single signals and `models` (scores (S, L) by name) on held-back slates."""
    arms = {**signal_scores(examples, features), **models}
    looked = examples.there & (examples.position >= 0)
    values = {name: judged(scores, examples.gains, looked) for name, scores in arms.items()}
    random, base = examples.random, values[ENGINE][:, 0]
    rows = []
    for name, value in values.items():
        away = value[:, 0] - base
        rows.append(
            Row(
                arm=name,
                ndcg=float(value[:, 0].mean()),
                difference=bootstrap(away),
                mrr=float(value[:, 1].mean()),
                random_ndcg=float(value[random, 0].mean()) if random.any() else None,
                random_difference=bootstrap(away[random]) if random.any() else None,
            )
        )
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
    weights = np.array(FusionRanker.WEIGHTS)
    fused = [reciprocal_ranks(slate, weights, FusionRanker.OFFSET) for slate in stacked]
    filled = {name: np.nan_to_num(values, nan=-np.inf) for name, values in singles.items()}
    return {**filled, "rank fusion": np.array(fused, dtype=np.float32).reshape(examples.gains.shape)}


def judged(scores: FloatArray, gains: FloatArray, looked: BoolArray) -> DoubleArray:
    """nDCG@10 (a click is worth 1) and reciprocal rank of the first click for every slate, (S, 2)."""
    values = np.zeros((len(scores), 2))
    discounts = 1.0 / np.log2(np.arange(2, 12))
    for row, (score, gain, seen) in enumerate(zip(scores, gains, looked, strict=True)):
        clicked = (gain[seen] > 0)[order_of(score[seen])]
        if clicked.any():
            ideal = discounts[: int(clicked.sum())].sum()
            values[row] = (
                discounts[: len(clicked)] @ clicked[:10] / ideal,
                1.0 / (1 + int(clicked.argmax())),
            )
    return values


def lambdamart(train: Examples, validation: Examples, trees: int = 300) -> Callable[[Examples], FloatArray]:
    """LightGBM LambdaMART on the same features, slates and gains, with its own correction of position bias."""
    import lightgbm

    def data(examples: Examples, reference: Any = None) -> Any:
        position = np.where(examples.position < 0, DEPTH, examples.position)
        return lightgbm.Dataset(
            examples.x[examples.there],
            label=examples.gains[examples.there].astype(np.int64),
            group=examples.there.sum(axis=1),
            position=position[examples.there],
            reference=reference,
            free_raw_data=True,
        )

    settings = {
        "objective": "lambdarank",
        "metric": "ndcg",
        "eval_at": [10],
        "num_leaves": 31,
        "learning_rate": 0.05,
        "min_data_in_leaf": 20,
        "verbosity": -1,
        "num_threads": 2,
        "seed": 7,
        "deterministic": True,
    }
    whole = data(train)
    booster = lightgbm.train(
        settings,
        whole,
        num_boost_round=trees,
        valid_sets=[data(validation, whole)],
        callbacks=[lightgbm.early_stopping(30, verbose=False)],
    )

    def scores(examples: Examples) -> FloatArray:
        made = np.full(examples.there.shape, -np.inf, dtype=np.float32)
        made[examples.there] = booster.predict(examples.x[examples.there])
        return made

    return scores


def table(comparison: Comparison) -> Table:
    """The comparison for a terminal; a star where the interval of the difference excludes zero."""
    from rich.table import Table

    title = f"{comparison.slates} held-back slates, {comparison.random_slates} of them shown in random order"
    drawn = Table(title=title, caption="differences to engine order with 95 % paired bootstrap intervals")
    for head in ("ranked by", "nDCG@10", "difference", "MRR", "nDCG@10, random order", "difference"):
        drawn.add_column(head, justify="left" if head == "ranked by" else "right")
    for row in comparison.rows:
        drawn.add_row(
            row.arm,
            f"{row.ndcg:.3f}",
            _told(row.difference),
            f"{row.mrr:.3f}",
            "-" if row.random_ndcg is None else f"{row.random_ndcg:.3f}",
            "-" if row.random_difference is None else _told(row.random_difference),
        )
    return drawn


def _told(interval: Interval) -> str:
    star = "*" if interval.excludes_zero else " "
    return f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]{star}"
