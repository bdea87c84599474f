"""The words of the log: what was shown (slates) and what shoppers did with it (events)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from rerank.features.product_table import seconds_of

GAINS = {"click": 1.0, "add_to_cart": 2.0, "purchase": 3.0}
EXPLORE = "explore"  # the arm whose order is shuffled, so that no position favours any product


@dataclass(frozen=True)
class Slate:
    """One answered query: the engine's order of its window, and what the shopper saw in which order."""

    query_id: str
    at: float  # seconds since 1970
    query: str
    shopper: str | None  # keyed hash
    engine: tuple[str, ...]
    shown: tuple[str, ...]
    viewed: int  # of the shown ones, how many were on the pages that the shopper opened
    arm: str = "engine"

    @property
    def random(self) -> bool:
        return self.arm == EXPLORE


@dataclass(frozen=True)
class Event:
    """A click, an addition to the cart or a purchase."""

    query_id: str
    action: str
    id: str
    at: float
    shopper: str | None = None


@dataclass(frozen=True)
class Log:
    """Slates and events in order of time, and how many records could not be read."""

    slates: list[Slate]
    events: list[Event]
    unread: int = field(default=0)


def read_log(
    slates: Iterable[Mapping[str, Any]],
    queries: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
) -> Log:
    """Slate log, UBI queries and UBI events to one log; a query alone was shown as it was answered."""
    unread = 0
    found: dict[str, Slate] = {}
    answered = {str(record.get("query_id")): record for record in queries}
    for record in slates:
        answer = answered.pop(str(record.get("query_id")), {})
        slate = slate_of(record, len(answer.get("query_response_hit_ids") or ()))
        unread += slate is None
        if slate:
            found[slate.query_id] = slate
    for record in answered.values():
        slate = slate_of_query(record)
        unread += slate is None
        if slate:
            found[slate.query_id] = slate
    acts = []
    for record in events:
        if record.get("action_name") not in GAINS:
            continue
        event = event_of(record)
        unread += event is None
        if event:
            acts.append(event)
    return Log(sorted(found.values(), key=lambda s: s.at), sorted(acts, key=lambda e: e.at), unread)


def slate_of(record: Mapping[str, Any], viewed: int = 0) -> Slate | None:
    """A record of the slate log, None when it lacks an id, a time or products; `viewed` 0: all of it."""
    shown = tuple(str(i) for i in record.get("shown") or ())
    engine = tuple(str(i) for i in record.get("engine") or shown)
    at = seconds_of(record.get("at"))
    if not record.get("query_id") or not shown or not isfinite(at):
        return None
    return Slate(
        query_id=str(record["query_id"]),
        at=at,
        query=str(record.get("query") or ""),
        shopper=record.get("shopper") or None,
        engine=engine,
        shown=shown,
        viewed=min(viewed or len(shown), len(shown)),
        arm=str(record.get("arm") or "engine"),
    )


def slate_of_query(record: Mapping[str, Any]) -> Slate | None:
    """A UBI 1.3 query as a slate: its hits were shown in the order of the answer."""
    return slate_of(
        {
            "query_id": record.get("query_id"),
            "at": record.get("timestamp"),
            "query": record.get("user_query"),
            "shopper": record.get("client_id"),
            "shown": record.get("query_response_hit_ids"),
        }
    )


def event_of(record: Mapping[str, Any]) -> Event | None:
    """A UBI 1.3 event, None when it names no query, product or time."""
    attributes = record.get("event_attributes") or {}
    product = (attributes.get("object") or {}).get("object_id")
    at = seconds_of(record.get("timestamp"))
    if not record.get("query_id") or product is None or not isfinite(at):
        return None
    return Event(
        query_id=str(record["query_id"]),
        action=str(record["action_name"]),
        id=str(product),
        at=at,
        shopper=record.get("client_id") or None,
    )
