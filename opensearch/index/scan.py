"""Reads all documents of an index, Vitrine's or any other, as of one moment (point in time)."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException, TransportError

from opensearch.client import explain, explained
from vitrine.errors import EngineError

_KEEP_ALIVE = "30m"  # between two pages: the reader may be embedding images
_PATIENCE_S = 120.0  # with an overloaded engine
_FIRST_PAUSE_S = 0.5  # after a rejection; doubled up to the longest
_MAX_PAUSE_S = 10.0


def scan(
    client: OpenSearch,
    index: str,
    *,
    includes: Sequence[str] | None = None,
    excludes: Sequence[str] = (),
    query: Mapping[str, Any] | None = None,
    page: int = 500,
) -> Generator[tuple[str, dict[str, Any]]]:
    """Yield (id, source) of every document of an alias or index, in the engine's own order.

    Later writes are not visible, and each document comes exactly once. Raises EngineError when a shard cannot be
    read. The sources contain vectors unless they are excluded (`excludes=["text_vec", "images.vec"]`); empty
    `includes` gives empty sources.
    """
    body = {
        "query": dict(query or {"match_all": {}}),
        "sort": [{"_shard_doc": "asc"}],
        "_source": _source(includes, excludes),
    }
    with closing(read_pages(client, index, body, page)) as pages:
        for hits in pages:
            yield from ((hit["_id"], hit.get("_source") or {}) for hit in hits)


def read_pages(
    client: OpenSearch, index: str, body: Mapping[str, Any], page: int
) -> Generator[list[dict[str, Any]]]:
    """Yield the hits of a search page by page, all as of one moment; `body` has a total order in its `sort`.

    Raises EngineError when a shard cannot be read, or when the engine has closed the point in time.
    """
    with explained(client):
        moment = client.create_pit(index=index, params={"keep_alive": _KEEP_ALIVE})["pit_id"]
    request: dict[str, Any] = {**body, "track_total_hits": False}
    try:
        size = page
        while True:
            request["pit"] = {"id": moment, "keep_alive": _KEEP_ALIVE}
            response, size = _page(client, request, size)
            moment = response.get("pit_id", moment)
            hits: list[dict[str, Any]] = response["hits"]["hits"]
            yield hits
            if len(hits) < size:
                return
            request["search_after"] = hits[-1]["sort"]
    finally:
        _close(client, moment)


def _source(includes: Sequence[str] | None, excludes: Sequence[str]) -> Any:
    if includes is None:
        return {"excludes": list(excludes)}
    return {"includes": list(includes), "excludes": list(excludes)} if includes else False


def count(client: OpenSearch, index: str, query: Mapping[str, Any] | None = None) -> int:
    """Return the number of documents of an alias or index, without the images nested in them.

    The request bypasses the default search pipeline of the index, because a broken one would refuse it.
    """
    body = {"size": 0, "track_total_hits": True, "query": dict(query or {"match_all": {}})}
    params = {"search_pipeline": "_none", "allow_partial_search_results": "false"}
    with explained(client):
        return int(client.search(index=index, body=body, params=params)["hits"]["total"]["value"])


def _page(client: OpenSearch, body: Mapping[str, Any], size: int) -> tuple[dict[str, Any], int]:
    """Return one response and its page size, which is halved as long as the engine lacks memory for the page."""
    # Not tenacity: each attempt requests a smaller page.
    started, pause = time.monotonic(), _FIRST_PAUSE_S
    while True:
        try:
            response: dict[str, Any] = client.search(
                body={**body, "size": size},
                params={"allow_partial_search_results": "false", "request_timeout": 120},
            )
            return response, size
        except NotFoundError as error:
            raise EngineError(
                f"the engine has closed the point in time, after more than {_KEEP_ALIVE} between two pages or the "
                "loss of a node: start again"
            ) from error
        except TransportError as error:
            overloaded = error.status_code == 429 and time.monotonic() - started < _PATIENCE_S
            if not overloaded:
                raise explain(error, client) from error
            time.sleep(pause)
            size, pause = max(1, size // 2), min(2 * pause, _MAX_PAUSE_S)
        except OpenSearchException as error:
            raise explain(error, client) from error


def _close(client: OpenSearch, moment: str) -> None:
    try:
        client.delete_pit(body={"pit_id": [moment]})
    except OpenSearchException:
        return  # the reader has its hits, and the point in time expires


def sample(
    client: OpenSearch,
    index: str,
    size: int,
    *,
    includes: Sequence[str],
    query: Mapping[str, Any] | None = None,
) -> list[tuple[str, dict[str, Any]]]:
    """Return (id, source) of up to 10,000 random documents, the same ones while the index does not change."""
    random = {"random_score": {"seed": 20_261, "field": "_seq_no"}, "query": dict(query or {"match_all": {}})}
    body = {
        "size": size,
        "query": {"function_score": random},
        "_source": list(includes),
        "track_total_hits": False,
    }
    with explained(client):
        response = client.search(index=index, body=body, params={"search_pipeline": "_none"})
    return [(hit["_id"], hit.get("_source") or {}) for hit in response["hits"]["hits"]]
