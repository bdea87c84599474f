"""The answer to a search: the hits of a whole window in their final order, and its one JSON form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from opensearch.search.retrieve import Candidate, Retrieved
from opensearch.understanding.plan import QueryPlan
from rerank.rules.window import placed
from vitrine.store import ArtifactSet

from .request import Explanation, RankedWindow

NEAREST = 10  # products that are shown where nothing matches

Order = Literal["engine", "reranked", "cheapest"]


@dataclass(frozen=True)
class Hit:
    """A product in its final position. Ranks count from one; `sub_query_scores` are raw scores of the engine.

    In a collapsed answer the hit is the best of `variants` products of its group in the window, whose ids are
    `variant_ids`, best first. `explanation` is None unless it was requested.
    """

    id: str
    rank: int
    engine_rank: int
    score: float
    sub_query_scores: dict[str, float] = field(default_factory=dict)
    rule: str | None = None
    product: dict[str, Any] = field(default_factory=dict)
    variants: int | None = None
    variant_ids: list[str] = field(default_factory=list)
    explanation: Explanation | None = None


@dataclass(frozen=True)
class Answer:
    """The hits of the whole window in their final order; pages are slices of it, so none repeats or loses a product.

    `window` is the ranked window that the hits come from; None when the cheapest products were requested, and
    `similarity_threshold` then is the smallest cosine of a hit. `plan` says how the shopper's words were understood.
    Where nothing matches there are no hits, and `nearest` holds the products that come nearest to the query.
    """

    hits: list[Hit]
    retrieved: Retrieved
    order: Order
    window: RankedWindow | None = field(default=None, compare=False, repr=False)
    similarity_threshold: float | None = None
    plan: QueryPlan | None = field(default=None, compare=False)
    nearest: list[Hit] = field(default_factory=list)

    @property
    def no_match(self) -> bool:
        """Whether no product matches the query."""
        return not self.hits and not self.retrieved.total

    @property
    def artifacts(self) -> ArtifactSet | None:
        """The artifacts that made the order; None in the engine's order."""
        return self.window.artifacts if self.window else None

    @property
    def unknown(self) -> int:
        """The number of candidates that the ranker does not know, so that they kept their engine rank."""
        return self.window.unknown if self.window else 0

    @property
    def degraded(self) -> str | None:
        """The reason for the engine's order, where that was not requested."""
        return self.window.degraded if self.window else None

    def page(self, number: int, size: int) -> list[Hit]:
        """Return the hits of page `number`, counted from one."""
        return self.hits[(number - 1) * size : number * size]

    def ranking(self) -> list[str]:
        """Return the ids of the whole window in its final order, whether they match or not; none where nothing matches.

        That is what judgments are compared with: a floor decides what is shown, not what is ranked.
        """
        candidates = self.retrieved.candidates
        if self.window is None or not self.hits or len(candidates) != len(self.window.order):
            return [hit.id for hit in self.hits]
        return [candidates[place].id for place in self.window.order]

    def in_engine_order(self) -> list[Hit]:
        """Return the hits of the window in the engine's order."""
        return sorted(self.hits, key=lambda hit: hit.engine_rank)


def hits_of(candidates: Sequence[Candidate], window: RankedWindow) -> list[Hit]:
    """Return a hit for each candidate that matches, in the order of the window.

    Without a ranker's scores the engine's stand.
    """
    return _hits(candidates, window, [place for place in window.order if candidates[place].matches])


def nearest_of(candidates: Sequence[Candidate], window: RankedWindow) -> list[Hit]:
    """Return the first `NEAREST` candidates as hits, in the order of the window, whether they match or not."""
    return _hits(candidates, window, window.order[:NEAREST])


def placed_hits(hits: Sequence[Hit], pins: Mapping[str, int]) -> list[Hit]:
    """Return the hits with the pinned ones at their positions, by id and counted from one, after others were left out."""
    if not pins:
        return list(hits)
    by_id = {hit.id: hit for hit in hits}
    order = placed(list(by_id), {product: place for product, place in pins.items() if product in by_id})
    return [replace(by_id[product], rank=rank) for rank, product in enumerate(order, start=1)]


def collapsed(hits: Sequence[Hit], pins: Mapping[str, int] | None = None) -> list[Hit]:
    """Return the first hit of each group of variants, with the ids of the others; one without a group stands alone.

    A pinned variant stands for its group, at its position among the groups.
    """
    pins = pins or {}
    groups: dict[str, list[Hit]] = {}
    for hit in hits:
        group = hit.product.get("group")
        groups.setdefault(f"group {group}" if group else f"id {hit.id}", []).append(hit)
    pinned_first = (sorted(own, key=lambda hit: hit.id not in pins) for own in groups.values())
    heads = [
        replace(own[0], rank=rank, variants=len(own), variant_ids=[hit.id for hit in own])
        for rank, own in enumerate(pinned_first, start=1)
    ]
    return placed_hits(heads, pins)


def _hits(candidates: Sequence[Candidate], window: RankedWindow, places: Sequence[int]) -> list[Hit]:
    scores = dict(zip(window.order, window.scores, strict=False))  # empty where the engine's order stands
    return [
        Hit(
            id=candidates[place].id,
            rank=rank,
            engine_rank=place + 1,
            score=scores.get(place, candidates[place].score),
            sub_query_scores=candidates[place].sub_query_scores,
            rule=window.rules.get(candidates[place].id),
            product=candidates[place].source,
            explanation=window.explanations.get(place),
        )
        for rank, place in enumerate(places, start=1)
    ]


def answer_to_dict(answer: Answer, page: int, size: int, both_orders: bool = False) -> dict[str, Any]:
    """Return one page of an answer in its JSON form, for `vitrine search --json` and for HTTP.

    With `both_orders`, `engine` holds the hits of the same ranks in the engine's order. `nearest` has entries only where
    `no_match` is true.
    """
    fields: dict[str, Any] = {
        "order": answer.order,
        "degraded": answer.degraded,
        "artifacts": asdict(answer.artifacts) if answer.artifacts else None,
        "total": answer.retrieved.total,
        "total_is_exact": answer.retrieved.total_is_exact,
        "no_match": answer.no_match,
        "window": len(answer.hits),
        "unknown": answer.unknown,
        "page": page,
        "took_ms": answer.retrieved.took_ms,
        "facets": answer.retrieved.facets,
        "similarity_threshold": answer.similarity_threshold,
        **(answer.plan or QueryPlan("", "")).to_dict(),
        "hits": [asdict(hit) for hit in answer.page(page, size)],
        "nearest": [asdict(hit) for hit in answer.nearest],
    }
    if both_orders:
        engine = answer.in_engine_order()[(page - 1) * size : page * size]
        fields["engine"] = [asdict(hit) for hit in engine]
    return fields
