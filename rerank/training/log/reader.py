"""Reads slate records, UBI queries and UBI events into a log; every record is used, or counted with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import isfinite
from typing import Any

from opensearch.logs.records import LogRecord
from rerank.slate import Slate

from .actions import GAINS, kind_of, normalised
from .events import Event, Log
from .notes import Tally, names_with_counts
from .product_ids import ProductIds
from .robots import RobotFinder, names_robot
from .shopper_ids import RawShopper, ShopperHashes, raw_shopper
from .ubi_shapes import OLDEST

_HITS = ("query_response_hit_ids", "query_response_object_ids")  # of UBI 1.3, and of older trackers


@dataclass
class _Answer:
    """The products that a UBI query showed, over all its pages, and the shopper that it names."""

    query_id: str
    at: float
    query: str
    shown: dict[str, None]
    shopper: RawShopper | None


class LogReader:
    """Reads a log once. `own_actions` maps normalised names of events to what they mean for this shop.

    Robots are left out, unless `keep_robots` says that they are people.
    """

    def __init__(
        self, ids: ProductIds, own_actions: Mapping[str, str] | None = None, *, keep_robots: bool = False
    ) -> None:
        self._keep_robots = keep_robots
        self._robot_searches: set[str] = set()  # query ids of records that name themselves a robot
        self._ids = ids
        self._own_actions = own_actions or {}
        self._tally = Tally()
        self._actions: Counter[str] = Counter()
        self._shoppers: dict[str, RawShopper] = {}  # by query id
        self._searches = 0
        self._kind_of = lru_cache(maxsize=10_000)(partial(kind_of, own=self._own_actions))

    def count_unread(self, actions: Mapping[str, int]) -> None:
        """Count events by name that are not read, because no name of theirs means a click, a cart or a purchase."""
        for name, count in actions.items():
            self._actions[name] += count
            self._count_action(name, count)

    def count_elsewhere(self, applications: Mapping[str, int]) -> None:
        """Count the records of applications that are not read."""
        named = {name: count for name, count in applications.items() if name}
        if named:
            self._tally.add("other application", names_with_counts(named), sum(named.values()))
        self._tally.add("no application", count=applications.get("", 0))

    def read(
        self, slates: Iterable[LogRecord], queries: Iterable[LogRecord], events: Iterable[LogRecord]
    ) -> Log:
        """Return the log of slate records, UBI queries and UBI events.

        A UBI query without slate record was shown in the order of its answer. One with a slate record gives the number of
        products on the pages that the shopper opened.
        """
        answers = self._answers(queries)
        logged = [slate for record in slates if (slate := self._slate(record))]
        found = list(self._events(events))
        hashes = ShopperHashes(slate.shopper for slate in logged if slate.shopper)
        by_query = {}
        for slate in logged:
            answer = answers.pop(slate.query_id, None)
            viewed = min(len(answer.shown), len(slate.shown)) if answer else 0
            shopper = hashes.of_slate(slate.shopper) or hashes.of(self._shoppers.get(slate.query_id))
            by_query[slate.query_id] = replace(slate, viewed=viewed or None, shopper=shopper)
        for answer in answers.values():
            if answer.shown:
                shopper = hashes.of(self._shoppers.get(answer.query_id))
                by_query[answer.query_id] = _slate_of(answer, shopper)
        events_read = [replace(event, shopper=hashes.of(raw)) for event, raw in found]
        if not self._keep_robots:
            by_query, events_read = self._without_robots(by_query, events_read)
        self._judge(events_read, by_query)
        return Log(
            sorted(by_query.values(), key=lambda slate: slate.at),
            sorted(events_read, key=lambda event: event.at),
            dict(self._actions),
            self._tally.notes(),
            self._searches + self._actions.total(),
        )

    def _without_robots(
        self, slates: Mapping[str, Slate], events: Sequence[Event]
    ) -> tuple[dict[str, Slate], list[Event]]:
        """Return the searches and events of people, and count those of robots.

        A search without a shopper stands for one of its own.
        """

        def key(query_id: str, shopper: str | None) -> str:
            slate = slates.get(query_id)
            return shopper or (slate.shopper if slate else None) or f"search {query_id}"

        finder = RobotFinder()
        for slate in slates.values():
            finder.add(key(slate.query_id, slate.shopper), slate.at)
        for event in events:
            finder.add(key(event.query_id, event.shopper), event.at)
        robots = finder.robots() | {key(query_id, None) for query_id in self._robot_searches}
        people = {
            query_id: slate
            for query_id, slate in slates.items()
            if key(query_id, slate.shopper) not in robots
        }
        theirs = [event for event in events if key(event.query_id, event.shopper) not in robots]
        left_out = len(slates) - len(people) + len(events) - len(theirs)
        self._tally.add("robot", f"{len(robots):,}", left_out)
        return people, theirs

    def _slate(self, record: LogRecord) -> Slate | None:
        self._searches += 1
        slate = Slate.from_record(record.source, record.at)
        if slate is None or slate.at < OLDEST:
            self._tally.add("incomplete slate")
            return None
        return slate

    def _answers(self, queries: Iterable[LogRecord]) -> dict[str, _Answer]:
        """Return the answers by query id; the pages of one search, which share its id and its words, are one answer."""
        answers: dict[str, _Answer] = {}
        for record in queries:
            answer = self._answer(record)
            if answer is None:
                continue
            first = answers.setdefault(answer.query_id, answer)
            if first.query != answer.query:
                self._tally.add("query id used twice")
                continue
            first.shown |= answer.shown
            self._remember(answer.query_id, answer.shopper)
        for answer in answers.values():
            if not answer.shown:
                self._tally.add("empty answer")
        return answers

    def _answer(self, record: LogRecord) -> _Answer | None:
        self._searches += 1
        source, at = record
        if names_robot(source):
            self._robot_searches.add(str(source.get("query_id")))
        hits = next((source[name] for name in _HITS if source.get(name)), None)
        query_id = source.get("query_id")
        if query_id in (None, ""):
            self._tally.add("query without id")
        elif not isfinite(at):
            self._tally.add("query without time")
        elif at < OLDEST:
            self._tally.add("query too old")
        elif hits is None and not any(name in source for name in _HITS):
            self._tally.add("query without products")
        else:
            column = source.get("object_id_field")
            shown = dict.fromkeys(self._product(hit, column) for hit in _as_list(hits))
            text = str(source.get("user_query") or "")
            return _Answer(str(query_id), at, text, shown, raw_shopper(source))
        return None

    def _events(self, events: Iterable[LogRecord]) -> Iterator[tuple[Event, RawShopper | None]]:
        """Yield the events that name a query, a product and a time, each with its shopper."""
        for source, at in events:
            name = str(source.get("action_name") or "")
            kind = self._kind_of(name)
            self._actions[name] += 1
            if kind not in GAINS:
                self._count_action(name, 1)
                continue
            attributes = source.get("event_attributes") or {}
            product = _product_object(attributes.get("object") if isinstance(attributes, Mapping) else None)
            products = _as_list(product["object_id"])
            if source.get("query_id") in (None, ""):
                self._tally.add("event without query")
            elif not products:
                self._tally.add("event without product")
            elif not isfinite(at):
                self._tally.add("event without time")
            elif at < OLDEST:
                self._tally.add("event too old")
            else:
                shopper = raw_shopper(source)
                if names_robot(source):
                    self._robot_searches.add(str(source["query_id"]))
                self._remember(str(source["query_id"]), shopper)
                for id_ in products:
                    found = self._product(id_, product.get("object_id_field"))
                    yield Event(str(source["query_id"]), kind, found, at), shopper

    def _judge(self, events: Iterable[Event], slates: Mapping[str, Slate]) -> None:
        """Count the events of which nothing can be learned, and those with a time before their search."""
        shown = {query_id: frozenset(slate.shown) for query_id, slate in slates.items()}
        for event in events:
            if event.query_id not in slates:
                self._tally.add("unknown query")
            elif event.id not in self._ids.known:
                self._tally.add("product not indexed")
            elif event.id not in shown[event.query_id]:
                self._tally.add("product not shown")
            elif event.at < slates[event.query_id].at:
                self._tally.add("event before its query")

    def _product(self, value: Any, column: Any) -> str:
        product, problem = self._ids.find(value, column)
        if problem:
            self._tally.add(problem, str(column))
        return product

    def _remember(self, query_id: str, shopper: RawShopper | None) -> None:
        """Keep the most lasting id of the shopper of a search, of its query or of an event; the first of equals."""
        if shopper and shopper.rank < self._shoppers.get(query_id, shopper._replace(rank=99)).rank:
            self._shoppers[query_id] = shopper

    def _count_action(self, name: str, count: int) -> None:
        kind = self._kind_of(name)
        reason = "ignored action" if kind else "unknown action" if name else "event without name"
        if kind and normalised(name) in self._own_actions:
            reason = "action set to ignore"
        self._tally.add(reason, name, count)


def _slate_of(answer: _Answer, shopper: str | None) -> Slate:
    """Return a UBI query as a slate that was shown in the order of its answer."""
    shown = tuple(answer.shown)
    return Slate(answer.query_id, "", answer.at, answer.query, shopper, engine=shown, shown=shown)


def _product_object(value: Any) -> dict[str, Any]:
    """Return an event's `object` with its `object_id`, for which there may be the `internal_id` or the id alone."""
    if not isinstance(value, Mapping):
        return {"object_id": value}
    named = value.get("object_id")
    return {**value, "object_id": value.get("internal_id") if named in (None, "") else named}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value in (None, "") else [value]
