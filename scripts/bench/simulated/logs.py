"""Simulated logs as training reads them, and the same log as if a shopper had done less."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from opensearch.logs.profiles import Click
from rerank.slate import Slate
from rerank.training.log.actions import CLICK, kind_of
from rerank.training.log.events import Event, Log
from scripts.sample.queries import Query
from scripts.sample.simulation import Log as Simulated
from scripts.sample.simulation import Plan, simulate
from scripts.sample.tastes import Shopper

from .shop import Shop


@dataclass(frozen=True)
class Past:
    """What a shopper did last, oldest first: events, and the slates that they belong to."""

    events: Sequence[Event]
    slates: Mapping[str, Slate]

    @property
    def clicks(self) -> list[Click]:
        """The clicks among the events."""
        return [Click(event.id, event.at) for event in self.events if event.action == CLICK]

    def last(self, count: int) -> Past:
        """Return the latest `count` events."""
        return Past(self.events[len(self.events) - count :], self.slates)


def simulated_log(shop: Shop, shoppers: Sequence[Shopper], pool: Sequence[Query], plan: Plan) -> Log:
    """Return the log of a simulated month; a shopper's name stands for the keyed hash."""
    return training_log(simulate(shoppers, pool, shop.truths, shop.orders.__getitem__, str, plan))


def training_log(simulated: Simulated) -> Log:
    """Return slates and events of the records that the simulation writes."""
    viewed = {query["query_id"]: len(query["query_response_hit_ids"]) for query in simulated.queries}
    slates = [Slate.from_record(record, _seconds(record["at"])) for record in simulated.slates]
    events = [
        Event(
            record["query_id"],
            kind,
            record["event_attributes"]["object"]["object_id"],
            _seconds(record["timestamp"]),
            record["client_id"],
        )
        for record in simulated.events
        if (kind := kind_of(record["action_name"], {})) not in (None, "ignore")
    ]
    return Log([replace(slate, viewed=viewed[slate.query_id]) for slate in slates if slate], events)


def pasts(log: Log) -> dict[str, Past]:
    """Return what each shopper did, by name."""
    slates = {slate.query_id: slate for slate in log.slates}
    events: dict[str, list[Event]] = defaultdict(list)
    for event in log.events:
        events[str(event.shopper)].append(event)
    return {shopper: Past(found, slates) for shopper, found in events.items()}


def log_of_pasts(found: Mapping[str, Past]) -> Log:
    """Return a log in which each shopper, by a new name, did only what the past holds."""
    slates: dict[str, Slate] = {}
    events = []
    for name, past in found.items():
        for event in past.events:
            query_id = f"{event.query_id} {name}"
            slates[query_id] = replace(past.slates[event.query_id], query_id=query_id, shopper=name)
            events.append(replace(event, query_id=query_id, shopper=name))
    return Log(sorted(slates.values(), key=lambda s: s.at), sorted(events, key=lambda e: e.at))


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
