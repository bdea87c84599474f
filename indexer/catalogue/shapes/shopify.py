"""Shopify's CSV export: one row per variant, and further rows that only bring a picture.

Title, text and vendor stand in the first row of a product (its handle) only. Each variant becomes a product with the
cells of that row, all pictures of the product, and a column for each of its options. The names of the columns are those of
the export (`Variant Price`) or of the newer template (`Price`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from indexer.catalogue.rows import BadRow, CatalogueItem, CatalogueRow, CatalogueRows, SkippedRow

from .shape_type import RowSource, Shape, UniqueIds, add_column, listed, text_of

_HANDLES = ("Handle", "URL handle")
_TITLES = ("Title",)
_IMAGES = ("Image Src", "Product image URL")
_VARIANT_IMAGES = ("Variant Image", "Variant image URL")
_POSITIONS = ("Image Position", "Image position")
_ALT_TEXTS = ("Image Alt Text", "Image alt text")
_SKUS = ("Variant SKU", "SKU")
_BARCODES = ("Variant Barcode", "Barcode")
_PRICES = ("Variant Price", "Price")
_OPTION_VALUES = ("Option1 Value", "Option1 value")
_OPTION = re.compile(r"Option\d (name|value)", re.IGNORECASE)
# What a variant's row says of the variant; everything else of the first row counts for all variants.
_VARIANT_COLUMN = re.compile(
    r"Variant .*|Option\d value|(Product )?image .*|SKU|Barcode|Price|Compare-at price|Cost per item|Price / .*"
    r"|Compare At Price / .*|Included / .*|Inventory (tracker|quantity)|Unit price .*|Weight .*|Charge tax|Tax code",
    re.IGNORECASE,
)
_DEFAULT_OPTION = "Title"  # of a product without options, whose only value is "Default Title"
_FORCED_TEXT = re.compile(r"'(?=\d+$)")  # '4006381333901: keeps a spreadsheet from reading a number


def _recognizes(columns: frozenset[str]) -> bool:
    signs = {*_SKUS, *_PRICES, *_OPTION_VALUES, *_IMAGES, "Option1 Name", "Option1 name"}
    return bool(columns & set(_HANDLES)) and len(columns & signs) > 1 and bool(columns & {*_TITLES, *_PRICES})


def _rows(source: RowSource) -> CatalogueRows:
    ids = UniqueIds()
    finished: dict[int, int] = {}  # hash of a handle -> line of its first row
    group: list[CatalogueRow] = []
    for item in source():
        if not isinstance(item, CatalogueRow):
            yield item
            continue
        handle = _text(item, _HANDLES)
        if group and handle != _text(group[0], _HANDLES):
            yield from _products(group, ids)
            finished[hash(_text(group[0], _HANDLES))] = group[0].line
            group = []
        fault = _fault(item, handle, finished) if not group else None
        if fault:
            yield BadRow(item.line, fault, str(item.values))
        else:
            group.append(item)
    if group:
        yield from _products(group, ids)


def _fault(row: CatalogueRow, handle: str, finished: dict[int, int]) -> str | None:
    """Return why a row cannot be the first of its product; None when it can."""
    if not handle:
        return "the row has no handle, which names its product"
    first = finished.get(hash(handle))
    if first and not _text(row, _TITLES):
        return (
            f"the row is of {handle!r}, whose first row is line {first}, and stands apart from it;"
            " sort the file by the handle"
        )
    return None


def _products(group: list[CatalogueRow], ids: UniqueIds) -> Iterator[CatalogueItem]:
    """Yield the variants of one product, and its rows that only bring a picture as rows that are no product."""
    first = group[0]
    shared = {name: cell for name, cell in first.values.items() if not _VARIANT_COLUMN.fullmatch(name)}
    if "Tags" in shared:
        shared["Tags"] = listed(shared["Tags"])
    pictures = [_text(row, _IMAGES) for row in sorted(group, key=_position)]
    alt_texts = [_text(row, _ALT_TEXTS) for row in group]
    image_column = next((name for row in group for name in _IMAGES if name in row.values), _IMAGES[0])
    for row in group:
        if len(row.values) == 1:
            yield SkippedRow(row.line, "has nothing but a handle")
        elif row is not first and not any(_text(row, names) for names in (_OPTION_VALUES, _SKUS, _PRICES)):
            yield SkippedRow(row.line, "brings only a picture, which its product has")
        else:
            values = {**row.values, **{n: c for n, c in shared.items() if n == "Tags" or n not in row.values}}
            values[image_column] = _distinct([_text(row, _VARIANT_IMAGES), *pictures])
            for name in (name for name in _ALT_TEXTS if name in values or name in first.values):
                values[name] = _distinct(alt_texts)
            yield CatalogueRow(row.line, _variant(values, _options(first, row), ids))


def _variant(values: dict[str, Any], options: dict[str, str], ids: UniqueIds) -> dict[str, Any]:
    """Return the cells of a variant with its id first and a column for each option."""
    row = CatalogueRow(0, values)
    for name in (name for name in _BARCODES if name in values):
        values[name] = _FORCED_TEXT.sub("", text_of(values[name]))
    for name, value in options.items():
        add_column(values, name, value)
    sku = _FORCED_TEXT.sub("", _text(row, _SKUS))
    id = ids.first_free([sku, "-".join([_text(row, _HANDLES), *options.values()])])
    return {"id": id, **{name: cell for name, cell in values.items() if cell != []}}


def _options(first: CatalogueRow, variant: CatalogueRow) -> dict[str, str]:
    """Return the variant's options: the names stand in the product's first row."""
    options = {}
    for number in "123456789":
        names = (f"Option{number} Name", f"Option{number} name")
        name = _text(variant, names) or _text(first, names)
        value = _text(variant, (f"Option{number} Value", f"Option{number} value"))
        if value and name != _DEFAULT_OPTION:
            options[name or f"Option {number}"] = value
    return options


def _text(row: CatalogueRow, names: tuple[str, ...]) -> str:
    """Return the text of the first of the columns that is filled."""
    return next((text for name in names if (text := text_of(row.values.get(name)))), "")


def _position(row: CatalogueRow) -> int:
    text = _text(row, _POSITIONS)
    return int(text) if text.isdecimal() else 1 << 30


def _distinct(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text))


def _replaced(column: str) -> bool:
    return bool(_OPTION.fullmatch(column)) or column in _POSITIONS


SHOPIFY = Shape("shopify", "Shopify CSV", _recognizes, _rows, _replaced, _HANDLES)
