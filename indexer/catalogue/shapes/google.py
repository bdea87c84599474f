"""Google Merchant's product data, as text with tabs, CSV or XML: one row per variant, `item_group_id` for the group."""

from __future__ import annotations

import re

from indexer.catalogue.rows import CatalogueRow, CatalogueRows

from .shape_type import RowSource, Shape

_PICTURES = "additional_image_link"
_NEXT_ADDRESS = re.compile(r"\s*,\s*(?=https?://|//)", re.IGNORECASE)
_NAMESPACE = "g:"  # some write the names of the XML form into the header of a table


def _recognises(columns: frozenset[str]) -> bool:
    names = {_plain_name(column) for column in columns}
    return {"id", "title", "image_link"} <= names and len(names & {"link", "price", "availability", "gtin", "mpn"}) > 1


def _rows(source: RowSource) -> CatalogueRows:
    for item in source():
        if not isinstance(item, CatalogueRow):
            yield item
            continue
        values = {_plain_name(name): cell for name, cell in item.values.items()}
        if isinstance(values.get(_PICTURES), str):
            values[_PICTURES] = _NEXT_ADDRESS.split(values[_PICTURES])
        elif isinstance(values.get(_PICTURES), list):
            values[_PICTURES] = [part for cell in values[_PICTURES] for part in _NEXT_ADDRESS.split(str(cell))]
        yield CatalogueRow(item.line, values)


def _plain_name(column: str) -> str:
    """Return the attribute's name as Google writes it: `Image link` and `g:image_link` are both `image_link`."""
    name = column.removeprefix(_NAMESPACE)
    return re.sub(r"\s+", "_", name.strip().lower()) if _is_attribute(name) else column


def _is_attribute(name: str) -> bool:
    return re.sub(r"[\s_]+", " ", name.strip().lower()) in _ATTRIBUTES


_ATTRIBUTES = frozenset(
    "id|title|description|link|mobile link|image link|additional image link|availability|availability date|price|"
    "sale price|sale price effective date|brand|gtin|mpn|condition|google product category|product type|item group id|"
    "color|size|gender|age group|material|pattern|shipping|shipping weight|custom label 0|custom label 1|custom label 2|"
    "custom label 3|custom label 4|identifier exists|adult|multipack|is bundle|size type|size system".split("|")
)

GOOGLE_MERCHANT = Shape("google", "Google Merchant", _recognises, _rows)
