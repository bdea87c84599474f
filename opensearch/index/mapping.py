"""Field types in the mapping of any index, also of one that Vitrine did not create."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opensearchpy import OpenSearch

from opensearch.client import explained
from vitrine.errors import EngineError

_VECTORS = ("knn_vector", "dense_vector", "sparse_vector", "rank_features", "binary")


def field_types(client: OpenSearch, index: str) -> dict[str, str]:
    """Return the type of each field by dotted path, without multi-fields.

    Raises EngineError when the name stands for several indices, because they may use the same ids.
    """
    with explained(client):
        indices = client.indices.get_mapping(index=index)
    if len(indices) != 1:
        raise EngineError(
            f"{index} names {len(indices)} indices; name a single one to index from (ids may be used in several)"
        )
    types: dict[str, str] = {}
    _walk(next(iter(indices.values()))["mappings"], "", types)
    return types


def _walk(mapping: Mapping[str, Any], path: str, types: dict[str, str]) -> None:
    for name, field in (mapping.get("properties") or {}).items():
        types[path + name] = field.get("type", "object")
        _walk(field, f"{path}{name}.", types)


def vector_fields(types: Mapping[str, str]) -> list[str]:
    """Return the fields of vector types, which make up most of a document's bytes."""
    return [name for name, kind in types.items() if kind in _VECTORS]
