"""READ FIRST. A search from end to end: retrieve, features, rank, rules, hits.

`vitrine search` calls `search`; the service and the engine's hook join at `window.rank_window`. All three give the
same order for the same window, query, shopper and artifacts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from opensearch.index.spaces import SPACES, sub_queries
from opensearch.logs.profiles import Click
from opensearch.search.filters import ids_filter
from opensearch.search.query import WINDOW, Clause, Fusion, Page, Query, hybrid_body
from opensearch.search.retrieve import Candidate, Retrieved, retrieve
from rerank.features.groups import QueryVectors
from vitrine.errors import QueryError, VitrineError
from vitrine.store import ArtifactSet

from . import cheapest
from .serving_context import ServingContext
from .shoppers import read_history
from .window import RankedWindow, Window, engine_order, rank_window, this_minute

if TYPE_CHECKING:
    from PIL.Image import Image

    from opensearch.client import OpenSearch

Order = Literal["engine", "reranked", "cheapest"]


@dataclass(frozen=True)
class Search:
    """What is asked for. `shopper` is a keyed hash; filters and sort are clauses of `opensearch.filters`."""

    words: str = ""
    picture: Image | None = None
    filters: Sequence[Clause] = ()
    shopper: str | None = None
    order: Literal["engine", "reranked"] = "reranked"
    cheapest: bool = False  # the same product as on the picture, by price
    facets: Sequence[str] = ()
    sort: Sequence[Clause] = ()
    fusion: Fusion = field(default_factory=Fusion)
    window: int = WINDOW
    candidates: Sequence[str] = ()  # rank these instead of the whole index


@dataclass(frozen=True)
class Hit:
    """A product in its final place; ranks count from one, `sub_query_scores` are raw."""

    id: str
    rank: int
    engine_rank: int
    score: float
    sub_query_scores: dict[str, float] = field(default_factory=dict)
    rule: str | None = None
    product: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The whole window in its final order; pages are slices of it, so they never repeat or lose a product."""

    hits: list[Hit]
    found: Retrieved
    order: Order
    artifacts: ArtifactSet | None = None
    degraded: str | None = None
    verdict: RankedWindow | None = field(default=None, compare=False, repr=False)
    similarity_threshold: float | None = None  # the least cosine, where the cheapest were asked for

    def page(self, number: int, size: int) -> list[Hit]:
        """The hits of page `number`, counted from one."""
        return self.hits[(number - 1) * size : number * size]


def search(client: OpenSearch, shop: ServingContext, asked: Search) -> Answer:
    """Retrieve a window, rank it, apply the rules. Raises VitrineError only for what the engine or the query is."""
    (vectors,) = vectors_of(shop, [asked])
    return search_with(client, shop, asked, vectors)


def vectors_of(shop: ServingContext, asked: Sequence[Search]) -> list[QueryVectors]:
    """The vectors of many queries, embedded in batches; none are made where no leg and no ranker needs them."""
    for one in asked:
        _require_picture_alone(one)
    needed = [one.order == "reranked" or bool(_used(one) & set(SPACES)) for one in asked]
    made = iter(
        shop.encoders.batch(
            [one.words for one, need in zip(asked, needed, strict=True) if need],
            [one.picture for one, need in zip(asked, needed, strict=True) if need],
        )
    )
    return [next(made) if need else {} for need in needed]


def _used(asked: Search) -> set[str]:
    """The sub-queries that a search uses."""
    names = asked.fusion.sub_queries
    return set(sub_queries() if names is None else names)


def _require_picture_alone(asked: Search) -> None:
    """Refuse a price comparison that is not by a picture alone. Raises QueryError."""
    if not asked.cheapest:
        return
    if asked.picture is None:
        raise QueryError("the cheapest is found by a picture: give one (--image FILE, or `image` over HTTP)")
    extras = (
        asked.words.strip(),
        asked.facets,
        asked.sort,
        asked.fusion.weights,
        set(sub_queries()) - _used(asked),
    )
    if any(extras):
        raise QueryError(
            "the cheapest is found by its picture alone: leave words, facets, sort columns, legs and weights "
            "out, and narrow with filters"
        )


def search_with(client: OpenSearch, shop: ServingContext, asked: Search, vectors: QueryVectors) -> Answer:
    """`search` for a query whose vectors are there already."""
    if asked.cheapest:
        return _cheapest(client, shop, asked, vectors)
    found = retrieve(client, shop.alias, body_of(shop, asked, vectors))
    candidates = [*found.candidates, *_not_found(asked.candidates, found)]
    verdict = judge(client, shop, asked, vectors, candidates)
    hits = [
        Hit(
            id=candidates[place].id,
            rank=rank,
            engine_rank=place + 1,
            score=verdict.scores[rank - 1] if verdict.scores else candidates[place].score,
            sub_query_scores=candidates[place].sub_query_scores,
            rule=verdict.rules.get(candidates[place].id),
            product=candidates[place].source,
        )
        for rank, place in enumerate(verdict.order, start=1)
    ]
    order: Order = "reranked" if verdict.artifacts else "engine"
    return Answer(hits, found, order, verdict.artifacts, verdict.degraded, verdict)


def _cheapest(client: OpenSearch, shop: ServingContext, asked: Search, vectors: QueryVectors) -> Answer:
    """Products as near to the picture as the index's floor asks, by price; a hit's score is the cosine."""
    similarity_threshold, price = cheapest.terms_of(shop.alias, shop.schema)
    body = body_of(shop, replace(asked, window=max(asked.window, cheapest.WINDOW)), vectors)
    found = retrieve(client, shop.alias, body)
    offers = cheapest.offers(found.candidates, similarity_threshold, price)
    hits = [
        Hit(
            id=offer.candidate.id,
            rank=rank,
            engine_rank=offer.place + 1,
            score=offer.cosine,
            sub_query_scores=offer.candidate.sub_query_scores,
            rule=offer.rule,
            product=offer.candidate.source,
        )
        for rank, offer in enumerate(offers, start=1)
    ]
    all_near = bool(hits) and len(hits) == body["size"]  # and there may be more
    return Answer(
        hits,
        replace(found, total=len(hits), total_is_exact=not all_near),
        "cheapest",
        similarity_threshold=similarity_threshold,
    )


def body_of(shop: ServingContext, asked: Search, vectors: QueryVectors) -> dict[str, Any]:
    """The engine's query for the whole window."""
    filters = [*asked.filters, *([ids_filter(asked.candidates)] if asked.candidates else [])]
    query = Query(asked.words, vectors, filters, has_image=asked.picture is not None)
    return hybrid_body(
        query,
        shop.schema,
        window=max(asked.window, len(asked.candidates)),
        page=Page(facets=asked.facets, sort=asked.sort),
        fusion=asked.fusion,
    )


def judge(
    client: OpenSearch,
    shop: ServingContext,
    asked: Search,
    vectors: QueryVectors,
    candidates: Sequence[Candidate],
) -> RankedWindow:
    """The candidates' final order; engine order where that is asked for, sorted for, or all that can be had."""
    if asked.order == "engine" or asked.sort:
        return engine_order(len(candidates))
    if shop.ranker is None:
        return engine_order(len(candidates), shop.degraded or f"no model for alias {shop.alias}")
    try:
        window = Window(
            ids=[candidate.id for candidate in candidates],
            query=asked.words,
            vectors=vectors,
            history=_history(client, shop, asked.shopper),
            unavailable={c.id for c in candidates if c.source.get("available") is False},
        )
        return rank_window(shop.ranker, shop.encoders, window, this_minute())
    except VitrineError as error:
        return engine_order(len(candidates), str(error))
    except Exception as error:  # a broken artifact can raise anything; the search is answered all the same
        return engine_order(len(candidates), f"ranking failed ({type(error).__name__}: {error})")


def _history(client: OpenSearch, shop: ServingContext, shopper: str | None) -> Sequence[Click]:
    return read_history(client, shop.alias, shopper) if shopper else ()


def _not_found(wanted: Sequence[str], found: Retrieved) -> list[Candidate]:
    there = {candidate.id for candidate in found.candidates}
    return [Candidate(product, 0.0) for product in dict.fromkeys(wanted) if product not in there]
