"""Magento 2's CSV export: further rows for other store views, pictures below the media folder, attributes in one cell.

A configurable product and its simple products are variants of one group.
"""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from indexer.catalogue.rows import CatalogueItem, CatalogueRow, CatalogueRows, SkippedRow

from .shape_type import RowSource, Shape, add_column, amount_of, text_of

_SKU = "sku"
_VIEW = "store_view_code"
_ATTRIBUTES = "additional_attributes"
_VARIATIONS = "configurable_variations"
_GROUP = "group"
_PICTURES = ("base_image", "small_image", "thumbnail_image", "swatch_image", "additional_images")
_NO_PICTURE = "no_selection"
_NEXT_ATTRIBUTE = re.compile(r",(?=[A-Za-z0-9_]+=)")
_INHERITED = ("description", "short_description", "categories")
_DEFAULT_VIEWS = ("", "default", "admin", "all")


def _recognizes(columns: frozenset[str]) -> bool:
    own = {
        "attribute_set_code",
        "product_websites",
        "product_type",
        "additional_attributes",
        "store_view_code",
    }
    return _SKU in columns and len(columns & own) > 1


@dataclass
class _Groups:
    """The configurable products of a file: of each simple product its parent, and of each parent what it shares."""

    parent_of: dict[str, str] = field(default_factory=dict)
    shared: dict[str, dict[str, Any]] = field(default_factory=dict)
    prices: dict[str, str] = field(
        default_factory=dict
    )  # of the products that are shown in their parent only
    lowest: dict[str, str] = field(default_factory=dict)

    def add(self, values: dict[str, Any]) -> None:
        """Take what a row of the default store view tells."""
        sku = text_of(values.get(_SKU))
        children = _children(values)
        for child in children:
            self.parent_of[child] = sku
        if children:
            self.shared[sku] = {name: values[name] for name in _INHERITED if name in values}
        elif parent := text_of(values.get("parent_sku")):
            self.parent_of[sku] = parent
        if "not visible" in text_of(values.get("visibility")).lower() and (
            price := text_of(values.get("price"))
        ):
            self.prices[sku] = price

    def finish(self) -> None:
        """Find the lowest price of each group; every row has been added."""
        for sku, price in self.prices.items():
            parent = self.parent_of.get(sku)
            if parent and (parent not in self.lowest or amount_of(price) < amount_of(self.lowest[parent])):
                self.lowest[parent] = price


def _rows(source: RowSource) -> CatalogueRows:
    groups = _Groups()
    with closing(source()) as rows:
        for item in rows:
            if isinstance(item, CatalogueRow) and _is_default_view(item.values):
                groups.add(item.values)
    groups.finish()
    for item in source():
        yield _product(item, groups) if isinstance(item, CatalogueRow) else item


def _product(row: CatalogueRow, groups: _Groups) -> CatalogueItem:
    if not _is_default_view(row.values):
        return SkippedRow(
            row.line, f"of the store view {text_of(row.values.get(_VIEW))!r}, not of the default one"
        )
    sku = text_of(row.values.get(_SKU))
    parent = groups.parent_of.get(sku, sku if sku in groups.shared else "")
    values = {**groups.shared.get(parent, {}), **row.values}
    if parent:
        values[_GROUP] = parent
    if parent == sku and sku in groups.lowest:
        values.setdefault("price", groups.lowest[sku])
    if isinstance(values.get("categories"), str):
        values["categories"] = _split(values["categories"])
    _set_pictures(values)
    for name, value in _attributes(text_of(values.get(_ATTRIBUTES))).items():
        add_column(values, name, value)
    if _ATTRIBUTES in values:
        values[_ATTRIBUTES] = _NEXT_ATTRIBUTE.split(text_of(values[_ATTRIBUTES]))
    return CatalogueRow(row.line, values)


def _is_default_view(values: dict[str, Any]) -> bool:
    return text_of(values.get(_VIEW)).lower() in _DEFAULT_VIEWS


def _children(values: dict[str, Any]) -> list[str]:
    """Return the SKUs of `sku=A,size=S|sku=B,size=M`."""
    variations = [dict(_pairs(variation)) for variation in text_of(values.get(_VARIATIONS)).split("|")]
    return [variation[_SKU] for variation in variations if variation.get(_SKU)]


def _pairs(text: str) -> list[tuple[str, str]]:
    parts = [part.partition("=") for part in _NEXT_ATTRIBUTE.split(text)]
    return [(name.strip(), value.strip()) for name, _, value in parts if name.strip()]


def _attributes(text: str) -> dict[str, Any]:
    """Return the attributes by name; `|` stands between several values."""
    attributes: dict[str, Any] = {}
    for name, value in _pairs(text):
        parts = [part.strip() for part in value.split("|") if part.strip()]
        if parts:
            attributes[name] = parts[0] if len(parts) == 1 else parts
    return attributes


def _set_pictures(values: dict[str, Any]) -> None:
    """Make the pictures paths below the catalogue's folder: `/m/j/a.jpg` is `m/j/a.jpg` of the media folder."""
    for name in _PICTURES:
        cell = values.pop(name, None)
        parts = [part for part in _split(text_of(cell)) if part != _NO_PICTURE]
        pictures = [part if "://" in part[:10] else part.lstrip("/") for part in parts]
        if pictures:
            values[name] = pictures if name == "additional_images" else pictures[0]


def _split(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _replaced(column: str) -> bool:
    return column in (_ATTRIBUTES, _VARIATIONS)


MAGENTO = Shape("magento", "Magento CSV", _recognizes, _rows, _replaced)
