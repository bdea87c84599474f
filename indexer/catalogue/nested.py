"""Nested objects opened into columns with dotted names, as the documents of an index have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_EXTENDED_JSON = frozenset(
    {"$oid", "$numberDecimal", "$numberInt", "$numberLong", "$numberDouble", "$date", "$uuid"}
)  # MongoDB writes a value as an object of one of these keys


def open_objects(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's cells with a column for each path into its objects; a row without objects unchanged.

    An image given as its own bytes (`{bytes, path}`) stays one cell. Two paths with one name make a list.
    """
    if not any(isinstance(value, (Mapping, list)) for value in values.values()):
        return dict(values)
    opened: dict[str, Any] = {}
    for name, value in flatten(values):
        if name not in opened:
            opened[name] = value
        else:
            before = opened[name]
            opened[name] = [
                *_listed(before),
                *(part for part in _listed(value) if part not in _listed(before)),
            ]
    return opened


def flatten(source: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a source by dotted path; a list of objects gives one list of values per path."""
    for name, value in source.items():
        yield from _opened(f"{path}{name}", _plain(value))


def _opened(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        if _is_image(value):
            yield path, value
        else:
            yield from flatten(value, f"{path}.")
    elif isinstance(value, list):
        yield from _opened_list(path, value)
    elif value is not None:
        yield path, value


def _opened_list(path: str, parts: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the parts that are no objects as one list, lists in the list joined, and those of objects by path."""
    plain = [part for part in map(_plain, _joined(parts)) if part is not None]
    objects = [part for part in plain if isinstance(part, Mapping) and not _is_image(part)]
    if not objects:
        yield path, plain
        return
    if len(objects) < len(plain):
        yield path, [part for part in plain if part not in objects]
    values_by_path: dict[str, list[Any]] = {}
    for part in objects:
        for inner_path, inner in flatten(part, f"{path}."):
            values_by_path.setdefault(inner_path, []).extend(_listed(inner))
    yield from values_by_path.items()


def _joined(parts: list[Any]) -> Iterator[Any]:
    for part in parts:
        if isinstance(part, list):
            yield from _joined(part)
        else:
            yield part


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_image(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("bytes"), bytes)


def _plain(value: Any) -> Any:
    while isinstance(value, Mapping) and len(value) == 1:
        ((key, inner),) = value.items()
        if key not in _EXTENDED_JSON:
            break
        value = inner
    return value
