"""The commands of `vitrine weights`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from opensearch import options

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group()
def weights() -> None:
    """How much words, text vectors and picture vectors count in a search of words."""


@weights.command()
@options.index
@click.option(
    "--queries", type=click.IntRange(50, 5000), default=400, show_default=True, help="Known items to ask for."
)
@options.url
@options.store
@options.as_json
def learn(alias: str, queries: int, url: str, store: str | None, as_json: bool) -> None:
    """Learn the weights from the catalogue itself and put them in force.

    Queries are made of products' own words, and the product is the right answer: no log and no ratings are needed.
    """
    from opensearch.client import connect
    from opensearch.index.versions import read_schema
    from opensearch.tuning.leg_weights import learn_weights, use_weights
    from rerank.query_encoders import QueryEncoders
    from vitrine.store import open_store

    from .train import progress

    client = connect(url)
    schema = read_schema(client, alias)
    encoders = QueryEncoders(schema, open_store(store))

    def embed(texts: Sequence[str]) -> list[tuple[Any, Any]]:
        return [(made.text, made.image) for made in encoders.batch(texts, [None] * len(texts))]

    with progress() as tell:
        learned = learn_weights(
            client,
            alias,
            schema,
            embed,
            count=queries,
            tell=lambda done, total: tell("asking", done, total),
        )
    use_weights(client, alias, learned.weights)
    if as_json:
        click.echo(json.dumps(learned.to_dict()))
        return
    words, text, image = learned.weights
    click.echo(
        f"{alias}: words {words:g}, text {text:g}, image {image:g}, from {learned.queries} known items"
    )
    click.echo(
        f"mean reciprocal rank {learned.reached:.3f}, with the default weights {learned.default:.3f}, "
        f"by words alone {learned.words_alone:.3f}"
    )


@weights.command()
@options.index
@options.url
@options.as_json
def show(alias: str, url: str, as_json: bool) -> None:
    """Show the weights in force."""
    from opensearch.client import connect
    from opensearch.index.versions import read_schema
    from opensearch.search.query import LEGS, weights_of

    schema = read_schema(connect(url), alias)
    shares = dict(zip(LEGS, weights_of(schema).shares(), strict=True))
    if as_json:
        click.echo(json.dumps({"weights": shares, "learned": schema.weights is not None}))
        return
    told = ", ".join(f"{leg} {share:g}" for leg, share in shares.items())
    click.echo(f"{alias}: {told} ({'learned' if schema.weights else 'the defaults'})")


@weights.command()
@options.index
@options.url
def reset(alias: str, url: str) -> None:
    """Go back to the default weights."""
    from opensearch.client import connect
    from opensearch.tuning.leg_weights import use_weights

    use_weights(connect(url), alias, None)
    click.echo(f"{alias}: the default weights are in force")
