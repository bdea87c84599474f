"""Google Merchant's product data, as text with tabs, CSV or XML: one row per variant, `item_group_id` for the group."""

from __future__ import annotations

import re

from indexer.catalogue.rows import CatalogueRow, CatalogueRows

from .shape_type import RowSource, Shape

_PICTURES = "additional_image_link"
_NEXT_ADDRESS = re.compile(r"\s*,\s*(?=https?://|//)", re.IGNORECASE)
_ATTRIBUTE = re.compile(
    r"id|title|description|(mobile_|ads_)?link|(additional_)?image_link|availability(_date)?|(sale_)?price|gtin|mpn|brand"
    r"|sale_price_effective_date|condition|google_product_category|product_type|item_group_id|color|size(_type|_system)?"
    r"|gender|age_group|material|pattern|shipping(_weight|_label)?|custom_label_\d|identifier_exists|adult|multipack"
    r"|is_bundle"
)
_NAMESPACE = "g:"  # some write the names of the XML form into the header of a table


def _recognizes(columns: frozenset[str]) -> bool:
    names = {_plain_name(column) for column in columns}
    return {"id", "title", "image_link"} <= names and len(
        names & {"link", "price", "availability", "gtin", "mpn"}
    ) > 1


def _rows(source: RowSource) -> CatalogueRows:
    for item in source():
        if not isinstance(item, CatalogueRow):
            yield item
            continue
        values = {_plain_name(name): cell for name, cell in item.values.items()}
        if isinstance(values.get(_PICTURES), str):
            values[_PICTURES] = _NEXT_ADDRESS.split(values[_PICTURES])
        elif isinstance(values.get(_PICTURES), list):
            values[_PICTURES] = [
                part for cell in values[_PICTURES] for part in _NEXT_ADDRESS.split(str(cell))
            ]
        yield CatalogueRow(item.line, values)


def _plain_name(column: str) -> str:
    """Return the attribute's name as Google writes it: `Image link` and `g:image_link` are both `image_link`."""
    name = re.sub(r"\s+", "_", column.removeprefix(_NAMESPACE).strip().lower())
    return name if _ATTRIBUTE.fullmatch(name) else column


GOOGLE_MERCHANT = Shape("google", "Google Merchant", _recognizes, _rows)
