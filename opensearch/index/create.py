"""Creation of an index with a fixed mapping, once for all processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import RequestError

from opensearch.client import explained

if TYPE_CHECKING:
    from opensearchpy import AsyncOpenSearch, OpenSearch

_EXISTS = "resource_already_exists_exception"


def strict_body(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a small index of one shard that refuses unknown fields."""
    settings = {"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1"}}
    return {"settings": settings, "mappings": {"dynamic": "strict", "properties": dict(properties)}}


def ensure_index(client: OpenSearch, index: str, body: Mapping[str, Any]) -> None:
    """Create the index unless it exists; a write would make the engine create one with a guessed mapping.

    An index of `strict_body` that an earlier release created gets the fields that it lacks.
    """
    with explained(client):
        if client.indices.exists(index=index):
            if body["mappings"]["dynamic"] == "strict":
                _add_fields(client, index, body["mappings"]["properties"])
            return
        try:
            client.indices.create(index=index, body=body)
        except RequestError as error:
            if error.error != _EXISTS:
                raise


def _add_fields(client: OpenSearch, index: str, properties: Mapping[str, Any]) -> None:
    (mapping,) = client.indices.get_mapping(index=index).values()
    present = mapping["mappings"].get("properties", {})
    missing = {name: field for name, field in properties.items() if name not in present}
    if missing and mapping["mappings"].get("dynamic") == "strict":
        client.indices.put_mapping(index=index, body={"properties": missing})


async def ensure_index_async(client: AsyncOpenSearch, index: str, body: Mapping[str, Any]) -> None:
    """Create the index unless it exists, without blocking the event loop."""
    with explained(client):
        if await client.indices.exists(index=index):
            return
        try:
            await client.indices.create(index=index, body=body)
        except RequestError as error:
            if error.error != _EXISTS:
                raise
