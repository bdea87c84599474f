"""The body of a hybrid search: words, text and picture vector as three legs that the engine fuses. Pure.

The number of legs, their order and the depth never change, so that scores and pages of one query agree
whatever part of it is asked for: the engine normalises over what each leg kept (`pagination_depth`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from opensearch.index.fields import IndexSchema, VectorField
from vitrine.errors import QueryError

from .facets import facet_aggregations
from .query_text import clean_words, language_of

Leg = Literal["words", "text", "image"]
Fusion = Literal["score", "rank"]
Clause = dict[str, Any]

LEGS: tuple[Leg, ...] = ("words", "text", "image")
WINDOW = 200
DEEPEST = 10_000  # the engine's limit on a result window and on k
RANK_CONSTANT = 60  # Cormack, Clarke and Büttcher 2009
SHOWN = (  # what an answer holds of each product when nothing else is asked for
    "id", "title", "numbers", "keywords", "dates", "language", "group", "available", "created",
    "images.hash", "images.ref",
)  # fmt: skip
VECTORS = ("text_vec", "images.vec")

_LANGUAGES = ("en", "zh", "any")  # each product fills one of them
_NOTHING: Clause = {"match_none": {}}
# Sorted by price, a product that holds one of four words would come first for being cheap.
_MOST_WORDS = "2<75%"


@dataclass(frozen=True)
class LegWeights:
    """How much each leg counts; only their proportions matter."""

    words: float
    text: float
    image: float

    def shares(self) -> list[float]:
        """Give the weights in the order of the legs, divided by their sum."""
        weights = [float(self.words), float(self.text), float(self.image)]
        total = sum(weights)
        if not all(weight >= 0 for weight in weights) or not math.isfinite(total) or not total:
            raise QueryError(
                f"the weights of words, text and image are {weights}: give finite numbers that are not "
                "negative, at least one of them above zero"
            )
        return [weight / total for weight in weights]


def parse_weights(text: str) -> LegWeights:
    """Give the weights that `0.3,0,0.7` names, in the order words, text, image. Raises QueryError."""
    try:
        words, meaning, image = (float(part) for part in text.split(","))
    except ValueError:
        raise QueryError(
            f"weights {text!r} are not three numbers: write them as WORDS,TEXT,IMAGE, such as 0.5,0.1,0.4"
        ) from None
    weights = LegWeights(words, meaning, image)
    weights.shares()
    return weights


# The words of a query get half the say, and of the vectors the picture more than the text: a text vector mostly repeats
# what the words say, a picture shows what they leave out. A product without picture scores nothing in that leg and the
# leg keeps its weight, so pictures never outweigh the words; `vitrine weights learn` fits them to one catalogue.
DEFAULT_WEIGHTS = LegWeights(0.5, 0.2, 0.3)
FOR_PICTURE = LegWeights(0.0, 0.0, 1.0)
FOR_BOTH = LegWeights(0.3, 0.1, 0.6)


@dataclass(frozen=True)
class Query:
    """One search: words, a picture or both, as text and as vectors; filters are engine clauses."""

    words: str | None = None
    text_vector: ArrayLike | None = None  # the words in the space of the products' text vectors, (d,)
    image_vector: ArrayLike | None = None  # words or picture in the space of the products' pictures, (d,)
    filters: Sequence[Mapping[str, Any]] = ()
    language: str | None = None  # of the words; None: told by their script
    picture: bool = False  # the image vector was made of a picture, alone or with the words


def weights_of(schema: IndexSchema) -> LegWeights:
    """Give the weights for queries of words: what was learned on this index, else the defaults."""
    return LegWeights(*schema.weights) if schema.weights else DEFAULT_WEIGHTS


def weights_for(query: Query, schema: IndexSchema) -> LegWeights:
    """Give the weights for what the query holds: words, a picture, or both."""
    if not query.picture:
        return weights_of(schema)
    return FOR_BOTH if clean_words(query.words) else FOR_PICTURE


def knows(field: VectorField | None, language: str) -> bool:
    """Tell whether the field is there and its query encoder understands the language."""
    return field is not None and (not field.languages or language in field.languages)


def query_language(query: Query, schema: IndexSchema) -> str:
    """Give the language of the query's words: as stated, else as their script tells."""
    return query.language or language_of(clean_words(query.words), schema.plan.language)


def fusion_processor(weights: LegWeights, fusion: Fusion = "score") -> dict[str, Any]:
    """Give the engine's processor that makes one score of three legs: by score (min-max) or by rank (RRF)."""
    parameters = {"weights": weights.shares()}
    if fusion == "rank":
        combination = {"technique": "rrf", "rank_constant": RANK_CONSTANT, "parameters": parameters}
        return {"score-ranker-processor": {"combination": combination}}
    return {
        "normalization-processor": {
            "normalization": {"technique": "min_max"},
            "combination": {"technique": "arithmetic_mean", "parameters": parameters},
        }
    }


def hybrid_body(
    query: Query,
    schema: IndexSchema,
    *,
    window: int = WINDOW,
    size: int | None = None,
    start: int = 0,
    source: Sequence[str] | None = None,
    facets: Sequence[str] = (),
    sort: Sequence[Mapping[str, Any]] | None = None,
    fusion: Fusion = "score",
    weights: LegWeights | None = None,
    legs: Collection[Leg] = LEGS,
) -> dict[str, Any]:
    """Give the `_search` body of a query; `size` None asks for the whole window.

    A page that begins or ends beyond the window is cut there, never refused. With `sort` (clauses as
    `filters.parse_sort` gives them) products are those that match most of the words, or the window's nearest
    to the picture, in that order and without fusion. Raises QueryError for weights, vectors or facets that
    do not fit.
    """
    if not 1 <= window <= DEEPEST:
        raise QueryError(f"the window is {window}, and the engine looks at 1 to {DEEPEST} products")
    deepest = DEEPEST if sort else window
    start = min(max(start, 0), deepest)
    body: dict[str, Any] = {
        "from": start if start < deepest else 0,
        "size": max(min(window if size is None else size, deepest - start), 0),
        "_source": {"includes": _with_id(source), "excludes": list(VECTORS)},
    }
    chosen = weights or weights_for(query, schema)
    usable = _usable(query, schema, window, legs)
    if facets:
        body["aggs"] = facet_aggregations(facets, schema.plan)
        body["track_total_hits"] = True
    if sort:
        body["query"] = _sorted_query(query, usable)
        body["sort"] = [dict(clause) for clause in sort]
        return body
    share = dict(zip(LEGS, chosen.shares(), strict=True))
    queries = [usable[leg] if share[leg] and leg in usable else _NOTHING for leg in LEGS]
    if not any(share[leg] for leg in usable):  # better found by what is there than not at all
        queries = [usable.get(leg, _NOTHING) for leg in LEGS]
    body["query"] = {"hybrid": {"pagination_depth": window, "queries": queries}}
    body["search_pipeline"] = {"phase_results_processors": [fusion_processor(chosen, fusion)]}
    return body


def _usable(query: Query, schema: IndexSchema, window: int, legs: Collection[Leg]) -> dict[Leg, Clause]:
    """Give the clause of each leg that the query, the index and the language allow."""
    if query.picture and schema.image is None:
        raise QueryError(
            "the index holds no picture vectors, so it cannot be searched by picture: index the catalogue "
            "again with --image-encoder"
        )
    words, language = clean_words(query.words), query_language(query, schema)
    filters = [dict(clause) for clause in query.filters]
    found: dict[Leg, Clause] = {}
    text = _vector(query.text_vector, schema.text, "text")
    image = _vector(query.image_vector, schema.image, "image")
    if words:
        found["words"] = _words_leg(words, filters)
    if text and knows(schema.text, language):
        found["text"] = {"knn": {"text_vec": {"_name": "text", **_nearest(text, window, filters)}}}
    if image and (query.picture or knows(schema.image, language)):
        nearest = {"knn": {"images.vec": _nearest(image, window, filters)}}
        found["image"] = {
            "nested": {"_name": "image", "path": "images", "score_mode": "max", "query": nearest}
        }
    if not words and not found:  # nothing to look for: a shopper who browses
        found["words"] = {"bool": {"_name": "words", "must": [{"match_all": {}}], "filter": filters}}
    return {leg: clause for leg, clause in found.items() if leg in legs}


def _words_leg(words: str, filters: list[Clause], needed: str | None = None) -> Clause:
    # A query of stop words or signs alone has no terms and means everything.
    match: Clause = {"query": words, "operator": "or", "zero_terms_query": "all"}
    if needed:
        match["minimum_should_match"] = needed
    all_text = {"dis_max": {"queries": [{"match": {f"search.{name}": match}} for name in _LANGUAGES]}}
    return {"bool": {"_name": "words", "must": [all_text], "filter": filters}}


def _nearest(vector: list[float], window: int, filters: list[Clause]) -> Clause:
    """Give the inside of a knn clause; its filter works before the search, so k products are always found."""
    inside: Clause = {"vector": vector, "k": window}
    if filters:
        inside["filter"] = {"bool": {"filter": filters}}
    return inside


def _sorted_query(query: Query, usable: Mapping[Leg, Clause]) -> Clause:
    """Give the query whose matches are sorted: what makes a match is the picture, else the words."""
    words = clean_words(query.words)
    if query.picture and "image" in usable:
        return usable["image"]
    if words and "words" in usable:
        return _words_leg(words, [dict(clause) for clause in query.filters], _MOST_WORDS)
    for leg in LEGS:
        if leg in usable:
            return usable[leg]
    return _NOTHING


def _vector(given: ArrayLike | None, field: VectorField | None, name: str) -> list[float] | None:
    """Give the vector as numbers; None when there is none, or it has no direction (zero, not finite)."""
    if given is None or field is None:
        return None
    vector = np.asarray(given, dtype=np.float32)
    if vector.shape != (field.dimension,):
        raise QueryError(
            f"the query's {name} vector has shape {vector.shape} and the index holds {field.dimension} "
            f"dimensions: make it with {field.query_encoder}, the query encoder of the index"
        )
    if not np.isfinite(vector).all() or not vector.any():
        return None
    numbers: list[float] = vector.tolist()
    return numbers


def _with_id(source: Sequence[str] | None) -> list[str]:
    return list(dict.fromkeys(["id", *(SHOWN if source is None else source)]))
