"""Weights learned from known-item queries: shared words, the engine's own fusion, the smallest change that pays."""

from __future__ import annotations

import numpy as np
import pytest

from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from opensearch.tuning.known_items import known_items
from opensearch.tuning.weights import (
    choose_weights,
    index_default_weights,
    min_max,
    reciprocal_ranks,
    scores_of,
)
from vitrine.errors import WeightsError

TEXTS = {
    "1": "red cotton dress",
    "2": "blue cotton dress",
    "3": "red leather boots XK90",
    "4": "zanzibar",
}


def test_queries_are_made_of_the_products_own_words_that_others_share() -> None:
    items = known_items(TEXTS, 10, seed=1)
    assert {item.id for item in items} <= {"1", "2"}  # 3 shares only `red`, 4 shares nothing
    for item in items:
        words = item.query.split()
        assert 2 <= len(words) == len(set(words))
        assert set(words) <= set(TEXTS[item.id].split())
        assert set(item.shared.split()) <= set(words)
        assert item.shared


def test_the_same_seed_makes_the_same_queries() -> None:
    assert known_items(TEXTS, 2, seed=3) == known_items(TEXTS, 2, seed=3)


def test_a_catalogue_without_shared_words_is_refused() -> None:
    with pytest.raises(WeightsError, match="the weights stay"):
        known_items({"1": "alpha", "2": "beta"}, 5)


def test_min_max_is_the_normalization_of_the_engine() -> None:
    assert min_max({"a": 4.0, "b": 2.0, "c": 3.0}) == {"a": 1.0, "b": 0.001, "c": 0.5}
    assert min_max({"a": 2.0, "b": 2.0}) == {"a": 1.0, "b": 1.0}
    assert min_max({}) == {}


def _rank(hits: tuple[dict[str, float], ...], weights: tuple[float, ...], wanted: str) -> float:
    return float(reciprocal_ranks([scores_of(hits, wanted)], np.array([weights]))[0, 0])


def test_reciprocal_rank_by_hand() -> None:
    lexical, text = {"a": 3.0, "b": 2.0, "d": 1.0}, {"b": 0.9, "c": 0.4, "d": 0.1}
    # normalized: lexical a 1, b 0.5, d 0.001; text b 1, c 0.375, d 0.001
    assert _rank((lexical, text, {}), (0.5, 0.5, 0), "b") == 1.0
    assert _rank((lexical, text, {}), (0.5, 0.5, 0), "a") == 0.5
    assert _rank((lexical, text, {}), (1.0, 0.0, 0), "c") == 0.0
    assert _rank((lexical, text, {}), (1.0, 0.0, 0), "nowhere") == 0.0
    assert _rank(({"a": 1.0, "b": 1.0}, {}, {}), (1, 0, 0), "a") == pytest.approx(1 / 1.5)


def test_the_better_sub_query_gets_the_weight_and_one_without_default_weight_gets_none() -> None:
    noise = {"x": 2.0, "y": 1.0, "wanted": 0.5}
    answers = [scores_of((noise, {"wanted": 0.9, "x": 0.1, "y": 0.2}, {}), "wanted") for _ in range(200)]
    weights = choose_weights(answers, {"lexical": 0.7, "text": 0.3})
    assert weights["text"] > weights["lexical"]
    assert weights["image"] == 0
    assert sum(weights.values()) == pytest.approx(1)


def test_weights_move_no_further_than_the_products_demand() -> None:
    default = {"lexical": 0.5, "text": 0.2, "image": 0.3}
    first, second = {"wanted": 2.0, "x": 1.0}, {"x": 2.0, "wanted": 1.0}
    certain = scores_of((first, first, first), "wanted")
    assert choose_weights([certain] * 50, default) == default  # all weights find them: nothing is learned
    image_fails = scores_of((first, first, second), "wanted")
    only_image = scores_of((second, second, first), "wanted")
    to_image = {"lexical": 0.2, "text": 0.2, "image": 0.6}
    # 0.45 is the nearest share at which the other two win
    assert choose_weights([image_fails] * 400, to_image)["image"] == pytest.approx(0.45)
    # two products are too few to move the weights
    assert choose_weights([image_fails, only_image], default) == default


def test_learning_from_no_answer_is_refused() -> None:
    with pytest.raises(WeightsError, match="vitrine doctor"):
        choose_weights([], {"lexical": 0.5, "text": 0.2, "image": 0.3})


def test_default_weights_are_shared_among_the_sub_queries_of_the_index() -> None:
    plan, vectors = FieldPlan(), VectorField("words-1", "words-1", 4)
    both = index_default_weights(IndexSchema(plan, {"text": vectors, "image": vectors}))
    assert both == pytest.approx({"lexical": 0.5, "text": 0.2, "image": 0.3})
    text = index_default_weights(IndexSchema(plan, {"text": vectors}))
    assert text == pytest.approx({"lexical": 5 / 7, "text": 2 / 7, "image": 0})
    assert index_default_weights(IndexSchema(plan)) == {"lexical": 1.0, "text": 0.0, "image": 0.0}
