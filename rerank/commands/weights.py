"""The commands of `vitrine weights`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from opensearch import options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opensearch.client import OpenSearch
    from opensearch.index.fields import IndexSchema
    from opensearch.tuning.floors import Embed, Floor
    from rerank.arrays import FloatArray
    from rerank.features.groups import QueryVectors
    from rerank.query_encoders import QueryEncoders


@click.group()
def weights() -> None:
    """Weights of the sub-queries of a hybrid query (lexical, text, image), and from which cosine a neighbour matches."""


@weights.command()
@options.index
@click.option(
    "--queries",
    type=click.IntRange(50, 5000),
    default=400,
    show_default=True,
    help="Number of known-item queries.",
)
@options.url
@options.store
@options.as_json
def learn(alias: str, queries: int, url: str, store: str | None, as_json: bool) -> None:
    """Learn the weights and floors from the products of the index and use them.

    Known-item queries are made of a product's words, with this product as the relevant one; they need no click log and no
    judgments. A floor is the cosine from which a neighbour of a query matches: phrases of titles reach it, nonsense does
    not.
    """
    from opensearch.client import connect
    from opensearch.index.versions import read_schema
    from opensearch.tuning.floors import cosines_of
    from opensearch.tuning.weights import learn_weights, use_weights
    from rerank.query_encoders import QueryEncoders
    from vitrine.store import open_store

    from .train import progress_bars

    client = connect(url)
    schema = read_schema(client, alias)
    encoders = QueryEncoders(schema, open_store(store))

    def embed(texts: Sequence[str]) -> list[QueryVectors]:
        return encoders.batch(texts, [None] * len(texts))

    with progress_bars() as on_progress:
        learned = learn_weights(
            client,
            alias,
            schema,
            embed,
            count=queries,
            on_progress=lambda done, total: on_progress("known-item queries", done, total),
        )
    floors = _learned_floors(client, alias, schema, encoders, embed)
    use_weights(client, alias, learned.weights, None if floors is None else cosines_of(floors))
    if as_json:
        values = {name: floor.to_dict() for name, floor in (floors or {}).items()}
        click.echo(json.dumps({**learned.to_dict(), "floors": values}))
        return
    click.echo(
        f"{alias}: {_weights_text(learned.weights)}, learned from {learned.queries} known-item queries"
    )
    click.echo(
        f"MRR {learned.mrr:.3f}; with the default weights {learned.default_mrr:.3f}, "
        f"with the lexical sub-query alone {learned.lexical_mrr:.3f}"
    )
    for name, floor in (floors or {}).items():
        click.echo(f"floor of {name}: cosine {floor}")


@weights.command()
@options.index
@options.url
@options.as_json
def show(alias: str, url: str, as_json: bool) -> None:
    """Show the weights and floors in use."""
    from opensearch.client import connect
    from opensearch.index.spaces import sub_queries
    from opensearch.index.versions import read_schema
    from opensearch.search.fusion import schema_weights, shares

    schema = read_schema(connect(url), alias)
    weights = dict(zip(sub_queries(), shares(schema_weights(schema)), strict=True))
    if as_json:
        learned = schema.weights is not None
        click.echo(json.dumps({"weights": weights, "learned": learned, "floors": dict(schema.floors)}))
        return
    click.echo(f"{alias}: {_weights_text(weights)} ({'learned' if schema.weights else 'default'})")
    floors = _weights_text(schema.floors) or "none: only words decide what matches"
    click.echo(f"cosine from which a neighbour matches: {floors}")


@weights.command()
@options.index
@options.url
def reset(alias: str, url: str) -> None:
    """Use the default weights again, and no floors."""
    from opensearch.client import connect
    from opensearch.tuning.weights import use_weights

    use_weights(connect(url), alias, None, {})
    click.echo(f"{alias} uses the default weights, and no floors")


def _learned_floors(
    client: OpenSearch, alias: str, schema: IndexSchema, encoders: QueryEncoders, embed: Embed
) -> dict[str, Floor] | None:
    """Return the floors of the index; None, with the reason on stderr, where they cannot be learned."""
    from opensearch.tuning.floors import learn_floors
    from vitrine.errors import WeightsError

    try:
        return learn_floors(client, alias, schema, embed, patterns=_pattern_vectors(schema, encoders))
    except WeightsError as error:
        click.echo(f"the floors stay as they are: {error}", err=True)
        return None


def _pattern_vectors(schema: IndexSchema, encoders: QueryEncoders) -> Sequence[FloatArray]:
    from PIL import Image

    from opensearch.index.spaces import IMAGE
    from opensearch.tuning.floors import drawn_patterns

    if IMAGE not in schema.vectors:
        return ()
    patterns = [Image.fromarray(pattern) for pattern in drawn_patterns()]
    return [vectors[IMAGE] for vectors in encoders.batch([""] * len(patterns), patterns)]


def _weights_text(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
