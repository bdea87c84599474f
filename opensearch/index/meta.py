"""The schema of an index in its mapping's `_meta`: read, compared, and changed when a setting is learned.

Every function takes the name of an index, or an alias over one index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from opensearchpy import OpenSearch

from opensearch.client import explained
from vitrine.errors import EngineError, SchemaMismatchError

from .fields import IndexSchema
from .schema import META_KEY, differences, schema_from_mapping
from .spaces import IMAGE


def schema_of(client: OpenSearch, index: str) -> IndexSchema:
    """Return the schema of an index. Raises EngineError when Vitrine did not create it."""
    schema = schema_from_mapping(read_mapping(client, index))
    if schema is None:
        raise EngineError(
            f"index {index} was not created by Vitrine (its mapping has no `_meta.{META_KEY}`): "
            f"`vitrine index --from {index} --index NAME` indexes its documents beside it and leaves it unchanged"
        )
    return schema


def readable_schema(client: OpenSearch, index: str) -> IndexSchema | None:
    """Return the schema of an index that is to be replaced; None for one that this release cannot read.

    Raises EngineError when Vitrine did not create the index.
    """
    try:
        return schema_of(client, index)
    except SchemaMismatchError:
        return None


def set_weights(client: OpenSearch, index: str, weights: Mapping[str, float] | None) -> None:
    """Store the sub-query weights for queries of words; None: the default weights apply."""
    _store(client, index, weights=weights)


def set_floors(client: OpenSearch, index: str, floors: Mapping[str, float]) -> None:
    """Store the cosines from which a neighbour matches a query; empty: only words decide what matches."""
    _store(client, index, floors=dict(floors))


def set_similarity_threshold(client: OpenSearch, index: str, threshold: float | None) -> None:
    """Store the cosine from which two images count as images of one product; None removes it."""
    _store(client, index, similarity_threshold=threshold)


def set_vocabulary(client: OpenSearch, index: str, name: str | None) -> None:
    """Store the name of the artifact with the words of the index's products; None removes it."""
    _store(client, index, vocabulary=name)


def set_joined(client: OpenSearch, index: str, columns: Sequence[str]) -> None:
    """Store the columns that come from other files than the catalogue."""
    schema = schema_of(client, index)
    if schema.plan.joined != tuple(columns):
        plan = replace(schema.plan, joined=tuple(columns))
        update_meta(client, index, replace(schema, plan=plan).to_dict())


def with_learned_settings(schema: IndexSchema, previous: IndexSchema) -> IndexSchema:
    """Return the schema with the learned settings of the previous version, where they apply to the same vectors."""
    if schema.weights is None and previous.vectors == schema.vectors:
        schema = replace(schema, weights=previous.weights)
    if not schema.floors and previous.vectors == schema.vectors:
        schema = replace(schema, floors=previous.floors)
    same_images = previous.vectors.get(IMAGE) == schema.vectors.get(IMAGE)
    if schema.similarity_threshold is None and same_images:
        schema = replace(schema, similarity_threshold=previous.similarity_threshold)
    return schema


def require_same_schema(alias: str, indexed: IndexSchema, schema: IndexSchema) -> None:
    """Raise SchemaMismatchError that lists every difference of plan and encoders with both values."""
    problems = differences(indexed, schema)
    if problems:
        raise SchemaMismatchError(
            f"index {alias} has another schema: {'; '.join(problems)}; use the plan and the encoders of the "
            "index, rebuild it as a new version, or name another with --index"
        )


def recorded_analysis(mapping: Mapping[str, Any]) -> str | None:
    """Return the hash of the analysis chains that a mapping records."""
    return ((mapping.get("_meta") or {}).get(META_KEY) or {}).get("analysis")


def read_mapping(client: OpenSearch, index: str) -> dict[str, Any]:
    """Return the mapping of an index."""
    with explained(client):
        response: dict[str, Any] = client.indices.get_mapping(index=index)
    mapping: dict[str, Any] = next(iter(response.values()))["mappings"]
    return mapping


def update_meta(client: OpenSearch, index: str, values: Mapping[str, Any]) -> None:
    """Change entries of Vitrine's part of `_meta`; the rest stays."""
    meta = dict(read_mapping(client, index).get("_meta") or {})
    meta[META_KEY] = {**meta.get(META_KEY, {}), **values}
    with explained(client):
        client.indices.put_mapping(index=index, body={"_meta": meta})


def _store(client: OpenSearch, index: str, **learned: Any) -> None:
    update_meta(client, index, replace(schema_of(client, index), **learned).to_dict())
