"""Shopify's CSV export: one row per variant, and further rows that only bring a picture.

Title, text and vendor stand in the first row of a product (`Handle`) only. Each variant becomes a product with the cells
of that row, all pictures of the product, and a column for each of its options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from indexer.catalogue.rows import BadRow, CatalogueItem, CatalogueRow, CatalogueRows, SkippedRow

from .shape_type import RowSource, Shape, UniqueIds, add_column, listed, text_of

_HANDLE = "Handle"
_IMAGE = "Image Src"
_VARIANT_IMAGE = "Variant Image"
_OPTION = re.compile(r"Option(\d) (Name|Value)$")
_VARIANT_COLUMN = re.compile(
    r"Variant |Option\d Value$|Image |Cost per item$|Price / |Compare At Price / |Included / "
)
_VARIANT_SIGNS = ("Option1 Value", "Variant SKU", "Variant Price", "Variant Barcode")
_DEFAULT_OPTION = "Title"  # of a product without options, whose only value is "Default Title"
_FORCED_TEXT = re.compile(r"'(?=\d+$)")  # '4006381333901: keeps a spreadsheet from reading a number


def _recognizes(columns: frozenset[str]) -> bool:
    return (
        _HANDLE in columns
        and len(columns & {"Variant SKU", "Variant Price", "Option1 Value", "Option1 Name"}) > 1
    )


def _rows(source: RowSource) -> CatalogueRows:
    ids = UniqueIds()
    finished: dict[int, int] = {}  # hash of a handle -> line of its first row
    group: list[CatalogueRow] = []
    for item in source():
        if not isinstance(item, CatalogueRow):
            yield item
            continue
        handle = text_of(item.values.get(_HANDLE))
        if group and handle != text_of(group[0].values.get(_HANDLE)):
            yield from _products(group, ids)
            finished[hash(text_of(group[0].values.get(_HANDLE)))] = group[0].line
            group = []
        first = finished.get(hash(handle))
        if first and not group and not text_of(item.values.get("Title")):
            yield BadRow(
                item.line,
                f"the row is of {handle!r}, whose first row is line {first}, and stands apart from it;"
                f" sort the file by {_HANDLE}",
                str(item.values),
            )
        else:
            group.append(item)
    if group:
        yield from _products(group, ids)


def _products(group: list[CatalogueRow], ids: UniqueIds) -> Iterator[CatalogueItem]:
    """Yield the variants of one product, and its rows that only bring a picture as rows that are no product."""
    first = group[0].values
    variants = [row for row in group if row is group[0] or _is_variant(row.values)]
    shared = {name: cell for name, cell in first.items() if not _VARIANT_COLUMN.match(name)}
    if "Tags" in shared:
        shared["Tags"] = listed(shared["Tags"])
    pictures = [text_of(row.values.get(_IMAGE)) for row in sorted(group, key=_position)]
    texts = [text_of(row.values.get("Image Alt Text")) for row in group]
    for row in variants:
        values = {**shared, **{name: cell for name, cell in row.values.items() if not _is_blank(cell)}}
        values = {**values, **{name: shared[name] for name in ("Tags",) if name in shared}}
        handle = text_of(values.get(_HANDLE))
        options = _options(first, row.values)
        values[_IMAGE] = _distinct([text_of(values.get(_VARIANT_IMAGE)), *pictures])
        values["Image Alt Text"] = _distinct(texts)
        if "Variant Barcode" in values:
            values["Variant Barcode"] = _FORCED_TEXT.sub("", text_of(values["Variant Barcode"]))
        for name, value in options.items():
            add_column(values, name, value)
        values = {name: cell for name, cell in values.items() if cell != []}
        sku = _FORCED_TEXT.sub("", text_of(values.get("Variant SKU")))
        id = ids.first_free([sku, "-".join([handle, *options.values()])])
        yield CatalogueRow(row.line, {"id": id, **values})
    for row in group:
        if row not in variants:
            yield SkippedRow(row.line, "brings only a picture, which its product has")


def _is_variant(values: dict[str, Any]) -> bool:
    return any(text_of(values.get(name)) for name in _VARIANT_SIGNS)


def _options(first: dict[str, Any], variant: dict[str, Any]) -> dict[str, str]:
    """Return the variant's options: the names stand in the product's first row."""
    options = {}
    for number in "123456789":
        name = text_of(variant.get(f"Option{number} Name")) or text_of(first.get(f"Option{number} Name"))
        value = text_of(variant.get(f"Option{number} Value"))
        if value and name != _DEFAULT_OPTION:
            options[name or f"Option {number}"] = value
    return options


def _position(row: CatalogueRow) -> int:
    text = text_of(row.values.get("Image Position"))
    return int(text) if text.isdigit() else 1 << 30


def _is_blank(cell: Any) -> bool:
    return text_of(cell) == ""


def _distinct(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text))


def _replaced(column: str) -> bool:
    return bool(_OPTION.match(column)) or column == "Image Position"


SHOPIFY = Shape("shopify", "Shopify CSV", _recognizes, _rows, _replaced, _HANDLE)
