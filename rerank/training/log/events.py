"""The log as training uses it: slates, and the clicks, cart additions and purchases that followed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from rerank.slate import Slate

from .actions import GAINS
from .notes import LogNote


@dataclass(frozen=True)
class Event:
    """A click, an addition to the cart or a purchase; `at` is in seconds since 1970, `shopper` a keyed hash."""

    query_id: str
    action: str  # a key of GAINS
    id: str
    at: float
    shopper: str | None = None


@dataclass(frozen=True)
class Log:
    """Slates and events in order of time.

    `actions` counts the names of all events as the log writes them, `notes` the records that were not used. `records` is
    the number of all records, those that were not used included.
    """

    slates: list[Slate]
    events: list[Event]
    actions: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[LogNote, ...] = ()
    records: int = 0


def gains_of(log: Log) -> dict[str, dict[str, float]]:
    """Return query id -> product -> the highest gain of its events; only products that the slate showed count."""
    shown = {slate.query_id: frozenset(slate.shown) for slate in log.slates}
    gains: dict[str, dict[str, float]] = defaultdict(dict)
    for event in log.events:
        if event.id in shown.get(event.query_id, ()):
            best = gains[event.query_id].get(event.id, 0.0)
            gains[event.query_id][event.id] = max(best, GAINS[event.action])
    return dict(gains)
