"""Filters and sort orders by the catalogue's column names, as clauses of the engine. Pure.

`price<50`, `price=10..50`, `gender=Women`, `baseColour=Red,Blue` (any of them), `gender!=Men`,
`available=true`, `date_released>=2020-01`; a value that contains a comma is written in double quotes.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from opensearch.index.fields import FieldPlan
from vitrine.errors import QueryError

from .filter_columns import FilterColumn, filter_columns, find_column, parse_number

Clause = dict[str, Any]

_COMPARISON = re.compile(r"\s*(<=|>=|!=|<|>|=)\s*(.*)\Z", re.DOTALL)
_UNKNOWN_COLUMN = re.compile(r"(.*?)\s*(<=|>=|!=|<|>|=)", re.DOTALL)
_RANGE_OPERATORS = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?)?)?")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_UNMAPPED_TYPES = {"keyword": "keyword", "number": "double", "date": "date", "boolean": "boolean"}


def parse_filters(filters: Iterable[str], plan: FieldPlan) -> list[Clause]:
    """Return a clause for each filter; raises QueryError for the first that cannot be read."""
    return [parse_filter(text, plan) for text in filters]


def parse_filter(text: str, plan: FieldPlan) -> Clause:
    """Return the clause of one filter such as `price<50`; raises QueryError when it cannot be read."""
    column, operator, value = _split(text, plan)
    if not value:
        raise QueryError(f"filter {text!r} names no value: write it as {column.name}{operator}VALUE")
    if operator == "!=":
        return {"bool": {"must_not": [_equal(column, value, text)]}}
    if operator == "=":
        return _equal(column, value, text)
    if column.type in ("keyword", "boolean"):
        raise QueryError(
            f"filter {text!r} compares {column.name}, which has {column.contents}: use = or != with it"
        )
    if column.type == "date":
        return _compare_date(column, operator, value, text)
    return {"range": {column.field: {_RANGE_OPERATORS[operator]: parse_number(value, text)}}}


def ids_filter(ids: Sequence[str]) -> Clause:
    """Return the clause that matches these products only."""
    return {"terms": {"id": list(ids)}}


def parse_sort(text: str, plan: FieldPlan) -> list[Clause]:
    """Return the sort clauses of `price`, `-price` (descending) or several with commas; missing values come last."""
    clauses: list[Clause] = []
    for part in (part.strip() for part in text.split(",")):
        column = find_column(part.removeprefix("-").strip(), plan)
        order = "desc" if part.startswith("-") else "asc"
        clauses.append(
            {
                column.field: {
                    "order": order,
                    "missing": "_last",
                    "unmapped_type": _UNMAPPED_TYPES[column.type],
                }
            }
        )
    # Without the id, products with equal values would change places between pages.
    return [*clauses, {"id": {"order": "asc"}}]


def _split(text: str, plan: FieldPlan) -> tuple[FilterColumn, str, str]:
    """Return column, operator and value; a name may contain operators, so the longest one that fits is taken."""
    comparison = text.strip()
    columns = filter_columns(plan)
    for name in sorted(columns, key=len, reverse=True):
        if comparison.startswith(name) and (match := _COMPARISON.match(comparison[len(name) :])):
            return columns[name], match[1], match[2].strip()
    unknown = _UNKNOWN_COLUMN.match(comparison)
    if unknown is None:
        raise QueryError(
            f"filter {text!r} has no comparison: write it as price<50, price=10..50 or gender=Women"
        )
    return find_column(unknown[1], plan), "", ""


def _equal(column: FilterColumn, value: str, text: str) -> Clause:
    if column.type == "boolean":
        if value.lower() not in _BOOLEANS:
            raise QueryError(f"filter {text!r}: {column.name} is true or false, not {value!r}")
        return {"term": {column.field: _BOOLEANS[value.lower()]}}
    if column.type in ("number", "date") and ".." in value:
        low, _, high = (part.strip() for part in value.partition(".."))
        return _between(column, low, high, text)
    parts = [part.strip() for part in next(csv.reader([value], skipinitialspace=True))]
    if not all(parts):
        raise QueryError(f"filter {text!r} has an empty value between its commas: leave the comma out")
    if column.type == "date":
        periods = [_between(column, part, part, text) for part in parts]
        return periods[0] if len(periods) == 1 else {"bool": {"should": periods, "minimum_should_match": 1}}
    values: list[Any] = [parse_number(part, text) for part in parts] if column.type == "number" else parts
    return {"term": {column.field: values[0]}} if len(values) == 1 else {"terms": {column.field: values}}


def _between(column: FilterColumn, low: str, high: str, text: str) -> Clause:
    """Return the clause of a range that includes both ends; one end may be empty, and the range is open there."""
    if not low and not high:
        raise QueryError(
            f"filter {text!r} has no end: write it as {column.name}=LOW..HIGH, and leave out at most one of them"
        )
    if column.type == "date":
        limits = {"gte": period(low, text)[0]} if low else {}
        limits |= {"lt": period(high, text)[1]} if high else {}
        return {"range": {column.field: limits}}
    ends = {"gte": parse_number(low, text)} if low else {}
    ends |= {"lte": parse_number(high, text)} if high else {}
    return {"range": {column.field: ends}}


def _compare_date(column: FilterColumn, operator: str, value: str, text: str) -> Clause:
    """Return a comparison with a whole period: later than 2020 is from 2021 on."""
    begin, end = period(value, text)
    limits = {"<": {"lt": begin}, "<=": {"lt": end}, ">": {"gte": end}, ">=": {"gte": begin}}
    return {"range": {column.field: limits[operator]}}


def period(value: str, text: str) -> tuple[str, str]:
    """Return the first moment of a year, month, day, minute or second, and the first moment after it (UTC)."""
    try:
        if not _DATE.fullmatch(value):
            raise ValueError(value)
        if len(value) <= 10:
            begin = datetime.fromisoformat(value + "-01-01"[len(value) - 4 :]).replace(tzinfo=UTC)
        else:
            begin = datetime.fromisoformat(value)
            begin = begin if begin.tzinfo else begin.replace(tzinfo=UTC)
        end = _period_end(begin, value)
    except (ValueError, OverflowError):
        raise QueryError(
            f"filter {text!r}: {value!r} is not a date; "
            "write it as 2020, 2020-01, 2020-01-31 or 2020-01-31T12:00"
        ) from None
    return begin.isoformat(), end.isoformat()


def _period_end(begin: datetime, value: str) -> datetime:
    """Return the end of the period whose length the precision of `value` states."""
    if len(value) == len("2020"):
        return begin.replace(year=begin.year + 1)
    if len(value) == len("2020-01"):
        return (begin + timedelta(days=31)).replace(day=1)
    if len(value) == len("2020-01-31"):
        return begin + timedelta(days=1)
    return begin + (timedelta(seconds=1) if re.search(r":\d\d:\d\d", value) else timedelta(minutes=1))
