"""One decoder for command line, JSON lines and HTTP: what it accepts, refuses and resolves."""

from __future__ import annotations

from typing import Any

import pytest

from opensearch.index.fields import FieldPlan, IndexSchema
from opensearch.search.filters import parse_filters, parse_sort
from rerank.commands.query_runs import QueryLine
from rerank.search_request import Search, SearchRequest, decode_fields, decode_request, resolve
from rerank.shoppers import sealed, shopper_hash
from vitrine.errors import QueryError

PLAN = FieldPlan(numbers=("price", "price:desc"), keywords=("colour",))
SCHEMA = IndexSchema(PLAN)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINE_SHOPPER_KEY", "a key for tests")


def resolved(**fields: Any) -> Search:
    return resolve(decode_request(fields, SearchRequest), SCHEMA)


def test_a_request_without_fields_is_a_search_with_the_defaults() -> None:
    assert resolved() == Search()


def test_filters_facets_and_sort_are_one_text_or_a_list() -> None:
    filters = tuple(parse_filters(["price<50"], PLAN))
    one = resolved(filters="price<50", facets="colour", sort="-price")
    several = resolved(filters=["price<50"], facets=["colour"], sort=["-price"])
    assert one == several
    assert (one.filters, one.facets, one.sort) == (filters, ("colour",), parse_sort("-price", PLAN))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price:asc", "price"),
        ("colour:desc", "-colour"),
        ("colour:desc,price:asc", "-colour,price"),
        ("price:desc", "price:desc"),  # a column has this name
    ],
)
def test_sort_columns_take_a_direction(text: str, expected: str) -> None:
    assert resolved(sort=text).sort == parse_sort(expected, PLAN)


def test_pages_of_a_sorted_search_widen_the_window_up_to_the_limit_of_the_engine() -> None:
    assert resolved(sort="price", page=30, size=10).window == 300
    assert resolved(sort="price", page=200, size=100).window == 10_000
    assert resolved(page=30, size=10).window == 200


def test_weights_are_numbers_text_or_an_object() -> None:
    weights = {"lexical": 1.0, "text": 0.0, "image": 0.5}
    assert resolved(weights=[1, 0, 0.5]).fusion.weights == weights
    assert resolved(weights="1,0,0.5").fusion.weights == weights
    assert resolved(weights={"lexical": 1.0, "image": 0.5}).fusion.weights == {"lexical": 1.0, "image": 0.5}


def test_the_shopper_becomes_a_keyed_hash() -> None:
    assert resolved(shopper="anna").shopper == shopper_hash("anna")
    hashed = shopper_hash("anna")
    assert resolved(shopper_hash=hashed).shopper == hashed
    assert resolved(shopper_hash="0" * 32).shopper == sealed("0" * 32)


def test_candidates_are_taken_once_each() -> None:
    assert resolved(candidates=["b", "a", "b"]).candidates == ("b", "a")


def test_a_query_string_holds_numbers_and_truth_values_as_text() -> None:
    request = decode_request({"size": "5", "cheapest": "true"}, SearchRequest, strict=False)
    assert (request.size, request.cheapest) == (5, True)
    with pytest.raises(QueryError, match=r"\$\.size"):
        decode_request({"size": "5"}, SearchRequest)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"colour": "red"}, "unknown field `colour`"),
        ({"order": "both"}, r"\$\.order"),
        ({"window": 0}, r"\$\.window"),
        ({"candidates": []}, r"\$\.candidates"),
        ({"fusion": "borda"}, "no fusion 'borda'; choose min_max, rrf"),
        ({"sub_queries": "lexical,smell"}, "no sub-query 'smell'; choose from lexical, text, image"),
        ({"sub_queries": []}, "no sub-query is named"),
        ({"weights": [1, 2]}, "are not 3 numbers"),
        ({"weights": {"smell": 1.0}}, "give lexical, text, image"),
        ({"filters": ["weight<3"]}, "no column 'weight'"),
        ({"sort": "weight:desc"}, "no column 'weight'"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_in_one_sentence(
    fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(QueryError, match=sentence):
        resolved(**fields)


@pytest.mark.parametrize("data", [b"{", b"[]", b"\xff", b'"x"'])
def test_what_is_not_a_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(QueryError, match=r"not (JSON|a JSON object)"):
        decode_fields(data)


def test_a_line_takes_every_key_of_a_search_and_needs_an_id() -> None:
    line = decode_request({"id": 7, "query": "x", "order": "engine", "weights": "1,0,0"}, QueryLine)
    assert (line.id, line.order) == (7, "engine")
    with pytest.raises(QueryError, match="missing required field `id`"):
        decode_request({"query": "x"}, QueryLine)
