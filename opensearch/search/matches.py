"""Which products match a query, and how many: those that its words find, and neighbours above the floor of their space.

A k-NN sub-query returns the k nearest products however far they are, so that a query which fits nothing has as many
hits as any other. The floor of a vector space is the cosine from which a neighbour counts as a match
(`opensearch.tuning.floors` learns it). In a space without floor, the neighbours of a query are ranked with its matches
but are not counted as matches themselves. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from opensearch.index.fields import IndexSchema
from opensearch.index.spaces import IMAGE, LEXICAL

from .query_text import language_of

Clause = dict[str, Any]
Floors = Mapping[str, float]  # cosine by vector space
Scores = Mapping[str, float]  # raw scores of one hit, by sub-query

# Names of floors: of a space, for queries of words; for queries by image; and of a space, for words in another script than
# that of the catalogue, which are farther from their products than words of its own language.
PHOTO = "photo"
FOREIGN = "foreign "
MATCHES = "matches"  # the name of the aggregation over the products that match
NAMED = "named"  # the name of that over the products that the query names by their code


def query_floors(schema: IndexSchema, words: str, has_image: bool) -> Floors | None:
    """Return the floors of the index for a query of words, an image or both; None where no match can be told.

    The vector of a query with both lies halfway between them. A product that is as near to the image as the image's floor
    requires, and has nothing to do with the words, has the cosine floor / √2 with it.
    """
    language = schema.plan.language
    prefix = FOREIGN if words and language_of(words, language) != language else ""
    floors = {name: schema.floors[prefix + name] for name in schema.vectors if prefix + name in schema.floors}
    if not has_image:
        return floors
    photo = schema.floors.get(PHOTO)
    return None if photo is None else {**floors, IMAGE: photo / math.sqrt(2) if words else photo}


def score_of(cosine: float) -> float:
    """Return the engine's score of a cosine."""
    return (1 + cosine) / 2


def matching_clause(clauses: Mapping[str, Clause], floors: Floors) -> Clause | None:
    """Return the clause that finds the matches of the sub-queries in `clauses`; None where nothing tells them apart.

    That is a query without words in whose vector spaces no floor is known.
    """
    judged = [at_least(clause, floors[name]) for name, clause in clauses.items() if name in floors]
    if LEXICAL in clauses:
        judged.insert(0, _unnamed(clauses[LEXICAL]))
    if not judged:
        return None
    return {"bool": {"should": judged, "minimum_should_match": 1}}


def at_least(clause: Clause, cosine: float) -> Clause:
    """Return the clause of a vector space, limited to the neighbours whose cosine reaches the floor."""
    nearest = clause.get("function_score", {}).get("query", clause)  # boosts multiply the score of a cosine
    return {"function_score": {"query": _unnamed(nearest), "min_score": score_of(cosine)}}


def match_aggregation(
    clauses: Mapping[str, Clause],
    floors: Floors,
    size: int,
    aggregations: Mapping[str, Any],
    named: Clause | None = None,
) -> dict[str, Any]:
    """Return the aggregation that counts the matches and contains `aggregations`; empty where nothing tells them apart.

    The engine copies `meta` into its answer, so that the answer alone says which of its hits match. `named` finds the
    products that a query of a code alone names: where there are any, they are its matches.
    """
    clause = matching_clause(clauses, floors)
    if clause is None:
        return {}
    used = {name: floors[name] for name in clauses if name in floors}
    meta = {"floors": used, "size": size}
    counted: dict[str, Any] = {MATCHES: {"filter": clause, "aggs": dict(aggregations), "meta": meta}}
    if named:
        counted[NAMED] = {"filter": named, "aggs": dict(aggregations)}
    return counted


def may_match(scores: Scores, floors: Floors) -> bool:
    """Return whether a hit with these raw scores by sub-query is not below the floor of every space that found it."""
    return any(name not in floors or _reaches(score, floors[name]) for name, score in scores.items())


def all_counted(hits: Sequence[Scores], floors: Floors, size: int) -> bool:
    """Return whether every match was counted: whether the nearest of each space end below its floor."""
    if len(hits) < size:  # all are here, and fewer than the k nearest
        return True
    nearest = {name: [scores[name] for scores in hits if name in scores] for name in floors}
    return all(not all(_reaches(score, floor) for score in nearest[name]) for name, floor in floors.items())


def _reaches(score: float, floor: float) -> bool:
    return bool(np.float32(score) >= np.float32(score_of(floor)))  # as the engine compares them


def _unnamed(clause: Mapping[str, Any]) -> Clause:
    """Return the clause without its names, which would stand for two clauses of one request."""
    return {key: _without_names(value) for key, value in clause.items() if key != "_name"}


def _without_names(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_names(part) for part in value]
    return _unnamed(value) if isinstance(value, Mapping) else value
