"""The pointer of an alias: which three artifacts its searches are ranked with, changed in one step."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import ConflictError, NotFoundError, RequestError

from opensearch.client import explained
from vitrine.errors import EngineError
from vitrine.store import ArtifactSet

if TYPE_CHECKING:
    from opensearchpy import AsyncOpenSearch, OpenSearch

POINTERS = "vitrine-pointers"
MOST_HISTORY = 50
_TRIES = 20  # against others who swap at the same moment

_NAMES = {key: {"type": "keyword"} for key in ("model", "items", "behaviour")}
_BODY: dict[str, Any] = {
    "settings": {"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1"}},
    "mappings": {
        "dynamic": "strict",
        "properties": {
            "alias": {"type": "keyword"},
            **_NAMES,
            "at": {"type": "double"},
            "history": {"type": "object", "enabled": False},
        },
    },
}


@dataclass(frozen=True)
class PointerChange:
    """A pointer and the moment that it was put in service (seconds since 1970)."""

    pointer: ArtifactSet
    at: float


def read_pointer(client: OpenSearch, alias: str) -> ArtifactSet | None:
    """Give the artifacts in service, as of this very moment; None when no model was put in service yet."""
    found = _get(client, alias)
    return _pointer(found["_source"]) if found else None


async def read_pointer_async(client: AsyncOpenSearch, alias: str) -> ArtifactSet | None:
    """`read_pointer` without blocking the event loop."""
    with explained(client):
        try:
            return _pointer((await client.get(index=POINTERS, id=alias))["_source"])
        except NotFoundError:
            return None


def swap_pointer(
    client: OpenSearch, alias: str, pointer: ArtifactSet, at: float | None = None
) -> ArtifactSet | None:
    """Put the artifacts in service in one step, for every replica, and give those that were before.

    Nothing is lost when two do it at once: one comes after the other, and both stand in the history. What is
    in service already changes nothing. `at` is the moment in seconds since 1970, now by default.
    """
    moment = time.time() if at is None else at
    for _ in range(_TRIES):
        found = _get(client, alias)
        before = _pointer(found["_source"]) if found else None
        if before == pointer:
            return before
        history = found["_source"]["history"] if found else []
        entry = {**asdict(pointer), "at": moment}
        document = {"alias": alias, **entry, "history": [entry, *history][:MOST_HISTORY]}
        if _put(client, alias, document, found):
            return before
    raise EngineError(
        f"the pointer of {alias} was changed by others {_TRIES} times while this change was tried: look who "
        "trains or rolls back there, then try again"
    )


def pointer_history(client: OpenSearch, alias: str) -> list[PointerChange]:
    """Give every pointer that was put in service, newest first; the first one is in service now."""
    found = _get(client, alias)
    entries = found["_source"]["history"] if found else []
    return [PointerChange(_pointer(entry), float(entry["at"])) for entry in entries]


def drop_pointer(client: OpenSearch, alias: str) -> None:
    """Forget the alias: its searches are in the engine's order again."""
    with explained(client):
        try:
            client.delete(index=POINTERS, id=alias)
        except NotFoundError:
            return


def _get(client: OpenSearch, alias: str) -> dict[str, Any] | None:
    with explained(client):
        try:
            found: dict[str, Any] = client.get(index=POINTERS, id=alias)
        except NotFoundError:  # no such document, or no index yet
            return None
    return found


def _put(
    client: OpenSearch, alias: str, document: Mapping[str, Any], found: Mapping[str, Any] | None
) -> bool:
    """Write the document over the one that was found; False when somebody else was first."""
    if found:
        only = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
    else:
        _ensure(client)
        only = {"op_type": "create"}
    with explained(client):
        try:
            client.index(index=POINTERS, id=alias, body=document, params=only)
        except ConflictError:
            return False
    return True


def _ensure(client: OpenSearch) -> None:
    with explained(client):
        if client.indices.exists(index=POINTERS):
            return
        try:
            client.indices.create(index=POINTERS, body=_BODY)
        except RequestError as error:
            if error.error != "resource_already_exists_exception":
                raise


def _pointer(held: Mapping[str, Any]) -> ArtifactSet:
    return ArtifactSet(str(held["model"]), str(held["items"]), str(held["behaviour"]))
