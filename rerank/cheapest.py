"""Photo price comparison: products that are the one on the picture, or nearly, the cheapest first. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from opensearch.index.fields import IndexSchema
from opensearch.search.retrieve import Candidate
from vitrine.errors import QueryError

from .rules import UNAVAILABLE

WINDOW = 1000  # nearest pictures that are looked at: more products than are ever the same one


@dataclass(frozen=True)
class Offer:
    """A product above the similarity floor; `place` counts from zero in order of similarity."""

    candidate: Candidate
    place: int
    cosine: float
    price: float | None
    rule: str | None


def terms_of(alias: str, schema: IndexSchema) -> tuple[float, str]:
    """The similarity floor and the price column of an index. Raises QueryError where one of them is missing."""
    price = price_column(schema)
    if price is None:
        known = ", ".join(schema.plan.numbers) or "none"
        raise QueryError(
            f"index {alias} has no number column with `price` in its name (numbers: {known}): name it in the "
            "field plan and index the catalogue again"
        )
    if schema.similarity_threshold is None:
        raise QueryError(
            f"how near two pictures of one product are is not known for index {alias} yet: "
            f"run `vitrine calibrate --index {alias}`"
        )
    return schema.similarity_threshold, price


def offers(candidates: Sequence[Candidate], similarity_threshold: float, price: str) -> list[Offer]:
    """Those at least as near as the floor, cheapest first; unavailable ones after them, unpriced ones last."""
    found = []
    for place, candidate in enumerate(candidates):
        cosine = cosine_of(candidate)
        if cosine >= similarity_threshold:
            value = (candidate.source.get("numbers") or {}).get(price)
            rule = UNAVAILABLE if candidate.source.get("available") is False else None
            found.append(Offer(candidate, place, cosine, value, rule))
    return sorted(found, key=_rank)


def cosine_of(candidate: Candidate) -> float:
    """The cosine of the query's picture and the product's nearest one; the engine scores (1 + cosine) / 2."""
    return 2 * candidate.sub_query_scores.get("image", 0.0) - 1


def price_column(schema: IndexSchema) -> str | None:
    """The number column that is a price by its name, if the plan has one."""
    return next((name for name in schema.plan.numbers if "price" in name.casefold()), None)


def _rank(offer: Offer) -> tuple[bool, bool, float, float, str]:
    unpriced = offer.price is None
    cost = math.inf if offer.price is None else offer.price
    return unpriced, offer.rule is not None, cost, -offer.cosine, offer.candidate.id
