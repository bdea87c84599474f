"""What a shopper's clicks are worth, by the hidden truth of simulated shoppers: see scripts/bench/shoppers."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np

from rerank.arrays import DoubleArray
from rerank.evaluation.intervals import Interval, bootstrap
from rerank.models.ranker import ArtifactRanker
from rerank.training.fit import TrainingSettings
from rerank.training.log.events import Log
from scripts.sample.click_models import CLICK_MODELS
from scripts.sample.queries import query_pool
from scripts.sample.simulation import Plan
from scripts.sample.tastes import Shopper, draw_shoppers
from vitrine.store import Store

from .judging import Searches, draw_searches
from .logs import Past, log_of_pasts, pasts, simulated_log
from .shop import Shop, open_shop
from .training import NO_POSITION_BIAS, Training

UNTIL = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENTS = (0, 1, 5, 10, 20, 40)
KNOWN, UNBIASED = "position-based", "unbiased"
GOAL_EVENTS = 20


@dataclass(frozen=True)
class World:
    """The shop, its shoppers, and the searches that orders are judged by."""

    shop: Shop
    shoppers: Sequence[Shopper]
    logs: Mapping[str, Log]  # by click model
    judged: Searches
    known: Mapping[str, Past]  # of the judged shoppers, under the position-based model
    settings: TrainingSettings
    store: Store

    @property
    def copies(self) -> Log:
        """The log of the judged shoppers as if each had done only so many events."""
        return log_of_pasts(
            {
                _copy(name, count): past.last(count)
                for name, past in self.known.items()
                for count in EVENTS
                if count
            }
        )

    def rankers(
        self, click_model: str, names: Sequence[str], *, debiased: bool = True
    ) -> list[ArtifactRanker]:
        """Return rankers trained on the log of a click model."""
        assumed = None if debiased else NO_POSITION_BIAS
        training = Training(self.shop, self.logs[click_model], self.settings, assumed)
        return training.rankers(names, self.copies, UNTIL.timestamp(), self.store)

    def ndcg(self, ranker: ArtifactRanker, count: int) -> DoubleArray:
        """Return nDCG@10 of each judged search where each shopper has done `count` events."""
        shoppers = {
            name: (_copy(name, count), past.last(count).clicks) for name, past in self.known.items() if count
        }
        return self.judged.ranked(ranker, shoppers)


def _copy(shopper: str, count: int) -> str:
    """Return the name of a shopper as if only the latest `count` events had happened."""
    return f"{shopper}@{count}"


@dataclass
class Report:
    """Lines for a reader, and figures with intervals by name."""

    figures: dict[str, object] = field(default_factory=dict)

    def section(self, title: str) -> None:
        click.echo(f"\n{title}")

    def mean(self, name: str, values: DoubleArray) -> None:
        """Print and keep a mean over searches with its interval."""
        self._keep(name, bootstrap(values), "{:.3f} [{:.3f}, {:.3f}]")

    def difference(self, name: str, values: DoubleArray) -> None:
        """Print and keep a mean paired difference with its interval."""
        self._keep(name, bootstrap(values), "{:+.3f} [{:+.3f}, {:+.3f}]")

    def ratio(self, name: str, above: DoubleArray, below: DoubleArray) -> None:
        """Print and keep the ratio of two mean differences (searches,), with the interval of resampled searches."""
        rng = np.random.default_rng(7)
        rows = rng.integers(0, len(above), (2000, len(above)))
        low, high = np.quantile(above[rows].mean(axis=1) / below[rows].mean(axis=1), (0.025, 0.975))
        interval = Interval(float(above.mean() / below.mean()), float(low), float(high))
        self._keep(name, interval, "{:.0%} [{:.0%}, {:.0%}]")

    def _keep(self, name: str, interval: Interval, form: str) -> None:
        click.echo(f"  {name:<62} {form.format(interval.mean, interval.low, interval.high)}")
        self.figures[name] = [interval.mean, interval.low, interval.high]


@click.command()
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), default=Path(".demo/shoppers"))
@click.option("--searches", type=click.IntRange(500), default=7000, show_default=True)
@click.option("--products", type=click.IntRange(300), default=2000, show_default=True)
@click.option("--shoppers", "count", type=click.IntRange(20), default=150, show_default=True)
@click.option(
    "--judged", default=8, show_default=True, help="Judged searches of each shopper with 40 events."
)
@click.option("--noise", type=click.FloatRange(0, 0.9), default=0.3, show_default=True)
@click.option(
    "--unknown",
    type=click.Choice([m for m in CLICK_MODELS if m not in (KNOWN, UNBIASED)]),
    default="cascade",
    show_default=True,
    help="The click model that training does not know.",
)
@click.option("--epochs", default=20, show_default=True)
@click.option("--seed", default=7, show_default=True)
@click.option("--curves-only", is_flag=True, help="Leave out the training runs about position bias.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON at the end.")
def main(
    work: Path,
    searches: int,
    products: int,
    count: int,
    judged: int,
    noise: float,
    unknown: str,
    epochs: int,
    seed: int,
    curves_only: bool,
    as_json: bool,
) -> None:
    """Print nDCG@10 by the hidden truth over the number of a shopper's events, and what debiasing recovers."""
    started = time.monotonic()
    pool = query_pool(seed)
    shop = open_shop([query.text for query in pool], products, seed, UNTIL.date(), work)
    shoppers = draw_shoppers(count, seed)
    models = [KNOWN] if curves_only else [KNOWN, unknown, UNBIASED]
    logs = {
        model: simulated_log(
            shop,
            shoppers,
            pool,
            Plan(UNTIL, "simulated", searches, seed=seed, click_model=model, noise=noise),
        )
        for model in models
    }
    known = {name: past for name, past in pasts(logs[KNOWN]).items() if len(past.events) >= max(EVENTS)}
    tested = [shopper for shopper in shoppers if shopper.name in known]
    settings = TrainingSettings(epochs=epochs, seed=seed)
    with tempfile.TemporaryDirectory(prefix="vitrine-shoppers-") as folder:
        world = World(
            shop,
            shoppers,
            logs,
            draw_searches(shop, tested, shoppers, pool, judged, UNTIL.timestamp()),
            known,
            settings,
            Store(folder),
        )
        report = Report()
        _describe(world)
        fused = _curves(world, report)
        if not curves_only:
            _debiasing(world, report, fused, unknown)
    click.echo(f"\n{time.monotonic() - started:.0f} s")
    if as_json:
        click.echo(json.dumps(report.figures))


def _describe(world: World) -> None:
    for model, log in world.logs.items():
        clicks = sum(event.action == "click" for event in log.events)
        bought = len(log.events) - clicks
        click.echo(
            f"{model}: {len(log.slates):,} searches, {clicks:,} clicks, {bought:,} cart additions and purchases"
        )
    click.echo(
        f"judged: {len(world.judged.searches)} searches of {len(world.known)} shoppers with {max(EVENTS)} events or more"
    )


def _curves(world: World, report: Report) -> DoubleArray:
    """Report nDCG@10 over the number of events; return that of the fused model at 20 events."""
    fused, trees = world.rankers(KNOWN, ("fused", "lambdamart"))
    engine, best, oracle = world.judged.engine(), world.judged.best_without_shopper(), world.judged.oracle()
    report.section("nDCG@10 by the hidden truth")
    report.mean("engine order", engine)
    report.mean("keyword values that the query names, alone", world.judged.named_values())
    without = world.ndcg(fused, 0)
    report.mean("fused, not personalised", without)
    for count in EVENTS[1:]:
        report.mean(f"fused, {count} events", world.ndcg(fused, count))
    for count in (0, *EVENTS[-2:]):
        report.mean(f"LambdaMART, {count} events", world.ndcg(trees, count))
    report.mean("best order without a shopper", best)
    report.mean("oracle", oracle)
    at_goal, trees_at_goal = world.ndcg(fused, GOAL_EVENTS), world.ndcg(trees, GOAL_EVENTS)
    report.section(f"goals, {GOAL_EVENTS} events")
    report.difference("personalised - not personalised", at_goal - without)
    report.difference("oracle - best order without a shopper", oracle - best)
    report.ratio("the first as a share of the second (goal: 80 %)", at_goal - without, oracle - best)
    report.ratio("the first as a share of oracle - not personalised", at_goal - without, oracle - without)
    report.difference("fused - LambdaMART (goal: +0.010)", at_goal - trees_at_goal)
    return at_goal


def _debiasing(world: World, report: Report, debiased: DoubleArray, unknown: str) -> None:
    """Report what debiasing recovers of the gain over the engine's order that unbiased clicks give."""
    engine = world.judged.engine()

    def trained(model: str, *, debiased: bool = True) -> DoubleArray:
        (ranker,) = world.rankers(model, ("fused",), debiased=debiased)
        return world.ndcg(ranker, GOAL_EVENTS)

    ideal = trained(UNBIASED, debiased=False)
    rows = {KNOWN: (debiased, trained(KNOWN, debiased=False))}
    rows[unknown] = (trained(unknown), trained(unknown, debiased=False))
    report.section("training with debiasing, without, and on unbiased clicks: nDCG@10")
    report.mean("unbiased clicks", ideal)
    for model, (with_debiasing, without) in rows.items():
        report.mean(f"{model}, debiased", with_debiasing)
        report.mean(f"{model}, not debiased", without)
        report.ratio(
            f"{model}: share of the unbiased gain (goal: 90 %)", with_debiasing - engine, ideal - engine
        )


if __name__ == "__main__":
    main()
