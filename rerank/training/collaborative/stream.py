"""Item neighbours as of any moment of the log: computed again whenever the clicks have grown by a tenth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from rerank.arrays import FloatArray, half_to_float
from rerank.features.neighbours import COUNT, NeighbourTable
from rerank.features.product_table import ProductTable
from vitrine.errors import RerankError

from .interactions import Interactions, count_interactions
from .neighbours import DEFAULT_METHOD, ITEM_METHODS, NEIGHBOURS, NeighbourSettings

_GROWTH = 1.1  # so that all computations together cost about eleven times the last one
_FIRST = 100  # clicks
_SETTINGS = NeighbourSettings(count=COUNT, shrinkage=2.0)


class NeighbourStream:
    """A neighbour table that follows the shoppers' clicks; `method` is one of `ITEM_METHODS`."""

    def __init__(self, products: ProductTable, method: str = DEFAULT_METHOD) -> None:
        items = NEIGHBOURS[method].items if method in NEIGHBOURS else None
        if items is None:
            raise RerankError(f"{method} compares no products; use one of {', '.join(ITEM_METHODS)}")
        self.table = NeighbourTable(len(products.ids))
        self._products = products
        self._items = items
        self._uses_content = NEIGHBOURS[method].uses_content
        self._next = _FIRST

    def follow(self, clicks: Mapping[str, Sequence[tuple[int, float]]], count: int) -> None:
        """Compute the neighbours again if `count`, the number of clicks so far, has grown by a tenth."""
        if count >= self._next:
            self.refresh(clicks)
            self._next = int(count * _GROWTH) + 1

    def refresh(self, clicks: Mapping[str, Sequence[tuple[int, float]]]) -> None:
        """Compute the neighbours from every shopper's latest clicks (row, time)."""
        interactions = self._interactions(clicks)
        near = self._items(interactions, _SETTINGS)
        places = np.arange(near.nnz) - np.repeat(near.indptr[:-1], np.diff(near.indptr))
        rows = np.repeat(np.arange(near.shape[0]), np.diff(near.indptr))
        table = NeighbourTable(near.shape[0])
        table.hashes[rows, places] = self._products.hashes[near.indices]
        table.similarity[rows, places] = near.data
        self.table.hashes, self.table.similarity = table.hashes, table.similarity

    def _interactions(self, clicks: Mapping[str, Sequence[tuple[int, float]]]) -> Interactions:
        """Return which shopper clicked which product; a second click on a product adds nothing."""
        pairs = [(n, row) for n, seen in enumerate(clicks.values()) for row in {row for row, _ in seen}]
        shoppers, rows = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        shape = (len(clicks), len(self._products.ids))
        counted = count_interactions(shoppers, rows, shape)
        return replace(counted, content=self._content) if self._uses_content else counted

    @cached_property
    def _content(self) -> tuple[FloatArray, ...]:
        """The products' vectors (N, d) in each vector space."""
        return tuple(half_to_float(array) for array in self._products.vectors.values())
