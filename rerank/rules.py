"""Business rules, applied after the ranker. Each is a pure function that permutes a window and names what it moved."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np

from rerank.models.ranker import order_of

from .arrays import FloatArray
from .request import RankedWindow, RerankRequest

UNAVAILABLE = "not available: shown after everything that is"
EXACT_CODE = "its code is in the query: shown first"

Rule = Callable[[RerankRequest, RankedWindow], RankedWindow]


def apply_rules(request: RerankRequest, scores: FloatArray) -> RankedWindow:
    """Return the window of a request, ordered by its scores (n,) and then by each of `RULES`.

    The order is a permutation of the window. Equal scores keep the engine's order.
    """
    order = order_of(scores)
    window = RankedWindow(order, [float(scores[position]) for position in order], request=request)
    for rule in RULES:
        window = rule(request, window)
    return window


def demote_unavailable(request: RerankRequest, window: RankedWindow) -> RankedWindow:
    """Return the window with sold-out products last."""
    return _moved(window, request, request.unavailable, UNAVAILABLE, first=False)


def promote_exact_codes(request: RerankRequest, window: RankedWindow) -> RankedWindow:
    """Return the window with the products first that have a code of the query."""
    return _moved(window, request, request.exact_codes, EXACT_CODE, first=True)


def _moved(
    window: RankedWindow, request: RerankRequest, ids: Collection[str], rule: str, *, first: bool
) -> RankedWindow:
    """Return the window with the products of `ids` first or last, in the order that they had, named with the rule.

    Their scores are moved by more than the window's range, so the scores still fall along the order.
    """
    chosen = [request.ids[position] in ids for position in window.order]
    if not any(chosen):
        return window
    scores = np.asarray(window.scores, dtype=np.float32)
    span = np.float32(scores.max() - scores.min() + 1.0)
    moved = scores + span if first else scores - span
    rows = sorted(range(len(chosen)), key=lambda row: chosen[row] != first)
    return replace(
        window,
        order=[window.order[row] for row in rows],
        scores=[float(moved[row] if chosen[row] else scores[row]) for row in rows],
        rules=window.rules | {request.ids[window.order[row]]: rule for row in rows if chosen[row]},
    )


RULES: tuple[Rule, ...] = (demote_unavailable, promote_exact_codes)
