"""Rules after the rerank: a permutation, pins and burials, new products, availability, and the rule named."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from opensearch.understanding.plan import Correction, QueryPlan
from rerank.request import RerankRequest, with_matched
from rerank.rules.query_rule import BURIED, AppliedRules, Explore, OpenRule, Pin, QueryRule, QueryRules
from rerank.rules.window import EXACT_CODE, NOT_MET, UNAVAILABLE, apply_rules, in_engine_order

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


def ids_of(request: RerankRequest, scores: np.ndarray = SCORES) -> list[str]:
    return [WINDOW[i] for i in apply_rules(request, scores).order]


def test_pinned_products_take_their_positions_whatever_else_moves_them() -> None:
    rules = AppliedRules({"a": Pin(1, "spring"), "b": Pin(3, "spring"), "elsewhere": Pin(2, "spring")})
    request = RerankRequest(WINDOW, exact_codes={"d"}, broken={"a": ("price <= 40",)}, rules=rules)
    window = apply_rules(request, SCORES)
    assert [WINDOW[i] for i in window.order] == ["a", "d", "b", "c"]
    assert window.rules["a"] == "pinned to position 1 by rule 'spring'"
    assert window.rules["b"] == "pinned to position 3 by rule 'spring'"
    assert window.scores == sorted(window.scores, reverse=True)


def test_a_sold_out_product_is_not_pinned() -> None:
    rules = AppliedRules({"a": Pin(1, "spring")})
    window = apply_rules(RerankRequest(WINDOW, unavailable={"a"}, rules=rules), SCORES)
    assert [WINDOW[i] for i in window.order] == ["b", "d", "c", "a"]
    assert window.rules == {"a": UNAVAILABLE}


def test_buried_products_come_late_by_id_and_by_filter() -> None:
    rules = AppliedRules(buried={"b": "old"}, bury_clauses={BURIED + "brand": {"term": {"brand": "x"}}})
    matched = {"d": [BURIED + "brand", "price <= 40"], "c": ["price <= 40"]}
    request = with_matched(RerankRequest(WINDOW, rules=rules), matched)
    assert request.broken == {"d": ["price <= 40"], "c": ["price <= 40"]}
    window = apply_rules(request, SCORES)
    assert [WINDOW[i] for i in window.order] == ["a", "c", "b", "d"]
    assert window.rules["b"] == "buried by rule 'old'"
    assert window.rules["d"] == "buried by rule 'brand'"


def test_a_new_product_rises_by_half_as_many_positions_after_each_half_life() -> None:
    rules = AppliedRules(explore=Explore(2, 10.0))
    now = 1_000 * 86400.0
    assert ids_of(RerankRequest(WINDOW, as_of=now, rules=rules)) == ["b", "d", "c", "a"]
    for age_days, order in [(0, "badc"), (10, "bdac"), (100, "bdca"), (-5, "bdca")]:
        created = {"a": now - age_days * 86400.0}
        request = RerankRequest(WINDOW, as_of=now, rules=rules, created=created)
        assert ids_of(request) == list(order)
    window = apply_rules(RerankRequest(WINDOW, as_of=now, rules=rules, created={"a": now}), SCORES)
    assert window.rules == {"a": "new: up to 2 positions higher"}
    assert window.scores == sorted(window.scores, reverse=True)


@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 40)), min_size=1, max_size=30),
    st.integers(1, 6),
)
def test_no_product_rises_or_falls_by_more_than_the_bound(rows: list[tuple[int, int]], bound: int) -> None:
    ids = [str(i) for i in range(len(rows))]
    scores = np.array([score for score, _ in rows], dtype=np.float32)
    created = {product: 100 * 86400.0 - age * 86400.0 for product, (_, age) in zip(ids, rows, strict=True)}
    request = RerankRequest(ids, as_of=100 * 86400.0)
    before = {place: rank for rank, place in enumerate(apply_rules(request, scores).order)}
    explore = AppliedRules(explore=Explore(bound, 7.0))
    window = apply_rules(RerankRequest(ids, as_of=100 * 86400.0, rules=explore, created=created), scores)
    assert sorted(window.order) == list(range(len(ids)))
    assert all(abs(before[place] - rank) <= bound for rank, place in enumerate(window.order))
    assert window.scores == sorted(window.scores, reverse=True)


def query_rules(*rules: QueryRule) -> QueryRules:
    return QueryRules(1, [OpenRule(rule, *rule.span()) for rule in rules])


def test_a_rule_applies_to_its_exact_words_as_typed_or_corrected_and_within_its_dates() -> None:
    rule = QueryRule(name="r", query="Red  Dress", pin={"a": 1}, from_="2026-11-01", until="2026-11-30")
    rules = query_rules(rule, QueryRule(name="always", pin={"b": 1, "c": 2}))
    day = 86400.0
    first = 1_793_491_200.0  # 2026-11-01T00:00Z
    both = {"a": 1, "c": 2}  # the rule of the query decides a position that both name
    always = {"b": 1, "c": 2}
    for typed, at, pins in [
        ("red dress", first, both),
        ("ＲＥＤ dress ", first + 30 * day - 1, both),
        ("red dress", first + 30 * day, always),
        ("red dress", first - 1, always),
        ("red dresses", first, always),
    ]:
        found = rules.applied(typed, None, at).pins
        assert {product: pin.position for product, pin in found.items()} == pins
    plan = QueryPlan("rde dress", "red dress", Correction("rde dress", "red dress"))
    assert rules.applied("rde dress", plan, first).pins["a"].rule == "r"
    assert rules.applied("rde dress", plan, first).pins["c"].any_query


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
