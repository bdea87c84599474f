"""Filters and sort orders, and their clauses for the engine."""

from __future__ import annotations

from typing import Any

import pytest

from opensearch.index.fields import FieldPlan
from opensearch.search.filters import parse_filter, parse_filters, parse_sort
from vitrine.errors import QueryError

PLAN = FieldPlan(
    id="sku",
    numbers=("price", "price<net", "rating"),
    keywords=("gender", "baseColour", "brand=maker"),
    dates=("released",),
    language_field="lang",
    group="style",
    available="in_stock",
    created="released",
)


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("price<50", {"range": {"numbers.price": {"lt": 50.0}}}),
        (" price <= 49.5 ", {"range": {"numbers.price": {"lte": 49.5}}}),
        ("price>-1e2", {"range": {"numbers.price": {"gt": -100.0}}}),
        ("price>=5", {"range": {"numbers.price": {"gte": 5.0}}}),
        ("price=10..50", {"range": {"numbers.price": {"gte": 10.0, "lte": 50.0}}}),
        ("price=..50", {"range": {"numbers.price": {"lte": 50.0}}}),
        ("price=10..", {"range": {"numbers.price": {"gte": 10.0}}}),
        ("price=10", {"term": {"numbers.price": 10.0}}),
        ("price=10,20", {"terms": {"numbers.price": [10.0, 20.0]}}),
        ("price<net<5", {"range": {"numbers.price<net": {"lt": 5.0}}}),
        ("gender=Women", {"term": {"keywords.gender": "Women"}}),
        ("gender!=Men", {"bool": {"must_not": [{"term": {"keywords.gender": "Men"}}]}}),
        ("baseColour=Red, Navy Blue", {"terms": {"keywords.baseColour": ["Red", "Navy Blue"]}}),
        ('baseColour="Red, dark",Blue', {"terms": {"keywords.baseColour": ["Red, dark", "Blue"]}}),
        ("brand=maker=A=B", {"term": {"keywords.brand=maker": "A=B"}}),
        ("available=true", {"term": {"available": True}}),
        ("in_stock=No", {"term": {"available": False}}),
        ("lang=zh", {"term": {"language": "zh"}}),
        ("style=s1", {"term": {"group": "s1"}}),
        ("sku=p1,p2", {"terms": {"id": ["p1", "p2"]}}),
    ],
)
def test_a_filter_becomes_a_clause(text: str, clause: dict[str, Any]) -> None:
    assert parse_filter(text, PLAN) == clause


def day(text: str) -> str:
    return f"{text}T00:00:00+00:00"


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("released>=2020-01-01", {"gte": day("2020-01-01")}),
        ("released>2020", {"gte": day("2021-01-01")}),
        ("released<2020-02", {"lt": day("2020-02-01")}),
        ("released<=2020-02", {"lt": day("2020-03-01")}),
        ("released=2020-12", {"gte": day("2020-12-01"), "lt": day("2021-01-01")}),
        ("released=2020..2021-06-30", {"gte": day("2020-01-01"), "lt": day("2021-07-01")}),
        ("released>=2020-01-01T10:30+02:00", {"gte": "2020-01-01T10:30:00+02:00"}),
        ("released<=2020-01-01T10:30:05Z", {"lt": "2020-01-01T10:30:06+00:00"}),
        ("created<=2020-01-01T10:30", {"lt": "2020-01-01T10:31:00+00:00"}),
    ],
)
def test_a_date_is_the_whole_period_that_it_names(text: str, limits: dict[str, str]) -> None:
    field = "created" if text.startswith("created") else "dates.released"
    assert parse_filter(text, PLAN) == {"range": {field: limits}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour=Red", "baseColour, brand=maker, created"),
        ("price", "price<50"),
        ("price<", "no value"),
        ("price<cheap", "'cheap' is not a finite number"),
        ("price<nan", "not a finite number"),
        ("price=inf", "not a finite number"),
        ("price=..", "no end"),
        ("gender<Women", "use = or !="),
        ("gender=Red,,Blue", "empty value"),
        ("available=maybe", "true or false"),
        ("released=2020-13", "not a date"),
        ("released>=soon", "not a date"),
        ("released<=9999", "not a date"),
        ("=5", "no column ''"),
        ("", "no comparison"),
    ],
)
def test_an_unreadable_filter_is_an_error_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        parse_filters([text], PLAN)


def test_fields_that_the_plan_does_not_name_are_not_columns() -> None:
    with pytest.raises(QueryError, match=r"id, language$"):
        parse_filter("available=true", FieldPlan())


def test_sort_puts_missing_values_last_and_ends_with_the_id() -> None:
    assert parse_sort("-price, gender", PLAN) == [
        {"numbers.price": {"order": "desc", "missing": "_last", "unmapped_type": "double"}},
        {"keywords.gender": {"order": "asc", "missing": "_last", "unmapped_type": "keyword"}},
        {"id": {"order": "asc"}},
    ]
    with pytest.raises(QueryError, match="size"):
        parse_sort("size", PLAN)
