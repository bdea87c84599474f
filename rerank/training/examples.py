"""Training examples: slates with the features of their own moment, built in one pass through time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np

from rerank.arrays import BoolArray, DoubleArray, FloatArray, IndexArray, half_to_float
from rerank.features.behaviour import BehaviourSource
from rerank.features.groups import (
    BEHAVIOUR,
    FeatureInputs,
    FeaturePlan,
    ProductAttributes,
    QueryVectors,
    feature_names,
    features,
    masked_features,
)
from rerank.features.product_table import ProductTable
from rerank.features.scaler import Scaler
from rerank.slate import Slate
from rerank.training.behaviour.as_of import Behaviour, SlateBehaviour
from rerank.training.collaborative.neighbours import DEFAULT_METHOD
from rerank.training.collaborative.stream import NeighboursAsOf
from rerank.training.log.events import Log, gains_of

from .propensity import DEPTH, PositionBias

Embed = Callable[[Sequence[str]], Sequence[QueryVectors]]
_SAMPLED = 10  # candidates of a slate that were not examined, beside those that were
_SAMPLED_WEIGHT = 0.1


@dataclass(frozen=True)
class Examples:
    """S slates with a click or in random order, in order of time; candidates are in the engine's order."""

    items: IndexArray  # (S, L) rows of the product table, 0 where padded
    mask: BoolArray  # (S, L) False where padded
    x: FloatArray  # (S, L, features)
    gains: FloatArray  # (S, L)
    position: IndexArray  # (S, L) shown position from zero, -1 where not examined or padded
    offset: FloatArray  # (S, L) log weight of candidates that were not examined
    clicks: IndexArray  # (S, J) rows of the shopper's earlier clicks
    click_mask: BoolArray  # (S, J) False where padded
    age_hours: FloatArray  # (S, J)
    query: IndexArray  # (S,) rows of the query table
    random: BoolArray  # (S,)
    at: DoubleArray  # (S,)

    def __len__(self) -> int:
        return len(self.at)

    @property
    def clicked(self) -> BoolArray:
        """Which slates have a click, (S,)."""
        return np.asarray((self.gains > 0).any(axis=1))

    def part(self, rows: slice | IndexArray | BoolArray) -> Examples:
        """Return the examples of some slates."""
        return replace(self, **{item.name: getattr(self, item.name)[rows] for item in fields(self)})

    def without(self, plan: FeaturePlan, missing: Collection[str]) -> Examples:
        """Return the examples as they are when explained signals, or the engine's rank, are missing."""
        x = masked_features(self.x.reshape(-1, self.x.shape[2]), plan, missing).reshape(self.x.shape)
        return replace(self, x=x, click_mask=self.click_mask & (BEHAVIOUR not in missing))


@dataclass(frozen=True)
class QueryTable:
    """Q distinct queries with their vectors, zeros where a query has none."""

    texts: tuple[str, ...]
    arrays: Mapping[str, FloatArray]  # by vector space: (Q, d)
    has: Mapping[str, BoolArray]  # by vector space: (Q,)

    def vectors(self, row: int) -> QueryVectors:
        """Return the vectors of one query."""
        return {space: array[row] for space, array in self.arrays.items() if self.has[space][row]}


def embed_log_queries(texts: Sequence[str], dimensions: Mapping[str, int], embed: Embed) -> QueryTable:
    """Return the table of the distinct queries, embedded in the vector spaces of `dimensions`."""
    distinct = tuple(sorted(set(texts)))
    vectors = embed(distinct)
    arrays = {space: np.zeros((len(distinct), width), np.float32) for space, width in dimensions.items()}
    has = {space: np.zeros(len(distinct), dtype=np.bool_) for space in dimensions}
    for row, by_space in enumerate(vectors):
        for space in dimensions:
            if space in by_space:
                arrays[space][row] = by_space[space]
                has[space][row] = True
    return QueryTable(distinct, arrays, has)


@dataclass(frozen=True)
class _Draft:
    """A slate with a click: rows, engine ranks and shown positions of its candidates, in the engine's order."""

    slate: Slate
    rows: IndexArray
    ranks: IndexArray
    position: IndexArray


class ExampleBuilder:
    """Builds the examples of slates, each with the behaviour before its own moment."""

    def __init__(self, log: Log, source: BehaviourSource, queries: QueryTable, behaviour: Behaviour) -> None:
        self._gains = gains_of(log)
        self._source = source
        self._products = source.products
        self._rows = self._products.row_of
        self._queries = queries
        self._query_rows = {text: row for row, text in enumerate(queries.texts)}
        self._random = np.random.default_rng(7)
        self._named = lru_cache(maxsize=None)(self._products.value_table.named_by)
        self.behaviour = behaviour

    def examples(self, slates: Sequence[Slate], on_slate: Callable[[], None] = lambda: None) -> Examples:
        """Return the examples of the slates with a click on a product of the table, and of those in random order.

        `on_slate` is called for each slate.
        """
        drafts = []
        for slate in slates:
            on_slate()
            clicked = any(product in self._rows for product in self._gains.get(slate.query_id, ()))
            if clicked or (slate.random and any(product in self._rows for product in slate.viewed_ids)):
                drafts.append(_Draft(slate, *self._candidates(slate)))
        known = self.behaviour.before([d.slate for d in drafts], [d.rows for d in drafts])
        rows = [self._example(draft, before) for draft, before in zip(drafts, known, strict=True)]
        return _stack(rows, len(feature_names(self._products.plan)))

    def _example(self, draft: _Draft, before: SlateBehaviour) -> dict[str, Any]:
        slate, rows = draft.slate, draft.rows
        source = self._source.at(slate.at)
        gains = self._gains.get(slate.query_id, {})
        clicks = self.behaviour.clicks.before(slate.shopper, slate.at)
        clicked = np.array([row for row, _ in clicks], dtype=np.int64)
        query = self._query_rows[slate.words]
        x = features(
            FeatureInputs(
                candidates=self._attributes(rows, source),
                ranks=draft.ranks,
                rates=before.rates,
                query=self._queries.vectors(query),
                history=self._attributes(clicked, source) if clicks else None,
                as_of=slate.at,
                affinities=before.affinities,
                named=self._named(slate.words),
            )
        )
        ids = [self._products.ids[row] for row in rows]
        return {
            "items": rows,
            "mask": np.ones(len(rows), dtype=np.bool_),
            "x": x,
            "gains": np.array([gains.get(i, 0.0) for i in ids], dtype=np.float32),
            "position": draft.position,
            "offset": np.where(draft.position < 0, np.log(_SAMPLED_WEIGHT), 0.0).astype(np.float32),
            "clicks": clicked,
            "click_mask": np.ones(len(clicked), dtype=np.bool_),
            "age_hours": np.array([(slate.at - at) / 3600.0 for _, at in clicks], dtype=np.float32),
            "query": query,
            "random": slate.random,
            "at": slate.at,
        }

    def _candidates(self, slate: Slate) -> tuple[IndexArray, IndexArray, IndexArray]:
        """Return rows, engine ranks and shown positions of a slate's candidates, in the engine's order."""
        # a clicked product was examined, even below the depth that training reads
        position = dict.fromkeys(self._gains.get(slate.query_id, ()), DEPTH - 1)
        position |= {product: number for number, product in enumerate(slate.viewed_ids[:DEPTH])}
        position = {product: number for product, number in position.items() if product in self._rows}
        others = [i for i in slate.engine if i in self._rows and i not in position]
        sampled = self._random.permutation(len(others))[:_SAMPLED]
        candidates = {*position, *(others[i] for i in sampled)}
        rank = {product: number for number, product in enumerate(slate.engine)}
        ordered = sorted(candidates, key=lambda i: (rank.get(i, len(rank)), position.get(i, DEPTH)))
        return (
            np.array([self._rows[i] for i in ordered], dtype=np.int64),
            np.array([rank.get(i, len(rank)) for i in ordered], dtype=np.int64),
            np.array([position.get(i, -1) for i in ordered], dtype=np.int64),
        )

    def _attributes(self, rows: IndexArray, source: BehaviourSource) -> ProductAttributes:
        products = self._products
        return ProductAttributes(
            hashes=products.hashes[rows],
            vectors={space: half_to_float(array[rows]) for space, array in products.vectors.items()},
            has={space: mask[rows] for space, mask in products.has.items()},
            arrays=source.arrays(rows),
        )


def example_builder(
    log: Log,
    products: ProductTable,
    scaler: Scaler,
    queries: QueryTable,
    positions: PositionBias,
    method: str = DEFAULT_METHOD,
) -> ExampleBuilder:
    """Return the builder of a log's examples; `method` of `ITEM_METHODS` finds the neighbours of products."""
    numbers = scaler.scale(products.numbers)
    behaviour = Behaviour(log, products, numbers, positions)
    neighbours = NeighboursAsOf(products, behaviour.clicks, method)
    source = BehaviourSource(products, numbers, behaviour.clicks, neighbours=neighbours)
    return ExampleBuilder(log, source, queries, behaviour)


def _stack(rows: Sequence[Mapping[str, Any]], feature_count: int) -> Examples:
    """Return examples of unequal length as padded arrays."""
    length = max((len(row["items"]) for row in rows), default=0)
    clicks = max((len(row["clicks"]) for row in rows), default=0)
    shapes: dict[str, tuple[tuple[int, ...], Any, float]] = {
        "items": ((length,), np.int64, 0),
        "mask": ((length,), np.bool_, 0),
        "x": ((length, feature_count), np.float32, 0),
        "gains": ((length,), np.float32, 0),
        "position": ((length,), np.int64, -1),
        "offset": ((length,), np.float32, 0),
        "clicks": ((clicks,), np.int64, 0),
        "click_mask": ((clicks,), np.bool_, 0),
        "age_hours": ((clicks,), np.float32, 0),
        "query": ((), np.int64, 0),
        "random": ((), np.bool_, 0),
        "at": ((), np.float64, 0),
    }
    arrays: dict[str, Any] = {}
    for name, (shape, dtype, padding) in shapes.items():
        arrays[name] = np.full((len(rows), *shape), padding, dtype=dtype)
        for number, row in enumerate(rows):
            if shape:
                arrays[name][number, : len(row[name])] = row[name]
            else:
                arrays[name][number] = row[name]
    return Examples(**arrays)
