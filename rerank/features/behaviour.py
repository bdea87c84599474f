"""The behaviour snapshot of a catalogue: smoothed rates, affinities of shoppers, and values of each product.

`rerank.training.behaviour` computes the rates and affinities as tables, as of one moment; this module stores them and looks
them up. `VERSION` counts the definitions of those tables: a snapshot of another version is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rerank.arrays import (
    BoolArray,
    FloatArray,
    HashArray,
    IndexArray,
    find_hashes,
    hash_text,
    id_hashes,
    load_mmap,
)
from vitrine.errors import ArtifactError

from .clicks import ShopperClicks
from .groups import PAIR_RATES, RATES, Affinities
from .named_values import ValueTable
from .neighbours import NeighbourTable, RelatedProduct, StoredIds
from .product_table import ProductTable

VERSION = 2  # of the definitions of rates, affinities and the values that queries name
POPULARITY_DECAY_S = 14 * 86400.0  # popularity falls to 1/e in two weeks
AFFINITY_DECAY_S = (
    60 * 86400.0
)  # the weight of a shopper's action in the affinities falls to 1/e in two months
PRODUCT_RATES = RATES[: len(RATES) - len(PAIR_RATES)]
_POPULARITY = PRODUCT_RATES.index("popularity")
# A pair that was never seen has the rates of its product.
_PAIR_DEFAULTS = [PRODUCT_RATES.index(name.removeprefix("query_")) for name in PAIR_RATES]


def query_hash(query: str) -> int:
    """Return one hash for all spellings of a query that differ in case and spaces only."""
    return hash_text(" ".join(query.casefold().split()))


def keyword_keys(codes: npt.NDArray[np.uint32]) -> HashArray:
    """Return one key for each keyword code (n, keywords) that tells the columns apart, (n, keywords)."""
    columns = np.arange(codes.shape[1], dtype=np.uint64) << np.uint64(32)
    return np.asarray(codes.astype(np.uint64) | columns)


@dataclass(frozen=True)
class BehaviourTables:
    """The behaviour of N products, P query-product pairs and S shoppers before one moment, `until` (seconds since 1970).

    Popularity is a decayed sum as of `until`; the other rates are logarithms, as the features have them.
    """

    until: float
    rates: FloatArray  # (N, PRODUCT_RATES)
    pairs: HashArray  # (P,) sorted, product hash ^ query hash
    pair_rates: FloatArray  # (P, PAIR_RATES)
    shoppers: HashArray  # (S,) sorted hashes of the shoppers' keyed hashes
    shopper_weights: (
        FloatArray  # (S, 1 + 2 numbers): weight of the actions, then mean and weight of each number
    )
    keyword_starts: IndexArray  # (S + 1,) where each shopper's keywords begin
    keywords: HashArray  # (E,) `keyword_keys`, sorted within each shopper
    keyword_weights: FloatArray  # (E,)

    @classmethod
    def empty(cls, products: ProductTable, until: float) -> Self:
        """Return the tables of products without any behaviour."""
        numbers = len(products.number_names)
        no_hashes, no_weights = np.zeros(0, np.uint64), np.zeros(0, np.float32)
        return cls(
            until,
            np.zeros((len(products.ids), len(PRODUCT_RATES)), np.float32),
            no_hashes,
            np.zeros((0, len(PAIR_RATES)), np.float32),
            no_hashes,
            np.zeros((0, 1 + 2 * numbers), np.float32),
            np.zeros(1, np.int64),
            no_hashes,
            no_weights,
        )


_TABLES = tuple(name for name in BehaviourTables.__dataclass_fields__ if name != "until")


@dataclass(frozen=True)
class BehaviourSource:
    """What the arrays of a snapshot are computed from: products, their scaled numbers, and clicks before `as_of`.

    `neighbours` returns the products' neighbours from clicks before a moment; None: no product has neighbours.
    """

    products: ProductTable
    numbers: FloatArray  # (N, numbers)
    shopper_clicks: ShopperClicks = field(default_factory=ShopperClicks)
    as_of: float = np.inf
    neighbours: Callable[[float], NeighbourTable] | None = None

    def at(self, moment: float) -> Self:
        """Return the source as of a moment (seconds since 1970)."""
        return replace(self, as_of=moment)

    @cached_property
    def clicks(self) -> Mapping[str, Sequence[tuple[int, float]]]:
        """Every shopper's latest clicks before `as_of` as (row, time), oldest first."""
        return self.shopper_clicks.all_before(self.as_of)

    @cached_property
    def neighbour_table(self) -> NeighbourTable:
        """The products' neighbours from clicks before `as_of`."""
        count = len(self.products.ids)
        return self.neighbours(self.as_of) if self.neighbours else NeighbourTable.empty(count)

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
    "values": ProductArray(lambda source, rows: source.products.values[rows], 0),
    "created": ProductArray(lambda source, rows: source.products.created[rows], np.nan),
    "neighbours": ProductArray(lambda source, rows: source.neighbour_table.hashes[rows], 0),
    "neighbour_similarity": ProductArray(lambda source, rows: source.neighbour_table.similarity[rows], 0),
}


class SnapshotArrays(Mapping[str, npt.NDArray[Any]]):
    """The values of `ARRAYS` of n products of a snapshot; an array is read when it is first asked for.

    `rows` and `known` (n,) are those of `find_hashes`. A product that is not known has the missing values.
    """

    def __init__(self, stored: Mapping[str, npt.NDArray[Any]], rows: IndexArray, known: BoolArray) -> None:
        self.rows = rows
        self.known = known
        self._stored = stored
        self._read: dict[str, npt.NDArray[Any]] = {}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self._read:
            self._read[name] = _rows_or_missing(
                self._stored[name], self.rows, self.known, ARRAYS[name].missing
            )
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def slice(self, products: slice) -> SnapshotArrays:
        """Return the arrays of some of the products."""
        return SnapshotArrays(self._stored, self.rows[products], self.known[products])


class BehaviourSnapshot:
    """The arrays, rates and affinities up to one moment, mapped into memory."""

    def __init__(self, directory: Path, metadata: dict[str, Any]) -> None:
        def array(name: str) -> Any:
            return load_mmap(directory / f"{name}.npy")

        self.metadata = metadata
        self.until = float(metadata["until"])
        self.hashes: HashArray = array("hashes")
        self._tables = BehaviourTables(self.until, **{name: array(name) for name in _TABLES})
        self._arrays: dict[str, npt.NDArray[Any]] = {name: array(name) for name in ARRAYS}
        self._ids = StoredIds(directory)
        self.value_table = ValueTable(array("value_keys"), metadata["language"])

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open the snapshot that `save_behaviour` wrote. Raises ArtifactError."""
        try:
            metadata = json.loads((directory / "behaviour.json").read_text())
            found = metadata.get("definitions")
            if found != VERSION:
                raise ArtifactError(
                    f"{directory} holds behaviour by version {found} of its definitions, this release computes version "
                    f"{VERSION}; train again"
                )
            return cls(directory, metadata)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"{directory} holds no behaviour snapshot ({error}); train again") from None

    def arrays(self, hashes: HashArray) -> SnapshotArrays:
        """Return the values of `ARRAYS` by id hash, (n, ...) each; an unknown product has the missing values."""
        return SnapshotArrays(self._arrays, *find_hashes(self.hashes, hashes))

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

    def rates(
        self, hashes: HashArray, query: int, as_of: float, arrays: SnapshotArrays | None = None
    ) -> FloatArray:
        """Return `groups.RATES` (n, 7) by id hash; an unknown product has no behaviour.

        `arrays` are those of the same hashes, where the caller has them: the products are then not searched again.
        """
        arrays = self.arrays(hashes) if arrays is None else arrays
        rows, known = arrays.rows, arrays.known
        pair_rows, paired = find_hashes(self._tables.pairs, hashes ^ np.uint64(query))
        values = np.empty((len(hashes), len(RATES)), dtype=np.float32)
        values[:, : len(PRODUCT_RATES)] = _rows_or_missing(self._tables.rates, rows, known, 0.0)
        values[:, len(PRODUCT_RATES) :] = values[:, _PAIR_DEFAULTS]
        if paired.any():
            values[paired, len(PRODUCT_RATES) :] = self._tables.pair_rates[pair_rows[paired]]
        values[:, _POPULARITY] *= self._decay(as_of, POPULARITY_DECAY_S)
        return with_log_popularity(values)

    def affinities(
        self, shopper: str | None, codes: npt.NDArray[np.uint32], as_of: float
    ) -> Affinities | None:
        """Return the affinities of a shopper (keyed hash) to candidates with these codes (n, keywords); None for none."""
        tables = self._tables
        if shopper is None or not len(tables.shoppers):
            return None
        (row,), (known,) = find_hashes(tables.shoppers, np.array([hash_text(shopper)], dtype=np.uint64))
        if not known:
            return None
        part = slice(tables.keyword_starts[row], tables.keyword_starts[row + 1])
        rows, found = find_hashes(tables.keywords[part], keyword_keys(codes).ravel())
        same = np.zeros(codes.size, dtype=np.float32)
        same[found] = tables.keyword_weights[part][rows[found]]
        left = np.float32(self._decay(as_of, AFFINITY_DECAY_S))
        weights = np.array(tables.shopper_weights[row])
        weights[0] *= left
        weights[2::2] *= left
        return affinities_of(weights, same.reshape(codes.shape) * left)

    def _decay(self, as_of: float, decay_s: float) -> float:
        return float(np.exp(min(0.0, (self.until - as_of) / decay_s)))


def with_log_popularity(rates: FloatArray) -> FloatArray:
    """Return `groups.RATES` (n, 7) of rates whose popularity is still a decayed sum; changes `rates`."""
    rates[:, _POPULARITY] = np.log1p(rates[:, _POPULARITY])
    return rates


def affinities_of(weights: FloatArray, same: FloatArray) -> Affinities:
    """Return affinities of a row of `shopper_weights` and the keyword weights of candidates (n, keywords)."""
    return Affinities(float(weights[0]), same, weights[1::2], weights[2::2])


def save_behaviour(
    source: BehaviourSource, tables: BehaviourTables, metadata: dict[str, Any], directory: Path
) -> None:
    """Write a snapshot; `metadata` (index, model) goes into behaviour.json.

    Raises ArtifactError when the rates are of other products than the table.
    """
    products = source.products
    if len(tables.rates) != len(products.ids):
        raise ArtifactError("the rates and the index are of different products; read the index again")
    directory.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, npt.NDArray[Any]] = {
        **source.arrays(),
        "hashes": products.hashes,
        "value_keys": products.value_table.keys,
        **{name: getattr(tables, name) for name in _TABLES},
    }
    StoredIds.save(products.ids, directory)
    for name, array in arrays.items():
        np.save(directory / f"{name}.npy", array)
    values = {**metadata, "definitions": VERSION, "until": tables.until, "language": products.language}
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
