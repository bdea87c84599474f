"""The documents of an index that Vitrine did not create, as a stream of rows like that of a catalogue file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from opensearch.index.mapping import field_types, vector_fields
from opensearch.index.scan import read_pages

from .flat_rows import flatten
from .rows import CatalogueRow, CatalogueRows

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

# The column of the document id; the leading underscore keeps it apart from the fields of the source.
ID_COLUMN = "_id"
_PAGE = 500  # documents
_DATES = ("date", "date_nanos", "date_range")
# Of these a product field can hold nothing; the report names them among the columns that are not used.
_NOT_READ = ("geo_point", "geo_shape", "xy_point", "xy_shape", "join", "percolator", "completion")


def rows_from_index(client: OpenSearch, index: str) -> CatalogueRows:
    """Yield the documents of an index as rows: dotted columns for objects, no vectors, dates in ISO format.

    The engine reads the dates, because only the format in its mapping says what `1700000000` or `03.04.2021` means.
    """
    types = field_types(client, index)
    dates = [name for name, type_name in types.items() if type_name in _DATES]
    whole = [name for name, type_name in types.items() if type_name in _NOT_READ]
    body = {
        "sort": [{"_shard_doc": "asc"}],
        "_source": {"excludes": vector_fields(types)},
        "fields": [{"field": name, "format": "strict_date_time"} for name in dates],
    }
    line = 0
    with closing(read_pages(client, index, body, _PAGE)) as pages:
        for hits in pages:
            for hit in hits:
                line += 1
                values = _gathered(flatten(hit.get("_source") or {}), whole)
                read = flatten({name: _single(value) for name, value in (hit.get("fields") or {}).items()})
                yield CatalogueRow(line, {**values, **read, ID_COLUMN: hit["_id"]})


def _single(values: list[Any]) -> Any:
    """Return the only value of a list; the engine gives every field as one."""
    return values[0] if len(values) == 1 else values


def _gathered(values: Mapping[str, Any], whole: Collection[str]) -> dict[str, Any]:
    """Return the columns with those of each field of `whole` in one object, which no field of a product takes."""
    gathered: dict[str, Any] = {}
    for column, value in values.items():
        name = next((name for name in whole if f"{column}.".startswith(f"{name}.")), None)
        if name is None:
            gathered[column] = value
        else:
            gathered.setdefault(name, {})[column[len(name) + 1 :] or "value"] = value
    return gathered
