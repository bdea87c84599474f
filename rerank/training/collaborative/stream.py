"""Item neighbours as of any moment of the log: those of the last moment at which the clicks had grown by a tenth."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from functools import cached_property

import numpy as np

from rerank.arrays import FloatArray, half_to_float
from rerank.features.clicks import ShopperClicks
from rerank.features.neighbours import COUNT, NeighbourTable
from rerank.features.product_table import ProductTable
from vitrine.errors import RerankError

from .interactions import Interactions, count_interactions
from .neighbours import DEFAULT_METHOD, ITEM_METHODS, NEIGHBOURS, NeighbourSettings

_GROWTH = 1.1  # so that all computations together cost about eleven times the last one
_FIRST = 100  # clicks
_SETTINGS = NeighbourSettings(count=COUNT, shrinkage=2.0)


class NeighboursAsOf:
    """The neighbour table of a moment; `method` is one of `ITEM_METHODS`.

    Training asks in order of time, and the table changes at few moments, so one table is kept.
    """

    def __init__(self, products: ProductTable, clicks: ShopperClicks, method: str = DEFAULT_METHOD) -> None:
        items = NEIGHBOURS[method].items if method in NEIGHBOURS else None
        if items is None:
            raise RerankError(f"{method} compares no products; use one of {', '.join(ITEM_METHODS)}")
        self._products, self._clicks, self._items = products, clicks, items
        self._uses_content = NEIGHBOURS[method].uses_content
        self._moment, self._table = -np.inf, NeighbourTable.empty(len(products.ids))

    def __call__(self, moment: float) -> NeighbourTable:
        """Return the neighbours from clicks before `moment` (seconds since 1970); infinity: all clicks."""
        refreshed = self._refreshed(moment)
        if refreshed != self._moment:
            self._moment, self._table = refreshed, self._computed(refreshed)
        return self._table

    def _refreshed(self, moment: float) -> float:
        """Return the last moment, at or before the given one, at which the neighbours are computed again."""
        if moment == np.inf:
            return moment
        number = bisect_right(self._moments, moment)
        return self._moments[number - 1] if number else -np.inf

    @cached_property
    def _moments(self) -> list[float]:
        times, count, moments = self._clicks.times, _FIRST, []
        while count <= len(times):
            moments.append(float(times[count - 1]))
            count = int(count * _GROWTH) + 1
        return moments

    def _computed(self, moment: float) -> NeighbourTable:
        near = self._items(self._interactions(moment), _SETTINGS)
        rows = np.repeat(np.arange(near.shape[0]), np.diff(near.indptr))
        places = np.arange(near.nnz) - near.indptr[rows]
        table = NeighbourTable.empty(near.shape[0])
        table.hashes[rows, places] = self._products.hashes[near.indices]
        table.similarity[rows, places] = near.data
        return table

    def _interactions(self, moment: float) -> Interactions:
        """Return which shopper clicked which product; a second click on a product adds nothing."""
        clicks = self._clicks.all_before(moment).values()
        pairs = [(n, row) for n, seen in enumerate(clicks) for row in sorted({row for row, _ in seen})]
        shoppers, rows = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        counted = count_interactions(shoppers, rows, (len(clicks), len(self._products.ids)))
        return replace(counted, content=self._content) if self._uses_content else counted

    @cached_property
    def _content(self) -> tuple[FloatArray, ...]:
        """The products' vectors (N, d) in each vector space."""
        return tuple(half_to_float(array) for array in self._products.vectors.values())
