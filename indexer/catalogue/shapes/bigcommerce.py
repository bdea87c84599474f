"""BigCommerce's CSV exports: a row per product, and below it rows of its variants, pictures and price rules.

The older export names the kind of a row in `Item Type` (Product, SKU, Rule), the newer one in `Item` (Product, Variant,
Image).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from indexer.catalogue.rows import BadRow, CatalogueItem, CatalogueRow, CatalogueRows, SkippedRow

from .shape_type import RowSource, Shape, UniqueIds, add_column, text_of

_KINDS = ("Item Type", "Item")
_IDS = ("Product ID", "ID")
_NAMES = ("Product Name", "Name")
_SKUS = ("Product Code/SKU", "SKU")
_IMAGE_ADDRESSES = ("Image URL (Import)", "Image File", "Internal Image URL (Export)")
_IMAGES = "images"
_GROUP = "group"
_SIGNS = frozenset({
    "Product Visible?", "Product Code/SKU", "Current Stock Level", "Options", "Inventory Tracking", "SKU",
})  # fmt: skip
# What a row says of itself; everything else of a product counts for its variants.
_OWN = re.compile(
    r"id|.*\bsku\b.*|.*upc.*|.*ean.*|.*gtin.*|.*stock.*|item( type)?|options|bin picking number",
    re.IGNORECASE,
)
_OLD_OPTION = re.compile(r"(?:^|,)\[[A-Z]{1,3}\]([^=,]+)=([^,]*)")  # [S]Color=Silver,[RB]Size=M
_NEW_OPTION = re.compile(r"Name=([^|]*)\|Value=(.*?)(?=;|Type=|$)")  # Type=Swatch|Name=Color|Value=Silver


def _recognizes(columns: frozenset[str]) -> bool:
    return bool(columns & set(_KINDS)) and bool(columns & set(_NAMES)) and len(columns & _SIGNS) > 1


def _rows(source: RowSource) -> CatalogueRows:
    ids = UniqueIds()
    product: list[CatalogueRow] = []
    for item in source():
        if not isinstance(item, CatalogueRow):
            yield item
        elif _kind(item) == "product":
            yield from _products(product, ids)
            product = [item]
        elif product:
            product.append(item)
        else:
            yield BadRow(
                item.line, "the row belongs to a product, and no product stands above it", str(item.values)
            )
    yield from _products(product, ids)


def _products(rows: list[CatalogueRow], ids: UniqueIds) -> Iterator[CatalogueItem]:
    """Yield a product, its variants, and its other rows as rows that are no product."""
    if not rows:
        return
    first, *others = rows
    group = _text(first, _IDS) or _text(first, _SKUS)
    pictures = [
        address for row in others if _kind(row) == "image" and (address := _text(row, _IMAGE_ADDRESSES))
    ]
    shared = {name: cell for name, cell in first.values.items() if not _OWN.fullmatch(name)}
    has_variants = any(_kind(row) in ("sku", "variant") for row in others)
    for row in rows:
        if row is not first and _kind(row) not in ("sku", "variant"):
            yield SkippedRow(
                row.line, f"of the kind {_text(row, _KINDS)}, which belongs to the product above it"
            )
            continue
        options = {} if row is first else _options(row)
        own = {name: cell for name, cell in row.values.items() if row is first or name not in _NAMES}
        values: dict[str, Any] = {**shared, **own}
        if pictures:
            values[_IMAGES] = list(dict.fromkeys(pictures))
        if has_variants:
            values[_GROUP] = group
        for name, value in options.items():
            add_column(values, name, value)
        id = ids.first_free([_text(row, _SKUS), "-".join([group, *options.values()])])
        yield CatalogueRow(row.line, {"id": id, **values})


def _options(row: CatalogueRow) -> dict[str, str]:
    found = [*_OLD_OPTION.findall(_text(row, _NAMES)), *_NEW_OPTION.findall(_text(row, ("Options",)))]
    return {name.strip(): value.strip() for name, value in found if name.strip() and value.strip()}


def _kind(row: CatalogueRow) -> str:
    return _text(row, _KINDS).lower()


def _text(row: CatalogueRow, names: tuple[str, ...]) -> str:
    """Return the text of the first of the columns that is filled."""
    return next((text for name in names if (text := text_of(row.values.get(name)))), "")


BIGCOMMERCE = Shape(
    "bigcommerce",
    "BigCommerce CSV",
    _recognizes,
    _rows,
    replaced=lambda column: column in (*_KINDS, "Options"),
)
