"""The commands of `vitrine weights`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from opensearch import options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rerank.features.groups import QueryVectors


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
    from opensearch.tuning.weights import learn_weights, use_weights
    from rerank.query_encoders import QueryEncoders
    from vitrine.store import open_store

    from .train import progress

    client = connect(url)
    schema = read_schema(client, alias)
    encoders = QueryEncoders(schema, open_store(store))

    def embed(texts: Sequence[str]) -> list[QueryVectors]:
        return encoders.batch(texts, [None] * len(texts))

    with progress() as tell:
        learned = learn_weights(
            client,
            alias,
            schema,
            embed,
            count=queries,
            on_progress=lambda done, total: tell("asking", done, total),
        )
    use_weights(client, alias, learned.weights)
    if as_json:
        click.echo(json.dumps(learned.to_dict()))
        return
    click.echo(f"{alias}: {_weights_text(learned.weights)}, from {learned.queries} known-item queries")
    click.echo(
        f"mean reciprocal rank {learned.mrr:.3f}, with the default weights {learned.default_mrr:.3f}, "
        f"lexical alone {learned.lexical_mrr:.3f}"
    )


@weights.command()
@options.index
@options.url
@options.as_json
def show(alias: str, url: str, as_json: bool) -> None:
    """Show the weights in force."""
    from opensearch.client import connect
    from opensearch.index.spaces import sub_queries
    from opensearch.index.versions import read_schema
    from opensearch.search.fusion import schema_weights, shares

    schema = read_schema(connect(url), alias)
    weights = dict(zip(sub_queries(), shares(schema_weights(schema)), strict=True))
    if as_json:
        click.echo(json.dumps({"weights": weights, "learned": schema.weights is not None}))
        return
    click.echo(f"{alias}: {_weights_text(weights)} ({'learned' if schema.weights else 'the defaults'})")


@weights.command()
@options.index
@options.url
def reset(alias: str, url: str) -> None:
    """Go back to the default weights."""
    from opensearch.client import connect
    from opensearch.tuning.weights import use_weights

    use_weights(connect(url), alias, None)
    click.echo(f"{alias}: the default weights are in force")


def _weights_text(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
