"""What the shop decides after the reranker: pure rules from order to order, named in the hits they moved."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from rerank.models.ranker import order_of

from .arrays import FloatArray

UNAVAILABLE = "not available: shown after everything that is"


@dataclass(frozen=True)
class Ranking:
    """A window in its final order: positions (n,), scores aligned with the window, rules by id moved."""

    order: list[int]
    scores: FloatArray
    rules: dict[str, str] = field(default_factory=dict)


def settle(ids: Sequence[str], scores: FloatArray, unavailable: Collection[str] = ()) -> Ranking:
    """Order a window by its scores (n,) and apply the rules; every id that came in goes out once.

    Scores of demoted products are lowered by more than the window's span, so scores and order agree.
    """
    demoted = np.array([product in unavailable for product in ids], dtype=np.bool_)
    if not demoted.any():
        return Ranking(order_of(scores), scores)
    span = np.float32(scores.max() - scores.min() + 1.0)
    settled = np.where(demoted, scores - span, scores).astype(np.float32)
    order = order_of(scores)
    order = [i for i in order if not demoted[i]] + [i for i in order if demoted[i]]
    named = {product: UNAVAILABLE for product, moved in zip(ids, demoted, strict=True) if moved}
    return Ranking(order, settled, named)
