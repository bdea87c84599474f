"""Rules after the rerank: a permutation, available products first, and the rule named."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rerank.request import RerankRequest
from rerank.rules import EXACT_CODE, NOT_MET, UNAVAILABLE, apply_rules, in_engine_order

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


def test_products_that_break_constraints_come_after_the_others_and_say_which() -> None:
    broken = {"b": ("price <= 40", "size = 42"), "d": ("price <= 40",), "elsewhere": ("price <= 40",)}
    window = apply_rules(RerankRequest(WINDOW, broken=broken), SCORES)
    assert [WINDOW[i] for i in window.order] == ["c", "a", "d", "b"]
    assert window.rules == {"d": f"price <= 40 {NOT_MET}", "b": f"price <= 40, size = 42 {NOT_MET}"}
    assert window.scores == sorted(window.scores, reverse=True)


def test_an_exact_code_comes_before_and_a_sold_out_product_after_every_constraint() -> None:
    broken = {"a": ("price <= 40",), "b": ("price <= 40",)}
    window = apply_rules(RerankRequest(WINDOW, unavailable={"d"}, exact_codes={"a"}, broken=broken), SCORES)
    assert [WINDOW[i] for i in window.order] == ["a", "c", "b", "d"]
    assert window.rules == {"a": EXACT_CODE, "b": f"price <= 40 {NOT_MET}", "d": UNAVAILABLE}


def test_rules_apply_to_the_engines_order_too() -> None:
    window = in_engine_order(RerankRequest(WINDOW, unavailable={"a"}, broken={"b": ("price <= 40",)}))
    assert [WINDOW[i] for i in window.order] == ["c", "d", "b", "a"]
    assert window.scores == []


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
