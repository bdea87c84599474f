"""From a query body to candidates by one `_search`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from opensearch.client import explained
from vitrine.errors import EngineError

from .facets import read_facets, read_groups
from .lexical import BREAKS, EXACT_CODE, broken_in
from .matches import MATCHES, NAMED, all_counted, may_match

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

logger = logging.getLogger(__name__)

_SENTINEL = -1e9  # hits that score less are internal marks of the engine, which the fusion removes


@dataclass(frozen=True)
class Candidate:
    """A product that the engine returned; its position in the list is the engine's rank."""

    id: str
    score: float  # fused; 0 in a sorted answer
    sub_query_scores: dict[str, float] = field(default_factory=dict)  # raw, of each sub-query that found it
    source: dict[str, Any] = field(default_factory=dict)
    matches: bool = True  # False: one of the nearest products, but too far from the query
    exact_code: bool = False  # it has a code that the query names
    broken: tuple[str, ...] = ()  # constraints of the query that it breaks


@dataclass(frozen=True)
class Retrieved:
    """One page of candidates, and the totals and facets of the whole match.

    Where the body asked for it (`matches`), both count the products that match, apart from the nearest ones that do not;
    `total` 0 then says that nothing matches, though there may be candidates.
    """

    candidates: list[Candidate]
    total: int
    facets: dict[str, dict[str, Any]]
    took_ms: int
    total_is_exact: bool = True  # else there may be more than `total`
    partial: bool = False  # some shards did not answer
    reranked: bool = False  # by the rerank processor of the engine's pipeline
    groups: int | None = None  # groups of variants among the matches, where these were asked for


def retrieve(
    client: OpenSearch,
    alias: str,
    body: Mapping[str, Any],
    *,
    pipeline: str | None = None,
    deadline_s: float | None = None,
) -> Retrieved:
    """Search the alias and return one page; `pipeline` names a stored pipeline that replaces the one in the body.

    An answer that lacks the hits of some shards is searched once more: a node that was lost between finding the hits and
    reading them has replicas on others. `deadline_s` limits one attempt of the client. Raises EngineError,
    IndexMissingError.
    """
    request = _request(alias, body, pipeline, deadline_s)
    with explained(client):
        response = client.search(**request)
        if _failed_shards(response):
            response = client.search(**request)
    if failed := _failed_shards(response):
        logger.warning("a search of %s lacks the hits of %d shards", alias, failed, extra={"alias": alias})
    return parse(response)


def parse(response: Mapping[str, Any]) -> Retrieved:
    """Return the page in a response of `_search`. Raises EngineError for hybrid scores that were not fused."""
    hits = response["hits"]
    candidates = [_candidate(hit) for hit in hits["hits"]]
    if any(candidate.score < _SENTINEL for candidate in candidates):
        raise EngineError(
            "the engine answered a hybrid query without fusing its sub-queries (scores below "
            f"{_SENTINEL:.0e}): name a search pipeline that normalizes, such as ALIAS-fusion"
        )
    aggregations = response.get("aggregations") or {}
    matches, named = aggregations.get(MATCHES), aggregations.get(NAMED) or {}
    counted = named if named.get("doc_count") else matches or aggregations
    total = hits.get("total") or {"value": len(candidates), "relation": "gte"}
    retrieved = Retrieved(
        candidates=candidates,
        total=int(total["value"]),
        facets=read_facets(counted),
        took_ms=int(response.get("took", 0)),
        total_is_exact=total["relation"] == "eq",
        groups=read_groups(counted),
        partial=bool(response.get("timed_out")) or _failed_shards(response) > 0,
        # the only trace of the engine's rerank processor in a response
        reranked="profile" in response,
    )
    if counted is named:
        return _named(retrieved, int(named["doc_count"]))
    return _judged(retrieved, matches) if matches else retrieved


def _failed_shards(response: Mapping[str, Any]) -> int:
    return int((response.get("_shards") or {}).get("failed") or 0)


def _named(retrieved: Retrieved, total: int) -> Retrieved:
    """Return the answer to a query of a code alone, which products with exactly that code match."""
    candidates = [replace(candidate, matches=candidate.exact_code) for candidate in retrieved.candidates]
    return replace(retrieved, candidates=candidates, total=total, total_is_exact=True)


def _judged(retrieved: Retrieved, matches: Mapping[str, Any]) -> Retrieved:
    """Return the answer with the number of its matches, and with the candidates marked that do not match."""
    floors, size, total = matches["meta"]["floors"], matches["meta"]["size"], int(matches["doc_count"])
    scores = [candidate.sub_query_scores for candidate in retrieved.candidates]
    return replace(
        retrieved,
        candidates=[
            replace(candidate, matches=total > 0 and may_match(candidate.sub_query_scores, floors))
            for candidate in retrieved.candidates
        ],
        total=total,
        total_is_exact=all_counted(scores, floors, size),
    )


def _candidate(hit: Mapping[str, Any]) -> Candidate:
    matched = hit.get("matched_queries") or {}
    scores = {name: float(score) for name, score in matched.items()} if isinstance(matched, Mapping) else {}
    exact_code = scores.pop(EXACT_CODE, None) is not None
    broken = broken_in(scores)
    scores = {name: score for name, score in scores.items() if not name.startswith(BREAKS)}
    score = float(hit.get("_score") or 0.0)
    source = hit.get("_source") or {}
    return Candidate(str(hit["_id"]), score, scores, source, exact_code=exact_code, broken=broken)


def _request(
    alias: str, body: Mapping[str, Any], pipeline: str | None, deadline_s: float | None
) -> dict[str, Any]:
    params: dict[str, Any] = {"include_named_queries_score": "true"}
    if pipeline:  # the engine accepts only one
        params["search_pipeline"] = pipeline
        body = {key: value for key, value in body.items() if key != "search_pipeline"}
    if deadline_s is not None:
        params["request_timeout"] = deadline_s
    if not body.get("size", 10):
        # the engine caches such a response on one shard and then fails to fuse it (3.6.0)
        params["request_cache"] = "false"
    return {"index": alias, "body": body, "params": params}
