"""The log as training reads it: slates, and the clicks, cart additions and purchases that followed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from rerank.features.product_table import seconds_of
from rerank.slate import Slate

GAINS = {"click": 1.0, "add_to_cart": 2.0, "purchase": 3.0}


@dataclass(frozen=True)
class Event:
    """A click, an addition to the cart or a purchase; `at` is in seconds since 1970, `shopper` a keyed hash."""

    query_id: str
    action: str
    id: str
    at: float
    shopper: str | None = None


@dataclass(frozen=True)
class Log:
    """Slates and events in order of time, and the number of records that could not be read."""

    slates: list[Slate]
    events: list[Event]
    unread: int = 0


def read_log(
    slates: Iterable[Mapping[str, Any]],
    queries: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
) -> Log:
    """Return the log of slate records, UBI queries and UBI events.

    A UBI query without slate record was shown in the order of its answer. One with a slate record gives the number of
    products on the pages that the shopper opened.
    """
    unread = 0
    by_query: dict[str, Slate] = {}
    answers = {str(record.get("query_id")): record for record in queries}
    for record in slates:
        answer = answers.pop(str(record.get("query_id")), {})
        slate = Slate.from_record(record)
        unread += slate is None
        if slate:
            viewed = len(answer.get("query_response_hit_ids") or ())
            by_query[slate.query_id] = replace(slate, viewed=min(viewed, len(slate.shown)) or None)
    for record in answers.values():
        slate = slate_of_query(record)
        unread += slate is None
        if slate:
            by_query[slate.query_id] = slate
    actions = []
    for record in events:
        if record.get("action_name") not in GAINS:
            continue
        event = event_of(record)
        unread += event is None
        if event:
            actions.append(event)
    return Log(sorted(by_query.values(), key=lambda s: s.at), sorted(actions, key=lambda e: e.at), unread)


def slate_of_query(record: Mapping[str, Any]) -> Slate | None:
    """Return a UBI 1.3 query as a slate that was shown in the order of the answer; None for an incomplete record."""
    return Slate.from_record(
        {
            "query_id": record.get("query_id"),
            "at": record.get("timestamp"),
            "query": record.get("user_query"),
            "shopper": record.get("client_id"),
            "shown": record.get("query_response_hit_ids"),
        }
    )


def event_of(record: Mapping[str, Any]) -> Event | None:
    """Return a UBI 1.3 event; None when it names no query, product or time."""
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


def gains_of(log: Log) -> dict[str, dict[str, float]]:
    """Return query id -> product -> the highest gain of its events; only products that the slate showed count."""
    shown = {slate.query_id: frozenset(slate.shown) for slate in log.slates}
    gains: dict[str, dict[str, float]] = defaultdict(dict)
    for event in log.events:
        if event.id in shown.get(event.query_id, ()):
            best = gains[event.query_id].get(event.id, 0.0)
            gains[event.query_id][event.id] = max(best, GAINS[event.action])
    return dict(gains)
