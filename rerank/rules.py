"""Business rules, applied after the ranker. Each is a pure function that permutes a window and names what it moved."""

from __future__ import annotations

from collections.abc import Callable
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
    """Return the window with sold-out products last.

    Their scores are lowered by more than the window's range, so the scores still fall along the order.
    """
    demoted = [request.ids[position] in request.unavailable for position in window.order]
    if not any(demoted):
        return window
    scores = np.asarray(window.scores, dtype=np.float32)
    lowered = scores - np.float32(scores.max() - scores.min() + 1.0)
    rows = [row for row, last in enumerate(demoted) if not last] + [
        row for row, last in enumerate(demoted) if last
    ]
    return replace(
        window,
        order=[window.order[row] for row in rows],
        scores=[float(lowered[row] if demoted[row] else scores[row]) for row in rows],
        rules=window.rules | {request.ids[window.order[row]]: UNAVAILABLE for row in rows if demoted[row]},
    )


def promote_exact_codes(request: RerankRequest, window: RankedWindow) -> RankedWindow:
    """Return the window with the products first that have a code of the query, in the order that they had.

    Their scores are raised by more than the window's range, so the scores still fall along the order.
    """
    promoted = [request.ids[position] in request.exact_codes for position in window.order]
    if not any(promoted):
        return window
    scores = np.asarray(window.scores, dtype=np.float32)
    raised = scores + np.float32(scores.max() - scores.min() + 1.0)
    rows = sorted(range(len(promoted)), key=lambda row: not promoted[row])
    return replace(
        window,
        order=[window.order[row] for row in rows],
        scores=[float(raised[row] if promoted[row] else scores[row]) for row in rows],
        rules=window.rules | {request.ids[window.order[row]]: EXACT_CODE for row in rows if promoted[row]},
    )


RULES: tuple[Rule, ...] = (demote_unavailable, promote_exact_codes)
