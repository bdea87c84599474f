"""Training examples from the log: gains, positions, and features that use earlier events only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import training_log

from rerank.features.scaler import fit_scaler
from rerank.slate import Slate
from rerank.training.examples import ExampleBuilder, embed_log_queries, example_builder
from rerank.training.log.events import Event, Log, gains_of
from rerank.training.propensity import DEPTH, Impression, PositionBias, estimate_positions, impressions

PRODUCTS = training_log.products()
ROW = {product: n for n, product in enumerate(PRODUCTS.ids)}
FLAT = PositionBias(np.ones(DEPTH), examined_click_rate=0.1, measured=True)


def builder(log: Log) -> ExampleBuilder:
    queries = embed_log_queries([f"kind {n}" for n in range(4)], PRODUCTS.dimensions, training_log.embed)
    return example_builder(log, PRODUCTS, fit_scaler(PRODUCTS.numbers), queries, FLAT)


def slate(number: int, at: float, **given: object) -> Slate:
    values: dict[str, object] = {
        "query_id": f"q{number}",
        "alias": "shop",
        "at": at,
        "query": "kind 1",
        "shopper": "s",
        "engine": ("p1", "p2", "p3", "p4"),
        "shown": ("p2", "p1", "p3", "p4"),
        "viewed": 3,
    }
    return Slate(**{**values, **given})  # type: ignore[arg-type]


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
    result = estimate_positions([*random, *biased])
    assert result.measured
    assert result.propensity[0] == 1.0
    assert result.propensity[1] == pytest.approx(0.25)
    # 1250 clicks on 1250 first positions examined for certain and 1250 second positions examined with probability 1/4
    assert result.examined_click_rate == pytest.approx(1250 / (1250 * 1.25))
    np.testing.assert_allclose(result.expected(3), [0.8, 0.2, 0.008], atol=1e-9)


def test_without_random_orders_click_rates_stand_in_and_never_rise() -> None:
    result = estimate_positions([Impression(3, (0,), False)] * 5 + [Impression(3, (2,), False)] * 3)
    assert not result.measured
    assert result.propensity[1] == result.propensity[2] == pytest.approx(1.5 / 5)


def test_an_empty_log_has_flat_positions() -> None:
    assert estimate_positions([]).propensity.tolist() == [1.0] * DEPTH


def test_candidates_are_in_engine_order_with_their_shown_positions() -> None:
    log = Log([slate(1, 100.0)], [Event("q1", "click", "p3", 105.0, "s")])
    examples = builder(log).examples(log.slates)
    assert [PRODUCTS.ids[r] for r in examples.items[0]] == ["p1", "p2", "p3", "p4"]
    assert examples.position[0].tolist() == [1, 0, 2, -1]  # p4 was on a page that the shopper did not open
    assert examples.gains[0].tolist() == [0.0, 0.0, 1.0, 0.0]
    np.testing.assert_allclose(examples.offset[0], [0, 0, 0, np.log(0.1)], atol=1e-6)


def test_features_of_a_slate_use_earlier_events_only() -> None:
    """A change of anything at or after a slate's own moment leaves its features as they are."""
    log = training_log.log(200)
    examples = builder(log).examples(log.slates)
    cut = log.slates[120].at
    later = [replace(s, shown=s.shown[::-1]) if s.at > cut else s for s in log.slates]
    own = {s.query_id for s in log.slates if s.at >= cut}
    events = [replace(e, action="purchase", id="p7") if e.query_id in own else e for e in log.events]
    skewed = Event(log.slates[120].query_id, "click", "p3", cut - 999.0, log.slates[120].shopper)
    events.append(skewed)
    other = builder(Log(later, sorted(events, key=lambda e: e.at)))
    before = examples.part(examples.at < cut)
    again = other.examples([s for s in later if s.at < cut])
    np.testing.assert_allclose(before.x, again.x[:, : before.x.shape[1]], rtol=1e-5, atol=1e-6)
    earlier = [build.behaviour.clicks.all_before(cut) for build in (builder(log), other)]
    assert earlier[0] == earlier[1]


def test_earlier_events_change_the_features() -> None:
    log = training_log.log(200)
    examples = builder(log).examples(log.slates[150:])
    blind = builder(Log(log.slates, [e for e in log.events if e.at >= log.slates[150].at])).examples(
        log.slates[150:]
    )
    assert np.abs(examples.x - blind.x).max() > 0.5
    assert examples.click_mask.any(axis=1).mean() > 0.9


def test_clicks_before_a_moment_by_hand() -> None:
    log = Log(
        [slate(1, 100.0), slate(2, 200.0)],
        [
            Event("q1", "click", "p2", 104.0, "s"),
            Event("q1", "cart", "p2", 150.0, "s"),
            Event("q2", "click", "p1", 193.0, "s"),  # by a clock that is late: it counts from its search
        ],
    )
    clicks = builder(log).behaviour.clicks
    assert clicks.before("s", 104.0) == []
    assert clicks.before("s", 200.0) == [(ROW["p2"], 104.0)]
    assert clicks.before("s", 201.0) == [(ROW["p2"], 104.0), (ROW["p1"], 200.0)]
    assert clicks.before("nobody", 201.0) == clicks.before(None, 201.0) == []


def test_impressions_cover_the_opened_pages() -> None:
    result = impressions([slate(1, 0.0, arm="explore")], {"q1": {"p1": 1.0, "p4": 1.0}})
    assert result == [Impression(3, (1,), True, pairs=(0, 1, 2))]


def test_slates_without_click_give_no_example() -> None:
    log = Log([slate(1, 100.0)], [Event("q1", "click", "gone", 105.0)])
    assert len(builder(log).examples(log.slates)) == 0
