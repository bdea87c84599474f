"""Why a hit stands where it stands: what its score is made of, in numbers that add up to it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from opensearch.search.fusion import Weights, min_max_parts
from opensearch.search.retrieve import Candidate
from rerank.models.explain import Parts
from rerank.models.ranker import Explains, Ranker

from .arrays import FloatArray
from .request import Explanation, RankedWindow

_log = logging.getLogger(__name__)


def explain_ranking(ranker: Ranker, inputs: Any, scores: FloatArray, window: RankedWindow) -> RankedWindow:
    """Return the window with an explanation of each place; `scores` (n,) are the ranker's, before the rules.

    A ranker that does not explain itself, or fails to, leaves its whole score as the base: the order stands.
    """
    parts = _parts(ranker, inputs)
    ids = window.request.ids if window.request else [""] * len(scores)
    return replace(
        window,
        explanations={
            place: _explanation(parts, place, final, _rules(window, ids[place], final - float(scores[place])))
            for place, final in zip(window.order, window.scores, strict=True)
        },
    )


def explain_engine_order(
    candidates: Sequence[Candidate], window: RankedWindow, weights: Weights
) -> RankedWindow:
    """Return the window with what each sub-query adds to the engine's score; where that is unknown, it is the base.

    `weights` are those of a fusion by `min_max`.
    """
    scores = [candidate.score for candidate in candidates]
    parts = min_max_parts(scores, [candidate.sub_query_scores for candidate in candidates], weights)
    return replace(
        window,
        explanations={
            place: Explanation(
                place + 1,
                scores[place] - sum(parts[place].values()),
                parts[place],
                _rules(window, candidates[place].id, 0.0),
            )
            for place in window.order
        },
    )


def explanation_list(window: RankedWindow, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the explanation of each place of a window in its final order, as JSON values.

    `base` is null where the engine's order stands, because its scores are not part of the request.
    """
    return [
        {
            "id": ids[place],
            "rank": rank,
            "score": window.scores[rank - 1] if window.scores else None,
            **asdict(_of(window, place)),
        }
        for rank, place in enumerate(window.order, start=1)
    ]


def _of(window: RankedWindow, place: int) -> Explanation:
    return window.explanations.get(place) or Explanation(place + 1, None)


def _parts(ranker: Ranker, inputs: Any) -> Parts | None:
    if not isinstance(ranker, Explains):
        return None
    try:
        return ranker.parts(inputs)
    except Exception as error:
        # the order is served all the same, so what failed is told in the log
        _log.warning("the scores of a window are not explained: %s: %s", type(error).__name__, error)
        return None


def _explanation(parts: Parts | None, place: int, final: float, rules: dict[str, float]) -> Explanation:
    if parts is None:
        return Explanation(place + 1, final - sum(rules.values()), rules=rules)
    values = {signal: float(value) for signal, value in zip(parts.signals, parts.values[place], strict=True)}
    base = final - sum(rules.values()) - sum(values.values())
    return Explanation(place + 1, base, values, rules)


def _rules(window: RankedWindow, product: str, change: float) -> dict[str, float]:
    """Return the change of a product's score by the name of the rule that moved it."""
    return {window.rules[product]: change} if product in window.rules else {}
