"""Slates from the log: labels, positions, and features that know nothing of their own or later moments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import training_log

from rerank.features.behaviour import query_hash
from rerank.features.groups import fit_scaler
from rerank.training.events import Event, Log, Slate, event_of, read_log, slate_of
from rerank.training.propensity import DEPTH, Impression, PositionBias, estimate_positions
from rerank.training.slates import ExampleMaker, History, Queries, gains_of, showings

CATALOGUE = training_log.catalogue()
ROW = {product: n for n, product in enumerate(CATALOGUE.ids)}
FLAT = PositionBias(np.ones(DEPTH), examined_click_rate=0.1, measured=True)


def queries() -> Queries:
    texts = tuple(f"kind {n}" for n in range(4))
    vectors = np.stack([v["text"] for v in training_log.embed(texts)])
    there = np.ones(4, dtype=bool)
    return Queries(texts, vectors, there, vectors, there)


def maker(log: Log) -> ExampleMaker:
    return ExampleMaker(log, CATALOGUE, fit_scaler(CATALOGUE.numbers), queries(), FLAT)


def slate(number: int, at: float, **given: object) -> Slate:
    values: dict[str, object] = {
        "query_id": f"q{number}",
        "at": at,
        "query": "kind 1",
        "shopper": "s",
        "engine": ("p1", "p2", "p3", "p4"),
        "shown": ("p2", "p1", "p3", "p4"),
        "viewed": 3,
    }
    return Slate(**{**values, **given})  # type: ignore[arg-type]


def test_records_become_slates_and_events() -> None:
    log = read_log(
        [
            {
                "query_id": "a",
                "at": "2026-01-02T00:00:00Z",
                "engine": ["x", "y"],
                "shown": ["y", "x"],
                "query": "q",
            }
        ],
        [
            {"query_id": "a", "timestamp": "2026-01-02T00:00:00Z", "query_response_hit_ids": ["y"]},
            {
                "query_id": "b",
                "timestamp": "2026-01-01T00:00:00Z",
                "query_response_hit_ids": ["z"],
                "user_query": "w",
            },
            {"query_id": "c", "timestamp": "2026-01-01T00:00:00Z", "query_response_hit_ids": []},
        ],
        [
            {
                "query_id": "a",
                "action_name": "click",
                "timestamp": "2026-01-02T00:00:09Z",
                "event_attributes": {"object": {"object_id": "y"}},
            },
            {"query_id": "a", "action_name": "impression"},
            {"query_id": "a", "action_name": "click", "timestamp": "later"},
        ],
    )
    assert [(s.query_id, s.shown, s.engine, s.viewed) for s in log.slates] == [
        ("b", ("z",), ("z",), 1),
        ("a", ("y", "x"), ("x", "y"), 1),  # of the shown order the shopper opened one page of one
    ]
    assert [(e.id, e.at - log.slates[1].at) for e in log.events] == [("y", 9.0)]
    assert log.unread == 2


def test_broken_records_are_none() -> None:
    assert slate_of({"query_id": "a", "at": "2026-01-01"}) is None
    assert slate_of({"query_id": "a", "at": "today", "shown": ["x"]}) is None
    assert event_of({"action_name": "click", "query_id": "a", "timestamp": "2026-01-01"}) is None


def test_the_highest_gain_counts_and_only_for_what_was_shown() -> None:
    events = [
        Event("q1", "click", "p1", 5.0),
        Event("q1", "purchase", "p1", 6.0),
        Event("q1", "click", "p9", 5.0),
        Event("nowhere", "click", "p1", 5.0),
    ]
    assert gains_of(Log([slate(1, 0.0)], events)) == {"q1": {"p1": 3.0}}


def test_propensities_come_from_random_orders_alone() -> None:
    random = [Impression(2, (0,), True)] * 200 + [Impression(2, (1,), True)] * 50
    biased = [Impression(2, (0,), False)] * 1000
    found = estimate_positions([*random, *biased])
    assert found.measured
    assert found.propensity[0] == 1.0
    assert found.propensity[1] == pytest.approx(0.25)
    # 1250 clicks on 1250 first places looked at for sure and 1250 second places looked at by a quarter
    assert found.examined_click_rate == pytest.approx(1250 / (1250 * 1.25))
    np.testing.assert_allclose(found.expected(3), [0.8, 0.2, 0.008], atol=1e-9)


def test_without_random_orders_click_rates_stand_in_and_never_rise() -> None:
    found = estimate_positions([Impression(3, (0,), False)] * 5 + [Impression(3, (2,), False)] * 3)
    assert not found.measured
    assert found.propensity[1] == found.propensity[2] == pytest.approx(1.5 / 5)


def test_an_empty_log_has_flat_positions() -> None:
    assert estimate_positions([]).propensity.tolist() == [1.0] * DEPTH


def test_candidates_stand_in_engine_order_with_their_shown_positions() -> None:
    log = Log([slate(1, 100.0)], [Event("q1", "click", "p3", 105.0, "s")])
    made = maker(log).examples(log.slates)
    assert [CATALOGUE.ids[r] for r in made.items[0]] == ["p1", "p2", "p3", "p4"]
    assert made.position[0].tolist() == [1, 0, 2, -1]  # p4 was on a page that nobody opened
    assert made.gains[0].tolist() == [0.0, 0.0, 1.0, 0.0]
    np.testing.assert_allclose(made.offset[0], [0, 0, 0, np.log(0.1)], atol=1e-6)


def test_a_slate_knows_what_was_before_it_and_nothing_else() -> None:
    """A change of anything at or after a slate's own moment leaves its features as they are."""
    log = training_log.log(200)
    made = maker(log).examples(log.slates)
    cut = log.slates[120].at
    later = [replace(s, shown=s.shown[::-1]) if s.at > cut else s for s in log.slates]
    own = {s.query_id for s in log.slates if s.at >= cut}
    events = [replace(e, action="purchase", id="p7") if e.query_id in own else e for e in log.events]
    events += [
        Event(log.slates[120].query_id, "click", "p3", cut - 999.0, log.slates[120].shopper)
    ]  # skewed clock
    other = maker(Log(later, sorted(events, key=lambda e: e.at)))
    before = made.part(made.at < cut)
    again = other.examples([s for s in later if s.at < cut])
    np.testing.assert_array_equal(before.x, again.x[:, : before.x.shape[1]])
    rows = np.arange(len(CATALOGUE.ids))
    untouched = maker(log).history
    for history in (untouched, other.history):
        history.advance(cut)
    for query in range(4):
        asked = query_hash(f"kind {query}"), cut
        np.testing.assert_array_equal(
            untouched.counters.rates(rows, *asked), other.history.counters.rates(rows, *asked)
        )
    assert untouched.clicks == other.history.clicks


def test_what_was_before_does_matter() -> None:
    log = training_log.log(200)
    made = maker(log).examples(log.slates[150:])
    blind = maker(Log(log.slates, [e for e in log.events if e.at >= log.slates[150].at])).examples(
        log.slates[150:]
    )
    assert np.abs(made.x - blind.x).max() > 0.5
    assert made.clicked.any(axis=1).mean() > 0.9


def test_history_counts_by_hand() -> None:
    log = Log(
        [slate(1, 100.0), slate(2, 200.0)],
        [
            Event("q1", "click", "p2", 104.0, "s"),
            Event("q1", "add_to_cart", "p2", 150.0, "s"),
            Event("q2", "click", "p1", 203.0, "s"),
        ],
    )
    history = History(log, CATALOGUE, FLAT)
    history.advance(200.0)
    counts = history.counters.counts
    assert counts[ROW["p2"]].tolist()[:3] == [1.0, 0.1, 1.0]
    assert counts[ROW["p1"]].tolist()[:3] == [0.0, 0.1, 0.0]
    assert counts[ROW["p4"]].tolist()[:3] == [0.0, 0.0, 0.0]  # shown on a page that nobody opened
    assert list(history.clicks["s"]) == [(ROW["p2"], 104.0)]
    history.advance(float("inf"))
    assert counts[ROW["p1"]].tolist()[:3] == [1.0, 0.2, 0.0]


def test_showings_are_of_the_opened_pages() -> None:
    found = showings([slate(1, 0.0, arm="explore")], {"q1": {"p1": 1.0, "p4": 1.0}})
    assert found == [Impression(3, (1,), True)]


def test_slates_without_click_make_no_example() -> None:
    log = Log([slate(1, 100.0)], [Event("q1", "click", "gone", 105.0)])
    assert len(maker(log).examples(log.slates)) == 0
