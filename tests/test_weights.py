"""Leg weights are learned from known items: queries of shared words, the engine's own fusion, the plateau's middle."""

from __future__ import annotations

import numpy as np
import pytest

from rerank.errors import RerankError
from rerank.learn.weights import Grid, choose, known_items, min_max, reciprocal_rank, try_weights

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


def test_the_same_seed_makes_the_same_queries() -> None:
    assert known_items(TEXTS, 2, seed=3) == known_items(TEXTS, 2, seed=3)


def test_a_catalogue_without_shared_words_is_told_so() -> None:
    with pytest.raises(RerankError, match="keep the default weights"):
        known_items({"1": "alpha", "2": "beta"}, 5)


def test_min_max_is_the_engines() -> None:
    assert min_max({"a": 4.0, "b": 2.0, "c": 3.0}) == {"a": 1.0, "b": 0.001, "c": 0.5}
    assert min_max({"a": 2.0, "b": 2.0}) == {"a": 1.0, "b": 1.0}
    assert min_max({}) == {}


def test_reciprocal_rank_by_hand() -> None:
    words, text = {"a": 1.0, "b": 0.5}, {"b": 1.0, "c": 0.2}
    # at 0.5/0.5: a 0.5, b 0.75, c 0.1
    assert reciprocal_rank((words, text, {}), (0.5, 0.5, 0), "b") == 1.0
    assert reciprocal_rank((words, text, {}), (0.5, 0.5, 0), "a") == 0.5
    assert reciprocal_rank((words, text, {}), (1.0, 0.0, 0), "c") == 0.0
    assert reciprocal_rank(({"a": 1.0, "b": 1.0}, {}, {}), (1, 0, 0), "a") == pytest.approx(1 / 1.5)


def test_the_better_leg_gets_the_weight_and_an_unused_leg_none() -> None:
    noise = [{"x": 2.0, "y": 1.0, "wanted": 0.5}]
    answers = [("wanted", (*noise, {"wanted": 0.9, "x": 0.1, "y": 0.2}, {})) for _ in range(200)]
    grid = try_weights(answers, used=(True, True, False))
    assert (grid.weights[:, 2] == 0).all()
    words, text, image = choose(grid, queries=200)
    assert text > words
    assert image == 0
    assert words + text + image == pytest.approx(1)


def test_the_middle_of_a_plateau_is_chosen() -> None:
    grid = Grid(
        np.array([[1, 0, 0], [0.8, 0.2, 0], [0.6, 0.4, 0], [0, 1, 0]]), np.array([0.2, 0.8, 0.8, 0.2])
    )
    assert choose(grid, queries=100) == (0.7, 0.3, 0.0)
