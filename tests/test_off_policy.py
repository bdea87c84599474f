"""Off-policy estimates and position propensities against values worked by hand and against a simulated log."""

from __future__ import annotations

import numpy as np
import pytest

from rerank.evaluation.off_policy import (
    LoggedDecisions,
    cross_fitted_rates,
    effective_sample_size,
    off_policy_estimates,
)
from rerank.training.propensity import (
    CLICK_RATES,
    HARVESTED,
    Impression,
    PositionCounts,
    estimate_positions,
    harvested,
    position_effect,
)
from vitrine.errors import RerankError


def decisions(**changed: np.ndarray) -> LoggedDecisions:
    values = {
        "rewards": np.array([1.0, 0.0, 1.0, 0.0]),
        "logged": np.array([0.5, 0.5, 0.25, 0.25]),
        "target": np.array([0.25, 0.75, 0.5, 0.0]),
    }
    return LoggedDecisions(**{**values, **changed})


def test_estimates_by_hand() -> None:
    predicted, expected = np.full(4, 0.5), np.full(4, 0.4)
    result = off_policy_estimates(decisions(predicted=predicted, expected=expected))
    # weights 0.5, 1.5, 2, 0
    assert result["IPS"].value.mean == pytest.approx((0.5 + 2) / 4)
    assert result["SNIPS"].value.mean == pytest.approx(2.5 / 4)
    assert result["doubly robust"].value.mean == pytest.approx(0.4 + (0.25 - 0.75 + 1.0) / 4)
    assert result["IPS"].effective_sample_size == pytest.approx(16 / 6.5)
    assert list(off_policy_estimates(decisions())) == ["IPS", "SNIPS"]


def test_intervals_contain_the_truth_of_a_simulated_policy_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    rates, logging, target = np.array([0.02, 0.1, 0.3]), np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])
    truth = float(target @ rates)
    inside = dict.fromkeys(("IPS", "SNIPS", "doubly robust"), 0)
    for _ in range(200):
        actions = rng.choice(3, size=2000, p=logging)
        rewards = (rng.random(2000) < rates[actions]).astype(float)
        fold, fitted = cross_fitted_rates(actions, rewards, 3)
        log = LoggedDecisions(
            rewards, logging[actions], target[actions], fitted[fold, actions], fitted[fold] @ target
        )
        for name, estimate in off_policy_estimates(log).items():
            inside[name] += estimate.value.low <= truth <= estimate.value.high
            assert estimate.warning is None
    assert all(180 <= count <= 199 for count in inside.values()), inside


def test_few_decisions_with_large_weights_and_wrong_probabilities_are_flagged() -> None:
    logged = np.r_[np.full(990, 0.9), np.full(10, 0.001)]
    rare = LoggedDecisions(np.zeros(1000), logged, np.full(1000, 0.1))
    assert effective_sample_size(rare.weights) < 20
    assert "effective sample size is 12 of 1,000" in str(off_policy_estimates(rare)["IPS"].warning)
    wrong = LoggedDecisions(np.zeros(1000), np.full(1000, 0.5), np.tile([0.2, 0.4], 500))
    assert "mean of 0.60 instead of 1" in str(off_policy_estimates(wrong)["SNIPS"].warning)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"logged": np.array([0.5, 0.0, 0.2, 0.2])}, "outside"),
        ({"target": np.array([0.5, 1.2, 0.2, 0.2])}, "outside"),
        ({"rewards": np.array([np.nan, 0, 0, 0])}, "not finite"),
        ({"target": np.array([0.5])}, "arrays of one length"),
    ],
)
def test_decisions_that_are_no_log_are_refused(changed: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(RerankError, match=message):
        decisions(**changed)


def test_harvested_propensities_by_hand() -> None:
    """Two pairs of different relevance, each at both positions; the raw click rates say 2 for the second position."""
    counts = PositionCounts(
        np.array([[100.0, 100.0], [100.0, 900.0]]), np.array([[10.0, 5.0], [40.0, 180.0]])
    )
    np.testing.assert_allclose(harvested(counts, np.ones(2)), [1.0, 0.5], atol=1e-5)


def simulated(examined: np.ndarray, slates: int) -> list[Impression]:
    """Slates of one query whose order is by relevance with noise, so that better products stand higher on average."""
    rng = np.random.default_rng(4)
    relevance = np.geomspace(0.02, 0.6, 12)
    shown = np.argsort(-(relevance + 0.1 * rng.normal(size=(slates, 12))), axis=1)[:, : len(examined)]
    clicks = rng.random(shown.shape) < relevance[shown] * examined
    return [
        Impression(len(examined), tuple(np.flatnonzero(clicked).tolist()), False, tuple(order.tolist()))
        for order, clicked in zip(shown, clicks, strict=True)
    ]


def test_differing_orders_give_the_propensities_back_where_click_rates_do_not() -> None:
    examined = np.array([1.0, 0.7, 0.5, 0.4, 0.3])
    shown = simulated(examined, 20_000)
    result = estimate_positions(shown)
    assert result.method == HARVESTED
    assert not result.measured
    assert np.abs(result.propensity[:5] - examined).max() < 0.05
    without_pairs = estimate_positions([Impression(i.length, i.clicked, False) for i in shown])
    assert without_pairs.method == CLICK_RATES
    assert np.abs(without_pairs.propensity[:5] - examined).max() > 0.1


def test_an_effect_is_claimed_with_many_clicks_and_not_with_few() -> None:
    shown = np.array([[5000.0, 5000.0, 5000.0]])
    many = position_effect(PositionCounts(shown, np.array([[100.0, 70.0, 50.0]])))
    assert many.is_certain
    assert many.low[2] < 0.5 < many.high[2]
    few = position_effect(PositionCounts(shown, np.array([[10.0, 7.0, 5.0]])))
    assert not few.is_certain
    assert few.high[2] > 1.0
