"""Rates and affinities as tables: against a plain loop over the log, as of each moment, on two engines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from math import exp, log, log1p
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support import training_log

from rerank.features.behaviour import AFFINITY_DECAY_S, POPULARITY_DECAY_S, BehaviourTables, query_hash
from rerank.features.scaler import fit_scaler
from rerank.slate import Slate
from rerank.training.behaviour.as_of import Behaviour, SlateBehaviour, duckdb
from rerank.training.log.actions import GAINS
from rerank.training.log.events import Event, Log
from rerank.training.propensity import DEPTH, PositionBias

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibis.backends import BaseBackend

PRODUCTS = training_log.products()
NUMBERS = fit_scaler(PRODUCTS.numbers).scale(PRODUCTS.numbers)
ROW = {product: n for n, product in enumerate(PRODUCTS.ids)}
BIAS = PositionBias(np.linspace(1, 0.2, DEPTH), examined_click_rate=0.4, measured=True)
DAY = 86400.0


def behaviour(log: Log, engine: Callable[[], BaseBackend] = duckdb) -> Behaviour:
    return Behaviour(log, PRODUCTS, NUMBERS, BIAS, engine)


def before(
    log: Log, slates: Sequence[Slate], engine: Callable[[], BaseBackend] = duckdb
) -> list[SlateBehaviour]:
    rows = [np.array([ROW[i] for i in slate.engine]) for slate in slates]
    return behaviour(log, engine).before(slates, rows)


def sqlite() -> BaseBackend:
    import ibis

    return ibis.sqlite.connect()


def slate(number: int, at: float, **values: object) -> Slate:
    given = {"query": "red", "shopper": "s", "shown": ("p1", "p2"), **values}
    shown = given["shown"]
    return Slate(f"q{number}", "shop", at, engine=shown, **given)  # type: ignore[arg-type]


def assert_equal(left: Sequence[SlateBehaviour], right: Sequence[SlateBehaviour]) -> None:
    for a, b in zip(left, right, strict=True):
        np.testing.assert_allclose(a.rates, b.rates, rtol=1e-5, atol=1e-6)
        assert (a.affinities is None) == (b.affinities is None)
        if a.affinities and b.affinities:
            assert a.affinities.total == pytest.approx(b.affinities.total, rel=1e-5)
            for name in ("same", "means", "known"):
                np.testing.assert_allclose(
                    getattr(a.affinities, name), getattr(b.affinities, name), rtol=1e-4, atol=1e-5
                )


def test_rates_by_hand() -> None:
    """One search with a click, a cart addition and a purchase of the second of two products, then the same search."""
    first, second = slate(1, 0.0), slate(2, DAY)
    events = [Event("q1", action, "p2", 60.0, "s") for action in ("click", "cart", "purchase")]
    (none, known) = before(Log([first, second], events), [first, second])
    assert not none.rates.any()
    assert none.affinities is None
    charged = 0.4 * np.linspace(1, 0.2, DEPTH)[:2]  # expected clicks of the two positions
    average = 2 / 21  # one conversion of each kind and one click, on top of 1 in 20
    click = [2 / (2 + charged[0]), 3 / (2 + charged[1])]
    pair_click = [click[0] / (charged[0] + 1), (1 + click[1]) / (charged[1] + 1)]
    conversion = [average, (1 + 10 * average) / 11]
    pair_conversion = [average, (1 + 5 * conversion[1]) / 6]
    popularity = (1 + 2 + 3) * exp((60 - DAY) / POPULARITY_DECAY_S)
    expected = [
        [log(click[n]), *[log(conversion[n] / average)] * 2, log1p(popularity * n), log(pair_click[n])]
        + [log(pair_conversion[n] / average)] * 2
        for n in (0, 1)
    ]
    np.testing.assert_allclose(known.rates, expected, rtol=1e-5, atol=1e-7)


def test_affinities_are_those_of_a_loop_over_the_log() -> None:
    log_ = training_log.log(300)
    slates = log_.slates[::25]
    shopper_of = {s.query_id: s.shopper for s in log_.slates}
    for slate_, known in zip(slates, before(log_, slates), strict=True):
        weights: dict[int, float] = defaultdict(float)
        for event in log_.events:
            if shopper_of[event.query_id] == slate_.shopper and event.at < slate_.at:
                weights[ROW[event.id]] += GAINS[event.action] * exp((event.at - slate_.at) / AFFINITY_DECAY_S)
        if not weights:
            assert known.affinities is None
            continue
        assert known.affinities is not None
        assert known.affinities.total == pytest.approx(sum(weights.values()), rel=1e-5)
        style = PRODUCTS.codes[:, 0]
        for n, product in enumerate(slate_.engine):
            same = sum(w for row, w in weights.items() if style[row] == style[ROW[product]])
            assert known.affinities.same[n, 0] == pytest.approx(same, rel=1e-5, abs=1e-6)
        prices = {row: w for row, w in weights.items() if np.isfinite(NUMBERS[row, 0])}
        mean = sum(w * NUMBERS[row, 0] for row, w in prices.items()) / sum(prices.values())
        assert known.affinities.means[0] == pytest.approx(mean, rel=1e-4, abs=1e-5)
        assert known.affinities.known[0] == pytest.approx(sum(prices.values()), rel=1e-5)


def test_a_row_never_sees_what_came_after_it() -> None:
    """Whatever happens at or after a slate's moment, what is known before it stays the same."""
    log_ = training_log.log(300)
    cut = log_.slates[200].at
    early = [s for s in log_.slates if s.at <= cut]
    own = {s.query_id for s in log_.slates if s.at >= cut}
    later = [replace(s, shown=s.shown[::-1], query="other") if s.at > cut else s for s in log_.slates]
    events = [replace(e, action="purchase", id="p7") if e.query_id in own else e for e in log_.events]
    events = [replace(e, at=e.at + 1e6) if e.at >= cut else e for e in events]
    events.append(
        Event(log_.slates[200].query_id, "click", "p3", cut - 999.0, "s")
    )  # by a clock that is late
    assert_equal(before(log_, early), before(Log(later, events), early))
    changed = before(Log(log_.slates, [e for e in log_.events if e.at >= cut]), early)
    assert any(
        np.abs(a.rates - b.rates).max() > 0.1 for a, b in zip(before(log_, early), changed, strict=True)
    )


def test_a_snapshot_as_of_a_moment_holds_what_the_slate_of_that_moment_sees() -> None:
    log_ = training_log.log(200)
    last = log_.slates[150]
    (known,) = before(log_, [last])
    tables = behaviour(log_).tables(last.at)
    rows = np.array([ROW[i] for i in last.engine])
    np.testing.assert_allclose(tables.rates[rows, :3], known.rates[:, :3], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.log1p(tables.rates[rows, 3]), known.rates[:, 3], rtol=1e-5)
    pairs = PRODUCTS.hashes[rows] ^ np.uint64(query_hash(last.query))
    seen = np.isin(pairs, tables.pairs)
    assert seen.sum() > 10
    places = np.searchsorted(tables.pairs, pairs[seen])
    np.testing.assert_allclose(tables.pair_rates[places], known.rates[seen, 4:], rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings(
    "ignore:The 'future.infer_string' option"
)  # of pandas, which Ibis reads SQLite with
def test_two_engines_give_the_same_values() -> None:
    log_ = training_log.log(150)
    assert_equal(before(log_, log_.slates), before(log_, log_.slates, sqlite))
    here, there = behaviour(log_).tables(), behaviour(log_, sqlite).tables()
    for name in BehaviourTables.__dataclass_fields__:
        np.testing.assert_allclose(getattr(here, name), getattr(there, name), rtol=1e-5, atol=1e-6)


def test_an_empty_log_has_no_behaviour() -> None:
    tables = behaviour(Log([], [])).tables()
    assert not tables.rates.any()
    assert len(tables.pairs) == len(tables.shoppers) == len(tables.keywords) == 0
    assert behaviour(Log([], [])).before([], []) == []
    (known,) = before(Log([slate(1, 5.0)], []), [slate(1, 5.0)])
    assert not known.rates.any()


def test_clicks_on_first_positions_only_and_one_shopper() -> None:
    slates = [slate(n, DAY * n) for n in range(30)]
    log_ = Log(slates, [Event(s.query_id, "click", "p1", s.at + 5, "s") for s in slates])
    last = before(log_, slates)[-1]
    assert last.rates[0, 0] > last.rates[1, 0]
    assert np.isfinite(last.rates).all()
    assert last.affinities is not None
    assert last.affinities.same[0, 0] == pytest.approx(last.affinities.total)


def test_products_that_are_gone_and_events_of_no_search_count_nothing() -> None:
    slates = [slate(1, 0.0, shown=("p1", "gone")), slate(2, DAY)]
    known = Log(slates, [Event("q1", "click", "p1", 5.0, "s")])
    gone = Log(
        slates,
        [*known.events, Event("q1", "purchase", "gone", 6.0, "s"), Event("no", "click", "p1", 7.0, "s")],
    )
    assert_equal(before(known, slates[1:]), before(gone, slates[1:]))


def test_times_of_forty_years_stay_finite() -> None:
    slates = [slate(n, 366 * DAY * n + 7e8) for n in range(40)]
    log_ = Log(slates, [Event(s.query_id, "click", "p1", s.at + 5, "s") for s in slates])
    values = np.concatenate([known.rates for known in before(log_, slates)])
    assert np.isfinite(values).all()
    assert values[-2, 3] < 0.01  # the popularity of a click that is a year old
