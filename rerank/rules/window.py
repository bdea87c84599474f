"""Business rules, applied after the ranker. Each is a pure function that permutes a window and names what it moved.

`RULES` is the table of them, in the order in which they are applied.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TypeVar

import numpy as np

from rerank.arrays import FloatArray
from rerank.models.ranker import order_of
from rerank.request import RankedWindow, RerankRequest

UNAVAILABLE = "not available: shown after everything that is"
EXACT_CODE = "its code is in the query: shown first"
NOT_MET = "not met: shown after products that meet it"  # after the constraint

Rule = Callable[[RerankRequest, RankedWindow], RankedWindow]
T = TypeVar("T")
_DAY_S = 86400.0


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


def promote_new(request: RerankRequest, window: RankedWindow) -> RankedWindow:
    """Return the window with each new product a few positions higher, the fewer the older it is (`Explore`).

    No product rises by more than `Explore.positions`, and none falls by more.
    """
    explore = request.rules.explore
    if explore is None or not request.created:
        return window
    ids = [request.ids[position] for position in window.order]
    ages = {product: (request.as_of - at) / _DAY_S for product, at in request.created.items()}
    lifts = [explore.lift(ages[product]) if product in ages else 0 for product in ids]
    # half a place more, so that a product passes the one whose place it takes
    rows = sorted(range(len(ids)), key=lambda row: row - lifts[row] - 0.5 * (lifts[row] > 0))
    least = list(accumulate(reversed(rows), min))[::-1]  # of the rows from each place on
    risen = [row for place, row in enumerate(rows) if least[place] < row]  # they passed another product
    names = {ids[row]: f"new: up to {lifts[row]} position{'s' * (lifts[row] > 1)} higher" for row in risen}
    return _rearranged(window, rows, set(risen), names)


def demote_buried(request: RerankRequest, window: RankedWindow) -> RankedWindow:
    """Return the window with the products later that a query rule buries."""
    names = {product: f"buried by rule {rule!r}" for product, rule in request.buried.items()}
    return _moved(window, request, names, first=False)


def place_pinned(request: RerankRequest, window: RankedWindow) -> RankedWindow:
    """Return the window with the pinned products at their positions; a sold-out one is not pinned."""
    positions = pinned_positions(request)
    if not positions:
        return window
    ids = [request.ids[position] for position in window.order]
    rows = {row: positions[product] for row, product in enumerate(ids) if product in positions}
    names = {
        ids[row]: f"pinned to position {place} by rule {request.rules.pins[ids[row]].rule!r}"
        for row, place in rows.items()
    }
    return _rearranged(window, placed(range(len(ids)), rows), rows, names)


def pinned_positions(request: RerankRequest | None) -> dict[str, int]:
    """Return the positions of the available pinned products of a request, by id, counted from one."""
    if request is None:
        return {}
    pins = request.rules.pins.items()
    return {product: pin.position for product, pin in pins if product not in request.unavailable}


def placed(items: Sequence[T], positions: Mapping[T, int]) -> list[T]:
    """Return the items with those of `positions` at these places, counted from one, and the others in their order.

    Where there are too few items, a place is the next one that is free.
    """
    result = [item for item in items if item not in positions]
    for item in sorted((item for item in items if item in positions), key=lambda item: positions[item]):
        result.insert(positions[item] - 1, item)
    return result


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


def _rearranged(
    window: RankedWindow, rows: Sequence[int], moved: Collection[int], names: Mapping[str, str]
) -> RankedWindow:
    """Return the window with its rows in a new order; `moved` get the score of the next row below that did not move.

    The other rows keep their scores and their order, so the scores still fall along the order.
    """
    if not moved:
        return window
    kept = [window.scores[row] for row in rows if row not in moved]
    score = kept[-1] if kept else window.scores[0]
    scores: list[float] = []
    for row in reversed(rows):
        score = score if row in moved else window.scores[row]
        scores.append(score)
    order = [window.order[row] for row in rows]
    return replace(window, order=order, scores=scores[::-1], rules=window.rules | dict(names))


# the later a rule, the more it decides: a sold-out product comes last, even where it alone meets the constraints
RULES: tuple[Rule, ...] = (
    promote_new,
    demote_broken_constraints,
    demote_buried,
    demote_unavailable,
    promote_exact_codes,
    place_pinned,
)
