"""Purchases in order of time and the products they name, read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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
    content: tuple[csr_matrix, ...]  # for each of DESCRIBING: (products, its values)

    def __len__(self) -> int:
        return len(self.days)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """The number of households and of products."""
        return int(self.households.max()) + 1, self.content[0].shape[0]


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
    return Purchases(
        households=np.unique(table["household_id"].to_pylist(), return_inverse=True)[1],
        products=rows,
        stores=np.unique(table["store_id"].to_pylist(), return_inverse=True)[1],
        days=(moments - moments[0]) / _DAY,
        content=_content(names, ids, described),
    )


def _moments(texts: list[str], path: Path) -> Any:
    """Return the moments (n,) of ISO dates. Raises ClickException for another text."""
    try:
        return np.array(texts, dtype="datetime64[s]")
    except ValueError as error:
        raise click.ClickException(
            f"{path}: transaction_timestamp is no ISO date and time: {error}"
        ) from error


def _content(names: Any, ids: Any, described: Any) -> tuple[csr_matrix, ...]:
    """Return for each describing column a row for each of `names` with a one for its value; none for an unknown product."""
    from scipy.sparse import csr_matrix

    order = np.argsort(ids)
    places = order[np.minimum(np.searchsorted(ids, names, sorter=order), len(ids) - 1)]
    known = ids[places] == names
    blocks = []
    for column in DESCRIBING:
        values, codes = np.unique(described[column].to_pylist(), return_inverse=True)
        rows = np.flatnonzero(known & (values[codes[places]] != ""))
        ones = np.ones(len(rows), np.float32)
        blocks.append(csr_matrix((ones, (rows, codes[places[rows]])), shape=(len(names), len(values))))
    return tuple(blocks)
