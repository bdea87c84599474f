"""The state of indexed products for change detection: content hashes and images, without vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionError as NoConnectionError
from opensearchpy.exceptions import TransportError
from tenacity import Retrying, retry_if_exception, stop_before_delay, wait_exponential

from opensearch.client import explained

_FIELDS = ["hashes", "images.hash", "images.ref"]


@dataclass(frozen=True)
class IndexedState:
    """One indexed product as change detection needs it."""

    hashes: Mapping[str, str]  # of the embedded content by space; `row`: of all other columns except images
    images: tuple[tuple[str | None, str], ...]  # (hash, ref) in order


def read_indexed_state(
    client: OpenSearch, index: str, ids: Sequence[str], patience_s: float = 120.0
) -> dict[str, IndexedState]:
    """Return the state of the products that a search finds (refresh the index before), by id.

    Waits up to `patience_s` for an unreachable or overloaded engine, then raises EngineError.
    """
    sources = read_sources(client, index, ids, _FIELDS, patience_s)
    return {id: _state(source) for id, source in sources.items()}


def read_sources(
    client: OpenSearch, index: str, ids: Sequence[str], includes: Sequence[str], patience_s: float = 120.0
) -> dict[str, dict[str, Any]]:
    """Return the named fields of the products that a search finds, by id; waits and raises as `read_indexed_state` does."""
    if not ids:
        return {}
    body = {"size": len(ids), "query": {"ids": {"values": list(ids)}}, "_source": list(includes)}
    params = {"allow_partial_search_results": "false"}
    retrying = Retrying(
        stop=stop_before_delay(patience_s),
        wait=wait_exponential(multiplier=0.5, max=10.0),
        retry=retry_if_exception(_is_unavailable),
        reraise=True,
    )
    with explained(client):
        # a get rebuilds the vectors of every document, a search only the requested fields: 15 times faster
        response = retrying(client.search, index=index, body=body, params=params)
    return {hit["_id"]: hit.get("_source") or {} for hit in response["hits"]["hits"]}


def _is_unavailable(error: BaseException) -> bool:
    return isinstance(error, NoConnectionError) or (
        isinstance(error, TransportError) and error.status_code in (429, 502, 503, 504)
    )


def _state(source: dict[str, Any]) -> IndexedState:
    hashes = source.get("hashes") or {}
    images = tuple((image.get("hash"), image.get("ref", "")) for image in source.get("images") or [])
    return IndexedState(hashes, images)
