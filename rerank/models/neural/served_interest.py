"""What a shopper's clicks add to the score of a candidate, in the served form: plain arrays, numpy only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from rerank.arrays import DoubleArray, FloatArray, sigmoid
from rerank.features.item_table import ItemRows

# (weights, the candidates' queries (n, keys), rows of j clicks oldest first, their ages in hours (j,)) -> (n, hidden)
ServedInterest = Callable[[Mapping[str, FloatArray], FloatArray, ItemRows, DoubleArray], FloatArray]


def attention(
    weights: Mapping[str, FloatArray], queries: FloatArray, clicks: ItemRows, age_hours: DoubleArray
) -> FloatArray:
    """Return dot-product attention (n, hidden) over clicks, with an empty slot of logit zero."""
    fading = weights["interest.fading"] * np.log1p(age_hours).astype(np.float32)
    logits = clicks.part("key") @ queries.T  # (j, n): numpy reduces the first axis faster than the last
    logits -= fading[:, None]
    top = np.maximum(logits.max(axis=0), np.float32(0))
    logits -= top
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=0) + np.exp(-top)
    return np.asarray(logits.T @ clicks.part("value"), dtype=np.float32)


def gru(
    weights: Mapping[str, FloatArray], queries: FloatArray, clicks: ItemRows, age_hours: DoubleArray
) -> FloatArray:
    """Return each candidate's share (n, hidden) of the state of a gated recurrent unit after the last click."""
    ages = np.log1p(age_hours).astype(np.float32)[:, None]
    inputs = np.concatenate([clicks.part("value"), ages], axis=1) @ weights["interest.wi"]
    inputs += weights["interest.bi"]
    width = weights["interest.wh"].shape[0]
    state = np.zeros(width, dtype=np.float32)
    for row in inputs:
        hidden = state @ weights["interest.wh"] + weights["interest.bh"]
        reset, update = sigmoid(row[: 2 * width] + hidden[: 2 * width]).reshape(2, width)
        new = np.tanh(row[2 * width :] + reset * hidden[2 * width :])
        state = new + update * (state - new)
    share = sigmoid(queries @ (state @ weights["interest.key"]))
    return np.outer(share, state @ weights["interest.value"])


INTERESTS: dict[str, ServedInterest] = {"attention": attention, "gru": gru}
DEFAULT_INTEREST = "attention"
