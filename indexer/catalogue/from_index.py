"""The documents of an index that Vitrine did not create, as a stream of rows like that of a catalogue file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opensearch.index.mapping import field_types, vector_fields
from opensearch.index.scan import scan

from .flat_rows import flatten
from .rows import CatalogueRow, CatalogueRows

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

# The column of the document id; the leading underscore keeps it apart from the fields of the source.
ID_COLUMN = "_id"


def rows_from_index(client: OpenSearch, index: str) -> CatalogueRows:
    """Yield the documents of an index as rows: dotted columns for objects, no vectors, dates in ISO format."""
    types = field_types(client, index)
    dates = {name for name, type_name in types.items() if type_name in ("date", "date_nanos")}
    documents = scan(client, index, excludes=vector_fields(types))
    for line, (id, source) in enumerate(documents, start=1):
        flat = flatten(source)
        values = {name: _iso_time(value) if name in dates else value for name, value in flat.items()}
        yield CatalogueRow(line, {**values, ID_COLUMN: id})


def _iso_time(value: Any) -> Any:
    """Return milliseconds since 1970, which date fields accept, as an ISO time; any other value unchanged."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    try:
        return datetime.fromtimestamp(value / 1000, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return value
