"""What households buy next: see scripts/bench/baskets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from rerank.arrays import BoolArray, DoubleArray, FloatArray, IndexArray
from rerank.evaluation.intervals import bootstrap
from rerank.training.collaborative.interactions import Interactions
from rerank.training.collaborative.neighbours import NEIGHBOURS, NeighbourSettings

from .purchases import DESCRIBING, Purchases, read_purchases

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

PATH = click.Path(exists=True, dir_okay=False, path_type=Path)
DEPTH = 20
LEAK = 0.10  # recall above it is more than the data can give
BLOCK = 256  # households that are scored at once
HALF_LIFE_DAYS, OWN_HALF_LIFE_DAYS = 60.0, 180.0
# Chosen, as the weights of `Blend`, on windows that began at rows 20,000 to 36,000 of the public sample.
METHODS = {
    name: NeighbourSettings(count=300, shrinkage=100.0 if name.startswith("item") else 0.0)
    for name in NEIGHBOURS
}
Scorer = Callable[[IndexArray], FloatArray]  # households (n,) -> scores of products (n, products)


@dataclass(frozen=True)
class Blend:
    """The weights of the mean of all households, and of each own purchase: ever, and decayed."""

    popularity: float = 1.0
    purchases: float = 0.02
    recent_purchases: float = 0.02


@click.command()
@click.argument("transactions", type=PATH)
@click.argument("products", type=PATH)
@click.option(
    "--test-from",
    required=True,
    type=click.IntRange(2),
    metavar="ROW",
    help="The first row of the test, from 1.",
)
@click.option(
    "--neighbours",
    type=click.Choice(list(NEIGHBOURS)),
    multiple=True,
    default=list(NEIGHBOURS),
    help="Methods to show.  [default: all]",
)
def main(transactions: Path, products: Path, test_from: int, neighbours: tuple[str, ...]) -> None:
    """Print recall@20 of what each household buys from a row on, by methods that see only the rows before."""
    purchases = read_purchases(transactions, products)
    if test_from > len(purchases):
        raise click.ClickException(
            f"--test-from {test_from} is after the last of the {len(purchases):,} rows"
        )
    before, after = purchases.part(slice(0, test_from - 1)), purchases.part(slice(test_from - 1, None))
    bought = after.matrix() > 0
    tested = np.intersect1d(before.households, after.households)
    if not len(tested):
        raise click.ClickException(
            f"no household has rows before and after row {test_from}; choose another one"
        )
    click.echo(
        f"{len(before):,} rows before, {len(after):,} from row {test_from} on; {len(tested):,} households with both"
    )
    scorers = rankers(before, float(after.days[0]), neighbours)
    for name, make in scorers.items():
        show(name, recall(make(), bought, tested))


def rankers(
    before: Purchases, now: float, neighbours: tuple[str, ...] = ()
) -> Mapping[str, Callable[[], Scorer]]:
    """Return functions that fit each ranker on the purchases before `now` (days since the first one)."""
    interactions = interactions_of(before, now)
    methods = {name: partial(NEIGHBOURS[name].fit, interactions, METHODS[name]) for name in neighbours}
    return {
        "popularity": lambda: popularity(before),
        "own purchases, then popularity": lambda: own_purchases(before),
        **methods,
        "blend": lambda: blend(before, now, interactions),
    }


def interactions_of(before: Purchases, now: float) -> Interactions:
    """Return who bought what, what the products are, and which stores the households visit."""
    recent = before.matrix(decayed(before, now, HALF_LIFE_DAYS))
    return Interactions(before.matrix(), before.content, (before.visits(),), recent)


def decayed(purchases: Purchases, now: float, half_life_days: float) -> DoubleArray:
    """Return 1 for a purchase now, 1/2 for one a half-life before, (n,)."""
    return np.asarray(0.5 ** ((now - purchases.days) / half_life_days))


def popularity(before: Purchases) -> Scorer:
    """Score a product by the number of its purchases."""
    counts = np.bincount(before.products, minlength=before.shape[1]).astype(np.float32)
    return lambda households: np.broadcast_to(counts, (len(households), len(counts)))


def own_purchases(before: Purchases) -> Scorer:
    """Score a product by the household's purchases of it, and those with equally many by popularity."""
    popular, own = popularity(before), before.matrix()
    return lambda households: own[households].toarray() + popular(households) / np.float32(len(before))


def blend(before: Purchases, now: float, interactions: Interactions, weights: Blend | None = None) -> Scorer:
    """Score a product by the purchases that are expected of a household, all in decayed purchases a household.

    That is the mean of similar households (`user-hybrid`), the mean of all, and what the household's own purchases add,
    more for a product that is often bought again.
    """
    from scipy.sparse import diags

    weights = weights or Blend()
    similar = NEIGHBOURS["user-hybrid"].fit(interactions, METHODS["user-hybrid"])
    mean = np.asarray(interactions.summed.sum(axis=0)).ravel() / len(np.unique(before.households))
    own = weights.purchases * before.matrix() + weights.recent_purchases * before.matrix(
        decayed(before, now, OWN_HALF_LIFE_DAYS)
    )
    own = (own @ diags(repeat_rates(before))).tocsr()
    return lambda households: np.asarray(
        similar(households) + np.float32(weights.popularity) * mean + own[households].toarray(), np.float32
    )


def repeat_rates(before: Purchases) -> DoubleArray:
    """Return how often a product is bought again by the same household, relative to all products, (products,).

    A product's share of repeated purchases is smoothed by 10 purchases of its type, that of a type by 50 of all.
    """
    counts, types = before.matrix(), before.content[DESCRIBING.index("product_type")]
    bought = np.asarray(counts.sum(axis=0)).ravel()
    repeated = bought - counts.getnnz(axis=0)
    average = (float(repeated.sum()) + 1.0) / (float(bought.sum()) + 1.0)
    of_types = (types.T @ repeated + 50 * average) / (types.T @ bought + 50)
    expected = np.where(types.getnnz(axis=1) > 0, types @ of_types, average)
    return np.asarray((repeated + 10 * expected) / (bought + 10) / average)


def recall(score: Scorer, bought: csr_matrix, households: IndexArray) -> DoubleArray:
    """Return the share of each household's products that are among its DEPTH best, (households,).

    Products of equal score are ordered by row, which is the order of their ids.
    """
    values = np.zeros(len(households))
    for start in range(0, len(households), BLOCK):
        part = households[start : start + BLOCK]
        best = np.argsort(-score(part), axis=1, kind="stable")[:, :DEPTH]
        found: BoolArray = np.take_along_axis(bought[part].toarray(), best, axis=1)
        values[start : start + BLOCK] = found.sum(axis=1) / bought[part].getnnz(axis=1)
    return values


def show(name: str, values: DoubleArray) -> None:
    """Print the mean recall with its interval, and a warning where it is too good to be true."""
    mean = bootstrap(values)
    warning = "  above what is plausible: look for a leak" if mean.mean > LEAK else ""
    click.echo(f"{name:32} {mean.mean:.4f} [{mean.low:.4f}, {mean.high:.4f}]{warning}")


if __name__ == "__main__":
    main()
