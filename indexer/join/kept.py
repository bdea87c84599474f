"""The values of joined columns that a load without their files keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from indexer.catalogue.product import is_extra
from indexer.load.changes import PendingDocument
from indexer.load.document import OPTIONAL, fields_of, stored_product, with_columns
from indexer.load.target import Target
from opensearch.index.fields import FieldPlan
from opensearch.index.indexed_state import read_sources
from opensearch.index.versions import current, refresh


def kept_columns(
    target: Target, plan: FieldPlan, spaces: Sequence[str]
) -> Callable[[list[PendingDocument]], None] | None:
    """Return the function that adds to products the values that the index in service has of joined columns.

    A row that has such a column, even an empty one, decides its value. None: there is nothing to keep.
    """
    index = current(target.client, target.alias) if plan.joined else None
    if index is None:
        return None
    refresh(target.client, index)
    includes = _fields(plan)

    def complete(page: list[PendingDocument]) -> None:
        missing = {
            pending.product.id: columns
            for pending in page
            if (columns := [column for column in plan.joined if column not in pending.values])
        }
        sources = read_sources(target.client, index, list(missing), includes)
        for pending in page:
            if source := sources.get(pending.product.id):
                columns = missing[pending.product.id]
                pending.product = with_columns(pending.product, stored_product(source), columns, plan)
                pending.fields = fields_of(pending.product, spaces, target.languages)

    return complete


def _fields(plan: FieldPlan) -> list[str]:
    """Return the fields of a document that hold the joined columns."""
    sections = {"texts": plan.text, "numbers": plan.numbers, "keywords": plan.keywords, "dates": plan.dates}
    joined = set(plan.joined)
    names = [name for name, columns in sections.items() if joined & set(columns)]
    names += [name for name in ("title", *OPTIONAL) if getattr(plan, name) in joined]
    return [*names, *(["extra"] if any(is_extra(column, plan) for column in joined) else []), "language"]
