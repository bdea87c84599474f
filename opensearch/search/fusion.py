"""The fusion of a hybrid query's sub-queries: their weights, and the engine's processor that combines the scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from opensearch.index.fields import IndexSchema
from opensearch.index.spaces import IMAGE, LEXICAL, SPACES, TEXT, sub_queries
from vitrine.errors import QueryError

Weights = Mapping[str, float]  # by sub-query; a missing one weighs nothing, and only proportions matter

_ROUNDS = 30  # of solving for the slopes; two or three are usual
_FLOOR = 0.002  # the engine gives the lowest result of a sub-query 0.001 times its weight, and not zero
RANK_CONSTANT = 60  # Cormack, Clarke and Büttcher 2009

IMAGE_WEIGHTS: Weights = {IMAGE: 1.0}
IMAGE_AND_WORDS_WEIGHTS: Weights = {LEXICAL: 0.3, TEXT: 0.1, IMAGE: 0.6}


def default_weights() -> dict[str, float]:
    """Return the weights of a query of words where none were learned: half lexical, the rest as in `SPACES`."""
    return {LEXICAL: 0.5, **{name: space.weight for name, space in SPACES.items()}}


def schema_weights(schema: IndexSchema) -> Weights:
    """Return the weights for queries of words: those learned on this index, else the defaults."""
    return schema.weights or default_weights()


def shares(weights: Weights) -> list[float]:
    """Return the weights in the order of the sub-queries, divided by their sum. Raises QueryError."""
    unknown = sorted(set(weights) - set(sub_queries()))
    values = [float(weights.get(name, 0.0)) for name in sub_queries()]
    total = sum(values)
    if unknown or not all(value >= 0 for value in values) or not math.isfinite(total) or not total:
        raise QueryError(
            f"the weights are {dict(weights)}: give {', '.join(sub_queries())} finite numbers that are not negative, "
            "at least one of them above zero"
        )
    return [value / total for value in values]


def parse_weights(text: str) -> dict[str, float]:
    """Return the weights that `0.3,0,0.7` names, in the order of the sub-queries. Raises QueryError."""
    names = sub_queries()
    try:
        weights = dict(zip(names, map(float, text.split(",")), strict=True))
    except ValueError:
        form = ",".join(name.upper() for name in names)
        raise QueryError(
            f"weights {text!r} are not {len(names)} numbers: write them as {form}, such as 0.5,0.1,0.4"
        ) from None
    shares(weights)
    return weights


def _min_max(parameters: dict[str, Any]) -> dict[str, Any]:
    """Each sub-query's scores scaled to [0, 1] by their minimum and maximum, then the weighted arithmetic mean."""
    combination = {"technique": "arithmetic_mean", "parameters": parameters}
    return {
        "normalization-processor": {"normalization": {"technique": "min_max"}, "combination": combination}
    }


def _reciprocal_rank(parameters: dict[str, Any]) -> dict[str, Any]:
    """Weighted reciprocal rank fusion."""
    combination = {"technique": "rrf", "rank_constant": RANK_CONSTANT, "parameters": parameters}
    return {"score-ranker-processor": {"combination": combination}}


# name of `--fusion` -> the engine's processor for {"weights": shares}
FUSIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "min_max": _min_max,
    "rrf": _reciprocal_rank,
}
DEFAULT_FUSION = "min_max"


def fusion_processor(weights: Weights, fusion: str = DEFAULT_FUSION) -> dict[str, Any]:
    """Return the engine's processor that combines the sub-queries' scores into one. Raises QueryError."""
    if fusion not in FUSIONS:
        raise QueryError(f"there is no fusion {fusion!r}; choose {', '.join(FUSIONS)}")
    return FUSIONS[fusion]({"weights": shares(weights)})


def min_max_weights(body: Mapping[str, Any]) -> dict[str, float]:
    """Return the weight of each sub-query in a hybrid query's body; none where it is not fused by `min_max`."""
    processors = body.get("search_pipeline", {}).get("phase_results_processors", [])
    for processor in processors:
        if "normalization-processor" in processor:
            weights = processor["normalization-processor"]["combination"]["parameters"]["weights"]
            return dict(zip(sub_queries(), weights, strict=True))
    return {}


def min_max_parts(
    scores: Sequence[float], raw: Sequence[Mapping[str, float]], weights: Weights
) -> list[dict[str, float]]:
    """Return what each sub-query adds to the scores that `min_max` fused, by product; empty where that cannot be told.

    A sub-query of weight w adds w - d (high - raw score), with its highest raw score and the slope d = w / (high - low).
    Neither the lowest score nor the depth at which the engine cut the sub-query need be in the window, so the slopes are
    solved for by least squares, again without the products for which a sub-query then adds less than nothing: it was
    cut before them. The engine gives the lowest result 0.001 instead of 0, so a sum is exact within that. Raw scores
    are those before the boosts of constraints, which therefore leave it empty.
    """
    names = [name for name in sub_queries() if weights.get(name) and any(name in own for own in raw)]
    if not names:
        return [{} for _ in scores]
    found = np.array([[name in own for name in names] for own in raw], dtype=np.bool_)  # (products, names)
    values = np.array([[own.get(name, 0.0) for name in names] for own in raw])
    below = np.where(found, values, -np.inf).max(axis=0) - values
    share, fused, parts = (
        np.array([weights[name] for name in names]),
        np.asarray(scores),
        np.zeros_like(values),
    )
    kept = found
    for _ in range(_ROUNDS):
        slopes, *_ = np.linalg.lstsq(below * kept, kept @ share - fused, rcond=None)
        added = share - below * slopes
        parts, before = np.where(kept, added, 0.0), kept
        kept = found & (added > -_FLOOR / 2)
        if (kept == before).all():
            break
    if np.abs(parts.sum(axis=1) - fused).max() > _FLOOR:
        return [{} for _ in scores]
    return [dict(zip(names, row, strict=True)) for row in parts.tolist()]
