"""The behaviour of a log as of any moment: for the slates of a training set, and as the tables of a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rerank.arrays import DoubleArray, FloatArray, HashArray, IndexArray, hash_text
from rerank.features.behaviour import (
    PRODUCT_RATES,
    BehaviourTables,
    affinities_of,
    keyword_keys,
    with_log_popularity,
)
from rerank.features.groups import PAIR_RATES, RATES, Affinities
from rerank.features.product_table import ProductTable
from rerank.slate import Slate
from rerank.training.log.events import Log
from rerank.training.propensity import PositionBias

from .affinities import ProductColumns, keyword_weights_before, shopper_weights_before
from .log_tables import NO_SHOPPER, LogTables, product_columns
from .rates import BehaviourLog, rates_before
from .sums import AT, PROBE, Sums, sums_before, sums_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import ibis.expr.types as ir
    from ibis.backends import BaseBackend


@dataclass(frozen=True)
class SlateBehaviour:
    """What was known about n candidates before their slate: `groups.RATES` (n, 7), and the shopper's affinities."""

    rates: FloatArray
    affinities: Affinities | None


def duckdb() -> BaseBackend:
    """Return a new DuckDB in memory, the engine that the tables run on unless another is named."""
    import ibis

    return ibis.duckdb.connect()


class Behaviour:
    """The rates and affinities of a log at any moment, and every shopper's clicks.

    `numbers` (N, numbers) are the products' scaled numbers. A slate and its events are unknown at the slate's own moment.
    """

    def __init__(
        self,
        log: Log,
        products: ProductTable,
        numbers: FloatArray,
        positions: PositionBias,
        engine: Callable[[], BaseBackend] = duckdb,
    ) -> None:
        self._products, self.numbers, self._engine = products, numbers, engine
        self._tables = LogTables(log, products, positions)
        self.clicks = self._tables.clicks(log)

    def before(self, slates: Sequence[Slate], candidates: Sequence[IndexArray]) -> list[SlateBehaviour]:
        """Return what was known before each slate about its candidates, rows (n,) of the product table."""
        lengths = np.array([len(rows) for rows in candidates], dtype=np.int64)
        rows = np.concatenate([*candidates, np.zeros(0, np.int64)])
        moments = np.array([slate.at for slate in slates], np.float64)
        shoppers = np.array([self._tables.shopper_key(slate) for slate in slates], np.int64)
        queries = np.array([self._tables.query_key(slate.words) for slate in slates], np.int64)
        of_slate = np.repeat(np.arange(len(slates)), lengths)
        with self._open() as open_tables:
            rates = open_tables.rates(moments[of_slate], rows, queries[of_slate])
            weights = open_tables.shopper_weights(moments, shoppers)
            keys = keyword_keys(self._products.codes[rows])
            same = open_tables.keyword_weights(moments, shoppers, of_slate, keys)
        ends = np.cumsum(lengths)
        rates = with_log_popularity(rates)
        results = []
        for number, (start, end) in enumerate(zip(ends - lengths, ends, strict=True)):
            has = np.isfinite(weights[number, 0])
            affinities = affinities_of(weights[number], same[start:end]) if has else None
            results.append(SlateBehaviour(rates[start:end], affinities))
        return results

    def tables(self, until: float | None = None) -> BehaviourTables:
        """Return the tables of a snapshot from everything before `until` (seconds since 1970, None: the whole log)."""
        last = self._tables.last
        moment = float(np.nextafter(last, np.inf)) if until is None else until
        hashes = self._products.hashes
        with self._open(sums_until(moment)) as open_tables:
            everything = np.full(len(hashes), moment)
            rows = np.arange(len(hashes))
            of_products = open_tables.rates(everything, rows, np.zeros(len(hashes), np.int64))
            pair_rows, pair_queries = open_tables.pairs(moment)
            of_pairs = open_tables.rates(np.full(len(pair_rows), moment), pair_rows, pair_queries)
            shoppers, weights, keywords = open_tables.affinities(moment)
        pairs = hashes[pair_rows] ^ pair_queries.astype(np.uint64)
        order = np.argsort(pairs)
        names = np.array(list(self._tables.shoppers), dtype=object)
        shopper_hashes = np.array([hash_text(name) for name in names[shoppers]], dtype=np.uint64)
        return BehaviourTables(
            last if until is None else until,
            of_products[:, : len(PRODUCT_RATES)],
            pairs[order],
            of_pairs[order, -len(PAIR_RATES) :],
            *_by_shopper(shopper_hashes, shoppers, weights, keywords),
        )

    def pair_ratings(self) -> dict[int, dict[int, float]]:
        """Return query key -> product row -> smoothed clicks over expected clicks, from the whole log."""
        moment = float(np.nextafter(self._tables.last, np.inf))
        with self._open(sums_until(moment)) as open_tables:
            rows, queries = open_tables.pairs(moment)
            rates = open_tables.rates(np.full(len(rows), moment), rows, queries)
        ratings: dict[int, dict[int, float]] = {}
        clicks = np.exp(rates[:, RATES.index("query_click_rate")])
        for row, query, rating in zip(rows.tolist(), queries.tolist(), clicks.tolist(), strict=True):
            ratings.setdefault(query, {})[row] = rating
        return ratings

    def query_key(self, query: str) -> int:
        """Return the number that stands for a query in the tables."""
        return self._tables.query_key(query)

    @contextmanager
    def _open(self, sums: Sums = sums_before) -> Iterator[_OpenTables]:
        engine = self._engine()
        try:
            yield _OpenTables(engine, self._tables.log(), product_columns(self._products, self.numbers), sums)
        finally:
            engine.disconnect()


def _by_shopper(
    hashes: HashArray, shoppers: IndexArray, weights: FloatArray, keywords: dict[str, npt.NDArray[Any]]
) -> tuple[HashArray, FloatArray, IndexArray, HashArray, FloatArray]:
    """Return the arrays of `BehaviourTables` from `shoppers` on, with the shoppers sorted by hash."""
    order = np.argsort(hashes)
    place = np.zeros(int(shoppers.max(initial=-1)) + 1, dtype=np.int64)
    place[shoppers[order]] = np.arange(len(order))
    owners = place[keywords["shopper"]]
    entries = np.lexsort((keywords["keyword"], owners))
    starts = np.searchsorted(owners[entries], np.arange(len(order) + 1)).astype(np.int64)
    return (
        hashes[order],
        weights[order],
        starts,
        keywords["keyword"][entries].astype(np.uint64),
        keywords["weight"][entries].astype(np.float32),
    )


class _OpenTables:
    """The tables of a log in an engine: each method sends its probes and returns arrays aligned with them."""

    def __init__(self, engine: BaseBackend, log: BehaviourLog, products: ProductColumns, sums: Sums) -> None:
        self._engine, self._log, self._products, self._sums = engine, log, products, sums

    def rates(self, at: DoubleArray, product: IndexArray, query: IndexArray) -> FloatArray:
        """Return `RATES` (n, 7), popularity as a decayed sum."""
        probes = _probes(at, product=product, query=query)
        found = self._read(rates_before(probes, self._log, self._sums))
        values = np.zeros((len(at), len(RATES)), dtype=np.float32)
        for column, name in enumerate(RATES):
            values[found[PROBE], column] = found[name]
        return values

    def shopper_weights(self, at: DoubleArray, shopper: IndexArray) -> FloatArray:
        """Return the rows of `BehaviourTables.shopper_weights`, (n, 1 + 2 numbers); NaN for a shopper without actions."""
        values = np.full((len(at), 1 + 2 * self._products.count), np.nan, dtype=np.float32)
        known = np.flatnonzero(shopper != NO_SHOPPER)
        probes = _probes(at[known], shopper=shopper[known])
        found = self._read(shopper_weights_before(probes, self._log, self._products, self._sums))
        rows = known[found[PROBE]]
        values[rows, 0] = found["total"]
        for n in range(self._products.count):
            values[rows, 1 + 2 * n], values[rows, 2 + 2 * n] = found[f"mean{n}"], found[f"known{n}"]
        return values

    def keyword_weights(
        self, at: DoubleArray, shopper: IndexArray, of_slate: IndexArray, keys: HashArray
    ) -> FloatArray:
        """Return the weight of the shopper's actions with each keyword (n, keywords) of candidates, by their slate (n,)."""
        weights = np.zeros(keys.shape, dtype=np.float32)
        asked = ((keys & np.uint64(0xFFFFFFFF)) != 0) & (shopper[of_slate] != NO_SHOPPER)[:, None]
        candidate, column = np.nonzero(asked)
        names, name = np.unique(keys[candidate, column], return_inverse=True)
        distinct, inverse = np.unique(of_slate[candidate] * len(names) + name, return_inverse=True)
        slate, keyword = distinct // max(len(names), 1), names[distinct % max(len(names), 1)].astype(np.int64)
        probes = _probes(at[slate], shopper=shopper[slate], keyword=keyword)
        found = self._read(keyword_weights_before(probes, self._log, self._products, self._sums))
        by_distinct = np.zeros(len(distinct), dtype=np.float32)
        by_distinct[found[PROBE]] = found["weight"]
        weights[candidate, column] = by_distinct[inverse]
        return weights

    def pairs(self, moment: float) -> tuple[IndexArray, IndexArray]:
        """Return product and query of every pair that was shown or acted on before a moment."""
        parts = [table.select(AT, "product", "query") for table in (self._log.actions, self._log.impressions)]
        seen = parts[0].union(parts[1])
        found = self._read(seen.filter(seen[AT] < moment).select("product", "query").distinct())
        return found["product"], found["query"]

    def affinities(self, moment: float) -> tuple[IndexArray, FloatArray, dict[str, npt.NDArray[Any]]]:
        """Return the shoppers with actions before a moment, their weights, and the columns of their keywords."""
        acted = self._log.actions.filter(
            (self._log.actions[AT] < moment) & (self._log.actions.shopper != NO_SHOPPER)
        )
        shoppers = self._read(acted.select("shopper").distinct().order_by("shopper"))["shopper"]
        weights = self.shopper_weights(np.full(len(shoppers), moment), shoppers)
        with_keywords = acted.join(self._products.keywords, "product").select("shopper", "keyword").distinct()
        pairs = self._read(with_keywords)
        probes = _probes(np.full(len(pairs["shopper"]), moment), **pairs)
        found = self._read(keyword_weights_before(probes, self._log, self._products, self._sums))
        of_pairs = {name: values[found[PROBE]] for name, values in pairs.items()}
        return shoppers, weights, {**of_pairs, "weight": found["weight"]}

    def _read(self, expression: ir.Table) -> dict[str, npt.NDArray[Any]]:
        table = self._engine.to_pyarrow(expression)
        return {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}


def _probes(at: DoubleArray, **columns: npt.NDArray[Any]) -> ir.Table:
    import ibis
    import pyarrow as pa

    return ibis.memtable(pa.table({PROBE: np.arange(len(at)), AT: at, **columns}))
