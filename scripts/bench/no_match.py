"""How often nonsense is told from queries that fit: `python -m scripts.bench.no_match INDEX [QUERIES]`.

Searches nonsense that the floors of the index were not learned from (another seed), words of other languages, and, where a
file of judged queries is given (JSON lines with `id` and `query`), real queries as shoppers typed them. Prints the share of
each kind that matches no product, with the words alone deciding and with the floors.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import orjson

from opensearch.client import OpenSearch, connect
from opensearch.index.scan import sample
from opensearch.tuning.nonsense import nonsense_queries, title_phrases
from rerank.search import embed_queries, search_with_vectors
from rerank.search_request import Search
from rerank.serving_context import ServingContext, open_context
from vitrine.settings import OPENSEARCH_URL, store_url
from vitrine.store import open_store

COUNT = 300
SEED = 20_261  # the floors are learned with another
FOREIGN = (
    "schreibtischlampe", "regenschirm", "rasenmäher", "geschwindigkeit", "kartoffelsuppe", "grenouille",
    "chaussette", "parapluie", "aspirateur", "fromage", "murciélago", "ventana", "cuchillo", "zapatilla",
    "lavadora", "öppna", "räksmörgås", "koira", "kissa", "köszönöm",
)  # fmt: skip


def main(alias: str, queries: Path | None) -> None:
    """Print the shares."""
    with connect(str(OPENSEARCH_URL.read())) as client:
        context = open_context(client, open_store(store_url()), alias, ranked=False)
        print(f"{alias}: floors {dict(context.schema.floors)}")
        documents = sample(client, context.searched, 2_000, includes=["title"])
        titles = [str(source["title"]) for _, source in documents if source.get("title")]
        kinds = {
            "nonsense": nonsense_queries(titles, COUNT, SEED),
            "foreign words": FOREIGN,
            "title phrases": title_phrases(titles, COUNT, SEED),
        }
        if queries:
            lines = queries.read_bytes().splitlines()
            kinds["judged queries"] = [orjson.loads(line)["query"] for line in lines if line.strip()]
        bare = replace(context, schema=replace(context.schema, floors={}))
        for kind, texts in kinds.items():
            words, floors = (_share(client, one, texts) for one in (bare, context))
            print(
                f"{kind:<16} {len(texts):>4} queries, no match: {words:6.1%} by words, {floors:6.1%} with floors"
            )


def _share(client: OpenSearch, context: ServingContext, texts: Sequence[str]) -> float:
    searches = [Search(text, order="engine") for text in texts]
    vectors = embed_queries(context, searches)
    answers = [
        search_with_vectors(client, context, search, vector)
        for search, vector in zip(searches, vectors, strict=True)
    ]
    return sum(answer.no_match for answer in answers) / len(answers)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None)
