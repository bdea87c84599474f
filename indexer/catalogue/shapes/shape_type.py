"""The type of a shape, and what the shapes have in common: lists in a cell, unique ids, inherited cells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from indexer.catalogue.rows import CatalogueRows

RowSource = Callable[[], CatalogueRows]  # begins the stream of a catalogue anew

_UNESCAPED_COMMA = re.compile(r"(?<!\\),")


@dataclass(frozen=True)
class Shape:
    """An export of a shop system.

    name: as `--shape` takes it
    title: as the report says it
    recognizes: whether a file's columns are those of the shape
    confirms: whether the rows have the shape too, where the columns alone do not tell
    rows: yields the products of a source, which it may read twice
    replaced: whether a column's content stands in other columns of the products
    groups: columns that name the product of a variant, where the variants of a product follow one another
    """

    name: str
    title: str
    recognizes: Callable[[frozenset[str]], bool]
    rows: Callable[[RowSource], CatalogueRows]
    replaced: Callable[[str], bool] = lambda column: False
    groups: tuple[str, ...] = ()
    confirms: Callable[[RowSource], bool] = lambda source: True


class UniqueIds:
    """Gives each product an id that no other product of the file has."""

    def __init__(self) -> None:
        self._seen: set[int] = set()  # hashes, because a file may have millions of ids

    def first_free(self, candidates: Iterable[str]) -> str:
        """Return the first candidate that no product has, else the last one with a number after it."""
        last = ""
        for candidate in candidates:
            last = candidate
            if candidate and self._add(candidate):
                return candidate
        number = 2
        while not self._add(f"{last}-{number}"):
            number += 1
        return f"{last}-{number}"

    def _add(self, id: str) -> bool:
        key = hash(id)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


def text_of(value: Any) -> str:
    """Return the cell as text without white space around it; the empty string for none."""
    return "" if value is None else str(value).strip()


def listed(value: Any) -> list[Any]:
    """Return the parts of a cell whose list is written with commas; a backslash keeps a comma in its part."""
    if isinstance(value, list):
        return value
    parts = [part.replace("\\,", ",").strip() for part in _UNESCAPED_COMMA.split(text_of(value))]
    return list(dict.fromkeys(part for part in parts if part))


def amount_of(price: str) -> float:
    """Return a price as a number, to find the cheapest variant; infinity for text that is none."""
    try:
        return float(price.replace(",", "."))
    except ValueError:
        return float("inf")


def add_column(values: dict[str, Any], name: str, value: Any) -> None:
    """Set a column; `NAME (option)` where the row has another value under its name."""
    if value in (None, "", []):
        return
    values[name if values.get(name) in (None, "", value) else f"{name} (option)"] = value
