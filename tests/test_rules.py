"""Rules after the rerank: a permutation, available products first, and the rule named."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rerank.request import RerankRequest
from rerank.rules import EXACT_CODE, UNAVAILABLE, apply_rules

WINDOW = ["a", "b", "c", "d"]
SCORES = np.array([0.1, 0.9, 0.5, 0.7], dtype=np.float32)


def test_order_follows_the_scores() -> None:
    window = apply_rules(RerankRequest(WINDOW), SCORES)
    assert [WINDOW[i] for i in window.order] == ["b", "d", "c", "a"]
    assert window.rules == {}


def test_unavailable_products_come_last_and_say_why() -> None:
    window = apply_rules(RerankRequest(WINDOW, unavailable={"b", "c", "elsewhere"}), SCORES)
    assert [WINDOW[i] for i in window.order] == ["d", "a", "b", "c"]
    assert window.rules == {"b": UNAVAILABLE, "c": UNAVAILABLE}


def test_products_with_a_code_of_the_query_come_first_and_say_why() -> None:
    window = apply_rules(RerankRequest(WINDOW, unavailable={"a", "b"}, exact_codes={"a", "c"}), SCORES)
    assert [WINDOW[i] for i in window.order] == ["c", "a", "d", "b"]
    assert window.rules == {"a": EXACT_CODE, "b": UNAVAILABLE, "c": EXACT_CODE}
    assert window.scores == sorted(window.scores, reverse=True)


def test_equal_scores_keep_engine_order() -> None:
    window = apply_rules(RerankRequest(WINDOW, unavailable={"a"}), np.zeros(4, dtype=np.float32))
    assert [WINDOW[i] for i in window.order] == ["b", "c", "d", "a"]


@given(
    st.lists(
        st.tuples(st.floats(-1e3, 1e3, width=32), st.booleans()),
        min_size=1,
        max_size=40,
    )
)
def test_rules_permute_and_scores_fall(candidates: list[tuple[float, bool]]) -> None:
    ids = [str(i) for i in range(len(candidates))]
    scores = np.array([score for score, _ in candidates], dtype=np.float32)
    sold_out = {product for product, (_, unavailable) in zip(ids, candidates, strict=True) if unavailable}
    window = apply_rules(RerankRequest(ids, unavailable=sold_out), scores)
    assert sorted(window.order) == list(range(len(ids)))
    flags = [ids[i] in sold_out for i in window.order]
    assert flags == sorted(flags)
    assert window.scores == sorted(window.scores, reverse=True)
