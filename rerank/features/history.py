"""The features that compare candidates with what the shopper did before, or with what similar shoppers clicked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rerank.arrays import FloatArray

from .neighbours import neighbour_scores

if TYPE_CHECKING:
    from .groups import FeatureInputs, FeaturePlan

_AFFINITY_PRIOR = 3.0  # weight of a shopper's actions at which an affinity counts by half


def history_names(plan: FeaturePlan) -> tuple[str, ...]:
    """Return the names of the columns of `history_values`."""
    similarities = [f"{space}_{kind}" for space in plan.spaces for kind in ("nearest", "mean")]
    keywords = [f"same:{name}" for name in plan.keywords]
    return (
        "history_missing",
        "clicked_before",
        *similarities,
        *keywords,
        *(f"near:{name}" for name in plan.numbers),
    )


def history_values(inputs: FeatureInputs) -> FloatArray:
    """Return how similar each candidate is to the products that the shopper clicked.

    The columns are log(1 + earlier clicks on the candidate), the largest and the mean cosine in each vector space, the
    share of clicks with the same keyword, and exp(-distance) to the mean of each number.
    """
    candidates, history = inputs.candidates, inputs.history
    spaces, keywords = len(candidates.vectors), candidates.codes.shape[1]
    values = np.zeros((len(inputs), 2 + 2 * spaces + keywords + candidates.numbers.shape[1]), np.float32)
    if history is None or not len(history.hashes):
        values[:, 0] = 1.0
        return values
    values[:, 1] = np.log1p(_equal_clicks(candidates.hashes, history.hashes))
    column = 2
    for space, vectors in candidates.vectors.items():
        clicked, has = history.vectors[space], history.has[space]
        _similarities(vectors, clicked if has.all() else clicked[has], values[:, column : column + 2])
        column += 2
    for codes, clicked_codes in zip(candidates.codes.T, history.codes.T, strict=True):
        share = _equal_clicks(codes, clicked_codes) * np.float32(1 / len(history.hashes))
        values[:, column] = share * (codes != 0)
        column += 1
    values[:, column:] = _nearness(candidates.numbers, _known_means(history.numbers))
    return values


def _equal_clicks(values: npt.NDArray[Any], clicked: npt.NDArray[Any]) -> FloatArray:
    """Return how many of the clicked values each value (n,) equals, (n,)."""
    equal = clicked[:, None] == values  # (clicks, n): a sum over the first axis is the fast one
    count_type = np.uint8 if len(clicked) < 256 else np.uint32
    return np.asarray(np.add.reduce(equal, axis=0, dtype=count_type), dtype=np.float32)


def _known_means(numbers: FloatArray) -> FloatArray:
    """Return the mean of each number over the clicks (clicks, numbers) that have it, NaN where none has."""
    known = np.isfinite(numbers)
    counts = np.add.reduce(known, axis=0, dtype=np.float32)
    means = np.where(known, numbers, np.float32(0)).sum(axis=0) / np.maximum(counts, np.float32(1))
    return np.where(counts > 0, means, np.float32(np.nan))


def _nearness(numbers: FloatArray, means: FloatArray) -> FloatArray:
    """Return exp(-distance) of numbers (n, numbers) to means (numbers,), zero where one of both is NaN."""
    near = numbers - means
    np.abs(near, out=near)
    np.negative(near, out=near)
    np.exp(near, out=near)
    return np.asarray(np.fmax(near, np.float32(0)))  # fmax prefers a number to NaN


def affinity_names(plan: FeaturePlan) -> tuple[str, ...]:
    """Return the names of the columns of `affinity_values`."""
    return tuple(f"affinity:{name}" for name in (*plan.keywords, *plan.numbers))


def affinity_values(inputs: FeatureInputs) -> FloatArray:
    """Return the smoothed share of the shopper's actions with the same keyword, and the nearness of each number.

    Both are zero without actions, and grow with their number: a weight of w counts by w / (w + 3).
    """
    candidates, shopper = inputs.candidates, inputs.affinities
    if shopper is None:
        return np.zeros((len(inputs), candidates.codes.shape[1] + candidates.numbers.shape[1]), np.float32)
    shares = shopper.same / np.float32(shopper.total + _AFFINITY_PRIOR)
    near = _nearness(candidates.numbers, shopper.means)
    return np.concatenate(
        [shares, near * (shopper.known / (shopper.known + np.float32(_AFFINITY_PRIOR)))], axis=1
    )


def collaborative_values(inputs: FeatureInputs) -> FloatArray:
    """Return how near each candidate is to the clicked products by the clicks of all shoppers, (n, 1)."""
    if inputs.history is None:
        return np.zeros((len(inputs), 1), dtype=np.float32)
    clicked = inputs.history.arrays
    scores = neighbour_scores(
        inputs.candidates.hashes, clicked["neighbours"], clicked["neighbour_similarity"]
    )
    return scores[:, None]


def _similarities(vectors: FloatArray, clicked: FloatArray, out: FloatArray) -> None:
    """Write the largest and the mean cosine of each vector with the clicked ones to `out` (n, 2), zeros without any."""
    if len(clicked):
        cosines = vectors @ np.ascontiguousarray(clicked.T)  # (n, clicks); BLAS reads a strided factor slowly
        np.max(cosines, axis=1, out=out[:, 0])
        np.mean(cosines, axis=1, out=out[:, 1])
