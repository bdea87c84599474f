"""Facets: the aggregations of a search, and their results by column."""

from __future__ import annotations

import pytest

from opensearch.index.fields import FieldPlan
from opensearch.search.facets import facet_aggregations, read_facets
from vitrine.errors import QueryError

PLAN = FieldPlan(numbers=("price", "rating"), keywords=("gender",), dates=("released",), available="in_stock")


def test_facets_request_values_spans_and_ranges() -> None:
    aggregations = facet_aggregations(["gender", "price", "rating:2,4", "released"], PLAN)
    assert aggregations["facet0"] == {
        "terms": {"field": "keywords.gender", "size": 50},
        "meta": {"column": "gender", "kind": "values"},
    }
    assert aggregations["facet1"]["stats"] == {"field": "numbers.price"}
    assert aggregations["facet2"]["range"] == {
        "field": "numbers.rating",
        "ranges": [{"to": 2.0}, {"from": 2.0, "to": 4.0}, {"from": 4.0}],
    }
    assert aggregations["facet3"]["stats"] == {"field": "dates.released"}


@pytest.mark.parametrize("facet", ["size", "gender:1,2", "price:a", "price:"])
def test_a_facet_that_does_not_fit_its_column_is_an_error(facet: str) -> None:
    with pytest.raises(QueryError):
        facet_aggregations([facet], PLAN)


def test_facets_are_read_by_column() -> None:
    aggregations = {
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
        "of_the_caller": {"value": 3},
    }
    assert read_facets(aggregations) == {
        "in_stock": {"values": [{"value": "true", "count": 7}], "other": 2},
        "price": {"count": 3, "min": 1.0, "max": 3.0, "mean": 2.0},
        "rating": {
            "ranges": [
                {"from": None, "to": 2.0, "count": 1},
                {"from": 2.0, "to": None, "count": 4},
            ]
        },
    }
