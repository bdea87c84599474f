"""Business rules, applied after the ranker. Each is a pure function that permutes a window and names what it moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from rerank.models.ranker import order_of

from .arrays import FloatArray
from .request import RankedWindow, RerankRequest

UNAVAILABLE = "not available: shown after everything that is"
EXACT_CODE = "its code is in the query: shown first"
NOT_MET = "not met: shown after products that meet it"  # after the constraint

Rule = Callable[[RerankRequest, RankedWindow], RankedWindow]


def in_engine_order(request: RerankRequest) -> RankedWindow:
    """Return the window of a request in the engine's order and then by each of `RULES`, without scores."""
    window = apply_rules(request, -np.arange(len(request.ids), dtype=np.float32))
    return replace(window, scores=[])


def apply_rules(request: RerankRequest, scores: FloatArray) -> RankedWindow:
    """Return the window of a request, ordered by its scores (n,) and then by each of `RULES`.

    The order is a permutation of the window. Equal scores keep the engine's order.
    """
    order = order_of(scores)
    window = RankedWindow(order, [float(scores[position]) for position in order], request=request)
    for rule in RULES:
        window = rule(request, window)
    return window


def demote_broken_constraints(request: RerankRequest, window: RankedWindow) -> RankedWindow:
    """Return the window with the products later that break a constraint of the query, and those last that break most."""
    for count in range(1, max(map(len, request.broken.values()), default=0) + 1):
        rules = {
            product: f"{', '.join(broken)} {NOT_MET}"
            for product, broken in request.broken.items()
            if len(broken) >= count
        }
        window = _moved(window, request, rules, first=False)
    return window


def demote_unavailable(request: RerankRequest, window: RankedWindow) -> RankedWindow:
    """Return the window with sold-out products last."""
    return _moved(window, request, dict.fromkeys(request.unavailable, UNAVAILABLE), first=False)


def promote_exact_codes(request: RerankRequest, window: RankedWindow) -> RankedWindow:
    """Return the window with the products first that have a code of the query."""
    return _moved(window, request, dict.fromkeys(request.exact_codes, EXACT_CODE), first=True)


def _moved(
    window: RankedWindow, request: RerankRequest, rules: Mapping[str, str], *, first: bool
) -> RankedWindow:
    """Return the window with the products of `rules` first or last, in the order that they had, each named with its rule.

    Their scores are moved by more than the window's range, so the scores still fall along the order.
    """
    chosen = [request.ids[position] in rules for position in window.order]
    if not any(chosen):
        return window
    scores = np.asarray(window.scores, dtype=np.float32)
    span = np.float32(scores.max() - scores.min() + 1.0)
    shifted = scores + span if first else scores - span
    rows = sorted(range(len(chosen)), key=lambda row: chosen[row] != first)
    moved = [request.ids[window.order[row]] for row in rows if chosen[row]]
    return replace(
        window,
        order=[window.order[row] for row in rows],
        scores=[float(shifted[row] if chosen[row] else scores[row]) for row in rows],
        rules=window.rules | {product: rules[product] for product in moved},
    )


# the later a rule, the more it decides: a sold-out product comes last, even where it alone meets the constraints
RULES: tuple[Rule, ...] = (demote_broken_constraints, demote_unavailable, promote_exact_codes)
