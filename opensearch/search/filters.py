"""Filters, facets and sort orders by the catalogue's own column names, as clauses of the engine. Pure.

`price<50`, `price=10..50`, `gender=Women`, `baseColour=Red,Blue` (any of them), `gender!=Men`,
`available=true`, `date_released>=2020-01`; a value that holds a comma stands in double quotes.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

from opensearch.index.fields import FieldPlan
from vitrine.errors import QueryError

Kind = Literal["keyword", "number", "date", "truth"]
Clause = dict[str, Any]

MOST_VALUES = 50  # of a facet, the commonest first
_COMPARISON = re.compile(r"\s*(<=|>=|!=|<|>|=)\s*(.*)\Z", re.DOTALL)
_RANGES: dict[str, str] = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?)?)?")
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SPAN = {"min": "min", "max": "max", "mean": "avg"}
_UNMAPPED = {"keyword": "keyword", "number": "double", "date": "date", "truth": "boolean"}


@dataclass(frozen=True)
class Column:
    """A column that can be filtered by: the catalogue's name, the engine's field and what it holds."""

    name: str
    field: str
    kind: Kind


def columns(plan: FieldPlan) -> dict[str, Column]:
    """Give every column of the plan that filters, facets and sorting can name."""
    roles: list[tuple[str | None, str, Kind]] = [
        ("id", "id", "keyword"),
        ("language", "language", "keyword"),
        ("group" if plan.group else None, "group", "keyword"),
        ("available" if plan.available else None, "available", "truth"),
        ("created" if plan.created else None, "created", "date"),
        (plan.id, "id", "keyword"),
        (plan.language_field, "language", "keyword"),
        (plan.group, "group", "keyword"),
        (plan.available, "available", "truth"),
        (plan.created, "created", "date"),
    ]
    listed = [Column(name, field, kind) for name, field, kind in roles if name]
    listed += [Column(name, f"dates.{name}", "date") for name in plan.dates]
    listed += [Column(name, f"numbers.{name}", "number") for name in plan.numbers]
    listed += [Column(name, f"keywords.{name}", "keyword") for name in plan.keywords]
    return {column.name: column for column in listed}


def parse_filters(texts: Iterable[str], plan: FieldPlan) -> list[Clause]:
    """Give a clause for each filter; raises QueryError for the first that cannot be read."""
    return [parse_filter(text, plan) for text in texts]


def parse_filter(text: str, plan: FieldPlan) -> Clause:
    """Give the clause of one filter such as `price<50`."""
    column, sign, value = _split(text, plan)
    if not value:
        raise QueryError(f"filter {text!r} names no value: write it as {column.name}{sign}VALUE")
    if sign == "!=":
        return {"bool": {"must_not": [_equal(column, value, text)]}}
    if sign == "=":
        return _equal(column, value, text)
    if column.kind in ("keyword", "truth"):
        raise QueryError(
            f"filter {text!r} compares {column.name}, which holds {_held(column)}: only = and != work there"
        )
    if column.kind == "date":
        return _compare_date(column, sign, value, text)
    return {"range": {column.field: {_RANGES[sign]: _number(value, text)}}}


def ids_filter(ids: Sequence[str]) -> Clause:
    """Give the clause that keeps these products alone."""
    return {"terms": {"id": list(ids)}}


def parse_sort(text: str, plan: FieldPlan) -> list[Clause]:
    """Give the sort clauses of `price`, `-price` (falling) or several with commas; no value comes last."""
    clauses: list[Clause] = []
    for part in (part.strip() for part in text.split(",")):
        column = _column(part.removeprefix("-").strip(), plan)
        order = "desc" if part.startswith("-") else "asc"
        clauses.append(
            {column.field: {"order": order, "missing": "_last", "unmapped_type": _UNMAPPED[column.kind]}}
        )
    # equal products would change places between pages
    return [*clauses, {"id": {"order": "asc"}}]


def facet_aggregations(facets: Sequence[str], plan: FieldPlan) -> dict[str, Any]:
    """Give the aggregations of facets: `gender`, `price` (its span) or `price:20,50` (three ranges)."""
    # a column's name may hold signs that the engine does not take in a name, so it travels as `meta`
    return {f"facet{place}": _facet(facet, plan) for place, facet in enumerate(dict.fromkeys(facets))}


def read_facets(aggregations: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Give each facet by its column: `values` with counts and `other`, `ranges` with counts, or a span."""
    found: dict[str, dict[str, Any]] = {}
    for answer in aggregations.values():
        meta = answer.get("meta") or {}
        if meta.get("kind") == "values":
            values = [
                {"value": bucket.get("key_as_string", bucket["key"]), "count": bucket["doc_count"]}
                for bucket in answer["buckets"]
            ]
            found[meta["column"]] = {"values": values, "other": answer["sum_other_doc_count"]}
        elif meta.get("kind") == "ranges":
            ranges = [
                {"from": bucket.get("from"), "to": bucket.get("to"), "count": bucket["doc_count"]}
                for bucket in answer["buckets"]
            ]
            found[meta["column"]] = {"ranges": ranges}
        elif meta.get("kind") == "span":
            ends = {key: answer.get(f"{name}_as_string", answer[name]) for key, name in _SPAN.items()}
            found[meta["column"]] = {"count": answer["count"], **ends}
    return found


def _facet(facet: str, plan: FieldPlan) -> Clause:
    known = columns(plan)
    name, ranged, bounds = (facet, "", "") if facet in known else facet.rpartition(":")
    column = _column(name or facet, plan)
    if ranged:
        if column.kind != "number":
            raise QueryError(
                f"facet {facet!r} gives ranges, and {column.name} holds {_held(column)}, not numbers"
            )
        edges = sorted({_number(edge.strip(), facet) for edge in bounds.split(",")})
        ends: list[float | None] = [None, *edges, None]
        ranges = [
            {key: edge for key, edge in (("from", low), ("to", high)) if edge is not None}
            for low, high in pairwise(ends)
        ]
        meta = {"column": column.name, "kind": "ranges"}
        return {"range": {"field": column.field, "ranges": ranges}, "meta": meta}
    if column.kind in ("number", "date"):
        return {"stats": {"field": column.field}, "meta": {"column": column.name, "kind": "span"}}
    meta = {"column": column.name, "kind": "values"}
    return {"terms": {"field": column.field, "size": MOST_VALUES}, "meta": meta}


def _split(text: str, plan: FieldPlan) -> tuple[Column, str, str]:
    """Find the column that a filter begins with (the longest: names may hold signs), its sign and its value."""
    plain = text.strip()
    known = columns(plan)
    for name in sorted(known, key=len, reverse=True):
        if plain.startswith(name) and (match := _COMPARISON.match(plain[len(name) :])):
            return known[name], match[1], match[2].strip()
    match = re.match(r"(.*?)\s*(<=|>=|!=|<|>|=)", plain, re.DOTALL)
    if match is None:
        raise QueryError(
            f"filter {text!r} compares nothing: write it as price<50, price=10..50 or gender=Women"
        )
    return _column(match[1], plan), "", ""


def _column(name: str, plan: FieldPlan) -> Column:
    known = columns(plan)
    if name not in known:
        raise QueryError(
            f"the index has no column {name!r} to filter, count or sort by; "
            f"it has: {', '.join(sorted(known))}"
        )
    return known[name]


def _equal(column: Column, value: str, text: str) -> Clause:
    if column.kind == "truth":
        if value.lower() not in _TRUTHS:
            raise QueryError(f"filter {text!r}: {column.name} is true or false, not {value!r}")
        return {"term": {column.field: _TRUTHS[value.lower()]}}
    if column.kind in ("number", "date") and ".." in value:
        low, _, high = (part.strip() for part in value.partition(".."))
        return _between(column, low, high, text)
    parts = [part.strip() for part in next(csv.reader([value], skipinitialspace=True))]
    if not all(parts):
        raise QueryError(f"filter {text!r} holds an empty value between its commas: leave the comma out")
    if column.kind == "date":
        days = [_between(column, part, part, text) for part in parts]
        return days[0] if len(days) == 1 else {"bool": {"should": days, "minimum_should_match": 1}}
    values: list[Any] = [_number(part, text) for part in parts] if column.kind == "number" else parts
    return {"term": {column.field: values[0]}} if len(values) == 1 else {"terms": {column.field: values}}


def _between(column: Column, low: str, high: str, text: str) -> Clause:
    """Give the clause of a range with both ends in it; an end may be left open."""
    if not low and not high:
        raise QueryError(
            f"filter {text!r} has no end: write it as {column.name}=LOW..HIGH, one of them may be left out"
        )
    if column.kind == "date":
        limits = {"gte": _period(low, text)[0]} if low else {}
        limits |= {"lt": _period(high, text)[1]} if high else {}
        return {"range": {column.field: limits}}
    ends = {"gte": _number(low, text)} if low else {}
    ends |= {"lte": _number(high, text)} if high else {}
    return {"range": {column.field: ends}}


def _compare_date(column: Column, sign: str, value: str, text: str) -> Clause:
    """Give a comparison with a whole period: later than 2020 is from 2021 on."""
    begin, end = _period(value, text)
    limit = {"<": {"lt": begin}, "<=": {"lt": end}, ">": {"gte": end}, ">=": {"gte": begin}}[sign]
    return {"range": {column.field: limit}}


def _period(value: str, text: str) -> tuple[str, str]:
    """Give the first moment of a year, month, day, minute or second, and the first one after it (UTC)."""
    try:
        if not _DATE.fullmatch(value):
            raise ValueError(value)
        if len(value) <= 10:
            begin = datetime.fromisoformat(value + "-01-01"[len(value) - 4 :]).replace(tzinfo=UTC)
        else:
            begin = datetime.fromisoformat(value)
            begin = begin if begin.tzinfo else begin.replace(tzinfo=UTC)
        end = _after(begin, value)
    except (ValueError, OverflowError):
        raise QueryError(
            f"filter {text!r}: {value!r} is no date; "
            "write it as 2020, 2020-01, 2020-01-31 or 2020-01-31T12:00"
        ) from None
    return begin.isoformat(), end.isoformat()


def _after(begin: datetime, value: str) -> datetime:
    if len(value) == 4:
        return begin.replace(year=begin.year + 1)
    if len(value) == 7:
        return (begin + timedelta(days=31)).replace(day=1)
    if len(value) == 10:
        return begin + timedelta(days=1)
    return begin + (timedelta(seconds=1) if re.search(r":\d\d:\d\d", value) else timedelta(minutes=1))


def _number(value: str, text: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise QueryError(f"{text!r}: {value!r} is no number that can be compared; write it as 19.9")
    return number


def _held(column: Column) -> str:
    return {"keyword": "words", "truth": "true or false", "number": "numbers", "date": "dates"}[column.kind]
