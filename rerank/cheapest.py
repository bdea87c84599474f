"""Photo price comparison: the products that an image shows, or nearly, the cheapest first. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from opensearch.index.fields import IndexSchema
from opensearch.index.spaces import IMAGE
from opensearch.search.filter_columns import price_column
from opensearch.search.retrieve import Candidate
from rerank.rules.window import UNAVAILABLE
from vitrine.errors import QueryError

from .answer import Hit
from .request import Explanation

WINDOW = 1000  # nearest images that are compared: more products than are ever the same one


def comparison_terms(alias: str, schema: IndexSchema) -> tuple[float, str]:
    """Return the similarity threshold and the price column of an index. Raises QueryError where one is missing."""
    price = price_column(schema.plan)
    if price is None:
        numbers = ", ".join(schema.plan.numbers) or "none"
        raise QueryError(
            f'index {alias} has no price column (numbers: {numbers}): write `price = "COLUMN"` into the field plan '
            "and index the catalogue again with --rebuild"
        )
    if schema.similarity_threshold is None:
        raise QueryError(
            f"index {alias} has no similarity threshold for images of one product yet: "
            f"run `vitrine calibrate --index {alias}`"
        )
    return schema.similarity_threshold, price


def cheapest_hits(
    candidates: Sequence[Candidate], similarity_threshold: float, price: str, *, explain: bool = False
) -> list[Hit]:
    """Return the candidates at or above the threshold, cheapest first; a hit's score is its cosine, the part of its image.

    Unavailable products come after the available ones, and products without a price last.
    """
    near = [
        (position, candidate)
        for position, candidate in enumerate(candidates)
        if cosine_of(candidate) >= similarity_threshold
    ]
    near.sort(key=lambda row: _sort_key(row[1], price))
    return [
        Hit(
            id=candidate.id,
            rank=rank,
            engine_rank=position + 1,
            score=cosine_of(candidate),
            sub_query_scores=candidate.sub_query_scores,
            rule=None if _is_available(candidate) else UNAVAILABLE,
            product=candidate.source,
            explanation=Explanation(position + 1, 0.0, {IMAGE: cosine_of(candidate)}) if explain else None,
        )
        for rank, (position, candidate) in enumerate(near, start=1)
    ]


def cosine_of(candidate: Candidate) -> float:
    """Return the cosine of the query's image and the product's nearest one; the engine scores (1 + cosine) / 2."""
    return 2 * candidate.sub_query_scores.get("image", 0.0) - 1


def _is_available(candidate: Candidate) -> bool:
    return candidate.source.get("available") is not False


def _sort_key(candidate: Candidate, price: str) -> tuple[bool, bool, float, float, str]:
    value = (candidate.source.get("numbers") or {}).get(price)
    amounts = value if isinstance(value, list) else [] if value is None else [value]
    amount = min(amounts, default=math.inf)  # of the cheapest variant
    return not amounts, not _is_available(candidate), amount, -cosine_of(candidate), candidate.id
