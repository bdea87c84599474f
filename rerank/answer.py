"""The answer to a search: the hits of a whole window in their final order, and its one JSON form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from opensearch.search.retrieve import Candidate, Retrieved
from opensearch.understanding.plan import QueryPlan
from vitrine.store import ArtifactSet

from .request import RankedWindow

Order = Literal["engine", "reranked", "cheapest"]


@dataclass(frozen=True)
class Hit:
    """A product in its final position. Ranks count from one; `sub_query_scores` are raw scores of the engine."""

    id: str
    rank: int
    engine_rank: int
    score: float
    sub_query_scores: dict[str, float] = field(default_factory=dict)
    rule: str | None = None
    product: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The hits of the whole window in their final order; pages are slices of it, so none repeats or loses a product.

    `window` is the ranked window that the hits come from; None when the cheapest products were requested, and
    `similarity_threshold` then is the smallest cosine of a hit. `plan` says how the shopper's words were understood.
    """

    hits: list[Hit]
    retrieved: Retrieved
    order: Order
    window: RankedWindow | None = field(default=None, compare=False, repr=False)
    similarity_threshold: float | None = None
    plan: QueryPlan | None = field(default=None, compare=False)

    @property
    def artifacts(self) -> ArtifactSet | None:
        """The artifacts that made the order; None in the engine's order."""
        return self.window.artifacts if self.window else None

    @property
    def degraded(self) -> str | None:
        """The reason for the engine's order, where that was not requested."""
        return self.window.degraded if self.window else None

    def page(self, number: int, size: int) -> list[Hit]:
        """Return the hits of page `number`, counted from one."""
        return self.hits[(number - 1) * size : number * size]

    def in_engine_order(self) -> list[Hit]:
        """Return the hits of the window in the engine's order."""
        return sorted(self.hits, key=lambda hit: hit.engine_rank)


def hits_of(candidates: Sequence[Candidate], window: RankedWindow) -> list[Hit]:
    """Return a hit for each candidate, in the order of the window. Without a ranker's scores the engine's stand."""
    hits = []
    for rank, position in enumerate(window.order, start=1):
        candidate = candidates[position]
        hits.append(
            Hit(
                id=candidate.id,
                rank=rank,
                engine_rank=position + 1,
                score=window.scores[rank - 1] if window.scores else candidate.score,
                sub_query_scores=candidate.sub_query_scores,
                rule=window.rules.get(candidate.id),
                product=candidate.source,
            )
        )
    return hits


def answer_to_dict(answer: Answer, page: int, size: int, both_orders: bool = False) -> dict[str, Any]:
    """Return one page of an answer in its JSON form, for `vitrine search --json` and for HTTP.

    With `both_orders`, `engine` holds the hits of the same ranks in the engine's order.
    """
    fields: dict[str, Any] = {
        "order": answer.order,
        "degraded": answer.degraded,
        "artifacts": asdict(answer.artifacts) if answer.artifacts else None,
        "total": answer.retrieved.total,
        "total_is_exact": answer.retrieved.total_is_exact,
        "window": len(answer.hits),
        "page": page,
        "took_ms": answer.retrieved.took_ms,
        "facets": answer.retrieved.facets,
        "similarity_threshold": answer.similarity_threshold,
        **(answer.plan or QueryPlan("", "")).to_dict(),
        "hits": [asdict(hit) for hit in answer.page(page, size)],
    }
    if both_orders:
        engine = answer.in_engine_order()[(page - 1) * size : page * size]
        fields["engine"] = [asdict(hit) for hit in engine]
    return fields
