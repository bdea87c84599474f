"""From the log to training examples: slates with features as of their own moment, in one pass through time."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from rerank.arrays import BoolArray, DoubleArray, FloatArray, IndexArray, half_to_float
from rerank.features.behaviour import Counters, query_hash
from rerank.features.groups import Facts, QueryVectors, Scaler, feature_names, features
from rerank.features.product_table import Catalogue
from rerank.models.ranker import HISTORY

from .events import GAINS, Log, Slate
from .propensity import DEPTH, Impression, PositionBias

_DEEPER = 10  # candidates of a slate that were not looked at, beside those that were
_DEEPER_WEIGHT = 0.1


@dataclass(frozen=True)
class Examples:
    """S slates with at least one click, in order of time; candidates stand in engine order."""

    items: IndexArray  # (S, L) rows of the catalogue, 0 where padded
    there: BoolArray  # (S, L)
    x: FloatArray  # (S, L, features)
    gains: FloatArray  # (S, L)
    position: IndexArray  # (S, L) shown position from zero, -1 where not looked at or padded
    offset: FloatArray  # (S, L) log weight of candidates that were not looked at
    clicks: IndexArray  # (S, J) rows of the shopper's earlier clicks
    clicked: BoolArray  # (S, J)
    age_hours: FloatArray  # (S, J)
    query: IndexArray  # (S,) rows of the query vectors
    random: BoolArray  # (S,)
    at: DoubleArray  # (S,)

    def __len__(self) -> int:
        return len(self.at)

    def part(self, which: slice | IndexArray | BoolArray) -> Examples:
        return replace(self, **{item.name: getattr(self, item.name)[which] for item in fields(self)})


@dataclass(frozen=True)
class Queries:
    """Q distinct queries with their vectors, zeros where there is none."""

    texts: tuple[str, ...]
    text: FloatArray  # (Q, text dimension)
    has_text: BoolArray  # (Q,)
    image: FloatArray  # (Q, image dimension)
    has_image: BoolArray  # (Q,)

    def vectors(self, row: int) -> QueryVectors:
        spaces = {"text": (self.text, self.has_text), "image": (self.image, self.has_image)}
        return {name: vectors[row] for name, (vectors, present) in spaces.items() if present[row]}


def gains_of(log: Log) -> dict[str, dict[str, float]]:
    """Query id -> product -> the highest gain of its events; only products that the slate showed count."""
    shown = {slate.query_id: frozenset(slate.shown) for slate in log.slates}
    gains: dict[str, dict[str, float]] = defaultdict(dict)
    for event in log.events:
        if event.id in shown.get(event.query_id, ()):
            best = gains[event.query_id].get(event.id, 0.0)
            gains[event.query_id][event.id] = max(best, GAINS[event.action])
    return dict(gains)


def showings(slates: Sequence[Slate], gains: Mapping[str, Mapping[str, float]]) -> list[Impression]:
    """What the estimation of positions needs of the slates."""
    found = []
    for slate in slates:
        liked = gains.get(slate.query_id, {})
        places = tuple(p for p, i in enumerate(slate.shown[: slate.viewed]) if i in liked)
        found.append(Impression(slate.viewed, places, slate.random))
    return found


@dataclass(frozen=True)
class _TimelineEvent:
    """A slate shown or an event, at the moment from which it may be known."""

    at: float
    slate: Slate
    action: str = "show"
    id: str = ""


class History:
    """The log as it was known at any moment: counters and every shopper's clicks, moved forward in time.

    Nothing of a slate itself is known at its own moment: `advance` stops before it, and its events count from
    its own moment at the earliest, whatever a skewed clock wrote.
    """

    def __init__(self, log: Log, catalogue: Catalogue, positions: PositionBias) -> None:
        slates = {slate.query_id: slate for slate in log.slates}
        happenings = [_TimelineEvent(slate.at, slate) for slate in log.slates]
        happenings += [
            _TimelineEvent(max(event.at, slate.at), slate, event.action, event.id)
            for event in log.events
            if (slate := slates.get(event.query_id))
        ]
        self._happenings = sorted(happenings, key=lambda h: h.at)
        self._next = 0
        self._rows = {product: row for row, product in enumerate(catalogue.ids)}
        self._positions = positions
        start = self._happenings[0].at if self._happenings else 0.0
        self.counters = Counters(catalogue.hashes, start)
        self.clicks: dict[str, deque[tuple[int, float]]] = defaultdict(lambda: deque(maxlen=HISTORY))

    def advance(self, until: float) -> None:
        """Count everything that happened before `until`."""
        while self._next < len(self._happenings) and self._happenings[self._next].at < until:
            self._count(self._happenings[self._next])
            self._next += 1

    def _count(self, happening: _TimelineEvent) -> None:
        slate, at = happening.slate, happening.at
        query = query_hash(slate.query)
        if happening.action == "show":
            seen = slate.shown[: min(slate.viewed, DEPTH)]
            known = [(place, self._rows[i]) for place, i in enumerate(seen) if i in self._rows]
            places, rows = np.array(known, dtype=np.int64).reshape(-1, 2).T
            self.counters.show(rows, self._positions.expected(len(seen))[places], query, at)
        elif happening.id in self._rows:
            row = self._rows[happening.id]
            if happening.action == "click":
                self.counters.click(row, query, at)
                if slate.shopper:
                    self.clicks[slate.shopper].append((row, at))
            else:
                self.counters.convert(row, at)


class ExampleMaker:
    """Makes examples of slates, which must come in order of time: the log moves forward with them."""

    def __init__(
        self, log: Log, catalogue: Catalogue, scaler: Scaler, queries: Queries, positions: PositionBias
    ) -> None:
        self._gains = gains_of(log)
        self._catalogue = catalogue
        self._numbers = scaler.scale(catalogue.numbers)
        self._rows = {product: row for row, product in enumerate(catalogue.ids)}
        self._queries = queries
        self._query_rows = {text: row for row, text in enumerate(queries.texts)}
        self._random = np.random.default_rng(7)
        self.history = History(log, catalogue, positions)
        self.features = feature_names(catalogue.number_names, catalogue.keyword_names)

    def examples(self, slates: Sequence[Slate], step: Callable[[], None] = lambda: None) -> Examples:
        """Examples of the slates with a click on a product of the catalogue; `step` is called per slate."""
        made = []
        for slate in slates:
            step()
            if any(product in self._rows for product in self._gains.get(slate.query_id, ())):
                made.append(self._example(slate))
        return _stacked(made, len(self.features))

    def _example(self, slate: Slate) -> dict[str, Any]:
        self.history.advance(slate.at)
        rows, ranks, position = self._candidates(slate)
        gains = self._gains[slate.query_id]
        clicks = list(self.history.clicks[slate.shopper]) if slate.shopper else []
        clicked = np.array([row for row, _ in clicks], dtype=np.int64)
        query = self._query_rows[slate.query]
        rates = self.history.counters.rates(rows, query_hash(slate.query), slate.at)
        trail = self._facts(clicked) if clicks else None
        x = features(self._facts(rows), ranks, rates, self._queries.vectors(query), trail, slate.at)
        ids = [self._catalogue.ids[row] for row in rows]
        return {
            "items": rows,
            "there": np.ones(len(rows), dtype=np.bool_),
            "x": x,
            "gains": np.array([gains.get(i, 0.0) for i in ids], dtype=np.float32),
            "position": position,
            "offset": np.where(position < 0, np.log(_DEEPER_WEIGHT), 0.0).astype(np.float32),
            "clicks": clicked,
            "clicked": np.ones(len(clicked), dtype=np.bool_),
            "age_hours": np.array([(slate.at - at) / 3600.0 for _, at in clicks], dtype=np.float32),
            "query": query,
            "random": slate.random,
            "at": slate.at,
        }

    def _candidates(self, slate: Slate) -> tuple[IndexArray, IndexArray, IndexArray]:
        """Rows, engine ranks and shown positions of a slate's candidates, in engine order."""
        seen = slate.shown[: min(slate.viewed, DEPTH)]
        liked = dict.fromkeys(self._gains[slate.query_id], DEPTH - 1)  # one that was clicked was looked at
        place = liked | {product: position for position, product in enumerate(seen)}
        place = {product: position for product, position in place.items() if product in self._rows}
        deeper = [i for i in slate.engine if i in self._rows and i not in place]
        drawn = self._random.permutation(len(deeper))[:_DEEPER]
        chosen = {*place, *(deeper[i] for i in drawn)}
        rank = {product: r for r, product in enumerate(slate.engine)}
        ordered = sorted(chosen, key=lambda i: (rank.get(i, len(rank)), place.get(i, DEPTH)))
        return (
            np.array([self._rows[i] for i in ordered], dtype=np.int64),
            np.array([rank.get(i, len(rank)) for i in ordered], dtype=np.int64),
            np.array([place.get(i, -1) for i in ordered], dtype=np.int64),
        )

    def _facts(self, rows: IndexArray) -> Facts:
        c = self._catalogue
        text, image = half_to_float(c.text[rows]), half_to_float(c.image[rows])
        return Facts(
            hashes=c.hashes[rows],
            text=text,
            image=image,
            has_text=np.asarray(text.any(axis=1)),
            has_image=np.asarray(image.any(axis=1)),
            numbers=self._numbers[rows],
            codes=c.codes[rows],
            created=c.created[rows],
        )


def _stacked(made: Sequence[Mapping[str, Any]], features: int) -> Examples:
    """Examples of unequal length as padded arrays."""
    length = max((len(one["items"]) for one in made), default=0)
    clicks = max((len(one["clicks"]) for one in made), default=0)
    shapes: dict[str, tuple[tuple[int, ...], Any, float]] = {
        "items": ((length,), np.int64, 0),
        "there": ((length,), np.bool_, 0),
        "x": ((length, features), np.float32, 0),
        "gains": ((length,), np.float32, 0),
        "position": ((length,), np.int64, -1),
        "offset": ((length,), np.float32, 0),
        "clicks": ((clicks,), np.int64, 0),
        "clicked": ((clicks,), np.bool_, 0),
        "age_hours": ((clicks,), np.float32, 0),
        "query": ((), np.int64, 0),
        "random": ((), np.bool_, 0),
        "at": ((), np.float64, 0),
    }
    arrays: dict[str, Any] = {}
    for name, (shape, kind, filler) in shapes.items():
        arrays[name] = np.full((len(made), *shape), filler, dtype=kind)
        for row, one in enumerate(made):
            if shape:
                arrays[name][row, : len(one[name])] = one[name]
            else:
                arrays[name][row] = one[name]
    return Examples(**arrays)
