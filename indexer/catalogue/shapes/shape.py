"""`SHAPES`, the exports of shop systems that are read as products, and the choice of one for a catalogue.

To add a shape, write a module with a `Shape` and enter it in the table.
"""

from __future__ import annotations

from contextlib import closing
from itertools import islice

from indexer.catalogue.rows import CatalogueRow, CatalogueRows, ShapeRemark
from indexer.catalogue.unused_columns import is_used
from opensearch.index.fields import FieldPlan
from vitrine.errors import CatalogueError

from .bigcommerce import BIGCOMMERCE
from .google import GOOGLE_MERCHANT
from .joined_variants import joined_variants
from .magento import MAGENTO
from .parents import PARENTS
from .shape_type import RowSource, Shape
from .shopify import SHOPIFY
from .shopify_json import SHOPIFY_JSON
from .woocommerce import WOOCOMMERCE

NO_SHAPE = "none"
SHAPES: dict[str, Shape] = {
    shape.name: shape
    for shape in (SHOPIFY, SHOPIFY_JSON, WOOCOMMERCE, MAGENTO, BIGCOMMERCE, GOOGLE_MERCHANT, PARENTS)
}
_SAMPLE_ROWS = 50


def shaped_rows(source: RowSource, name: str | None, plan: FieldPlan | None) -> CatalogueRows:
    """Yield the rows of a source in the named shape, without one for `none`, in that of its columns for None."""
    shape = find_shape(source, name)
    if shape is None:
        yield from source()
        return
    yield ShapeRemark(f"shape: {shape.title}", shape.title)
    rows = shape.rows(source)
    if plan and plan.id in shape.groups:
        rows = joined_variants(rows, plan.id)
    with closing(rows):
        for item in rows:
            if isinstance(item, CatalogueRow):
                values = {
                    name: cell
                    for name, cell in item.values.items()
                    if not shape.replaced(name) or (plan and is_used(name, plan))
                }
                yield CatalogueRow(item.line, values)
            else:
                yield item


def find_shape(source: RowSource, name: str | None) -> Shape | None:
    """Return the named shape, or the one that the columns of the first rows have; None: the rows are products."""
    if name == NO_SHAPE:
        return None
    if name is not None:
        if name not in SHAPES:
            raise CatalogueError(f"there is no shape {name!r}; expected {', '.join(SHAPES)} or {NO_SHAPE}")
        return SHAPES[name]
    columns: set[str] = set()
    with closing(source()) as rows:
        for row in islice(rows, _SAMPLE_ROWS):
            if isinstance(row, CatalogueRow):
                columns.update(row.values)
    found = frozenset(columns)
    candidates = (shape for shape in SHAPES.values() if shape.recognizes(found))
    return next((shape for shape in candidates if shape.confirms(source)), None)
