"""The hybrid body: always three legs, one depth, filters inside, and nothing that a shopper sends breaks it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelf import DIMENSION, PLAN, SCHEMA

from opensearch.index.fields import IndexSchema, VectorField
from opensearch.search.query import (
    DEEPEST,
    default_weights(),
    IMAGE_AND_WORDS_WEIGHTS,
    IMAGE_WEIGHTS,
    LEGS,
    LegWeights,
    Query,
    fusion_processor,
    hybrid_body,
    weights_for,
)
from vitrine.errors import QueryError

VECTOR = np.eye(DIMENSION, dtype=np.float32)[0]
FILTER = {"term": {"keywords.gender": "Women"}}
NONE = {"match_none": {}}


def legs(body: dict[str, Any]) -> list[dict[str, Any]]:
    return list(body["query"]["hybrid"]["queries"])


def names(body: dict[str, Any]) -> list[str | None]:
    """The `_name` of each leg, None where it is left out."""
    found: list[str | None] = []
    for leg in legs(body):
        ((kind, inside),) = leg.items()
        inside = inside["text_vec"] if kind == "knn" else inside
        found.append(inside.get("_name"))
    return found


def test_three_legs_in_their_order_with_the_filter_inside_each() -> None:
    words, text, image = legs(hybrid_body(Query("red shoes", {"text": VECTOR, "image": VECTOR}, [FILTER]), SCHEMA, window=50))
    assert words["bool"]["filter"] == [FILTER]
    fields = [next(iter(query["match"])) for query in words["bool"]["must"][0]["dis_max"]["queries"]]
    assert fields == ["search.en", "search.zh", "search.any"]
    knn = {"vector": VECTOR.tolist(), "k": 50, "filter": {"bool": {"filter": [FILTER]}}}
    assert text == {"knn": {"text_vec": {"_name": "text", **knn}}}
    assert image["nested"]["query"] == {"knn": {"images.vec": knn}}
    assert image["nested"]["score_mode"] == "max"


@pytest.mark.parametrize(
    ("query", "left"),
    [
        (Query("red shoes", {"text": VECTOR, "image": VECTOR}), ["lexical", "text", "image"]),
        (Query("red shoes"), ["lexical", None, None]),
        (Query("红色跑鞋", {"text": VECTOR, "image": VECTOR}), ["lexical", None, None]),  # the encoders know English
        (Query("红色跑鞋", {"text": VECTOR, "image": VECTOR}, language="en"), ["lexical", "text", "image"]),
        (Query("红色跑鞋", {"text": VECTOR, "image": VECTOR}, has_image=True), ["lexical", None, "image"]),
        (Query(None, {"image": VECTOR}, has_image=True), [None, None, "image"]),
        (Query("  \x00 "), ["lexical", None, None]),  # somebody who browses
        (Query(""), ["lexical", None, None]),
        (Query("shoes", {"text": np.zeros(DIMENSION), "image": np.full(DIMENSION, np.nan)}), ["lexical", None, None]),
    ],
)
def test_a_leg_that_cannot_be_used_matches_nothing(query: Query, left: list[str | None]) -> None:
    body = hybrid_body(query, SCHEMA)
    assert names(body) == left
    assert [leg == NONE for leg in legs(body)] == [name is None for name in left]


def test_browsing_finds_everything_that_the_filters_leave() -> None:
    words = legs(hybrid_body(Query("", filters=[FILTER]), SCHEMA))[0]
    assert words["bool"]["must"] == [{"match_all": {}}]
    assert words["bool"]["filter"] == [FILTER]


def test_legs_can_be_chosen_and_weight_nothing_leaves_a_leg_out() -> None:
    query = Query("red", {"text": VECTOR, "image": VECTOR})
    assert names(hybrid_body(query, SCHEMA, legs=("text",))) == [None, "text", None]
    assert names(hybrid_body(query, SCHEMA, weights={"lexical": 1, "text": 0, "image": 1})) == ["lexical", None, "image"]
    # a weight for a leg that is not there must not leave nothing to find
    assert names(hybrid_body(Query("red"), SCHEMA, weights={"lexical": 0, "text": 0, "image": 1})) == ["lexical", None, None]


def test_index_without_vectors_is_searched_by_words() -> None:
    bare = IndexSchema(PLAN)
    assert names(hybrid_body(Query("red", {"text": VECTOR, "image": VECTOR}), bare)) == ["lexical", None, None]
    with pytest.raises(QueryError, match="--image-encoder"):
        hybrid_body(Query(None, {"image": VECTOR}, has_image=True), bare)


def test_vector_of_another_encoder_is_refused_with_both_shapes() -> None:
    with pytest.raises(QueryError, match=r"\(9,\).* 8 .*words-1"):
        hybrid_body(Query("red", {"text": np.ones(9)}), SCHEMA)


def test_encoder_for_any_language_serves_all() -> None:
    schema = IndexSchema(PLAN, {"text": VectorField("m", "m", DIMENSION)})
    assert names(hybrid_body(Query("红色跑鞋", {"text": VECTOR}), schema)) == ["lexical", "text", None]


def test_depth_is_the_window_whatever_page_is_asked_for() -> None:
    whole = hybrid_body(Query("red"), SCHEMA, window=100)
    page = hybrid_body(Query("red"), SCHEMA, window=100, start=90, size=20)
    assert whole["query"] == page["query"]
    assert (whole["from"], whole["size"]) == (0, 100)
    assert (page["from"], page["size"]) == (90, 10)


@given(st.integers(-(10**6), 10**6), st.none() | st.integers(-(10**6), 10**6), st.integers(1, DEEPEST))
def test_no_page_goes_beyond_the_window(start: int, size: int | None, window: int) -> None:
    body = hybrid_body(Query("red"), SCHEMA, start=start, size=size, window=window)
    assert 0 <= body["from"] < window
    assert body["size"] >= 0
    assert body["from"] + body["size"] <= window


@pytest.mark.parametrize("window", [0, -1, DEEPEST + 1])
def test_impossible_window_is_refused(window: int) -> None:
    with pytest.raises(QueryError, match=str(window)):
        hybrid_body(Query("red"), SCHEMA, window=window)


def test_vectors_are_never_in_the_answer_and_the_id_always() -> None:
    for source in (None, (), ("title", "text_vec"), ("*",)):
        asked = hybrid_body(Query("red"), SCHEMA, source=source)["_source"]
        assert asked["excludes"] == ["text_vec", "images.vec"]
        assert "id" in asked["includes"]


def test_fusion_by_score_and_by_rank_take_the_same_shares() -> None:
    weights = {"lexical": 2, "text": 1, "image": 1}
    score = fusion_processor(weights)["normalization-processor"]
    assert score["combination"]["parameters"]["weights"] == [0.5, 0.25, 0.25]
    rank = fusion_processor(weights, "rank")["score-ranker-processor"]
    assert rank["combination"]["parameters"]["weights"] == [0.5, 0.25, 0.25]


@pytest.mark.parametrize("weights", [(0, 0, 0), (-1, 1, 1), (float("nan"), 1, 1), (float("inf"), 1, 1)])
def test_weights_that_weigh_nothing_are_refused(weights: tuple[float, float, float]) -> None:
    with pytest.raises(QueryError, match="weights"):
        LegWeights(*weights).shares()


def test_default_weights_follow_what_the_query_holds() -> None:
    assert query_weights(Query("red", {"text": VECTOR, "image": VECTOR}), SCHEMA) == default_weights()
    assert query_weights(Query("red", {"image": VECTOR}, has_image=True), SCHEMA) == IMAGE_AND_WORDS_WEIGHTS
    assert query_weights(Query(" ", {"image": VECTOR}, has_image=True), SCHEMA) == IMAGE_WEIGHTS
    learned = replace(SCHEMA, weights=(0.5, 0.3, 0.2))
    assert query_weights(Query("red", {"text": VECTOR, "image": VECTOR}), learned) == {"lexical": 0.5, "text": 0.3, "image": 0.2}


def test_facets_count_the_whole_match() -> None:
    body = hybrid_body(Query("red"), SCHEMA, facets=["gender"])
    assert body["track_total_hits"] is True
    assert list(body["aggs"]) == ["facet0"]


def test_sorted_search_asks_for_most_words_and_is_not_fused() -> None:
    sort = [{"numbers.price": "asc"}]
    body = hybrid_body(Query("red shoes", {"text": VECTOR, "image": VECTOR}, [FILTER]), SCHEMA, sort=sort, start=300, size=20)
    assert "search_pipeline" not in body
    assert body["sort"] == sort
    assert (body["from"], body["size"]) == (300, 20)
    match = body["query"]["bool"]["must"][0]["dis_max"]["queries"][0]["match"]["search.en"]
    assert match["minimum_should_match"] == "2<75%"
    assert body["query"]["bool"]["filter"] == [FILTER]


def test_sorted_search_by_picture_orders_the_nearest() -> None:
    query = Query("red", {"image": VECTOR}, has_image=True)
    body = hybrid_body(query, SCHEMA, sort=[{"numbers.price": "asc"}], window=30)
    assert body["query"]["nested"]["query"]["knn"]["images.vec"]["k"] == 30


@given(
    st.none() | st.text(alphabet=st.characters(exclude_categories=()), max_size=300),
    st.sampled_from([None, VECTOR, -VECTOR]),
    st.booleans(),
    st.sets(st.sampled_from(LEGS)),
)
def test_every_query_gives_three_legs_as_json(
    words: str | None, vector: Any, picture: bool, chosen: set[Any]
) -> None:
    body = hybrid_body(Query(words, {"text": vector, "image": vector}, has_image=picture), SCHEMA, legs=chosen)
    assert len(legs(body)) == 3
    json.dumps(body, allow_nan=False).encode()
