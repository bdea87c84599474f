"""BM25's k1 and b, compared by the mean reciprocal rank of known-item queries with the lexical sub-query alone.

The index is closed and reopened for every setting, and its own setting is restored: not for an index in service.

    .venv/bin/python scripts/bench/bm25.py chorus fashion
"""

from __future__ import annotations

import click
import numpy as np

from opensearch.client import OpenSearch, connect
from opensearch.index.schema import BM25
from opensearch.index.spaces import LEXICAL
from opensearch.index.versions import read_schema, require_current
from opensearch.search.query import Fusion, Page, Query, hybrid_body
from opensearch.search.retrieve import retrieve
from opensearch.tuning.known_items import known_items, read_texts

K1 = (1.2, 0.9, 0.6, 0.3)
B = (0.75, 0.5, 0.3)


@click.command()
@click.argument("aliases", nargs=-1, required=True)
@click.option("--queries", default=1500, show_default=True)
def main(aliases: tuple[str, ...], queries: int) -> None:
    """Print mean reciprocal rank of ALIASES' known items for every setting, and its difference to Lucene's own."""
    client = connect()
    for alias in aliases:
        index, schema = require_current(client, alias), read_schema(client, alias)
        items = known_items(read_texts(client, index, schema), queries, seed=5)
        first = None
        try:
            for b in B:
                for k1 in K1:
                    similarity(client, index, k1, b)
                    ranks = np.zeros(len(items))
                    for row, item in enumerate(items):
                        body = hybrid_body(
                            Query(item.query),
                            schema,
                            page=Page(source=()),
                            fusion=Fusion(sub_queries=(LEXICAL,)),
                        )
                        ids = [candidate.id for candidate in retrieve(client, alias, body).candidates]
                        ranks[row] = 1 / (1 + ids.index(item.id)) if item.id in ids else 0
                    first = ranks if first is None else first
                    away = ranks - first
                    error = away.std() / len(away) ** 0.5
                    click.echo(
                        f"{alias}: k1 {k1:.1f} b {b:.2f}: {ranks.mean():.4f} "
                        f"({away.mean():+.4f}, standard error {error:.4f})"
                    )
        finally:
            similarity(client, index, **BM25)


def similarity(client: OpenSearch, index: str, k1: float, b: float) -> None:
    client.indices.close(index=index)
    client.indices.put_settings(
        index=index, body={"index.similarity.default": {"type": "BM25", "k1": k1, "b": b}}
    )
    client.indices.open(index=index)
    client.cluster.health(index=index, params={"wait_for_status": "yellow"})


if __name__ == "__main__":
    main()
