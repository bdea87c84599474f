"""The log as it was known at any moment, moved forward in time."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

import numpy as np

from opensearch.logs.profiles import Click
from rerank.features.behaviour import Counters, query_hash
from rerank.features.product_table import ProductTable
from rerank.models.ranker import MAX_HISTORY
from rerank.slate import Slate
from rerank.training.log.actions import CLICK
from rerank.training.log.events import Log

from .propensity import DEPTH, PositionBias


@dataclass(frozen=True)
class _TimelineEvent:
    """A shown slate, or an event on it, at the moment from which it counts."""

    at: float
    slate: Slate
    action: str = "show"
    id: str = ""


class History:
    """Counters and every shopper's clicks at a moment that `advance` moves forward.

    A slate and its events are unknown at the slate's own moment: `advance` stops before it, and an event counts from the
    slate's moment at the earliest, even when a skewed clock dated it earlier.
    """

    def __init__(self, log: Log, products: ProductTable, positions: PositionBias) -> None:
        slates = {slate.query_id: slate for slate in log.slates}
        timeline = [_TimelineEvent(slate.at, slate) for slate in log.slates]
        timeline += [
            _TimelineEvent(max(event.at, slate.at), slate, event.action, event.id)
            for event in log.events
            if (slate := slates.get(event.query_id))
        ]
        self._timeline = sorted(timeline, key=lambda event: event.at)
        self._next = 0
        self._ids = products.ids
        self._rows = products.row_of
        self._positions = positions
        start = self._timeline[0].at if self._timeline else 0.0
        self.counters = Counters(products.hashes, start)
        self.clicks: dict[str, deque[tuple[int, float]]] = defaultdict(lambda: deque(maxlen=MAX_HISTORY))

    def advance(self, until: float) -> None:
        """Count everything that happened before `until` (seconds since 1970)."""
        while self._next < len(self._timeline) and self._timeline[self._next].at < until:
            self._count(self._timeline[self._next])
            self._next += 1

    def shopper_clicks(self) -> dict[str, list[Click]]:
        """Return the latest clicks of every shopper, oldest first."""
        return {
            shopper: [Click(self._ids[row], at) for row, at in clicks]
            for shopper, clicks in self.clicks.items()
        }

    def _count(self, event: _TimelineEvent) -> None:
        slate, at = event.slate, event.at
        query = query_hash(slate.words)
        if event.action == "show":
            viewed = slate.viewed_ids[:DEPTH]
            known = [(position, self._rows[i]) for position, i in enumerate(viewed) if i in self._rows]
            positions, rows = np.array(known, dtype=np.int64).reshape(-1, 2).T
            self.counters.show(rows, self._positions.expected(len(viewed))[positions], query, at)
        elif event.id in self._rows:
            row = self._rows[event.id]
            if event.action == CLICK:
                self.counters.click(row, query, at)
                if slate.shopper:
                    self.clicks[slate.shopper].append((row, at))
            else:
                self.counters.convert(row, at)
