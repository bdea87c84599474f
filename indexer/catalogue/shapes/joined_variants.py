"""The variants of each product as one row, for a field plan whose id is the product and not the variant."""

from __future__ import annotations

from typing import Any

from indexer.catalogue.rows import CatalogueRow, CatalogueRows

_VARIANT_ID = "id"  # a column that a shape adds


def joined_variants(rows: CatalogueRows, group: str) -> CatalogueRows:
    """Yield one row for consecutive rows of a group: cells that differ become the list of their values."""
    joined: CatalogueRow | None = None
    for item in rows:
        if not isinstance(item, CatalogueRow):
            yield item
        elif joined and joined.values.get(group) == item.values.get(group):
            joined = CatalogueRow(joined.line, _joined(joined.values, item.values))
        else:
            if joined:
                yield joined
            joined = CatalogueRow(item.line, {n: c for n, c in item.values.items() if n != _VARIANT_ID})
    if joined:
        yield joined


def _joined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    values = dict(first)
    for name, cell in second.items():
        if name == _VARIANT_ID or cell == values.get(name):
            continue
        parts = _listed(values[name]) if name in values else []
        further = [part for part in _listed(cell) if part not in parts]
        values[name] = [*parts, *further] if parts or len(further) > 1 else cell
    return values


def _listed(cell: Any) -> list[Any]:
    return cell if isinstance(cell, list) else [cell]
