"""From a query body to candidates: one `_search`, read once, the same for threads and for asyncio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opensearch.client import explained
from vitrine.errors import EngineError

from .facets import read_facets

if TYPE_CHECKING:
    from opensearchpy import AsyncOpenSearch, OpenSearch

_SENTINEL = -1e9  # rows below are the engine's own marks, which the fusion removes


@dataclass(frozen=True)
class Candidate:
    """A product that the engine found; its place in the list is the engine's rank."""

    id: str
    score: float  # fused; 0 in a sorted answer
    legs: dict[str, float] = field(default_factory=dict)  # raw score of each leg that found it
    source: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Retrieved:
    """One page of candidates and what the engine says about the whole match."""

    candidates: list[Candidate]
    total: int
    facets: dict[str, dict[str, Any]]
    took_ms: int
    total_is_exact: bool = True  # else `total` is where the engine stopped counting
    partial: bool = False  # some shards did not answer
    reranked: bool = False  # the engine's own pipeline asked the rerank service and was answered


def retrieve(
    client: OpenSearch,
    alias: str,
    body: Mapping[str, Any],
    *,
    pipeline: str | None = None,
    deadline_s: float | None = None,
) -> Retrieved:
    """Search the alias; `pipeline` names a stored one that takes the place of the one in the body.

    `deadline_s` bounds one attempt of the client. Raises EngineError (IndexMissingError) in one sentence.
    """
    with explained(client):
        return parse(client.search(**_request(alias, body, pipeline, deadline_s)))


async def retrieve_async(
    client: AsyncOpenSearch,
    alias: str,
    body: Mapping[str, Any],
    *,
    pipeline: str | None = None,
    deadline_s: float | None = None,
) -> Retrieved:
    """Search the alias without blocking the event loop; otherwise as `retrieve`."""
    with explained(client):
        return parse(await client.search(**_request(alias, body, pipeline, deadline_s)))


def parse(answer: Mapping[str, Any]) -> Retrieved:
    """Read an answer of `_search`."""
    hits = answer["hits"]
    found = [_candidate(hit) for hit in hits["hits"]]
    if any(candidate.score < _SENTINEL for candidate in found):
        raise EngineError(
            "the engine answered a hybrid query without fusing its legs (scores below "
            f"{_SENTINEL:.0e}): name a search pipeline that normalises, such as ALIAS-fusion"
        )
    total = hits.get("total") or {"value": len(found), "relation": "gte"}
    return Retrieved(
        candidates=found,
        total=int(total["value"]),
        facets=read_facets(answer.get("aggregations") or {}),
        took_ms=int(answer.get("took", 0)),
        total_is_exact=total["relation"] == "eq",
        partial=bool(answer.get("timed_out")) or bool((answer.get("_shards") or {}).get("failed")),
        # the only trace that the engine's rerank processor leaves in an answer
        reranked="profile" in answer,
    )


def _candidate(hit: Mapping[str, Any]) -> Candidate:
    named = hit.get("matched_queries") or {}
    legs = {name: float(score) for name, score in named.items()} if isinstance(named, Mapping) else {}
    return Candidate(str(hit["_id"]), float(hit.get("_score") or 0.0), legs, hit.get("_source") or {})


def _request(
    alias: str, body: Mapping[str, Any], pipeline: str | None, deadline_s: float | None
) -> dict[str, Any]:
    params: dict[str, Any] = {"include_named_queries_score": "true"}
    if pipeline:  # the engine refuses two
        params["search_pipeline"] = pipeline
        body = {key: value for key, value in body.items() if key != "search_pipeline"}
    if deadline_s is not None:
        params["request_timeout"] = deadline_s
    if not body.get("size", 10):
        # the engine caches such an answer on one shard and then fails to fuse it (3.6.0)
        params["request_cache"] = "false"
    return {"index": alias, "body": body, "params": params}
