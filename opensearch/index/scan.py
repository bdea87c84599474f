"""Reading a whole index, any index, as it stood at one moment (point in time)."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, OpenSearchException, TransportError

from opensearch.client import explain, explained
from vitrine.errors import EngineError

_KEEP_ALIVE = "30m"  # between two pages: whoever reads may be embedding pictures
_PATIENCE_S = 120.0  # with an engine that is overloaded


def scan(
    client: OpenSearch,
    index: str,
    *,
    includes: Sequence[str] | None = None,
    excludes: Sequence[str] = (),
    query: Mapping[str, Any] | None = None,
    page: int = 500,
) -> Generator[tuple[str, dict[str, Any]]]:
    """Give (id, source) of every document of an alias or index, any index, in the order the engine holds them.

    What is written meanwhile is not seen, and no document comes twice or is left out: when a shard cannot be read
    this raises EngineError. Vectors are in the source unless left out (`excludes=["text_vec", "images.vec"]`);
    empty `includes` gives empty sources.
    """
    body: dict[str, Any] = {
        "query": dict(query or {"match_all": {}}),
        "sort": [{"_shard_doc": "asc"}],
        "track_total_hits": False,
        "_source": _wanted(includes, excludes),
    }
    with explained(client):
        moment = client.create_pit(index=index, params={"keep_alive": _KEEP_ALIVE})["pit_id"]
    try:
        size = page
        while True:
            body["pit"] = {"id": moment, "keep_alive": _KEEP_ALIVE}
            answer, size = _page(client, body, size)
            moment = answer.get("pit_id", moment)
            hits = answer["hits"]["hits"]
            yield from ((hit["_id"], hit.get("_source") or {}) for hit in hits)
            if len(hits) < size:
                return
            body["search_after"] = hits[-1]["sort"]
    finally:
        _forget(client, moment)


def _wanted(includes: Sequence[str] | None, excludes: Sequence[str]) -> Any:
    if includes is None:
        return {"excludes": list(excludes)}
    return {"includes": list(includes), "excludes": list(excludes)} if includes else False


def count(client: OpenSearch, index: str, query: Mapping[str, Any] | None = None) -> int:
    """Count the documents of an alias or index; the pictures nested in them do not count.

    The index's default search pipeline is left out: a broken one would refuse `_count` too.
    """
    body = {"size": 0, "track_total_hits": True, "query": dict(query or {"match_all": {}})}
    params = {"search_pipeline": "_none", "allow_partial_search_results": "false"}
    with explained(client):
        return int(client.search(index=index, body=body, params=params)["hits"]["total"]["value"])


def _page(client: OpenSearch, body: Mapping[str, Any], size: int) -> tuple[dict[str, Any], int]:
    """Give one answer and the page size that it took: documents too big for the engine's memory come fewer at once."""
    started, pause = time.monotonic(), 0.5
    while True:
        try:
            answer: dict[str, Any] = client.search(
                body={**body, "size": size},
                params={"allow_partial_search_results": "false", "request_timeout": 120},
            )
            return answer, size
        except NotFoundError as error:
            raise EngineError(
                f"reading took more than {_KEEP_ALIVE} between two pages, or a node was lost, and the engine has "
                "forgotten the moment that was read: start again"
            ) from error
        except TransportError as error:
            overloaded = error.status_code == 429 and time.monotonic() - started < _PATIENCE_S
            if not overloaded:
                raise explain(error, client) from error
            time.sleep(pause)
            size, pause = max(1, size // 2), min(2 * pause, 10.0)
        except OpenSearchException as error:
            raise explain(error, client) from error


def _forget(client: OpenSearch, moment: str) -> None:
    try:
        client.delete_pit(body={"pit_id": [moment]})
    except OpenSearchException:
        return  # it lapses by itself, and the reader has what it wanted


def sample(
    client: OpenSearch,
    index: str,
    size: int,
    *,
    includes: Sequence[str],
    query: Mapping[str, Any] | None = None,
) -> list[tuple[str, dict[str, Any]]]:
    """Give (id, source) of up to 10,000 documents drawn at random, the same ones as long as the index stays."""
    drawn = {"random_score": {"seed": 20_261, "field": "_seq_no"}, "query": dict(query or {"match_all": {}})}
    body = {
        "size": size,
        "query": {"function_score": drawn},
        "_source": list(includes),
        "track_total_hits": False,
    }
    with explained(client):
        answer = client.search(index=index, body=body, params={"search_pipeline": "_none"})
    return [(hit["_id"], hit.get("_source") or {}) for hit in answer["hits"]["hits"]]
