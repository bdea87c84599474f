"""The documents of an index that Vitrine did not create, as a stream of rows like that of a catalogue file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opensearch.index.mapping import field_types, vector_fields
from opensearch.index.scan import scan

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
        values = {name: _iso_time(value) if name in dates else value for name, value in flatten(source)}
        yield CatalogueRow(line, {**values, ID_COLUMN: id})


def flatten(source: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a source by dotted path; a list of objects gives one list of values per path."""
    for name, value in source.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{path}{name}.")
        elif isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
            values_by_path: dict[str, list[Any]] = {}
            for part in value:
                for inner_path, inner in flatten(part, f"{path}{name}."):
                    values = values_by_path.setdefault(inner_path, [])
                    values.extend(inner if isinstance(inner, list) else [inner])
            yield from values_by_path.items()
        elif value is not None:
            yield f"{path}{name}", value


def _iso_time(value: Any) -> Any:
    """Return milliseconds since 1970, which date fields accept, as an ISO time; any other value unchanged."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    try:
        return datetime.fromtimestamp(value / 1000, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return value
