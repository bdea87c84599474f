"""Behaviour of shoppers as counts, and rates made of them as of a moment.

Counts are position-normalised: a product is charged with the clicks that its positions would have earned on
average ("clicks over expected clicks", Zhang and Jones 2007), so that a high place alone makes no high rate.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rerank.arrays import (
    CodeArray,
    DoubleArray,
    FloatArray,
    HashArray,
    IndexArray,
    find_hashes,
    hash_text,
    load_mmap,
)
from vitrine.errors import ArtifactError

from .groups import Scaler
from .product_table import Catalogue

DECAY_S = 14 * 86400.0  # popularity falls to 1/e in two weeks
_PRODUCT_PRIOR = 2.0  # expected clicks that speak for the average product
_PAIR_PRIOR = 1.0  # expected clicks that speak for the product's own rate
_PURCHASE_PRIOR = 10.0  # clicks that speak for the average conversion
CLICKS, EXPECTED, CONVERSIONS, POPULARITY = range(4)  # columns of the counts


def query_hash(query: str) -> int:
    """One number for spellings of a query that differ in case and spaces only."""
    return hash_text(" ".join(query.casefold().split()))


def rates(counts: DoubleArray, pairs: DoubleArray, popularity_scale: float, conversion: float) -> FloatArray:
    """Counts (n, 4) and query-product clicks and expected clicks (n, 2) -> `features.RATES`, (n, 4).

    Click and purchase rates are logarithms of smoothed ratios to the average, so a product without behaviour
    has zeros; the query-product rate is smoothed towards the product's own. `conversion` is conversions per
    click over all products.
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
    """Counts over N products that grow in time order and can be asked at any moment of the stream."""

    def __init__(self, hashes: HashArray, start: float) -> None:
        self.hashes = hashes
        self.start = start  # popularity is kept as of this moment, so that decay is one factor for all
        self.until = start
        self.counts = np.zeros((len(hashes), 4))
        self.pairs: dict[int, list[float]] = {}  # product hash ^ query hash -> clicks, expected clicks

    def show(self, rows: IndexArray, expected: DoubleArray, query: int, at: float) -> None:
        """A slate was shown: its rows are charged with the clicks that their positions earn on average."""
        self._advance(at)
        np.add.at(self.counts[:, EXPECTED], rows, expected)
        for key, share in zip(
            (self.hashes[rows] ^ np.uint64(query)).tolist(), expected.tolist(), strict=True
        ):
            self.pairs.setdefault(key, [0.0, 0.0])[1] += share

    def click(self, row: int, query: int, at: float) -> None:
        self._advance(at)
        self.counts[row, CLICKS] += 1
        self._like(row, 1.0, at)
        self.pairs.setdefault(int(self.hashes[row]) ^ query, [0.0, 0.0])[0] += 1

    def convert(self, row: int, at: float) -> None:
        """The product was put into the cart or bought."""
        self._advance(at)
        self.counts[row, CONVERSIONS] += 1
        self._like(row, 2.0, at)

    def rates(self, rows: IndexArray, query: int, as_of: float) -> FloatArray:
        """`features.RATES` of rows (n, 4) from all that was counted so far."""
        keys = (self.hashes[rows] ^ np.uint64(query)).tolist()
        none = [0.0, 0.0]
        pairs = np.array([self.pairs.get(key, none) for key in keys]).reshape(-1, 2)
        return rates(self.counts[rows], pairs, np.exp((self.start - as_of) / DECAY_S), self.conversion)

    @property
    def conversion(self) -> float:
        return conversion_of(self.counts)

    def _like(self, row: int, weight: float, at: float) -> None:
        self.counts[row, POPULARITY] += weight * np.exp((at - self.start) / DECAY_S)

    def _advance(self, at: float) -> None:
        self.until = max(self.until, at)


def conversion_of(counts: DoubleArray) -> float:
    """Conversions per click over all products, smoothed so that it is never zero."""
    return float((counts[:, CONVERSIONS].sum() + 1.0) / (counts[:, CLICKS].sum() + 20.0))


@dataclass(frozen=True)
class ProductFacts:
    """What the snapshot says about n products beside their vectors."""

    rates: FloatArray  # (n, 4)
    numbers: FloatArray  # (n, numbers), scaled, NaN where unknown
    codes: CodeArray  # (n, keywords)
    created: DoubleArray  # (n,)


class Behaviour:
    """A behaviour snapshot: counts up to a moment, with the products' scaled numbers and keyword codes."""

    def __init__(self, directory: Path, facts: dict[str, Any]) -> None:
        def array(name: str) -> Any:
            return load_mmap(directory / f"{name}.npy")

        self.facts = facts
        self.until = float(facts["until"])
        self._conversion = float(facts["conversion"])
        self.hashes: HashArray = array("hashes")
        self._counts, self._numbers = array("counts"), array("numbers")
        self._codes, self._created = array("codes"), array("created")
        self._pairs, self._pair_counts = array("pairs"), array("pair_counts")

    @classmethod
    def open(cls, directory: Path) -> Self:
        try:
            return cls(directory, json.loads((directory / "behaviour.json").read_text()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{directory} holds no behaviour snapshot ({error}); train again") from None

    def of(self, hashes: HashArray, query: int, as_of: float) -> ProductFacts:
        """What is known of products by id hash; an unknown one has no behaviour, numbers or keywords."""
        rows, known = find_hashes(self.hashes, hashes)
        if not len(self.hashes):
            return self._nothing(len(hashes))
        pair_rows, paired = find_hashes(self._pairs, hashes ^ np.uint64(query))
        pairs = np.zeros((len(hashes), 2))
        if len(self._pairs):
            pairs = np.where(paired[:, None], self._pair_counts[pair_rows], 0.0)
        counts = np.where(known[:, None], self._counts[rows], 0.0)
        scale = float(np.exp(min(0.0, (self.until - as_of) / DECAY_S)))
        return ProductFacts(
            rates=rates(counts, pairs, scale, self._conversion),
            numbers=np.where(known[:, None], self._numbers[rows], np.nan).astype(np.float32),
            codes=np.where(known[:, None], self._codes[rows], 0).astype(np.uint32),
            created=np.where(known, self._created[rows], np.nan),
        )

    def _nothing(self, count: int) -> ProductFacts:
        nan = np.full((count, self._numbers.shape[1]), np.nan, dtype=np.float32)
        codes = np.zeros((count, self._codes.shape[1]), dtype=np.uint32)
        return ProductFacts(np.zeros((count, 4), dtype=np.float32), nan, codes, np.full(count, np.nan))


def save_behaviour(
    counters: Counters, catalogue: Catalogue, scaler: Scaler, facts: dict[str, Any], directory: Path
) -> None:
    """Write a snapshot as of the counters' last event; `facts` (index, model) go into behaviour.json."""
    directory.mkdir(parents=True, exist_ok=True)
    counts = counters.counts.copy()
    counts[:, POPULARITY] *= np.exp((counters.start - counters.until) / DECAY_S)
    keys = np.array(sorted(counters.pairs), dtype=np.uint64)
    pair_counts = np.array([counters.pairs[int(key)] for key in keys], dtype=np.float32).reshape(-1, 2)
    if not np.array_equal(counters.hashes, catalogue.hashes):
        raise ArtifactError("the counters and the catalogue are of different products; read the index again")
    arrays: dict[str, npt.NDArray[Any]] = {
        "hashes": catalogue.hashes,
        "counts": counts.astype(np.float32),
        "numbers": scaler.scale(catalogue.numbers),
        "codes": catalogue.codes,
        "created": catalogue.created,
        "pairs": keys,
        "pair_counts": pair_counts,
    }
    for name, array in arrays.items():
        np.save(directory / f"{name}.npy", array)
    facts = {**facts, "until": counters.until, "conversion": counters.conversion}
    (directory / "behaviour.json").write_text(json.dumps(facts, indent=1) + "\n")
