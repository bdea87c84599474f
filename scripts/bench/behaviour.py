"""Times the behaviour tables of a log of a million events: python -m scripts.bench.behaviour

Draws a log: searches of ten shown products, with clicks, cart additions and purchases; products, queries and shoppers are
as unequally frequent as in a shop. Prints the seconds of each step.
"""

from __future__ import annotations

import json
import resource
import time

import click
import numpy as np

from rerank.arrays import id_hashes
from rerank.features.product_table import ProductTable
from rerank.slate import Slate
from rerank.training.behaviour.as_of import Behaviour
from rerank.training.log.events import Event, Log
from rerank.training.propensity import DEPTH, PositionBias

PRODUCTS, QUERIES, SHOPPERS, SHOWN, NUMBERS, KEYWORDS = 50_000, 20_000, 100_000, 10, 4, 4
START, SPAN_S = 1_770_000_000.0, 180 * 86400.0


@click.command()
@click.option("--events", default=1_000_000, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(events: int, as_json: bool) -> None:
    rng = np.random.default_rng(4)
    products = _products(rng)
    log = _log(rng, products.ids, events)
    rows = [np.array([products.row_of[i] for i in slate.shown]) for slate in log.slates]
    started, spent = time.perf_counter(), _processor_s()
    positions = PositionBias(np.asarray(np.arange(1, DEPTH + 1) ** -0.6, dtype=np.float64), 0.3, True)
    behaviour = Behaviour(log, products, products.numbers.astype(np.float32), positions)
    written = time.perf_counter()
    before = behaviour.before(log.slates, rows)
    trained = time.perf_counter()
    tables = behaviour.tables()
    ended = time.perf_counter()
    results = {
        "events": len(log.events),
        "searches": len(log.slates),
        "training rows": sum(len(known.rates) for known in before),
        "query-product pairs": len(tables.pairs),
        "shoppers": len(tables.shoppers),
        "log to tables, s": round(written - started, 1),
        "rates and affinities of the training rows, s": round(trained - written, 1),
        "tables of the snapshot, s": round(ended - trained, 1),
        "all, s": round(ended - started, 1),
        "all, s of processor time": round(_processor_s() - spent, 1),
        "largest memory, GB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 1),
    }
    click.echo(
        json.dumps(results) if as_json else "\n".join(f"{key}: {value:,}" for key, value in results.items())
    )


def _processor_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _products(rng: np.random.Generator) -> ProductTable:
    ids = [f"product-{n}" for n in range(PRODUCTS)]
    order = np.argsort(id_hashes(ids))
    ids = [ids[n] for n in order]
    return ProductTable(
        ids=ids,
        hashes=id_hashes(ids),
        vectors={},
        numbers=rng.normal(size=(PRODUCTS, NUMBERS)),
        codes=rng.integers(1, 60, size=(PRODUCTS, KEYWORDS)).astype(np.uint32),
        values=rng.integers(1, 60, size=(PRODUCTS, KEYWORDS, 1)).astype(np.uint32),
        created=np.full(PRODUCTS, START),
        number_names=tuple(f"n{n}" for n in range(NUMBERS)),
        keyword_names=tuple(f"k{n}" for n in range(KEYWORDS)),
    )


def _frequent(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Draws of 0 to count - 1, the n-th about as frequent as 1 / n."""
    return np.minimum((count ** rng.random(size)).astype(np.int64), count - 1)


def _log(rng: np.random.Generator, ids: list[str], events: int) -> Log:
    searches = events // 2
    times = np.sort(START + SPAN_S * rng.random(searches))
    queries, shoppers = _frequent(rng, QUERIES, searches), _frequent(rng, SHOPPERS, searches)
    shown = (queries[:, None] * 37 + _frequent(rng, PRODUCTS, searches * SHOWN).reshape(-1, SHOWN)) % PRODUCTS
    slates, happened = [], []
    for n in range(searches):
        products = tuple(dict.fromkeys(ids[i] for i in shown[n]))
        slates.append(
            Slate(
                f"q{n}", "shop", float(times[n]), f"query {queries[n]}", f"s{shoppers[n]}", products, products
            )
        )
    of = np.sort(rng.integers(0, searches, events))
    kinds = rng.choice(["click", "cart", "purchase"], size=events, p=[0.8, 0.14, 0.06])
    places, later = rng.integers(0, SHOWN, events), 120 * rng.random(events)
    for n in range(events):
        slate = slates[of[n]]
        product = slate.shown[places[n] % len(slate.shown)]
        happened.append(Event(slate.query_id, str(kinds[n]), product, slate.at + later[n], slate.shopper))
    return Log(slates, sorted(happened, key=lambda event: event.at))


if __name__ == "__main__":
    main()
