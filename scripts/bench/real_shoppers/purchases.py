"""Purchases in order of time and the products they name, read strictly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from rerank.arrays import DoubleArray, IndexArray

from .tables import read_table, require_rows

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

COLUMNS = ("household_id", "product_id", "store_id", "transaction_timestamp")
DESCRIBING = ("department", "product_category", "product_type", "manufacturer_id")
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Purchases:
    """n purchases in order of time: rows of household, product and store, and days since the first one."""

    households: IndexArray
    products: IndexArray
    stores: IndexArray
    days: DoubleArray
    shape: tuple[int, int]  # households, products
    store_count: int
    content: tuple[csr_matrix, ...]  # for each of DESCRIBING: (products, its values)

    def __len__(self) -> int:
        return len(self.days)

    def part(self, rows: slice) -> Purchases:
        """Return some of the purchases, with the same households, products and stores."""
        return replace(
            self,
            households=self.households[rows],
            products=self.products[rows],
            stores=self.stores[rows],
            days=self.days[rows],
        )

    def matrix(self, weights: DoubleArray | None = None) -> csr_matrix:
        """Return the sum of the weights of each household's purchases of each product, by default their number."""
        from scipy.sparse import csr_matrix

        values = np.ones(len(self)) if weights is None else weights
        places = (self.households, self.products)
        return csr_matrix((values.astype(np.float32), places), shape=self.shape)

    def visits(self) -> csr_matrix:
        """Return the number of purchases of each household in each store."""
        from scipy.sparse import csr_matrix

        ones = np.ones(len(self), np.float32)
        return csr_matrix((ones, (self.households, self.stores)), shape=(self.shape[0], self.store_count))


def read_purchases(transactions: Path, products: Path) -> Purchases:
    """Return the purchases of both files. Raises ClickException for a file that is not of their form."""
    table = read_table(transactions, COLUMNS)
    described = read_table(products, ("product_id", *DESCRIBING))
    ids = np.array(described["product_id"].to_pylist())
    if len(set(ids)) < len(ids):
        raise click.ClickException(f"{products} has a product_id twice; expected one line a product")
    moments = _moments(table["transaction_timestamp"].to_pylist(), transactions)
    require_rows(
        transactions, "transaction_timestamp is before that of the line above", np.diff(moments) >= 0, first=3
    )
    names, rows = np.unique(table["product_id"].to_pylist(), return_inverse=True)
    households, household = np.unique(table["household_id"].to_pylist(), return_inverse=True)
    stores, store = np.unique(table["store_id"].to_pylist(), return_inverse=True)
    return Purchases(
        households=household,
        products=rows,
        stores=store,
        shape=(len(households), len(names)),
        store_count=len(stores),
        days=(moments - moments[0]) / _DAY,
        content=tuple(_values(names, ids, described[column]) for column in DESCRIBING),
    )


def _moments(texts: list[str], path: Path) -> Any:
    """Return the moments (n,) of ISO dates. Raises ClickException for another text."""
    try:
        return np.array(texts, dtype="datetime64[s]")
    except ValueError as error:
        raise click.ClickException(
            f"{path}: transaction_timestamp is no ISO date and time: {error}"
        ) from error


def _values(names: Any, ids: Any, column: Any) -> csr_matrix:
    """Return a row for each of `names` with a one for its value in the column of the products `ids`; none without one."""
    from scipy.sparse import csr_matrix

    order = np.argsort(ids)
    places = order[np.minimum(np.searchsorted(ids, names, sorter=order), len(ids) - 1)]
    values, codes = np.unique(column.to_pylist(), return_inverse=True)
    columns = codes[places]
    rows = np.flatnonzero((ids[places] == names) & (values[columns] != ""))
    return csr_matrix(
        (np.ones(len(rows), np.float32), (rows, columns[rows])), shape=(len(names), len(values))
    )
