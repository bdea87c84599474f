"""WooCommerce's CSV export: variable products and their variations in rows of their own, attributes in numbered columns."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from indexer.catalogue.rows import CatalogueRow, CatalogueRows

from .shape_type import RowSource, Shape, UniqueIds, add_column, amount_of, listed, text_of

_ATTRIBUTE = re.compile(r"Attribute (\d+) (name|value\(s\)|visible|global|default)$", re.IGNORECASE)
_LISTS = ("Categories", "Tags", "Images", "Brands")
# cells of a variable product that its variations lack; its attributes too
_INHERITED = ("Name", "Short description", "Description", *_LISTS, "Tax class", "Shipping class", "Published")
_PRICES = ("Regular price", "Sale price")
_GROUP = "group"


def _recognizes(columns: frozenset[str]) -> bool:
    own = {
        "Parent",
        "Attribute 1 name",
        "Attribute 1 Name",
        "Regular price",
        "Visibility in catalog",
        "Visibility in catalogue",
    }
    return {"Type", "Name"} <= columns and len(columns & own) > 1


@dataclass
class _Parents:
    """The variable products of a file, by SKU and by `id:ID`, and the lowest prices of their variations."""

    inherited: dict[str, dict[str, Any]] = field(default_factory=dict)
    lowest: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, values: dict[str, Any]) -> None:
        """Take what a row tells: a variable product what its variations inherit, a variation its prices."""
        kind = text_of(values.get("Type")).lower()
        if "variable" in kind:
            attributes = _attributes(values)
            cells = {name: values[name] for name in _INHERITED if name in values}
            shared = {**_with_lists(cells), **attributes, _GROUP: _own_keys(values)[0]}
            for key in _own_keys(values):
                self.inherited[key] = shared
        elif "variation" in kind:
            lowest = self.lowest.setdefault(text_of(values.get("Parent")), {})
            for name in _PRICES:
                price = text_of(values.get(name))
                if price and (name not in lowest or amount_of(price) < amount_of(lowest[name])):
                    lowest[name] = price

    def completed(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the cells of a row with what it inherits."""
        kind = text_of(values.get("Type")).lower()
        row = _with_lists(values)
        for name, value in _attributes(values).items():
            add_column(row, name, value)
        if "variation" in kind and (key := text_of(values.get("Parent"))):
            return {_GROUP: key, **self.inherited.get(key, {}), **row}
        if "variable" in kind:
            keys = _own_keys(values)
            return {_GROUP: keys[0], **self._lowest_prices(keys), **row}
        return row

    def _lowest_prices(self, keys: list[str]) -> dict[str, str]:
        prices = {}
        for name in _PRICES:
            found = [self.lowest[key][name] for key in keys if name in self.lowest.get(key, {})]
            if found:
                prices[name] = min(found, key=amount_of)
        return prices


def _rows(source: RowSource) -> CatalogueRows:
    parents, ids = _Parents(), UniqueIds()
    with closing(source()) as rows:
        for item in rows:
            if isinstance(item, CatalogueRow):
                parents.add(item.values)
    for item in source():
        if not isinstance(item, CatalogueRow):
            yield item
            continue
        values = parents.completed(item.values)
        options = [text_of(option) for option in _attributes(item.values).values()]
        id = ids.first_free(
            [
                text_of(values.get("ID")),
                text_of(values.get("SKU")),
                "-".join([text_of(values.get("Parent")) or text_of(values.get("Name")), *options]),
            ]
        )
        yield CatalogueRow(item.line, {"id": id, **values})


def _own_keys(values: dict[str, Any]) -> list[str]:
    """Return the ways in which a variation names this row as its parent."""
    sku, id = text_of(values.get("SKU")), text_of(values.get("ID"))
    return [key for key in (sku, f"id:{id}" if id else "") if key] or [text_of(values.get("Name"))]


def _attributes(values: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes by name; several values are a list."""
    attributes: dict[str, Any] = {}
    for column, cell in values.items():
        match = _ATTRIBUTE.match(column)
        name = text_of(cell)
        if match and match.group(2).lower() == "name" and name:
            parts = listed(_attribute_values(values, match.group(1)))
            if parts:
                attributes[name] = parts[0] if len(parts) == 1 else parts
    return attributes


def _attribute_values(values: dict[str, Any], number: str) -> Any:
    names = (f"Attribute {number} value(s)", f"Attribute {number} Value(s)")
    return next((values[name] for name in names if name in values), None)


def _with_lists(values: dict[str, Any]) -> dict[str, Any]:
    return {name: listed(cell) if name in _LISTS else cell for name, cell in values.items()}


def _replaced(column: str) -> bool:
    return bool(_ATTRIBUTE.match(column)) or column == "ID"


WOOCOMMERCE = Shape("woocommerce", "WooCommerce CSV", _recognizes, _rows, _replaced)
