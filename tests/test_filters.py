"""Filters, facets and sort orders as a person writes them, and the clauses that the engine gets."""

from __future__ import annotations

from typing import Any

import pytest

from opensearch.index.fields import FieldPlan
from opensearch.search.filters import facet_aggregations, parse_filter, parse_filters, parse_sort, read_facets
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
def test_filter(text: str, clause: dict[str, Any]) -> None:
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
def test_date_is_the_whole_period_that_it_names(text: str, limits: dict[str, str]) -> None:
    field = "created" if text.startswith("created") else "dates.released"
    assert parse_filter(text, PLAN) == {"range": {field: limits}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour=Red", "baseColour, brand=maker, created"),
        ("price", "price<50"),
        ("price<", "no value"),
        ("price<cheap", "'cheap' is no number"),
        ("price<nan", "no number"),
        ("price=inf", "no number"),
        ("price=..", "no end"),
        ("gender<Women", "only = and !="),
        ("gender=Red,,Blue", "empty value"),
        ("available=maybe", "true or false"),
        ("released=2020-13", "no date"),
        ("released>=soon", "no date"),
        ("released<=9999", "no date"),
        ("=5", "no column ''"),
        ("", "compares nothing"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, said: str) -> None:
    with pytest.raises(QueryError, match=said):
        parse_filters([text], PLAN)


def test_roles_that_the_plan_leaves_out_are_no_columns() -> None:
    with pytest.raises(QueryError, match=r"id, language$"):
        parse_filter("available=true", FieldPlan())


def test_sort_puts_unknown_values_last_and_ends_with_the_id() -> None:
    assert parse_sort("-price, gender", PLAN) == [
        {"numbers.price": {"order": "desc", "missing": "_last", "unmapped_type": "double"}},
        {"keywords.gender": {"order": "asc", "missing": "_last", "unmapped_type": "keyword"}},
        {"id": {"order": "asc"}},
    ]
    with pytest.raises(QueryError, match="size"):
        parse_sort("size", PLAN)


def test_facets_ask_for_values_spans_and_ranges() -> None:
    asked = facet_aggregations(["gender", "price", "rating:2,4", "released"], PLAN)
    assert asked["facet0"] == {
        "terms": {"field": "keywords.gender", "size": 50},
        "meta": {"column": "gender", "kind": "values"},
    }
    assert asked["facet1"]["stats"] == {"field": "numbers.price"}
    assert asked["facet2"]["range"] == {
        "field": "numbers.rating",
        "ranges": [{"to": 2.0}, {"from": 2.0, "to": 4.0}, {"from": 4.0}],
    }
    assert asked["facet3"]["stats"] == {"field": "dates.released"}


@pytest.mark.parametrize("facet", ["size", "gender:1,2", "price:a", "price:"])
def test_facets_that_do_not_fit_are_told(facet: str) -> None:
    with pytest.raises(QueryError):
        facet_aggregations([facet], PLAN)


def test_facets_are_read_by_column() -> None:
    answer = {
        "facet0": {
            "meta": {"column": "in_stock", "kind": "values"},
            "sum_other_doc_count": 2,
            "buckets": [{"key": 1, "key_as_string": "true", "doc_count": 7}],
        },
        "facet1": {
            "meta": {"column": "price", "kind": "span"},
            "count": 3,
            "min": 1.0,
            "max": 3.0,
            "avg": 2.0,
        },
        "facet2": {
            "meta": {"column": "rating", "kind": "ranges"},
            "buckets": [{"to": 2.0, "doc_count": 1}, {"from": 2.0, "doc_count": 4}],
        },
        "mine": {"value": 3},
    }
    assert read_facets(answer) == {
        "in_stock": {"values": [{"value": "true", "count": 7}], "other": 2},
        "price": {"count": 3, "min": 1.0, "max": 3.0, "mean": 2.0},
        "rating": {
            "ranges": [
                {"from": None, "to": 2.0, "count": 1},
                {"from": 2.0, "to": None, "count": 4},
            ]
        },
    }
