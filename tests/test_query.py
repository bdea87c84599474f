"""The hybrid body: one clause for each sub-query, one depth, filters inside each, and valid JSON for any input."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.search_index import DIMENSION, PLAN, SCHEMA

from opensearch.index.fields import IndexSchema, VectorField
from opensearch.index.spaces import sub_queries
from opensearch.search.fusion import (
    IMAGE_AND_WORDS_WEIGHTS,
    IMAGE_WEIGHTS,
    default_weights,
    fusion_processor,
    min_max_parts,
    shares,
)
from opensearch.search.query import MAX_WINDOW, Fusion, Page, Query, hybrid_body, query_weights
from vitrine.errors import QueryError

VECTOR = np.eye(DIMENSION, dtype=np.float32)[0]
FILTER = {"term": {"keywords.gender": "Women"}}
NONE: dict[str, Any] = {"match_none": {}}
BOTH = {"text": VECTOR, "image": VECTOR}
WITHOUT_DIRECTION = {"text": np.zeros(DIMENSION), "image": np.full(DIMENSION, np.nan)}


def clauses(body: dict[str, Any]) -> list[dict[str, Any]]:
    return list(body["query"]["hybrid"]["queries"])


def names(body: dict[str, Any]) -> list[str | None]:
    """The `_name` of each sub-query, None where it matches nothing."""
    result: list[str | None] = []
    for clause in clauses(body):
        ((kind, inside),) = clause.items()
        inside = inside["text_vec"] if kind == "knn" else inside
        result.append(inside.get("_name"))
    return result


def typed_matches(lexical: dict[str, Any]) -> dict[str, Any]:
    """The match of the words as typed in each language's field, from the text of the clause."""
    found: dict[str, Any] = {}

    def walk(node: Any) -> None:
        if isinstance(node, list):
            for part in node:
                walk(part)
        elif isinstance(node, dict):
            if "match" in node:
                ((field, match),) = node["match"].items()
                if match.get("operator") == "or":
                    found[field] = match
            for part in node.values():
                walk(part)

    walk(lexical["bool"]["must"])
    return found


def test_sub_queries_stand_in_order_with_the_filter_inside_each() -> None:
    query = Query("red shoes", BOTH, [FILTER])
    lexical, text, image = clauses(hybrid_body(query, SCHEMA, window=50))
    assert lexical["bool"]["filter"] == [FILTER]
    assert list(typed_matches(lexical)) == ["search.en", "search.zh", "search.any"]
    knn = {"vector": VECTOR.tolist(), "k": 50, "filter": {"bool": {"filter": [FILTER]}}}
    assert text == {"knn": {"text_vec": {"_name": "text", **knn}}}
    assert image["nested"]["query"] == {"knn": {"images.vec": knn}}
    assert image["nested"]["score_mode"] == "max"


@pytest.mark.parametrize(
    ("query", "used"),
    [
        (Query("red shoes", BOTH), ["lexical", "text", "image"]),
        (Query("red shoes"), ["lexical", None, None]),
        (Query("红色跑鞋", BOTH), ["lexical", None, None]),  # the query encoders know English only
        (Query("红色跑鞋", BOTH, language="en"), ["lexical", "text", "image"]),
        (Query("红色跑鞋", BOTH, has_image=True), ["lexical", None, "image"]),
        (Query(None, {"image": VECTOR}, has_image=True), [None, None, "image"]),
        (Query("  \x00 "), ["lexical", None, None]),  # a shopper who browses
        (Query(""), ["lexical", None, None]),
        (Query("shoes", WITHOUT_DIRECTION), ["lexical", None, None]),
    ],
)
def test_a_sub_query_that_cannot_be_used_matches_nothing(query: Query, used: list[str | None]) -> None:
    body = hybrid_body(query, SCHEMA)
    assert names(body) == used
    assert [clause == NONE for clause in clauses(body)] == [name is None for name in used]


def test_browsing_finds_everything_that_the_filters_leave() -> None:
    lexical = clauses(hybrid_body(Query("", filters=[FILTER]), SCHEMA))[0]
    assert lexical["bool"]["must"] == [{"match_all": {}}]
    assert lexical["bool"]["filter"] == [FILTER]


def test_sub_queries_can_be_chosen_and_a_weight_of_zero_leaves_one_out() -> None:
    query = Query("red", BOTH)
    assert names(hybrid_body(query, SCHEMA, fusion=Fusion(sub_queries=("text",)))) == [None, "text", None]
    no_text = Fusion(weights={"lexical": 1, "image": 1})
    assert names(hybrid_body(query, SCHEMA, fusion=no_text)) == ["lexical", None, "image"]
    # when the only sub-query with weight is missing, the others still find products
    image_only = Fusion(weights={"image": 1})
    assert names(hybrid_body(Query("red"), SCHEMA, fusion=image_only)) == ["lexical", None, None]


def test_index_without_vectors_is_searched_by_words() -> None:
    bare = IndexSchema(PLAN)
    assert names(hybrid_body(Query("red", BOTH), bare)) == ["lexical", None, None]
    with pytest.raises(QueryError, match="--image-encoder"):
        hybrid_body(Query(None, {"image": VECTOR}, has_image=True), bare)


def test_vector_of_another_encoder_is_refused_with_both_shapes() -> None:
    with pytest.raises(QueryError, match=r"\(9,\).* 8 .*words-1"):
        hybrid_body(Query("red", {"text": np.ones(9)}), SCHEMA)


def test_encoder_for_any_language_serves_all() -> None:
    schema = IndexSchema(PLAN, {"text": VectorField("m", "m", DIMENSION)})
    assert names(hybrid_body(Query("红色跑鞋", {"text": VECTOR}), schema)) == ["lexical", "text", None]


def test_the_depth_is_the_window_for_any_page() -> None:
    whole = hybrid_body(Query("red"), SCHEMA, window=100)
    page = hybrid_body(Query("red"), SCHEMA, window=100, page=Page(start=90, size=20))
    assert whole["query"] == page["query"]
    assert (whole["from"], whole["size"]) == (0, 100)
    assert (page["from"], page["size"]) == (90, 10)


@given(st.integers(-(10**6), 10**6), st.none() | st.integers(-(10**6), 10**6), st.integers(1, MAX_WINDOW))
def test_no_page_goes_beyond_the_window(start: int, size: int | None, window: int) -> None:
    body = hybrid_body(Query("red"), SCHEMA, window=window, page=Page(start, size))
    assert 0 <= body["from"] < window
    assert body["size"] >= 0
    assert body["from"] + body["size"] <= window


@pytest.mark.parametrize("window", [0, -1, MAX_WINDOW + 1])
def test_impossible_window_is_refused(window: int) -> None:
    with pytest.raises(QueryError, match=str(window)):
        hybrid_body(Query("red"), SCHEMA, window=window)


def test_vectors_are_never_in_the_answer_and_the_id_always() -> None:
    for source in (None, (), ("title", "text_vec"), ("*",)):
        fields = hybrid_body(Query("red"), SCHEMA, page=Page(source=source))["_source"]
        assert fields["excludes"] == ["text_vec", "images.vec"]
        assert "id" in fields["includes"]


def test_both_fusions_take_the_same_shares() -> None:
    weights = {"lexical": 2, "text": 1, "image": 1}
    score = fusion_processor(weights)["normalization-processor"]
    assert score["combination"]["parameters"]["weights"] == [0.5, 0.25, 0.25]
    rank = fusion_processor(weights, "rrf")["score-ranker-processor"]
    assert rank["combination"]["parameters"]["weights"] == [0.5, 0.25, 0.25]
    with pytest.raises(QueryError, match="no fusion 'sum'; choose min_max, rrf"):
        fusion_processor(weights, "sum")


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"lexical": 0, "text": 0, "image": 0},
        {"lexical": -1, "text": 1, "image": 1},
        {"lexical": float("nan"), "text": 1},
        {"lexical": float("inf"), "text": 1},
        {"lexical": 1, "scent": 1},
    ],
)
def test_unusable_weights_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(QueryError, match="weights"):
        shares(weights)


def test_default_weights_depend_on_what_the_query_holds() -> None:
    assert query_weights(Query("red", BOTH), SCHEMA) == default_weights()
    image = {"image": VECTOR}
    assert query_weights(Query("red", image, has_image=True), SCHEMA) == IMAGE_AND_WORDS_WEIGHTS
    assert query_weights(Query(" ", image, has_image=True), SCHEMA) == IMAGE_WEIGHTS
    learned = {"lexical": 0.5, "text": 0.3, "image": 0.2}
    assert query_weights(Query("red", BOTH), replace(SCHEMA, weights=learned)) == learned


def test_facets_count_the_whole_match() -> None:
    body = hybrid_body(Query("red"), SCHEMA, page=Page(facets=["gender"]))
    assert body["track_total_hits"] is True
    assert list(body["aggs"]) == ["facet0"]


def test_a_sorted_search_requires_most_words_and_is_not_fused() -> None:
    sort = [{"numbers.price": "asc"}]
    page = Page(start=300, size=20, sort=sort)
    body = hybrid_body(Query("red shoes", BOTH, [FILTER]), SCHEMA, page=page)
    assert "search_pipeline" not in body
    assert body["sort"] == sort
    assert (body["from"], body["size"]) == (300, 20)
    match = typed_matches(body["query"])["search.en"]
    assert match["minimum_should_match"] == "2<75%"
    assert body["query"]["bool"]["filter"] == [FILTER]


def test_a_sorted_search_by_image_orders_the_nearest_products() -> None:
    query = Query("red", {"image": VECTOR}, has_image=True)
    body = hybrid_body(query, SCHEMA, page=Page(sort=[{"numbers.price": "asc"}]), window=30)
    assert body["query"]["nested"]["query"]["knn"]["images.vec"]["k"] == 30


@given(
    st.none() | st.text(alphabet=st.characters(exclude_categories=()), max_size=300),
    st.sampled_from([{}, BOTH, {"text": -VECTOR}]),
    st.booleans(),
    st.sets(st.sampled_from(sub_queries())),
)
def test_any_query_gives_one_clause_for_each_sub_query_as_json(
    words: str | None, vectors: dict[str, Any], has_image: bool, chosen: set[str]
) -> None:
    query = Query(words, vectors, has_image=has_image)
    body = hybrid_body(query, SCHEMA, fusion=Fusion(sub_queries=chosen))
    assert len(clauses(body)) == 3
    json.dumps(body, allow_nan=False).encode()


@given(st.integers(0, 10_000), st.floats(0.05, 0.95), st.integers(25, 60))
def test_what_each_sub_query_adds_is_found_again_from_the_fused_scores(
    seed: int, weight: float, depth: int
) -> None:
    """Products normalized and fused by hand; the window shows 50 of them, and raw scores below the depth as well."""
    rng = np.random.default_rng(seed)
    raw = np.column_stack([rng.gamma(2.0, 2.0, 90), rng.uniform(0.5, 0.9, 90)])
    lows = np.sort(raw, axis=0)[-depth]
    scaled = np.maximum((raw - lows) / (raw.max(axis=0) - lows), 0.0)
    parts = scaled * [weight, 1 - weight]
    shown = np.argsort(-parts.sum(axis=1))[:50]
    shown = np.union1d(shown, raw.argmax(axis=0))
    weights = {"lexical": weight, "text": 1 - weight}
    scores = parts.sum(axis=1)[shown].tolist()
    found = min_max_parts(
        scores, [dict(zip(weights, row, strict=True)) for row in raw[shown].tolist()], weights
    )
    for own, expected, score in zip(found, parts[shown], scores, strict=True):
        assert not own or list(own.values()) == pytest.approx(expected, abs=0.01)
        assert not own or sum(own.values()) == pytest.approx(score, abs=0.002)
    assert found[0] or weight < 0.2 or weight > 0.8 or depth > 50


def test_parts_that_do_not_explain_the_scores_are_left_out() -> None:
    raw = [{"lexical": 3.0}, {"lexical": 2.0}, {"lexical": 1.0}]
    assert min_max_parts([1.0, 0.5, 0.0], raw, {"lexical": 1.0}) == [
        {"lexical": pytest.approx(value, abs=1e-9)} for value in (1.0, 0.5, 0.0)
    ]
    assert min_max_parts([1.0, 0.9, 0.0], raw, {"lexical": 1.0}) == [{}, {}, {}]
    assert min_max_parts([1.0, 0.5], [{}, {}], {"lexical": 1.0}) == [{}, {}]
    assert min_max_parts([], [], {"lexical": 1.0}) == []
