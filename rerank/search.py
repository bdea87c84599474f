"""READ FIRST. A search from end to end: retrieve, features, rank, rules, hits.

`search_with_vectors` runs the five steps for `vitrine search` and `POST /v1/search`. The engine's hook and
`POST /v1/order` bring their own candidates and join at `rerank`. All give the same order for the same window, query,
shopper and artifacts.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from opensearch.index.spaces import SPACES, sub_queries
from opensearch.logs.profiles import Click
from opensearch.search.facets import MAX_EXACT_GROUPS
from opensearch.search.filters import ids_filter
from opensearch.search.fusion import min_max_weights
from opensearch.search.matches import Floors, query_floors
from opensearch.search.query import Page, Query, hybrid_body
from opensearch.search.query_text import clean_words
from opensearch.search.retrieve import Candidate, Retrieved, retrieve
from rerank.features.groups import QueryVectors
from rerank.features.product_table import seconds_of
from rerank.models.ranker import Ranker, count_unknown
from rerank.rules.pinned import with_pinned
from rerank.rules.query_rule import NO_RULES, AppliedRules
from rerank.rules.window import EXACT_CODE, apply_rules, in_engine_order, pinned_positions
from vitrine.errors import QueryError, RerankError, VitrineError

from . import cheapest
from .answer import Answer, Order, collapsed, hits_of, nearest_of, placed_hits
from .arrays import FloatArray
from .explanation import explain_engine_order, explain_ranking
from .request import RankedWindow, RerankRequest, engine_order, this_minute, with_matched
from .search_request import Search
from .serving_context import ServingContext
from .shoppers import read_history

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

_log = logging.getLogger(__name__)


def search(client: OpenSearch, context: ServingContext, search: Search) -> Answer:
    """Return the answer to one search. Raises VitrineError only for the engine or the query, never for the ranker."""
    (vectors,) = embed_queries(context, [search])
    return search_with_vectors(client, context, search, vectors)


def search_with_vectors(
    client: OpenSearch, context: ServingContext, search: Search, vectors: QueryVectors
) -> Answer:
    """Return the answer to a search whose query vectors are known; raises as `search` does."""
    if search.cheapest:
        return _search_cheapest(client, context, search, vectors)
    as_of = this_minute()
    rules = context.rules.applied(search.typed, search.plan, as_of) if search.reranks else NO_RULES
    retrieved = _retrieve(client, context, search, vectors, rules)
    if rules.pins and not search.candidates:
        retrieved = with_pinned(client, context.searched, retrieved, rules.pins, search.filters)
    candidates = [*retrieved.candidates, *_not_retrieved(search.candidates, retrieved)]
    window = engine_order(len(candidates))
    if search.reranks:
        request = rerank_request(client, context, search, vectors, candidates)
        window = rerank(context, _with_rules(replace(request, rules=rules, as_of=as_of), candidates))
    if not search.sort:  # the engine put them first, whatever the ranker did
        coded = {candidate.id: EXACT_CODE for candidate in candidates if candidate.exact_code}
        window = replace(window, rules={**coded, **window.rules})
    if search.explain and not window.explanations:
        weights = min_max_weights(engine_body(context, search, vectors))
        window = explain_engine_order(candidates, window, weights)
    order: Order = "reranked" if window.artifacts else "engine"
    pins = pinned_positions(window.request)
    hits = placed_hits(hits_of(candidates, window), pins)
    answer = Answer(hits, retrieved, order, window, plan=search.plan)
    if answer.no_match:
        answer = replace(answer, nearest=nearest_of(candidates, window))
    return _collapsed(answer, pins) if search.collapse else answer


def rerank(context: ServingContext, request: RerankRequest) -> RankedWindow:
    """Return the window after features, rank and rules; the engine's order with the reason where any of these fails.

    Without a ranker the rules apply to the engine's order. This is the one place that decides between both orders, for
    every way into the reranker. It never raises.
    """
    try:
        if context.ranker is None:
            reason = context.degraded or f"no model for alias {context.alias}"
            return replace(in_engine_order(request), degraded=reason)
        ranker = context.ranker
        request = _complete(context, request)
        inputs = ranker.inputs(request)  # features
        scores = _finite(ranker.score(inputs), ranker, len(request.ids))
        window = apply_rules(request, scores)
        if request.explain:
            window = explain_ranking(ranker, inputs, scores, window)
        return replace(window, artifacts=ranker.artifacts, unknown=count_unknown(inputs))
    except VitrineError as error:
        return engine_order(len(request.ids), str(error))
    except Exception as error:
        # A broken artifact can raise anything, and the search is answered all the same.
        _log.warning("ranking failed for %s: %s: %s", context.alias, type(error).__name__, error)
        return engine_order(len(request.ids), f"ranking failed ({type(error).__name__})")


def embed_queries(context: ServingContext, searches: Sequence[Search]) -> list[QueryVectors]:
    """Return the query vectors of each search, embedded in batches; none where neither engine nor ranker uses them."""
    for search in searches:
        _require_image_alone(search)
    needed = [
        search.order == "reranked" or bool(search.used_sub_queries() & set(SPACES)) for search in searches
    ]
    embedded = iter(
        context.encoders.batch(
            [search.query for search, need in zip(searches, needed, strict=True) if need],
            [search.image for search, need in zip(searches, needed, strict=True) if need],
        )
    )
    return [next(embedded) if need else {} for need in needed]


def engine_body(
    context: ServingContext,
    search: Search,
    vectors: QueryVectors,
    rules: AppliedRules = NO_RULES,
    *,
    any_word: bool = False,
) -> dict[str, Any]:
    """Return the engine's query for the whole window; `any_word`: a sorted one takes products with one of the words.

    Hits say which clauses of `rules` they match.
    """
    filters = [*search.filters, *([ids_filter(search.candidates)] if search.candidates else [])]
    boosts = search.plan.boosts if search.plan else ()
    breaking = {**(search.plan.breaking if search.plan else {}), **rules.bury_clauses}
    has_image = search.image is not None
    query = Query(search.query, vectors, filters, has_image=has_image, boosts=boosts, breaking=breaking)
    return hybrid_body(
        query,
        context.schema,
        window=max(search.window, len(search.candidates)),
        page=Page(facets=search.facets, sort=search.sort, groups=search.collapse, any_word=any_word),
        fusion=search.fusion,
        floors=_floors(context, search),
    )


def _floors(context: ServingContext, search: Search) -> Floors | None:
    """Return the cosine from which a neighbour matches, by vector space; None: every neighbour counts as a match."""
    if search.min_cosine == 0 or search.candidates or search.cheapest:
        return None
    if search.min_cosine is not None:
        return dict.fromkeys(context.schema.vectors, search.min_cosine)
    return query_floors(context.schema, clean_words(search.query), search.image is not None)


def _retrieve(
    client: OpenSearch,
    context: ServingContext,
    search: Search,
    vectors: QueryVectors,
    rules: AppliedRules = NO_RULES,
) -> Retrieved:
    """Return the candidates; where nothing matches, the nearest products.

    A sorted search takes the products with most of the words. Where there are none it takes every product that the search
    would match in the order of relevance.
    """
    retrieved = retrieve(client, context.searched, engine_body(context, search, vectors, rules))
    if search.sort and not retrieved.total:
        body = engine_body(context, search, vectors, any_word=True)
        retrieved = retrieve(client, context.searched, body)
    if search.sort and not retrieved.total and _floors(context, search) is not None:
        body = engine_body(context, replace(search, sort=()), vectors)
        retrieved = retrieve(client, context.searched, body)
    return retrieved


def _collapsed(answer: Answer, pins: Mapping[str, int]) -> Answer:
    """Return the answer with one hit of each group of variants, and with the number of groups as its total."""
    retrieved = answer.retrieved
    groups = retrieved.total if retrieved.groups is None else retrieved.groups
    exact = retrieved.total_is_exact and groups <= MAX_EXACT_GROUPS
    return replace(
        answer,
        hits=collapsed(answer.hits, pins),
        nearest=collapsed(answer.nearest),
        retrieved=replace(retrieved, total=groups, total_is_exact=exact),
    )


def rerank_request(
    client: OpenSearch,
    context: ServingContext,
    search: Search,
    vectors: QueryVectors,
    candidates: Sequence[Candidate],
) -> RerankRequest:
    """Return what the ranker reads about retrieved candidates."""
    return RerankRequest(
        ids=[candidate.id for candidate in candidates],
        query=search.query,
        vectors=vectors,
        history=_history(client, context, search.shopper),
        shopper=search.shopper,
        unavailable={c.id for c in candidates if c.source.get("available") is False},
        exact_codes={c.id for c in candidates if c.exact_code},
        explain=search.explain,
    )


def _with_rules(request: RerankRequest, candidates: Sequence[Candidate]) -> RerankRequest:
    """Return the request with what its rules read of the candidates: constraints, burials, and since when each is sold."""
    request = with_matched(request, {c.id: c.broken for c in candidates if c.broken})
    explore = request.rules.explore
    if explore is None:
        return request
    since = request.as_of - explore.max_age_days * 86400.0
    created = ((candidate.id, seconds_of(candidate.source.get("created"))) for candidate in candidates)
    return replace(request, created={product: at for product, at in created if at >= since})


def _history(client: OpenSearch, context: ServingContext, shopper: str | None) -> Sequence[Click]:
    """Return a shopper's clicks; one that cannot be read counts as empty, as it does in the service."""
    try:
        return read_history(client, context.alias, shopper) if shopper and context.ranker else ()
    except VitrineError as error:
        _log.warning("the history of a shopper of %s cannot be read: %s", context.alias, error)
        return ()


def _complete(context: ServingContext, request: RerankRequest) -> RerankRequest:
    """Return the request with cleaned words, and with the vectors of its words where the caller gave none."""
    words = clean_words(request.query)
    vectors = context.encoders.vectors(words) if request.vectors is None else request.vectors
    return replace(request, query=words, vectors=vectors)


def _finite(scores: FloatArray, ranker: Ranker, count: int) -> FloatArray:
    if scores.shape != (count,) or not np.isfinite(scores).all():
        raise RerankError(
            f"model {ranker.artifacts.model} gave {scores.size} scores for {count} candidates, "
            "expected one finite score each; go back with `vitrine model rollback`"
        )
    return scores


def _not_retrieved(ids: Sequence[str], retrieved: Retrieved) -> list[Candidate]:
    """Return requested candidates that the engine did not find, in the order of the request."""
    known = {candidate.id for candidate in retrieved.candidates}
    return [Candidate(product, 0.0) for product in dict.fromkeys(ids) if product not in known]


def _search_cheapest(
    client: OpenSearch, context: ServingContext, search: Search, vectors: QueryVectors
) -> Answer:
    """Return the products whose image is as near as the index's similarity threshold, by price; a score is a cosine."""
    threshold, price = cheapest.comparison_terms(context.alias, context.schema)
    body = engine_body(context, replace(search, window=max(search.window, cheapest.WINDOW)), vectors)
    retrieved = retrieve(client, context.searched, body)
    hits = cheapest.cheapest_hits(retrieved.candidates, threshold, price, explain=search.explain)
    may_be_more = bool(hits) and len(hits) == body["size"]  # every retrieved product is near enough
    retrieved = replace(retrieved, total=len(hits), total_is_exact=not may_be_more)
    return Answer(hits, retrieved, "cheapest", similarity_threshold=threshold)


def _require_image_alone(search: Search) -> None:
    """Refuse a price comparison that is not by an image alone. Raises QueryError."""
    if not search.cheapest:
        return
    if search.image is None:
        raise QueryError("the cheapest is found by an image: give one (--image FILE, or `image` over HTTP)")
    extras = (
        search.query.strip(),
        search.facets,
        search.sort,
        search.fusion.weights,
        set(sub_queries()) - search.used_sub_queries(),
    )
    if any(extras):
        raise QueryError(
            "the cheapest is found by its image alone: leave words, facets, sort columns, sub-queries and weights "
            "out, and narrow with filters"
        )
