"""Catalogues to vectors to documents in an OpenSearch index.

The public names are imported on first access, so that `import indexer` loads neither pyarrow nor an encoder.
The load itself is `indexer.load.pipeline.load`: its name is also that of the subpackage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitrine.lazy import lazy_names

if TYPE_CHECKING:
    from .catalogue.plan import check_columns, load_plan, plan_from_rows, plan_toml
    from .catalogue.product import Product, read_product
    from .catalogue.reader import READERS, BadRow, CatalogueRow, Reader, Remark, SkippedRow, read_rows
    from .catalogue.shapes.shape import SHAPES
    from .catalogue.shapes.shape_type import Shape
    from .load.report import LoadReport, RejectedRows

__all__ = [
    "READERS",
    "SHAPES",
    "BadRow",
    "CatalogueRow",
    "LoadReport",
    "Product",
    "Reader",
    "RejectedRows",
    "Remark",
    "Shape",
    "SkippedRow",
    "check_columns",
    "load_plan",
    "plan_from_rows",
    "plan_toml",
    "read_product",
    "read_rows",
]

_MODULES = {
    "check_columns": "catalogue.plan",
    "load_plan": "catalogue.plan",
    "plan_from_rows": "catalogue.plan",
    "plan_toml": "catalogue.plan",
    "Product": "catalogue.product",
    "read_product": "catalogue.product",
    "READERS": "catalogue.reader",
    "BadRow": "catalogue.reader",
    "CatalogueRow": "catalogue.reader",
    "Reader": "catalogue.reader",
    "Remark": "catalogue.reader",
    "SkippedRow": "catalogue.reader",
    "read_rows": "catalogue.reader",
    "SHAPES": "catalogue.shapes.shape",
    "Shape": "catalogue.shapes.shape_type",
    "LoadReport": "load.report",
    "RejectedRows": "load.report",
}

__getattr__ = lazy_names(__name__, _MODULES)
