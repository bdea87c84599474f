"""The body of a hybrid search: the lexical sub-query and one sub-query for each vector space. Pure.

The number of sub-queries, their order and the depth never change, so that scores and pages of one query agree
for any page: the engine normalizes over the hits that each sub-query retained (`pagination_depth`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from opensearch.index.fields import IndexSchema, VectorField
from opensearch.index.spaces import IMAGE, LEXICAL, SPACES, VectorSpace, sub_queries, vector_paths
from vitrine.errors import QueryError

from .facets import facet_aggregations, group_aggregations
from .fusion import (
    DEFAULT_FUSION,
    IMAGE_AND_WORDS_WEIGHTS,
    IMAGE_WEIGHTS,
    Weights,
    fusion_processor,
    schema_weights,
    shares,
)
from .lexical import Clause, lexical_clause, named_breaking, named_products, with_certain_codes
from .matches import Floors, at_least, match_aggregation, matching_clause
from .query_text import clean_words, language_of

WINDOW = 200
MAX_WINDOW = 10_000  # the engine's limit on a result window and on k
# The fields of each product in an answer when the caller names none.
DEFAULT_SOURCE = (
    "id", "title", "numbers", "keywords", "dates", "language", "group", "available", "created",
    "images.hash", "images.ref",
)  # fmt: skip

_NO_MATCH: Clause = {"match_none": {}}
# Sorted by price, a product that holds one of four words would come first for being cheap.
_SORTED_MINIMUM_MATCH = "2<75%"


@dataclass(frozen=True)
class Boost:
    """A clause that multiplies the lexical score of its products by `factor`.

    With `nearest`, the vector sub-queries also search the nearest of its products, and multiply their scores too.
    """

    clause: Mapping[str, Any]
    factor: float
    nearest: bool = False


@dataclass(frozen=True)
class Query:
    """One search: words, an image or both. Filters are engine clauses, boosts change scores and leave no product out.

    `vectors` holds the query's vector (d,) in each vector space where it has one. `has_image` is true when the image
    vector was made of an image, alone or with the words; else it was made of the words. `language` is that of the
    words; None: their script decides. `breaking` names clauses of products that break a constraint; each hit says which of
    them it matches (`Candidate.broken`), and they change no score.
    """

    words: str | None = None
    vectors: Mapping[str, ArrayLike] = field(default_factory=dict)
    filters: Sequence[Mapping[str, Any]] = ()
    language: str | None = None
    has_image: bool = False
    boosts: Sequence[Boost] = ()
    breaking: Mapping[str, Clause] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """The part of the window that an answer returns. `size` None: the whole window. `source`: the fields of each hit.

    `groups`: count the groups of variants too. `any_word`: a sorted page takes every product that matches, not only
    those with most of the words.
    """

    start: int = 0
    size: int | None = None
    source: Sequence[str] | None = None
    facets: Sequence[str] = ()
    sort: Sequence[Mapping[str, Any]] = ()
    groups: bool = False
    any_word: bool = False


@dataclass(frozen=True)
class Fusion:
    """How the sub-queries are fused: method, weights (None: those for the query's content), and which are used."""

    method: str = DEFAULT_FUSION
    weights: Weights | None = None
    sub_queries: Collection[str] | None = None


def query_weights(query: Query, schema: IndexSchema) -> Weights:
    """Return the weights for what the query holds: words, an image, or both."""
    if not query.has_image:
        return schema_weights(schema)
    return IMAGE_AND_WORDS_WEIGHTS if clean_words(query.words) else IMAGE_WEIGHTS


def supports_language(field: VectorField | None, language: str) -> bool:
    """Return whether the index has the field and the field's query encoder supports the language."""
    return field is not None and (not field.languages or language in field.languages)


def query_language(query: Query, schema: IndexSchema) -> str:
    """Return the language of the query's words: the stated one, else that of their script."""
    return query.language or language_of(clean_words(query.words), schema.plan.language)


def hybrid_body(
    query: Query,
    schema: IndexSchema,
    *,
    window: int = WINDOW,
    page: Page = Page(),
    fusion: Fusion = Fusion(),
    floors: Floors | None = None,
) -> dict[str, Any]:
    """Return the `_search` body of a query.

    A page that begins or ends beyond the window is cut there, never refused. With `page.sort` (clauses of
    `filters.parse_sort`) the hits are the products that match most of the words, or the nearest ones to the image, in
    that order and without fusion. With `floors` (cosine by vector space, possibly empty) total and facets count the
    products that match (`matches`); None: all that any sub-query returns. Raises QueryError for weights, vectors or
    facets that do not fit.
    """
    if not 1 <= window <= MAX_WINDOW:
        raise QueryError(f"the window is {window}, and the engine takes 1 to {MAX_WINDOW} products")
    depth = MAX_WINDOW if page.sort else window
    start = min(max(page.start, 0), depth)
    body: dict[str, Any] = {
        "from": start if start < depth else 0,
        "size": max(min(window if page.size is None else page.size, depth - start), 0),
        "_source": {"includes": _with_id(page.source), "excludes": list(vector_paths())},
    }
    weights = fusion.weights or query_weights(query, schema)
    clauses = _clauses(query, schema, window)
    if fusion.sub_queries is not None:
        clauses = {name: clause for name, clause in clauses.items() if name in fusion.sub_queries}
    aggregations = facet_aggregations(page.facets, schema.plan) | (
        group_aggregations() if page.groups else {}
    )
    if aggregations:
        body["aggs"] = aggregations
        body["track_total_hits"] = True
    if page.sort:
        body["query"] = _sorted_query(query, schema, clauses, floors, page.any_word)
        body["sort"] = [dict(clause) for clause in page.sort]
        return body
    share = dict(zip(sub_queries(), shares(weights), strict=True))
    if any(share[name] for name in clauses):
        clauses = {name: clause for name, clause in clauses.items() if share[name]}
    # else every sub-query that has weight is missing, and the others find more than nothing
    queries = [clauses.get(name, _NO_MATCH) for name in sub_queries()]
    body["query"] = {"hybrid": {"pagination_depth": window, "queries": queries}}
    body["search_pipeline"] = {"phase_results_processors": [fusion_processor(weights, fusion.method)]}
    if floors is not None:
        named = None if query.has_image else named_products(clean_words(query.words), query.filters)
        counted = match_aggregation(clauses, floors, body["size"], aggregations, named)
        body |= {"aggs": counted} if counted else {}
    return body


def _clauses(query: Query, schema: IndexSchema, window: int) -> dict[str, Clause]:
    """Return the clause of each sub-query that the query, the index and the language allow."""
    if query.has_image and IMAGE not in schema.vectors:
        raise QueryError(
            "the index has no image vectors, so it cannot be searched by image: index the catalogue "
            "again with --image-encoder"
        )
    words, language = clean_words(query.words), query_language(query, schema)
    filters = [dict(clause) for clause in query.filters]
    clauses: dict[str, Clause] = {}
    if words:
        clause = with_certain_codes(LEXICAL, lexical_clause(words, filters, schema.chains), words, filters)
        clauses[LEXICAL] = _boosted(clause, query.boosts, query.breaking)
    for name, field_ in schema.vectors.items():
        vector = _vector(query.vectors.get(name), field_, name)
        from_image = name == IMAGE and query.has_image
        if vector and (from_image or supports_language(field_, language)):
            clauses[name] = _nearest_clause(SPACES[name], vector, window, query)
    if not words and not clauses:  # a shopper who browses: every product that the filters allow
        everything = {"bool": {"_name": LEXICAL, "must": [{"match_all": {}}], "filter": filters}}
        clauses[LEXICAL] = _boosted(everything, query.boosts, query.breaking)
    return clauses


def _boosted(clause: Clause, boosts: Sequence[Boost], breaking: Mapping[str, Clause]) -> Clause:
    """Return the clause with the scores of the boosted products multiplied, and the clauses of `breaking` named.

    The named score of the clause stays as it was.
    """
    functions = [{"filter": dict(boost.clause), "weight": boost.factor} for boost in boosts]
    functions += [{"filter": named, "weight": 1.0} for named in named_breaking(breaking)]
    if not functions:
        return clause
    # the products that no function matches keep their score
    return {"function_score": {"query": clause, "functions": functions, "score_mode": "multiply"}}


def _nearest_clause(space: VectorSpace, vector: list[float], window: int, query: Query) -> Clause:
    """Return the clause of a vector sub-query, with the nearest of the boosted products beside the nearest of all."""
    filters = [dict(clause) for clause in query.filters]
    boosts = [boost for boost in query.boosts if boost.nearest]
    words = clean_words(query.words)
    if not boosts:
        clause = with_certain_codes(
            space.name, _vector_clause(space, vector, window, filters), words, filters
        )
        return _boosted(clause, (), query.breaking)
    # the engine would report the score of one of two clauses with the same name
    nearest = _vector_clause(space, vector, window, filters, named=False)
    boosted = [*filters, *(dict(boost.clause) for boost in boosts)]
    within = _vector_clause(space, vector, window, boosted, named=False)
    clause = {"dis_max": {"_name": space.name, "queries": [nearest, within]}}
    return _boosted(with_certain_codes(space.name, clause, words, filters), boosts, query.breaking)


def _vector_clause(
    space: VectorSpace, vector: list[float], window: int, filters: list[Clause], *, named: bool = True
) -> Clause:
    """Return the k-NN clause of a space; its filter applies before the search, so it always finds k products."""
    nearest: Clause = {"vector": vector, "k": window}
    if filters:
        nearest["filter"] = {"bool": {"filter": filters}}
    name = {"_name": space.name} if named else {}
    if not space.nested:
        return {"knn": {space.path: {**name, **nearest}}}
    clause = {"path": space.nested, "score_mode": "max", "query": {"knn": {space.path: nearest}}}
    return {"nested": {**name, **clause}}


def _sorted_query(
    query: Query, schema: IndexSchema, clauses: Mapping[str, Clause], floors: Floors | None, any_word: bool
) -> Clause:
    """Return the query whose matches are sorted: the image decides what matches, else the words."""
    words = clean_words(query.words)
    if any_word and (matches := matching_clause(clauses, floors or {})):
        return matches
    if query.has_image and IMAGE in clauses:
        return at_least(clauses[IMAGE], floors[IMAGE]) if floors and IMAGE in floors else clauses[IMAGE]
    if words and LEXICAL in clauses:
        filters = [dict(clause) for clause in query.filters]
        clause = lexical_clause(words, filters, schema.chains, _SORTED_MINIMUM_MATCH)
        return with_certain_codes(LEXICAL, clause, words, filters)
    return next((clauses[name] for name in sub_queries() if name in clauses), _NO_MATCH)


def _vector(values: ArrayLike | None, field: VectorField, name: str) -> list[float] | None:
    """Return the vector as numbers; None when the query has none, or it has no direction (zero, not finite)."""
    if values is None:
        return None
    vector = np.asarray(values, dtype=np.float32)
    if vector.shape != (field.dimension,):
        raise QueryError(
            f"the query's {name} vector has shape {vector.shape} and the index has {field.dimension} "
            f"dimensions: make it with {field.query_encoder}, the query encoder of the index"
        )
    if not np.isfinite(vector).all() or not vector.any():
        return None
    numbers: list[float] = vector.tolist()
    return numbers


def _with_id(source: Sequence[str] | None) -> list[str]:
    return list(dict.fromkeys(["id", *(DEFAULT_SOURCE if source is None else source)]))
