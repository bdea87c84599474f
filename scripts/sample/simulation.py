"""A simulated month: shoppers search, examine the list from the top, click what suits query and taste, and buy.

Clicks follow the position-based model: a product in position k is clicked with probability examination(k)
times attraction, which depends on query, product and shopper and never on the position (Craswell et al.,
An experimental comparison of click position-bias models, WSDM 2008).
"""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from .catalogue import Truth
from .queries import Query
from .query_intent import parse_intent, true_relevance
from .tastes import Shopper, liking

Record = dict[str, Any]
Search = Callable[[str], Sequence[str]]  # query text -> product ids in engine order

QUERY_PREFIX = "simulated-"  # prefix of every query id, which separates a simulated log from a real one
EXAMINATION_DECAY = 0.6
PAGE = 10
DEPTHS = {1: 0.66, 2: 0.2, 3: 0.08, 5: 0.06}  # pages viewed -> share of the searches
ATTRACTION = (0.005, 0.06, 0.30, 0.85)  # by true relevance, for a product that is liked for certain
CART_CHANCE = 0.35  # after a click, for a product that is liked for certain
PURCHASE_CHANCE = 0.5  # after the cart, for one of the best quality


def examination(position: int) -> float:
    """The probability that a product on a visited page is examined: k ** -0.6; `position` counts from 1."""
    return math.exp(-EXAMINATION_DECAY * math.log(position))


def attraction(query: str, shopper: Shopper, truth: Truth) -> float:
    """The probability that an examined product is clicked, 0 to 1."""
    return ATTRACTION[true_relevance(query, truth)] * liking(shopper, truth)


@dataclass(frozen=True)
class Plan:
    """The size and time of the simulation, and the share of exploration."""

    until: datetime
    alias: str = "products"
    searches: int = 6000
    days: int = 28
    explore: float = 0.2  # of the sessions: the window is shown in random order
    window: int = 200
    seed: int = 7


@dataclass(frozen=True)
class Log:
    """UBI queries, UBI events and slates, each in time order."""

    queries: list[Record] = field(default_factory=list)
    events: list[Record] = field(default_factory=list)
    slates: list[Record] = field(default_factory=list)


@dataclass(frozen=True)
class _Visit:
    """One session before its first search."""

    shopper: Shopper
    client_id: str
    session_id: str
    arm: str  # engine or explore


def simulate(
    shoppers: Sequence[Shopper],
    pool: Sequence[Query],
    truths: Mapping[str, Truth],
    search: Search,
    hash_shopper: Callable[[str], str],
    plan: Plan,
) -> Log:
    """The log of a simulated month; `search` is called once for every distinct query that is typed.

    The same arguments and the same engine orders give the same log, down to the query ids.
    """
    shop = _Shop(truths, search, plan)
    for shopper, starts in _visits(shoppers, plan):
        rng = random.Random(f"simulation:{plan.seed}:{shopper.name}")
        shares = _query_shares(shopper, pool)
        client_id = hash_shopper(shopper.name)
        for start in starts:
            arm = "explore" if rng.random() < plan.explore else "engine"
            visit = _Visit(shopper, client_id, _new_id(rng), arm)
            at = start
            for query in rng.choices(pool, weights=shares, k=_searches_in_a_session(rng)):
                at = shop.search(visit, query.text, at, rng) + timedelta(seconds=rng.uniform(8, 40))
    log = shop.log
    log.queries.sort(key=lambda record: record["timestamp"])
    log.events.sort(key=lambda record: record["timestamp"])
    log.slates.sort(key=lambda record: record["at"])
    return log


class _Shop:
    """Answers searches in engine or random order and keeps the log."""

    def __init__(self, truths: Mapping[str, Truth], search: Search, plan: Plan) -> None:
        self.log = Log()
        self._truths = truths
        self._search = search
        self._plan = plan
        self._orders: dict[str, list[str]] = {}
        self._attractions: dict[tuple[str, str], dict[str, float]] = {}

    def search(self, visit: _Visit, text: str, at: datetime, rng: random.Random) -> datetime:
        """Log one search and its events; return the time at which the shopper is done."""
        if text not in self._orders:
            self._orders[text] = list(self._search(text))
        day = at.date().isoformat()
        # a product cannot be retrieved before it was created
        engine = [i for i in self._orders[text] if self._truths[i].created <= day][: self._plan.window]
        shown = engine if visit.arm == "engine" else rng.sample(engine, len(engine))
        examined = shown[: PAGE * rng.choices(list(DEPTHS), weights=list(DEPTHS.values()))[0]]
        query_id = QUERY_PREFIX + _new_id(rng)
        self._log_search(visit, (query_id, text, at), engine, shown, len(examined))
        event = _Events(self.log.events, visit, query_id, self._plan.alias)
        for position, product in enumerate(examined, start=1):
            event.add("impression", product, position, at + timedelta(milliseconds=300 + position))
        for position, product in enumerate(examined, start=1):
            attracted = self._attraction(text, visit.shopper, product)
            if rng.random() < examination(position) * attracted:
                at = self._click(event, visit.shopper, product, position, at, rng)
        return at

    def _click(
        self,
        event: _Events,
        shopper: Shopper,
        product: str,
        position: int,
        at: datetime,
        rng: random.Random,
    ) -> datetime:
        truth = self._truths[product]
        at += timedelta(seconds=rng.uniform(3, 12))
        event.add("click", product, position, at)
        if rng.random() < CART_CHANCE * liking(shopper, truth):
            at += timedelta(seconds=rng.uniform(5, 25))
            event.add("add_to_cart", product, position, at)
            if rng.random() < PURCHASE_CHANCE * (0.3 + 0.7 * truth.quality):
                at += timedelta(seconds=rng.uniform(20, 60))
                event.add("purchase", product, position, at)
        return at

    def _attraction(self, text: str, shopper: Shopper, product: str) -> float:
        known = self._attractions.setdefault((text, shopper.name), {})
        if product not in known:
            known[product] = attraction(text, shopper, self._truths[product])
        return known[product]

    def _log_search(
        self,
        visit: _Visit,
        request: tuple[str, str, datetime],
        engine: list[str],
        shown: list[str],
        examined: int,
    ) -> None:
        query_id, text, at = request
        self.log.queries.append(
            {
                "application": self._plan.alias,
                "query_id": query_id,
                "client_id": visit.client_id,
                "user_query": text,
                "timestamp": timestamp(at),
                "query_response_id": query_id,
                "query_response_hit_ids": shown[:examined],
                "query_attributes": {"arm": visit.arm, "session_id": visit.session_id},
            }
        )
        self.log.slates.append(
            {
                "query_id": query_id,
                "alias": self._plan.alias,
                "at": timestamp(at),
                "query": text,
                "shopper": visit.client_id,
                "engine": engine,
                "shown": shown,
                "window": self._plan.window,
                "arm": visit.arm,
                "artifacts": None,
                "features": None,
            }
        )


@dataclass(frozen=True)
class _Events:
    """The events of one search."""

    log: list[Record]
    visit: _Visit
    query_id: str
    alias: str

    def add(self, action: str, product: str, position: int, at: datetime) -> None:
        self.log.append(
            {
                "application": self.alias,
                "action_name": action,
                "query_id": self.query_id,
                "client_id": self.visit.client_id,
                "session_id": self.visit.session_id,
                "timestamp": timestamp(at),
                "event_attributes": {
                    "object": {"object_id": product, "object_id_field": "id"},
                    "position": {"ordinal": position},
                },
            }
        )


def timestamp(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _new_id(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _searches_in_a_session(rng: random.Random) -> int:
    return rng.choices((1, 2, 3, 4, 5), weights=(3, 4, 3, 2, 1))[0]


def _visits(shoppers: Sequence[Shopper], plan: Plan) -> list[tuple[Shopper, list[datetime]]]:
    """The sessions of each shopper, so that there are about `plan.searches` searches in all."""
    rng = random.Random(f"visits:{plan.seed}")
    searches_a_session = 2.54  # the mean of _searches_in_a_session
    sessions = plan.searches / searches_a_session
    keenness = sum(shopper.sessions for shopper in shoppers)
    first = plan.until - timedelta(days=plan.days)
    visits = []
    for shopper in shoppers:
        count = max(1, round(sessions * shopper.sessions / keenness))
        # an hour is left before the end, so that no session runs past it
        spans = sorted(rng.uniform(0, plan.days * 86400 - 3600) for _ in range(count))
        visits.append((shopper, [first + timedelta(seconds=span) for span in spans]))
    return visits


def _query_shares(shopper: Shopper, pool: Sequence[Query]) -> list[float]:
    """How often a shopper types each query: by its popularity, and the shopper's interests and taste."""
    shares = []
    for query in pool:
        intent = parse_intent(query.text)
        share = query.share
        if query.language != shopper.language:
            share *= 0.04
        if intent.category:
            share *= 0.1 + shopper.interests.get(intent.category, 0.0)
        taste = shopper.colours.get(intent.attributes.get("colour", ""), 0.0)
        taste += shopper.patterns.get(intent.attributes.get("pattern", ""), 0.0)
        taste += shopper.brands.get(intent.attributes.get("brand", ""), 0.0)
        shares.append(share * math.exp(0.7 * taste))
    return shares
