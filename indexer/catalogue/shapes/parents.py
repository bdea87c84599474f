"""Tables in which a variant's row names the row of its product: `parent_sku`, `parent_id`.

A variant has the cells that its product has and it lacks, without prices, stock and codes, and both are one group.
"""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any

from indexer.catalogue.notation.column_names import normalized
from indexer.catalogue.rows import CatalogueRow, CatalogueRows

from .shape_type import RowSource, Shape, text_of

_PARENTS = frozenset(
    {"parentsku", "parentid", "parent", "parentproductid", "parentproduct", "parentitemsku", "parentcode"}
)
_KEYS = frozenset(
    {"sku", "id", "itemsku", "sellersku", "productid", "itemid", "productsku", "code", "productnumber"}
)
_OWN = re.compile(
    r"price|preis|prix|precio|stock|inventory|qty|quantity|bestand|sku|ean|gtin|upc|mpn|barcode|(^|_)id$|url|handle|type"
    r"|parent|relation",
    re.IGNORECASE,
)
_GROUP = "group"


def _recognizes(columns: frozenset[str]) -> bool:
    names = {normalized(column) for column in columns}
    return bool(names & _PARENTS) and bool(names & _KEYS) and _GROUP not in names


def _confirms(source: RowSource) -> bool:
    """Return whether a row names another one as its parent."""
    parents: set[str] = set()
    keys: set[int] = set()  # hashes, because every row has some
    with closing(source()) as rows:
        for row in rows:
            if not isinstance(row, CatalogueRow):
                continue
            own = _keys(row.values)
            keys.update(map(hash, own))
            if (parent := _parent(row.values)) and parent not in own:
                parents.add(parent)
            if parents and any(key in parents for key in own):
                return True
    return any(hash(parent) in keys for parent in parents)


def _rows(source: RowSource) -> CatalogueRows:
    products = _products(source)
    for row in source():
        if not isinstance(row, CatalogueRow):
            yield row
            continue
        parent = _parent(row.values)
        own = next((key for key in _keys(row.values) if key in products), None)
        if parent in products and parent != own:
            yield CatalogueRow(row.line, {**products[parent], **row.values, _GROUP: parent})
        elif own is not None:
            yield CatalogueRow(row.line, {**row.values, _GROUP: own})
        else:
            yield row


def _products(source: RowSource) -> dict[str, dict[str, Any]]:
    """Return what variants inherit from the rows that they name, by the names that they use."""
    named: set[str] = set()
    with closing(source()) as rows:
        for row in rows:
            if isinstance(row, CatalogueRow) and (parent := _parent(row.values)):
                named.add(parent)
    products: dict[str, dict[str, Any]] = {}
    with closing(source()) as rows:
        for row in rows:
            if isinstance(row, CatalogueRow):
                for key in named.intersection(_keys(row.values)):
                    cells = {name: cell for name, cell in row.values.items() if not _OWN.search(name)}
                    products.setdefault(key, cells)
    return products


def _parent(values: dict[str, Any]) -> str:
    return next((text_of(cell) for name, cell in values.items() if normalized(name) in _PARENTS), "")


def _keys(values: dict[str, Any]) -> list[str]:
    return [text_of(cell) for name, cell in values.items() if normalized(name) in _KEYS]


PARENTS = Shape("parents", "variants that name their product", _recognizes, _rows, confirms=_confirms)
