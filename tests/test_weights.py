"""Leg weights are learned from known items: queries of shared words, the engine's own fusion, no further than it pays."""

from __future__ import annotations

import numpy as np
import pytest

from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from opensearch.tuning.known_items import known_items
from opensearch.tuning.weights import answer_of, choose, default_weights, min_max, reciprocal_ranks
from vitrine.errors import WeightsError

TEXTS = {
    "1": "red cotton dress",
    "2": "blue cotton dress",
    "3": "red leather boots XK90",
    "4": "zanzibar",
}


def test_queries_are_made_of_the_products_own_words_that_others_share() -> None:
    made = known_items(TEXTS, 10, seed=1)
    assert {item.id for item in made} <= {"1", "2"}  # 3 shares only `red`, 4 shares nothing
    for item in made:
        words = item.query.split()
        assert 2 <= len(words) == len(set(words))
        assert set(words) <= set(TEXTS[item.id].split())
        assert set(item.shared.split()) <= set(words)
        assert item.shared


def test_the_same_seed_makes_the_same_queries() -> None:
    assert known_items(TEXTS, 2, seed=3) == known_items(TEXTS, 2, seed=3)


def test_a_catalogue_without_shared_words_is_told_so() -> None:
    with pytest.raises(WeightsError, match="the weights stay"):
        known_items({"1": "alpha", "2": "beta"}, 5)


def test_min_max_is_the_engines() -> None:
    assert min_max({"a": 4.0, "b": 2.0, "c": 3.0}) == {"a": 1.0, "b": 0.001, "c": 0.5}
    assert min_max({"a": 2.0, "b": 2.0}) == {"a": 1.0, "b": 1.0}
    assert min_max({}) == {}


def _rank(legs: tuple[dict[str, float], ...], weights: tuple[float, float, float], wanted: str) -> float:
    return float(reciprocal_ranks([answer_of(legs, wanted)], np.array([weights]))[0, 0])


def test_reciprocal_rank_by_hand() -> None:
    words, text = {"a": 3.0, "b": 2.0, "d": 1.0}, {"b": 0.9, "c": 0.4, "d": 0.1}
    # normalised: words a 1, b 0.5, d 0.001; text b 1, c 0.375, d 0.001
    assert _rank((words, text, {}), (0.5, 0.5, 0), "b") == 1.0
    assert _rank((words, text, {}), (0.5, 0.5, 0), "a") == 0.5
    assert _rank((words, text, {}), (1.0, 0.0, 0), "c") == 0.0
    assert _rank((words, text, {}), (1.0, 0.0, 0), "nowhere") == 0.0
    assert _rank(({"a": 1.0, "b": 1.0}, {}, {}), (1, 0, 0), "a") == pytest.approx(1 / 1.5)


def test_the_better_leg_gets_the_weight_and_an_unused_leg_none() -> None:
    noise = {"x": 2.0, "y": 1.0, "wanted": 0.5}
    answers = [answer_of((noise, {"wanted": 0.9, "x": 0.1, "y": 0.2}, {}), "wanted") for _ in range(200)]
    words, text, image = choose(answers, (0.7, 0.3, 0.0))
    assert text > words
    assert image == 0
    assert words + text + image == pytest.approx(1)


def test_weights_move_no_further_than_the_products_demand() -> None:
    usual = (0.5, 0.2, 0.3)
    found = answer_of(
        ({"wanted": 2.0, "x": 1.0}, {"wanted": 2.0, "x": 1.0}, {"wanted": 2.0, "x": 1.0}), "wanted"
    )
    assert choose([found] * 50, usual) == usual  # every weighting finds them: nothing was learned
    blind = answer_of(
        ({"wanted": 2.0, "x": 1.0}, {"wanted": 2.0, "x": 1.0}, {"x": 2.0, "wanted": 1.0}), "wanted"
    )
    seeing = answer_of(
        ({"x": 2.0, "wanted": 1.0}, {"x": 2.0, "wanted": 1.0}, {"wanted": 2.0, "x": 1.0}), "wanted"
    )
    assert choose([blind] * 400, (0.2, 0.2, 0.6))[2] == pytest.approx(0.45)  # the nearest at which words win
    # two products do not outvote what is usual
    few = choose([blind, seeing], usual)
    assert few == usual


def test_no_answer_at_all_is_told() -> None:
    with pytest.raises(WeightsError, match="vitrine doctor"):
        choose([], (0.5, 0.2, 0.3))


def test_default_weights_are_shared_among_the_legs_of_the_index() -> None:
    plan, vectors = FieldPlan(), VectorField("words-1", "words-1", 4)
    assert default_weights(IndexSchema(plan, {"text": vectors, "image": vectors})) == pytest.approx(
        (0.5, 0.2, 0.3)
    )
    assert default_weights(IndexSchema(plan, {"text": vectors})) == pytest.approx((5 / 7, 2 / 7, 0))
    assert default_weights(IndexSchema(plan)) == (1.0, 0.0, 0.0)
