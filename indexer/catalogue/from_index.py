"""An index that Vitrine did not make, as a stream of rows like a catalogue's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opensearch.index.mapping import field_types, vector_fields
from opensearch.index.scan import scan

from .reader import CatalogueRow

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

ID = "_id"  # the column that holds the document's id, whatever else its source calls an id


def foreign_rows(client: OpenSearch, index: str) -> Iterator[CatalogueRow]:
    """The documents of an index as rows: objects opened into dotted columns, vectors left out, dates in ISO."""
    types = field_types(client, index)
    dates = {name for name, kind in types.items() if kind in ("date", "date_nanos")}
    found = scan(client, index, excludes=vector_fields(types))
    for line, (id, source) in enumerate(found, start=1):
        values = {name: _moment(value) if name in dates else value for name, value in flat(source)}
        yield CatalogueRow(line, {**values, ID: id})


def flat(source: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a source by dotted path; in a list of objects the values of each path become a list."""
    for name, value in source.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{path}{name}.")
        elif isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
            gathered: dict[str, list[Any]] = {}
            for part in value:
                for inner, found in flat(part, f"{path}{name}."):
                    gathered.setdefault(inner, []).extend(found if isinstance(found, list) else [found])
            yield from gathered.items()
        elif value is not None:
            yield f"{path}{name}", value


def _moment(value: Any) -> Any:
    """Milliseconds since 1970, as date fields take them, as an ISO time; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    try:
        return datetime.fromtimestamp(value / 1000, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return value
