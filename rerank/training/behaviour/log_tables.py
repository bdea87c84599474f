"""The log of an alias as the tables of `BehaviourLog`, and the products as those of `ProductColumns`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from rerank.arrays import FloatArray
from rerank.features.behaviour import keyword_keys, query_hash
from rerank.features.clicks import ShopperClicks
from rerank.features.product_table import ProductTable
from rerank.slate import Slate
from rerank.training.log.actions import CART, CLICK, GAINS, PURCHASE
from rerank.training.log.events import Event, Log
from rerank.training.propensity import DEPTH, PositionBias

from .affinities import ProductColumns
from .rates import BehaviourLog

NO_SHOPPER = -1
_COLUMNS = {CLICK: "clicks", CART: "carts", PURCHASE: "purchases"}
_OLDEST_S = 2_000 * 86400.0  # before the end of the log: older actions have decayed to nothing


class LogTables:
    """The log's events on products of the table, each at the moment from which it counts.

    That moment is the slate's own at the earliest, even when a skewed clock dated the event before it.
    """

    def __init__(self, log: Log, products: ProductTable, positions: PositionBias) -> None:
        self._slates = {slate.query_id: slate for slate in log.slates}
        self._rows = products.row_of
        self.shoppers: dict[str, int] = {}
        for slate in log.slates:
            if slate.shopper:
                self.shoppers.setdefault(slate.shopper, len(self.shoppers))
        self.query_key = lru_cache(maxsize=None)(_query_key)
        self.actions = self._actions(log)
        self.impressions = self._impressions(log, positions)
        times = [table["at"].to_numpy() for table in (self.actions, self.impressions)]
        self.last = max((float(t.max()) for t in times if len(t)), default=0.0)
        first = min((float(t.min()) for t in times if len(t)), default=0.0)
        self.reference = max(first, self.last - _OLDEST_S)

    def shopper_key(self, slate: Slate) -> int:
        """Return the number of a slate's shopper."""
        return self.shoppers[slate.shopper] if slate.shopper else NO_SHOPPER

    def clicks(self, log: Log) -> ShopperClicks:
        """Return the clicks of the shoppers of the slates."""
        return ShopperClicks(
            (slate.shopper, row, at)
            for slate, event, row, at in self._events(log)
            if event.action == CLICK and slate.shopper
        )

    def log(self) -> BehaviourLog:
        """Return the tables as Ibis expressions, which any engine of Ibis reads."""
        import ibis

        return BehaviourLog(ibis.memtable(self.actions), ibis.memtable(self.impressions), self.reference)

    def _events(self, log: Log) -> Iterator[tuple[Slate, Event, int, float]]:
        for event in log.events:
            slate, row = self._slates.get(event.query_id), self._rows.get(event.id)
            if slate is not None and row is not None:
                yield slate, event, row, max(event.at, slate.at)

    def _actions(self, log: Log) -> pa.Table:
        columns: dict[str, list[Any]] = {name: [] for name in ("at", "product", "query", "shopper", "weight")}
        kinds = []
        for slate, event, row, at in self._events(log):
            values = (at, row, self.query_key(slate.words), self.shopper_key(slate), GAINS[event.action])
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
            kinds.append(event.action)
        kind = np.array(kinds, dtype="U8")
        types = {"at": np.float64, "weight": np.float64}
        return _table(
            **{name: np.array(values, types.get(name, np.int64)) for name, values in columns.items()},
            **{name: (kind == action).astype(np.float64) for action, name in _COLUMNS.items()},
        )

    def _impressions(self, log: Log, positions: PositionBias) -> pa.Table:
        slates = log.slates
        viewed = [slate.viewed_ids[:DEPTH] for slate in slates]
        lengths = np.array([len(ids) for ids in viewed], np.int64)
        rows = np.array([self._rows.get(i, -1) for ids in viewed for i in ids], np.int64)
        expected = {count: positions.expected(count) for count in range(DEPTH + 1)}
        charged = np.concatenate([np.zeros(0), *(expected[length] for length in lengths.tolist())])
        known = rows >= 0
        at = np.array([slate.at for slate in slates], np.float64)
        queries = np.array([self.query_key(slate.words) for slate in slates], np.int64)
        return _table(
            at=np.repeat(at, lengths)[known],
            product=rows[known],
            query=np.repeat(queries, lengths)[known],
            expected=charged[known],
        )


def product_columns(products: ProductTable, numbers: FloatArray) -> ProductColumns:
    """Return the scaled numbers (N, numbers) and the keywords of the products as Ibis expressions."""
    import ibis

    count = numbers.shape[1]
    known = np.isfinite(numbers)
    columns: dict[str, Any] = {"product": np.arange(len(numbers), dtype=np.int64)}
    for n in range(count):
        columns[f"x{n}"] = np.where(known[:, n], numbers[:, n], 0).astype(np.float64)
        columns[f"known{n}"] = known[:, n].astype(np.float64)
    rows, places = np.nonzero(products.codes)
    keywords = keyword_keys(products.codes)[rows, places].astype(np.int64)
    return ProductColumns(
        ibis.memtable(_table(**columns)),
        ibis.memtable(_table(product=rows.astype(np.int64), keyword=keywords)),
        count,
    )


def _query_key(query: str) -> int:
    """Return the query's hash as a signed number, which every engine has a type for."""
    return int(np.uint64(query_hash(query)).astype(np.int64))


def _table(**columns: Any) -> pa.Table:
    arrays: Mapping[str, Any] = {name: pa.array(values) for name, values in columns.items()}
    return pa.table(arrays)
