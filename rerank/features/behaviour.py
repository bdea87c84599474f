"""Shopper behaviour as counts, the smoothed rates of a moment, and the behaviour snapshot of a catalogue.

Counts are position-normalized: a product is charged with the clicks that its positions receive on average ("clicks over
expected clicks", Zhang and Jones 2007), so a high position alone does not give a high rate.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rerank.arrays import (
    BoolArray,
    DoubleArray,
    FloatArray,
    HashArray,
    IndexArray,
    find_hashes,
    hash_text,
    id_hashes,
    load_mmap,
)
from vitrine.errors import ArtifactError

from .neighbours import NeighbourTable, RelatedProduct, StoredIds
from .product_table import ProductTable
from .scaler import Scaler

DECAY_S = 14 * 86400.0  # popularity falls to 1/e in two weeks
# Pseudo-counts of the smoothing: expected clicks at the average rate, expected clicks of a query-product pair at the
# product's own rate, and clicks at the average conversion.
_PRODUCT_PRIOR = 2.0
_PAIR_PRIOR = 1.0
_PURCHASE_PRIOR = 10.0
CLICKS, EXPECTED, CONVERSIONS, POPULARITY = range(4)  # columns of the counts


def query_hash(query: str) -> int:
    """Return one hash for all spellings of a query that differ in case and spaces only."""
    return hash_text(" ".join(query.casefold().split()))


def rates(counts: DoubleArray, pairs: DoubleArray, popularity_scale: float, conversion: float) -> FloatArray:
    """Return `groups.RATES` (n, 4) of counts (n, 4) and the query-product pairs' clicks and expected clicks (n, 2).

    Click and purchase rates are logarithms of smoothed ratios to the average, so a product without behaviour has zeros;
    the query-product rate is smoothed towards the product's own. `conversion` is conversions per click over all products.
    """
    click = (counts[:, CLICKS] + _PRODUCT_PRIOR) / (counts[:, EXPECTED] + _PRODUCT_PRIOR)
    bought = counts[:, CONVERSIONS] + _PURCHASE_PRIOR * conversion
    purchase = bought / (counts[:, CLICKS] + _PURCHASE_PRIOR) / conversion
    pair = (pairs[:, 0] + _PAIR_PRIOR * click) / (pairs[:, 1] + _PAIR_PRIOR)
    popular = np.log1p(counts[:, POPULARITY] * popularity_scale)
    return np.column_stack([np.log(click), np.log(np.maximum(purchase, 1e-3)), popular, np.log(pair)]).astype(
        np.float32
    )


class Counters:
    """Counts over N products that grow in time order and give the rates of any moment of the stream."""

    def __init__(self, hashes: HashArray, start: float) -> None:
        self.hashes = hashes
        self.start = start  # popularity is stored as of this moment, so that one factor decays all products
        self.until = start
        self.counts = np.zeros((len(hashes), 4))
        self.pairs: dict[int, list[float]] = {}  # product hash ^ query hash -> clicks, expected clicks

    def show(self, rows: IndexArray, expected: DoubleArray, query: int, at: float) -> None:
        """Count an impression of a slate: each row is charged with the expected clicks of its position."""
        self._advance(at)
        np.add.at(self.counts[:, EXPECTED], rows, expected)
        for key, share in zip(
            (self.hashes[rows] ^ np.uint64(query)).tolist(), expected.tolist(), strict=True
        ):
            self.pairs.setdefault(key, [0.0, 0.0])[1] += share

    def click(self, row: int, query: int, at: float) -> None:
        """Count a click."""
        self._advance(at)
        self.counts[row, CLICKS] += 1
        self._add_popularity(row, 1.0, at)
        self.pairs.setdefault(int(self.hashes[row]) ^ query, [0.0, 0.0])[0] += 1

    def convert(self, row: int, at: float) -> None:
        """Count an addition to the cart or a purchase."""
        self._advance(at)
        self.counts[row, CONVERSIONS] += 1
        self._add_popularity(row, 2.0, at)

    def rates(self, rows: IndexArray, query: int, as_of: float) -> FloatArray:
        """Return `groups.RATES` (n, 4) of rows from everything that was counted so far."""
        keys = (self.hashes[rows] ^ np.uint64(query)).tolist()
        no_pair = [0.0, 0.0]
        pairs = np.array([self.pairs.get(key, no_pair) for key in keys]).reshape(-1, 2)
        return rates(self.counts[rows], pairs, np.exp((self.start - as_of) / DECAY_S), self.conversion)

    @property
    def conversion(self) -> float:
        """Conversions per click over all products, smoothed so that it is never zero."""
        return float((self.counts[:, CONVERSIONS].sum() + 1.0) / (self.counts[:, CLICKS].sum() + 20.0))

    def _add_popularity(self, row: int, weight: float, at: float) -> None:
        self.counts[row, POPULARITY] += weight * np.exp((at - self.start) / DECAY_S)

    def _advance(self, at: float) -> None:
        self.until = max(self.until, at)


@dataclass(frozen=True)
class BehaviourSource:
    """What the arrays of a snapshot are computed from: products, counts, every shopper's clicks (row, time), neighbours."""

    products: ProductTable
    scaler: Scaler
    counters: Counters
    clicks: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    neighbours: NeighbourTable | None = None  # None: no product has neighbours

    @cached_property
    def neighbour_table(self) -> NeighbourTable:
        """The neighbours of the products, which training moves forward."""
        return self.neighbours or NeighbourTable(len(self.products.ids))

    @cached_property
    def numbers(self) -> FloatArray:
        """The products' scaled numbers (N, numbers)."""
        return self.scaler.scale(self.products.numbers)

    def arrays(self, rows: IndexArray | slice = slice(None)) -> dict[str, npt.NDArray[Any]]:
        """Return the values of `ARRAYS` for rows of the product table, (n, ...) each."""
        return {name: array.compute(self, rows) for name, array in ARRAYS.items()}


@dataclass(frozen=True)
class ProductArray:
    """One value, or row of values, of each product in a behaviour snapshot.

    `compute` returns (n, ...) for rows of the product table, from the behaviour so far: training calls it for every slate
    and `save_behaviour` for all rows at once. `missing` is the value of a product that the snapshot does not hold.
    """

    compute: Callable[[BehaviourSource, IndexArray | slice], npt.NDArray[Any]]
    missing: float


# The values that feature groups read as `products.arrays[name]`.
ARRAYS: dict[str, ProductArray] = {
    "numbers": ProductArray(lambda source, rows: source.numbers[rows], np.nan),
    "codes": ProductArray(lambda source, rows: source.products.codes[rows], 0),
    "created": ProductArray(lambda source, rows: source.products.created[rows], np.nan),
    "neighbours": ProductArray(lambda source, rows: source.neighbour_table.hashes[rows], 0),
    "neighbour_similarity": ProductArray(lambda source, rows: source.neighbour_table.similarity[rows], 0),
}


class BehaviourSnapshot:
    """The arrays and counts of a catalogue's products up to one moment."""

    def __init__(self, directory: Path, metadata: dict[str, Any]) -> None:
        def array(name: str) -> Any:
            return load_mmap(directory / f"{name}.npy")

        self.metadata = metadata
        self.until = float(metadata["until"])
        self._conversion = float(metadata["conversion"])
        self.hashes: HashArray = array("hashes")
        self._counts = array("counts")
        self._pairs, self._pair_counts = array("pairs"), array("pair_counts")
        self._arrays: dict[str, npt.NDArray[Any]] = {name: array(name) for name in ARRAYS}
        self._ids = StoredIds(directory)

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open the snapshot that `save_behaviour` wrote. Raises ArtifactError."""
        try:
            return cls(directory, json.loads((directory / "behaviour.json").read_text()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{directory} holds no behaviour snapshot ({error}); train again") from None

    def arrays(self, hashes: HashArray) -> dict[str, npt.NDArray[Any]]:
        """Return the values of `ARRAYS` by id hash, (n, ...) each; an unknown product has the missing values."""
        rows, known = find_hashes(self.hashes, hashes)
        return {
            name: _rows_or_missing(self._arrays[name], rows, known, array.missing)
            for name, array in ARRAYS.items()
        }

    def related(self, product: str) -> list[RelatedProduct]:
        """Return the products that the same shoppers clicked, most similar first; none for one without such clicks."""
        (row,), (known,) = find_hashes(self.hashes, id_hashes([product]))
        if not known:
            return []
        rows, found = find_hashes(self.hashes, self._arrays["neighbours"][row])
        similarity = self._arrays["neighbour_similarity"][row].astype(np.float64)
        order = np.argsort(-similarity, kind="stable")
        return [
            RelatedProduct(self._ids[int(rows[i])], float(similarity[i]))
            for i in order
            if found[i] and similarity[i] > 0
        ]

    def rates(self, hashes: HashArray, query: int, as_of: float) -> FloatArray:
        """Return `groups.RATES` (n, 4) by id hash; an unknown product has no behaviour."""
        rows, known = find_hashes(self.hashes, hashes)
        pair_rows, paired = find_hashes(self._pairs, hashes ^ np.uint64(query))
        counts = _rows_or_missing(self._counts, rows, known, 0.0)
        pairs = _rows_or_missing(self._pair_counts, pair_rows, paired, 0.0)
        scale = float(np.exp(min(0.0, (self.until - as_of) / DECAY_S)))
        return rates(counts.astype(np.float64), pairs.astype(np.float64), scale, self._conversion)


def save_behaviour(source: BehaviourSource, metadata: dict[str, Any], directory: Path) -> None:
    """Write a snapshot as of the counters' last event; `metadata` (index, model) goes into behaviour.json.

    Raises ArtifactError when the counters are of other products than the table.
    """
    counters, products = source.counters, source.products
    if not np.array_equal(counters.hashes, products.hashes):
        raise ArtifactError("the counters and the index are of different products; read the index again")
    directory.mkdir(parents=True, exist_ok=True)
    counts = counters.counts.copy()
    counts[:, POPULARITY] *= np.exp((counters.start - counters.until) / DECAY_S)
    keys = np.array(sorted(counters.pairs), dtype=np.uint64)
    pair_counts = np.array([counters.pairs[int(key)] for key in keys], dtype=np.float32).reshape(-1, 2)
    arrays: dict[str, npt.NDArray[Any]] = {
        **source.arrays(),
        "hashes": products.hashes,
        "counts": counts.astype(np.float32),
        "pairs": keys,
        "pair_counts": pair_counts,
    }
    StoredIds.save(products.ids, directory)
    for name, array in arrays.items():
        np.save(directory / f"{name}.npy", array)
    values = {**metadata, "until": counters.until, "conversion": counters.conversion}
    (directory / "behaviour.json").write_text(json.dumps(values, indent=1) + "\n")


def _rows_or_missing(
    array: npt.NDArray[Any], rows: IndexArray, known: BoolArray, missing: float
) -> npt.NDArray[Any]:
    """Return the rows (n, ...) of an array, with `missing` in place of the unknown ones."""
    if not len(array):
        return np.full((len(rows), *array.shape[1:]), missing, dtype=array.dtype)
    values = np.asarray(array[rows])  # a copy, because `rows` is an index array
    if not known.all():
        values[~known] = missing
    return values
