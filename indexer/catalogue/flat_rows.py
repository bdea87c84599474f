"""Nested values of a row as dotted columns that a field plan can name: `price.amount`, `variants.size`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

from indexer.catalogue.notation.column_names import is_image_name
from indexer.catalogue.notation.lists import written_objects
from indexer.catalogue.notation.pictures import picture_addresses

from .rows import CatalogueRow, CatalogueRows

_EXTENDED_JSON = frozenset({
    "$oid", "$numberDecimal", "$numberInt", "$numberLong", "$numberDouble", "$date", "$uuid",
})  # fmt: skip
_OBJECT = re.compile(r"\s*(?:\[\s*)?\{\s*['\"]")
_MAX_DEPTH = 15  # objects in one another; the engine allows 20, and a document has some of its own


def flat_rows(rows: CatalogueRows, is_whole: Callable[[str], bool] = lambda column: False) -> CatalogueRows:
    """Yield the rows with flat values; closing the result closes `rows`.

    Texts that write an object open too, but for columns of which `is_whole` is true.
    """
    with closing(rows):
        for row in rows:
            if isinstance(row, CatalogueRow):
                yield CatalogueRow(row.line, flatten(_with_objects(row.values, is_whole)))
            else:
                yield row


def _with_objects(values: dict[str, Any], is_whole: Callable[[str], bool]) -> dict[str, Any]:
    """Return the values with the objects that texts write, but for pictures, whose cells are read later."""
    opened = {
        name: written_objects(value)
        for name, value in values.items()
        if isinstance(value, str) and _OBJECT.match(value) and not is_image_name(name) and not is_whole(name)
    }
    return {**values, **opened} if opened else values


def flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values by dotted path; a list of objects gives one list of values per path, and null is left out.

    Objects in a column of pictures also give the addresses of the pictures, under the column's own path.
    """
    if not any(isinstance(value, (dict, list)) or value is None for value in values.values()):
        return dict(values)
    flat: dict[str, Any] = {}
    for path, value in _pairs(values, "", 0):
        flat[path] = [*_as_list(flat[path]), *_as_list(value)] if path in flat else value
    return flat


def _pairs(values: Mapping[str, Any], path: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, raw in values.items():
        column, value = f"{path}{name}", _plain(raw)
        if value is None:
            continue
        objects, others = _objects(value)
        if not objects or depth >= _MAX_DEPTH:
            yield column, value
            continue
        if is_image_name(str(name)):
            yield column, picture_addresses(value)
        elif others:
            yield column, others
        if isinstance(value, Mapping):
            yield from _pairs(value, f"{column}.", depth + 1)
            continue
        lists: dict[str, list[Any]] = {}
        for part in objects:
            for inner, inner_value in _pairs(part, f"{column}.", depth + 1):
                lists.setdefault(inner, []).extend(_as_list(inner_value))
        yield from lists.items()


def _objects(value: Any) -> tuple[list[Mapping[str, Any]], list[Any]]:
    """Return the objects of a value that is one or a list, and the other parts of the list, null left out."""
    if isinstance(value, Mapping):
        return [value], []
    if not isinstance(value, list):
        return [], []
    parts = [part for part in map(_plain, value) if part is not None]
    if parts and all(isinstance(part, tuple) and len(part) == 2 for part in parts):  # a map of Parquet
        return [{str(key): item for key, item in parts}], []
    return [p for p in parts if isinstance(p, Mapping)], [p for p in parts if not isinstance(p, Mapping)]


def _plain(value: Any) -> Any:
    """Return the value that MongoDB's extended JSON writes as an object of one key such as `$oid`."""
    while isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in _EXTENDED_JSON:
        value = next(iter(value.values()))
    return value


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
