"""What the mapping of an index that Vitrine did not make says of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opensearchpy import OpenSearch

from opensearch.client import explained
from vitrine.errors import EngineError

_VECTORS = ("knn_vector", "dense_vector", "sparse_vector", "rank_features", "binary")


def field_types(client: OpenSearch, index: str) -> dict[str, str]:
    """The type of every field that the mapping names, by dotted path; multi-fields are left out.

    EngineError when the name stands for several indices, for their ids may meet.
    """
    with explained(client):
        found = client.indices.get_mapping(index=index)
    if len(found) != 1:
        raise EngineError(
            f"{index} names {len(found)} indices; name one to index from (their ids may be the same)"
        )
    types: dict[str, str] = {}
    _walk(next(iter(found.values()))["mappings"], "", types)
    return types


def _walk(mapping: Mapping[str, Any], path: str, types: dict[str, str]) -> None:
    for name, held in (mapping.get("properties") or {}).items():
        types[path + name] = held.get("type", "object")
        _walk(held, f"{path}{name}.", types)


def vector_fields(types: Mapping[str, str]) -> list[str]:
    """The fields that hold numbers for machines: of no use to a reader, and most of the bytes."""
    return [name for name, kind in types.items() if kind in _VECTORS]
