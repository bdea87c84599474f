"""The pointer of an alias: the artifact set that ranks its searches, changed in one atomic step."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import ConflictError, NotFoundError

from opensearch.client import explained
from opensearch.index.create import ensure_index, strict_body
from vitrine.errors import EngineError
from vitrine.store import ArtifactSet

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

POINTERS = "vitrine-pointers"
MAX_HISTORY = 50  # changes that a pointer remembers
_MAX_ATTEMPTS = 20  # of one change, against concurrent changes

_PROPERTIES: dict[str, Any] = {
    "alias": {"type": "keyword"},
    **{key: {"type": "keyword"} for key in ("model", "items", "behaviour")},
    "at": {"type": "double"},
    "history": {"type": "object", "enabled": False},
}


@dataclass(frozen=True)
class PointerChange:
    """A pointer and the time of the change that put it in service (seconds since 1970)."""

    pointer: ArtifactSet
    at: float


def read_pointer(client: OpenSearch, alias: str) -> ArtifactSet | None:
    """Return the artifact set in service, read in real time; None before the first model."""
    document = _get(client, alias)
    return _artifact_set(document["_source"]) if document else None


def swap_pointer(
    client: OpenSearch, alias: str, pointer: ArtifactSet, at: float | None = None
) -> ArtifactSet | None:
    """Put the artifact set in service for every replica in one step, and return the previous set.

    Concurrent changes are applied one after the other, and all of them are in the history. Swapping to the set in
    service changes nothing. `at` is the time of the change (seconds since 1970), by default now.
    """
    moment = time.time() if at is None else at
    # Not tenacity: each attempt reads the document again and builds its change on it; there is no pause.
    for _ in range(_MAX_ATTEMPTS):
        document = _get(client, alias)
        before = _artifact_set(document["_source"]) if document else None
        if before == pointer:
            return before
        history = document["_source"]["history"] if document else []
        entry = {**asdict(pointer), "at": moment}
        change = {"alias": alias, **entry, "history": [entry, *history][:MAX_HISTORY]}
        if _put(client, alias, change, document):
            return before
    raise EngineError(
        f"the pointer of {alias} changed {_MAX_ATTEMPTS} times during this change: check which other process "
        "trains or rolls back there, then try again"
    )


def pointer_history(client: OpenSearch, alias: str) -> list[PointerChange]:
    """Return every pointer that was put in service, newest first; the first is in service."""
    document = _get(client, alias)
    entries = document["_source"]["history"] if document else []
    return [PointerChange(_artifact_set(entry), float(entry["at"])) for entry in entries]


def _get(client: OpenSearch, alias: str) -> dict[str, Any] | None:
    with explained(client):
        try:
            document: dict[str, Any] = client.get(index=POINTERS, id=alias)
        except NotFoundError:  # no such document, or no index yet
            return None
    return document


def _put(
    client: OpenSearch, alias: str, change: Mapping[str, Any], document: Mapping[str, Any] | None
) -> bool:
    """Write the change over the document that was read; False when another process wrote first."""
    if document:
        condition = {"if_seq_no": document["_seq_no"], "if_primary_term": document["_primary_term"]}
    else:
        ensure_index(client, POINTERS, strict_body(_PROPERTIES))
        condition = {"op_type": "create"}
    with explained(client):
        try:
            client.index(index=POINTERS, id=alias, body=change, params=condition)
        except ConflictError:
            return False
    return True


def _artifact_set(entry: Mapping[str, Any]) -> ArtifactSet:
    return ArtifactSet(str(entry["model"]), str(entry["items"]), str(entry["behaviour"]))
