"""A simulated month: shoppers search, examine the list by a click model, click what suits query and taste, and buy.

The attraction of a product depends on query, product and shopper and never on the position; `click_models.py` says what of
the list is examined. What the simulation knows and no log would, stands in `Log.truth`.
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
from .click_models import CLICK_MODELS, with_noise
from .queries import Query
from .query_intent import parse_intent, true_relevance
from .tastes import Shopper, liking

Record = dict[str, Any]
Search = Callable[[str], Sequence[str]]  # query text -> product ids in engine order

QUERY_PREFIX = "simulated-"  # prefix of every query id, which separates a simulated log from a real one
PAGE = 10
DEPTHS = {1: 0.66, 2: 0.2, 3: 0.08, 5: 0.06}  # pages viewed -> share of the searches
ATTRACTION = (0.005, 0.06, 0.30, 0.85)  # by true relevance, for a product that is liked for certain
CART_CHANCE = 0.35  # after a click, for a product that is liked for certain
PURCHASE_CHANCE = 0.5  # after the cart, for one of the best quality


def attraction(query: str, shopper: Shopper, truth: Truth, progress: float = 1.0) -> float:
    """The probability that an examined product is clicked, 0 to 1; `progress` as in `liking`."""
    return ATTRACTION[true_relevance(query, truth)] * liking(shopper, truth, progress)


@dataclass(frozen=True)
class Plan:
    """The size and time of the simulation, the share of exploration, and how shoppers click.

    `click_model` is a key of `CLICK_MODELS`, `noise` the share of the clicks that fall on any examined product.
    """

    until: datetime
    alias: str = "products"
    searches: int = 6000
    days: int = 28
    explore: float = 0.2  # of the sessions: the window is shown in random order
    window: int = 200
    seed: int = 7
    click_model: str = "position-based"
    noise: float = 0.0

    @property
    def first(self) -> datetime:
        """When the simulated time begins."""
        return self.until - timedelta(days=self.days)

    def progress(self, at: datetime) -> float:
        """The share of the simulated time that has gone by."""
        return (at - self.first) / (self.until - self.first)


@dataclass(frozen=True)
class Log:
    """UBI queries, UBI events and slates, each in time order; `truth` says of each search which clicks were noise."""

    queries: list[Record] = field(default_factory=list)
    events: list[Record] = field(default_factory=list)
    slates: list[Record] = field(default_factory=list)
    truth: list[Record] = field(default_factory=list)


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
        shares = query_shares(shopper, pool)
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
    log.truth.sort(key=lambda record: record["query_id"])
    return log


class _Shop:
    """Answers searches in engine or random order and keeps the log."""

    def __init__(self, truths: Mapping[str, Truth], search: Search, plan: Plan) -> None:
        self.log = Log()
        self._truths = truths
        self._search = search
        self._plan = plan
        self._orders: dict[str, list[str]] = {}
        self._attractions: dict[tuple[str, str, float], dict[str, float]] = {}

    def search(self, visit: _Visit, text: str, at: datetime, rng: random.Random) -> datetime:
        """Log one search and its events; return the time at which the shopper is done."""
        if text not in self._orders:
            self._orders[text] = list(self._search(text))
        day = at.date().isoformat()
        # a product cannot be retrieved before it was created
        engine = [i for i in self._orders[text] if self._truths[i].created <= day][: self._plan.window]
        shown = engine if visit.arm == "engine" else rng.sample(engine, len(engine))
        viewed = shown[: PAGE * rng.choices(list(DEPTHS), weights=list(DEPTHS.values()))[0]]
        query_id = QUERY_PREFIX + _new_id(rng)
        self._log_search(visit, (query_id, text, at), engine, shown, len(viewed))
        event = _Events(self.log.events, visit, query_id, self._plan.alias)
        for position, product in enumerate(viewed, start=1):
            event.add("impression", product, position, at + timedelta(milliseconds=300 + position))
        attractions = self._attractions_of(text, visit.shopper, viewed, at)
        browsing = CLICK_MODELS[self._plan.click_model](attractions, rng)
        clicked, noise = with_noise(browsing, self._plan.noise, rng)
        self.log.truth.append({"query_id": query_id, "noise": [viewed[position] for position in noise]})
        for position in clicked:
            at = self._click(event, visit.shopper, viewed[position], position + 1, at, rng)
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
        if rng.random() < CART_CHANCE * liking(shopper, truth, self._plan.progress(at)):
            at += timedelta(seconds=rng.uniform(5, 25))
            event.add("add_to_cart", product, position, at)
            if rng.random() < PURCHASE_CHANCE * (0.3 + 0.7 * truth.quality):
                at += timedelta(seconds=rng.uniform(20, 60))
                event.add("purchase", product, position, at)
        return at

    def _attractions_of(self, text: str, shopper: Shopper, ids: Sequence[str], at: datetime) -> list[float]:
        # in tenths of the time, so that most are computed once
        progress = round(self._plan.progress(at), 1) if shopper.later else 1.0
        known = self._attractions.setdefault((text, shopper.name, progress), {})
        for product in ids:
            if product not in known:
                known[product] = attraction(text, shopper, self._truths[product], progress)
        return [known[product] for product in ids]

    def _log_search(
        self,
        visit: _Visit,
        request: tuple[str, str, datetime],
        engine: list[str],
        shown: list[str],
        viewed: int,
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
                "query_response_hit_ids": shown[:viewed],
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
    visits = []
    for shopper in shoppers:
        count = max(1, round(sessions * shopper.sessions / keenness))
        # an hour is left before the end, so that no session runs past it
        spans = sorted(rng.uniform(0, plan.days * 86400 - 3600) for _ in range(count))
        visits.append((shopper, [plan.first + timedelta(seconds=span) for span in spans]))
    return visits


def query_shares(shopper: Shopper, pool: Sequence[Query]) -> list[float]:
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
