"""Known-item search on a live index: every leg asked alone, and the weights that answer best together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opensearch.query import FOR_WORDS, LEGS, Query, hybrid_body
from opensearch.retrieve import retrieve
from opensearch.scan import sample

from .weights import KnownItem, choose, known_items, measure, try_weights

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

    from ..features import QueryVectors
    from ..shop import Shop

SAMPLE = 5000  # products that say which words are common
QUERIES = 400


@dataclass(frozen=True)
class Learned:
    """The weights of words, text and image for queries of words, and mean reciprocal rank with and without them."""

    weights: tuple[float, float, float]
    queries: int
    reached: float
    default: float
    words_alone: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "weights": dict(zip(LEGS, self.weights, strict=True)),
            "queries": self.queries,
            "mrr": {"learned": self.reached, "default": self.default, "words alone": self.words_alone},
        }


def learn_weights(
    client: OpenSearch, shop: Shop, count: int = QUERIES, tell: Callable[[int, int], None] | None = None
) -> Learned:
    """Make known-item queries of the index's own products, ask each leg, and choose the weights.

    Products in a language that the text encoder does not know are left out: for them the words decide anyway.
    Raises RerankError for a catalogue of which no queries can be made.
    """
    items = known_items(_texts(client, shop), count)
    vectors = shop.encoders.batch([item.query for item in items], [None] * len(items))
    answers = list(_answers(client, shop, items, vectors, tell))
    used = (True, shop.schema.text is not None, shop.schema.image is not None)
    weights = choose(try_weights(answers, used), len(items))
    default = FOR_WORDS.shares()
    return Learned(
        weights,
        len(items),
        measure(answers, weights),
        measure(answers, (default[0], default[1], default[2])),
        measure(answers, (1.0, 0.0, 0.0)),
    )


def _texts(client: OpenSearch, shop: Shop) -> dict[str, str]:
    known = shop.schema.text.languages if shop.schema.text else ()
    query = {"terms": {"language": list(known)}} if known else None
    found = sample(client, shop.alias, SAMPLE, includes=["search"], query=query)
    return {id_: " ".join((source.get("search") or {}).values()) for id_, source in found}


def _answers(
    client: OpenSearch,
    shop: Shop,
    items: Sequence[KnownItem],
    vectors: Sequence[QueryVectors],
    tell: Callable[[int, int], None] | None,
) -> Iterator[tuple[str, list[dict[str, float]]]]:
    for number, (item, made) in enumerate(zip(items, vectors, strict=True), start=1):
        query = Query(item.query, made.text, made.image)
        legs = []
        for leg in LEGS:
            body = hybrid_body(query, shop.schema, source=(), legs=(leg,))
            legs.append(
                {c.id: c.legs[leg] for c in retrieve(client, shop.alias, body).candidates if leg in c.legs}
            )
        if tell:
            tell(number, len(items))
        yield item.id, legs
