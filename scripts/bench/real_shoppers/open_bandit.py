"""Off-policy estimates and position bias on logged impressions: see scripts/bench/open_bandit."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from rerank.arrays import DoubleArray
from rerank.evaluation.off_policy import (
    LoggedDecisions,
    cross_fitted_rates,
    normal_interval,
    off_policy_estimates,
)
from rerank.training.propensity import PositionCounts, harvested, position_effect

from .impressions import Impressions, read_impressions

PLACE = click.Path(exists=True, path_type=Path)
SIMULATED = 1_000_000
EXAMINED = 0.7  # of the probability of the position before, in the simulation
TOLERANCE = 0.10


@click.command()
@click.argument("random_dir", type=PLACE)
@click.argument("bts_dir", type=PLACE)
@click.option("--seed", default=7, show_default=True, help="Of the simulation.")
def main(random_dir: Path, bts_dir: Path, seed: int) -> None:
    """Estimate each policy's click rate from the other's log, and the effect of positions."""
    random, bts = read_impressions(random_dir, "random"), read_impressions(bts_dir, "bts")
    items = int(max(random.items.max(), bts.items.max())) + 1
    positions = int(max(random.positions.max(), bts.positions.max())) + 1
    policy = policy_of(bts, items, positions)
    target = policy[random.positions, random.items]
    estimate("random to bts", random, target, policy, bts)
    uniform = np.full((positions, items), 1.0 / len(np.union1d(random.items, bts.items)))
    estimate("bts to uniform", bts, uniform[bts.positions, bts.items], uniform, random)
    show_effects(random, bts, items, positions)
    simulate(random, policy, np.random.default_rng(seed))


def policy_of(log: Impressions, items: int, positions: int) -> DoubleArray:
    """Return the policy's mean probability of each item at each position, (positions, items): how often it was shown."""
    shown = _counts(log, items, positions).shown.T
    return np.asarray(shown / np.maximum(shown.sum(axis=1, keepdims=True), 1.0))


def estimate(name: str, log: Impressions, target: DoubleArray, policy: DoubleArray, own: Impressions) -> None:
    """Print the estimates of the target policy's click rate beside the rate of its own log."""
    fold, rates = cross_fitted_rates(log.items, log.clicks, policy.shape[1])
    expected = (rates @ policy.T)[fold, log.positions]
    decisions = LoggedDecisions(log.clicks, log.propensity, target, rates[fold, log.items], expected)
    logged = float(own.clicks.mean())
    interval = normal_interval(own.clicks)
    click.echo(
        f"{name}: {len(log):,} impressions; logged click rate of the target {logged:.5f} "
        f"[{interval.low:.5f}, {interval.high:.5f}]"
    )
    for result in off_policy_estimates(decisions).values():
        value = result.value
        verdict = "contains" if value.low <= logged <= value.high else "MISSES"
        click.echo(
            f"  {result.estimator:14} {value.mean:.5f} [{value.low:.5f}, {value.high:.5f}] {verdict} the logged rate; "
            f"effective sample size {result.effective_sample_size:,.0f} of {result.decisions:,}"
        )
    click.echo(f"  flagged: {result.warning}" if result.warning else "  not flagged")


def show_effects(random: Impressions, bts: Impressions, items: int, positions: int) -> None:
    """Print the propensities of both logs: all random impressions as one group, and each item of each policy as one."""
    shown = _counts(random, items, positions), _counts(bts, items, positions)
    pooled = PositionCounts(
        shown[0].shown.sum(axis=0, keepdims=True), shown[0].clicked.sum(axis=0, keepdims=True)
    )
    both = PositionCounts(
        *(np.concatenate([getattr(part, name) for part in shown]) for name in ("shown", "clicked"))
    )
    for name, counts in (("random slates", pooled), ("each item at several positions, both policies", both)):
        effect = position_effect(counts)
        claim = "positions matter" if effect.is_certain else "no effect of positions is claimed"
        values = ", ".join(
            f"{value:.2f} [{low:.2f}, {high:.2f}]"
            for value, low, high in zip(effect.propensity, effect.low, effect.high, strict=True)
        )
        clicks = int(counts.clicked.sum())
        click.echo(f"positions by {name}: {values}; {clicks} clicks, p = {effect.p_value:.3f}: {claim}")


def simulate(log: Impressions, policy: DoubleArray, generator: np.random.Generator) -> None:
    """Print how well known propensities are found in a million simulated clicks on the log's own click rates."""
    positions, items = policy.shape
    truth = EXAMINED ** np.arange(positions)
    _, rates = cross_fitted_rates(log.items, log.clicks, items)
    relevance = rates.mean(axis=0)
    uniform = np.broadcast_to(1.0 / items, policy.shape)
    # differing orders: half of the impressions by the policy as it is, half by one that puts good items last
    worse = policy[::-1] * relevance ** np.linspace(-2, 2, positions)[::-1, None]
    worse = worse / worse.sum(axis=1, keepdims=True)
    click.echo(f"simulated, {SIMULATED:,} impressions, examined with {', '.join(f'{p:.2f}' for p in truth)}:")
    for name, orders, pooled in (
        ("random slates", (uniform,), True),
        ("differing orders", (policy, worse), False),
    ):
        size = SIMULATED // positions // len(orders)
        drawn = np.stack([generator.multinomial(size, order).T for order in orders]).sum(axis=0)
        shown = drawn.astype(np.float64)
        clicked = generator.binomial(drawn, relevance[:, None] * truth).astype(np.float64)
        counts = PositionCounts(shown, clicked)
        raw = clicked.sum(axis=0) / np.maximum(counts.shown.sum(axis=0), 1.0)
        if pooled:
            counts = PositionCounts(
                counts.shown.sum(axis=0, keepdims=True), clicked.sum(axis=0, keepdims=True)
            )
        found = harvested(counts, np.ones(positions))
        error = float(np.abs(found - truth).max())
        click.echo(
            f"  {name:16} {', '.join(f'{p:.3f}' for p in found)}: largest error {error:.3f}, "
            f"{'within' if error <= TOLERANCE else 'NOT within'} {TOLERANCE:.2f}; "
            f"click rates alone {', '.join(f'{p:.3f}' for p in raw / raw[0])}"
        )


def _counts(log: Impressions, items: int, positions: int) -> PositionCounts:
    """Return how often each item was shown and clicked at each position, (items, positions) each."""
    cell = log.items * positions + log.positions
    shape = (items, positions)
    shown = np.bincount(cell, minlength=items * positions).reshape(shape)
    clicked = np.bincount(cell, log.clicks, minlength=items * positions).reshape(shape)
    return PositionCounts(shown.astype(np.float64), clicked.astype(np.float64))


if __name__ == "__main__":
    main()
