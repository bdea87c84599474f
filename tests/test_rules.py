"""Rules after the rerank: a permutation, available products first, and the rule named."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rerank.rules import UNAVAILABLE, settle

WINDOW = ["a", "b", "c", "d"]
SCORES = np.array([0.1, 0.9, 0.5, 0.7], dtype=np.float32)


def test_order_follows_the_scores() -> None:
    ranking = settle(WINDOW, SCORES)
    assert [WINDOW[i] for i in ranking.order] == ["b", "d", "c", "a"]
    assert ranking.rules == {}


def test_unavailable_products_come_last_and_say_why() -> None:
    ranking = settle(WINDOW, SCORES, unavailable={"b", "c", "elsewhere"})
    assert [WINDOW[i] for i in ranking.order] == ["d", "a", "b", "c"]
    assert ranking.rules == {"b": UNAVAILABLE, "c": UNAVAILABLE}


def test_equal_scores_keep_engine_order() -> None:
    ranking = settle(WINDOW, np.zeros(4, dtype=np.float32), unavailable={"a"})
    assert [WINDOW[i] for i in ranking.order] == ["b", "c", "d", "a"]


@given(
    st.lists(
        st.tuples(st.floats(-1e3, 1e3, width=32), st.booleans()),
        min_size=1,
        max_size=40,
    )
)
def test_rules_permute_and_scores_fall(window: list[tuple[float, bool]]) -> None:
    ids = [str(i) for i in range(len(window))]
    scores = np.array([score for score, _ in window], dtype=np.float32)
    gone = {product for product, (_, unavailable) in zip(ids, window, strict=True) if unavailable}
    ranking = settle(ids, scores, gone)
    assert sorted(ranking.order) == list(range(len(ids)))
    flags = [ids[i] in gone for i in ranking.order]
    assert flags == sorted(flags)
    settled = [float(ranking.scores[i]) for i in ranking.order]
    assert settled == sorted(settled, reverse=True)
