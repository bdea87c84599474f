"""Pinned products join the candidates of a search, whether its words find them or not."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opensearch.index.spaces import vector_paths
from opensearch.search.filters import ids_filter
from opensearch.search.query import DEFAULT_SOURCE
from opensearch.search.retrieve import Candidate, Retrieved, retrieve
from vitrine.errors import VitrineError

from .query_rule import Pin

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

_log = logging.getLogger(__name__)


def with_pinned(
    client: OpenSearch,
    index: str,
    retrieved: Retrieved,
    pins: Mapping[str, Pin],
    filters: Sequence[Mapping[str, Any]],
) -> Retrieved:
    """Return the answer with the pinned products among its candidates, the missing ones last, and counted as matches.

    The engine is asked once more where some are missing. They meet the filters of the search and are available. Where
    nothing matches, only the rules of the query itself pin. Without an answer of the engine the candidates stand.
    """
    wanted = {product for product, pin in pins.items() if retrieved.total or not pin.any_query}
    missing = sorted(wanted - {candidate.id for candidate in retrieved.candidates})
    candidates = [
        replace(candidate, matches=True) if candidate.id in wanted else candidate
        for candidate in retrieved.candidates
    ]
    candidates += _read(client, index, missing, filters) if missing else []
    total = max(retrieved.total, sum(candidate.matches for candidate in candidates))
    return replace(retrieved, candidates=candidates, total=total)


def _read(
    client: OpenSearch, index: str, ids: Sequence[str], filters: Sequence[Mapping[str, Any]]
) -> list[Candidate]:
    body = {
        "size": len(ids),
        "_source": {"includes": list(DEFAULT_SOURCE), "excludes": list(vector_paths())},
        "query": {"bool": {"filter": [ids_filter(ids), *filters]}},
    }
    try:
        found = retrieve(client, index, body, pipeline="_none").candidates
    except VitrineError as error:
        _log.warning("pinned products of %s cannot be read: %s", index, error)
        return []
    return sorted((one for one in found if one.source.get("available") is not False), key=lambda one: one.id)
