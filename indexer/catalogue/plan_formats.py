"""The table [fields.columns] of a field plan: the notation of single columns, read and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from indexer.catalogue.notation.dates import NUMBER_FORMATS
from opensearch.index.fields import ColumnFormat
from vitrine.notation.units import currency_codes

from .names import unknown_name

_KEYS = tuple(entry.name for entry in fields(ColumnFormat))


def parse_formats(value: Any) -> tuple[dict[str, ColumnFormat], list[str]]:
    """Return the formats of the valid columns, and the problems of the others."""
    if not isinstance(value, dict):
        return {}, [f'columns is {value!r}; expected a table such as price = {{decimal = ","}}']
    formats: dict[str, ColumnFormat] = {}
    problems: list[str] = []
    for column, table in value.items():
        if not isinstance(table, dict):
            problems.append(f'columns.{column} is {table!r}; expected a table such as {{decimal = ","}}')
            continue
        found = [_problem(column, key, entry) for key, entry in table.items()]
        problems += [problem for problem in found if problem]
        if not any(found):
            values = {
                k: (v,) if k in ("date_format", "null") and isinstance(v, str) else v
                for k, v in table.items()
            }
            formats[column] = ColumnFormat.from_dict(values)
    return formats, problems


def _problem(column: str, key: str, value: Any) -> str | None:
    """Return what is wrong with one entry of a column; None for a valid one."""
    if key not in _KEYS:
        return f"columns.{column}: {unknown_name(key, _KEYS, 'entry')}"
    fits, expected = _CHECKS[key]
    return None if fits(value) else f"columns.{column}.{key} is {value!r}; expected {expected}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_date_format(value: Any) -> bool:
    return _is_text(value) and ("%" in value or value in NUMBER_FORMATS)


def _all(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: all(map(fits, value)) if isinstance(value, list) else fits(value)


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "decimal": (lambda value: value in (".", ","), '"." or ","'),
    "currency": (
        lambda value: isinstance(value, str) and value in currency_codes(),
        "a currency code such as EUR",
    ),
    "unit": (_is_text, "a unit such as kg"),
    "separator": (_is_text, 'the sign between the values of a list, such as ","'),
    "date_format": (
        _all(_is_date_format),
        "a format such as %d.%m.%Y, epoch_second, epoch_millis or spreadsheet_days, or a list of them",
    ),
    "null": (
        _all(lambda value: isinstance(value, str)),
        "a word that stands for an empty cell, or a list of them",
    ),
}
