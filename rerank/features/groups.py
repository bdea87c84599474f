"""The features of a window of candidates; the same function makes them for training and for serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rerank.arrays import BoolArray, CodeArray, DoubleArray, FloatArray, HashArray, IndexArray

VERSION = 1  # of the definitions below; an artifact made with another version does not load
RATES = ("click_rate", "purchase_rate", "popularity", "query_click_rate")
_FIXED = (
    "rank",
    "rank_missing",
    "text_cosine",
    "text_missing",
    "image_cosine",
    "image_missing",
    *RATES,
    "newness",
    "age_missing",
    "history_missing",
    "seen",
    "text_nearest",
    "text_mean",
    "image_nearest",
    "image_mean",
)
_NEWNESS_DAYS = 30.0
_LIMIT = 6.0  # of a scaled number


@dataclass(frozen=True)
class Facts:
    """What is known about n products: candidates of a window, or a shopper's clicks."""

    hashes: HashArray  # (n,)
    text: FloatArray  # (n, text dimension), length one or zeros
    image: FloatArray  # (n, image dimension), length one or zeros
    has_text: BoolArray  # (n,)
    has_image: BoolArray  # (n,)
    numbers: FloatArray  # (n, numbers), scaled, NaN where unknown
    codes: CodeArray  # (n, keywords), 0 where unknown
    created: DoubleArray  # (n,) seconds since 1970, NaN where unknown


# The query's unit vector (d,) in each vector space where it has one.
QueryVectors = Mapping[str, FloatArray]


@dataclass(frozen=True)
class Scaler:
    """Robust scaling of numbers: asinh((value - median) / (half the interquartile range)), cut at 6."""

    centre: DoubleArray  # (numbers,)
    width: DoubleArray  # (numbers,)

    def scale(self, numbers: DoubleArray) -> FloatArray:
        """(n, numbers), NaN stays NaN; outliers are drawn in and keep their order."""
        scaled = np.arcsinh((numbers - self.centre) / self.width)
        return np.clip(scaled, -_LIMIT, _LIMIT).astype(np.float32)


def fit_scaler(numbers: DoubleArray) -> Scaler:
    """Fit on the catalogue's numbers (n, numbers); a column without spread or values scales by one."""
    centre = np.zeros(numbers.shape[1])
    width = np.ones(numbers.shape[1])
    for column in range(numbers.shape[1]):
        known = numbers[:, column][np.isfinite(numbers[:, column])]
        if not len(known):
            continue
        low, centre[column], high = np.percentile(known, [25, 50, 75])
        spread = (high - low) / 2 or float(known.std())
        width[column] = spread if spread > 0 else 1.0
    return Scaler(centre, width)


def feature_names(numbers: Sequence[str], keywords: Sequence[str]) -> tuple[str, ...]:
    """The columns of `features` for a catalogue with these numbers and keywords."""
    return (
        *_FIXED,
        *(f"same:{name}" for name in keywords),
        *(f"number:{name}" for name in numbers),
        *(f"missing:{name}" for name in numbers),
        *(f"near:{name}" for name in numbers),
    )


@dataclass(frozen=True)
class Dropped:
    """Columns that go together when a signal is taken away, and the column that then says so."""

    values: tuple[int, ...]
    flag: int


def dropped_columns(names: Sequence[str]) -> dict[str, Dropped]:
    """For "rank", "text", "image", "history": the columns that a missing signal zeroes, and its flag."""
    at = {name: column for column, name in enumerate(names)}
    trail = ("seen", "text_nearest", "text_mean", "image_nearest", "image_mean")
    near = tuple(at[name] for name in names if name.startswith(("same:", "near:")))
    return {
        "rank": Dropped((at["rank"],), at["rank_missing"]),
        "text": Dropped((at["text_cosine"],), at["text_missing"]),
        "image": Dropped((at["image_cosine"],), at["image_missing"]),
        "history": Dropped(tuple(at[name] for name in trail) + near, at["history_missing"]),
    }


def features(
    window: Facts,
    ranks: IndexArray,
    rates: FloatArray,
    query: QueryVectors,
    history: Facts | None,
    as_of: float,
) -> FloatArray:
    """Feature values (n, features) of a window.

    `ranks` (n,) count from zero in engine order; `rates` (n, 4) are `RATES` as of `as_of` (seconds since
    1970); `history` holds the shopper's clicks before that moment, None or empty for a stranger.
    """
    count = len(window.hashes)
    zero = np.zeros(count, dtype=np.float32)
    text, text_missing = _cosine(window.text, window.has_text, query.get("text"))
    image, image_missing = _cosine(window.image, window.has_image, query.get("image"))
    rank = -np.log2(1.0 + ranks) / 8.0
    fixed = [rank, zero, text, text_missing, image, image_missing, *rates.T, *_newness(window.created, as_of)]
    known = np.isfinite(window.numbers)
    numbers = np.where(known, window.numbers, np.float32(0))
    near = 5 + window.codes.shape[1]  # where the closeness of numbers begins
    if history is None or not len(history.hashes):
        absent = np.ones(count, dtype=np.float32)
        trail = np.zeros((count, near + numbers.shape[1]), dtype=np.float32)
    else:
        absent = zero
        trail = _affinities(window, history)
    columns = [np.column_stack([*fixed, absent]), trail[:, :near], numbers, ~known, trail[:, near:]]
    return np.concatenate([np.asarray(c, dtype=np.float32) for c in columns], axis=1)


def _cosine(vectors: FloatArray, there: BoolArray, query: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Cosines (n,), zero where one side is missing, and the flags (n,) of those."""
    if query is None:
        return np.zeros(len(there), dtype=np.float32), np.ones(len(there), dtype=np.float32)
    length = max(float(np.linalg.norm(query)), 1e-12)
    return vectors @ (query / np.float32(length)), (~there).astype(np.float32)


def _newness(created: DoubleArray, as_of: float) -> tuple[FloatArray, FloatArray]:
    """exp(-age / 30 days), zero where the date is unknown, and the flags (n,) of those."""
    days = np.maximum(as_of - created, 0.0) / 86400.0
    unknown = ~np.isfinite(created)
    recency = np.where(unknown, 0.0, np.exp(-np.where(unknown, 0.0, days) / _NEWNESS_DAYS))
    return recency.astype(np.float32), unknown.astype(np.float32)


def _affinities(window: Facts, history: Facts) -> FloatArray:
    """How near each candidate is to what the shopper clicked, (n, 5 + keywords + numbers)."""
    again = (window.hashes[:, None] == history.hashes[None, :]).sum(axis=1)  # (n,)
    text = _nearness(window.text, history.text[history.has_text])
    image = _nearness(window.image, history.image[history.has_image])
    same = [
        ((w[:, None] == h[None, :]) & (w[:, None] != 0)).mean(axis=1)
        for w, h in zip(window.codes.T, history.codes.T, strict=True)
    ]
    known = np.isfinite(history.numbers)  # (clicks, numbers)
    count = known.sum(axis=0)
    total = np.where(known, history.numbers, np.float32(0)).sum(axis=0)
    away = np.abs(window.numbers - total / np.maximum(count, 1))  # (n, numbers), NaN where unknown
    near = np.exp(-np.where(np.isfinite(away) & (count > 0), away, np.inf))
    return np.column_stack([np.log1p(again), *text, *image, *same, near]).astype(np.float32)


def _nearness(vectors: FloatArray, clicked: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The largest and the mean cosine of each vector with the clicked ones, (n,) and (n,)."""
    if not len(clicked):
        zero = np.zeros(len(vectors), dtype=np.float32)
        return zero, zero
    cosines = vectors @ clicked.T  # (n, clicks)
    return cosines.max(axis=1), cosines.mean(axis=1)
