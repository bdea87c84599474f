"""The body that creates an index from its schema: settings, analyzers and a strict mapping. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opensearch.analysis.chains import analysis_settings, digest_of, search_mapping
from opensearch.analysis.codes import CODES, code_mapping
from opensearch.analysis.compounds import Compounds
from vitrine.errors import EngineError, SchemaMismatchError

from .fields import HASHES, IMAGES, ROW_HASH, SEARCH, IndexSchema, VectorField
from .spaces import IMAGE, SPACES, TEXT, space_names

META_KEY = "vitrine"
META_VERSION = 3
REFRESH_INTERVAL = "1s"
# Half of Lucene's k1: repeating a word adds little relevance (title, description and attributes of a product repeat each
# other). Chosen by known items, scripts/bench/bm25.py.
BM25 = {"k1": 0.6, "b": 0.75}
MAX_DIMENSIONS = 16_000  # of a lucene vector field
# a Lucene term holds 32,766 bytes and a character at most four: longer values stay in the source but cannot be filtered
_MAX_KEYWORD = 8_191


@dataclass(frozen=True)
class Sharding:
    """The number of shards of an index, and of replicas of each."""

    shards: int = 1
    replicas: int = 0


def index_body(
    schema: IndexSchema,
    *,
    layout: Sharding,
    synonyms: Sequence[str] = (),
    compounds: Mapping[str, Compounds] | None = None,
) -> dict[str, Any]:
    """Return settings and mappings of a new index. Raises EngineError for a schema that the engine cannot hold.

    Refreshing is off until the index is published, and the k-NN engine is always lucene. `compounds` holds what
    splits compounds, by language.
    """
    return {
        "settings": {
            "index": {
                "number_of_shards": layout.shards,
                "number_of_replicas": layout.replicas,
                "knn": True,
                "refresh_interval": "-1",
                "mapping.total_fields.limit": 5_000,
                # a title of a megabyte must not fail a search that highlights
                "highlight.max_analyzed_offset": 10_000_000,
                "similarity": {"default": {"type": "BM25", **BM25}},
            },
            "analysis": analysis_settings(schema.chains, synonyms=synonyms, compounds=compounds),
        },
        "mappings": mappings(schema),
    }


def mappings(schema: IndexSchema) -> dict[str, Any]:
    """Return the mapping of a document: strict at the top, dynamic inside `numbers`, `keywords` and `dates`."""
    plan = schema.plan
    keyword = {"type": "keyword", "ignore_above": _MAX_KEYWORD}
    stored = {**keyword, "index": False, "doc_values": False}
    hashed = (TEXT, *(name for name in schema.vectors if name != IMAGE), ROW_HASH)
    properties: dict[str, Any] = {
        "id": keyword,
        CODES: code_mapping(),
        "title": {"type": "text", "analyzer": "vitrine_any", "search_analyzer": "vitrine_any_search"},
        "texts": {"type": "object", "enabled": False},
        "extra": {"type": "object", "enabled": False},
        SEARCH: {"dynamic": "strict", "properties": search_mapping(schema.chains)},
        "numbers": _columns(plan.numbers, {"type": "double"}),
        "keywords": _columns(plan.keywords, keyword),
        "dates": _columns(plan.dates, {"type": "date"}),
        "language": keyword,
        "group": keyword,
        "available": {"type": "boolean"},
        "created": {"type": "date"},
        HASHES: {"dynamic": "strict", "properties": dict.fromkeys(hashed, stored)},
        IMAGES: {
            "type": "nested",
            "dynamic": "strict",
            "properties": {"hash": keyword, "ref": stored},
        },
    }
    for name, field in schema.vectors.items():
        space = SPACES[name]
        parent = properties[space.nested]["properties"] if space.nested else properties
        parent[space.path.rpartition(".")[2]] = _vector(field)
    return {
        "dynamic": "strict",
        "date_detection": False,
        "dynamic_templates": [
            {"numbers": {"path_match": "numbers.*", "mapping": {"type": "double"}}},
            {"keywords": {"path_match": "keywords.*", "mapping": keyword}},
            {"dates": {"path_match": "dates.*", "mapping": {"type": "date"}}},
        ],
        "properties": properties,
        "_meta": {
            META_KEY: {
                **schema.to_dict(),
                "version": META_VERSION,
                "analysis": digest_of(analysis_settings(schema.chains)),
            }
        },
    }


def schema_from_mapping(mapping: Mapping[str, Any]) -> IndexSchema | None:
    """Return the schema in `_meta`, None for an index that Vitrine did not create.

    Raises SchemaMismatchError for a schema that this release cannot read.
    """
    meta = (mapping.get("_meta") or {}).get(META_KEY)
    if not meta:
        return None
    if meta.get("version") != META_VERSION:
        raise SchemaMismatchError(
            f"the index has a schema of version {meta.get('version')!r} and this release of Vitrine reads version "
            f"{META_VERSION}: index the catalogue again with `vitrine index CATALOGUE --rebuild`, or use the release "
            "that created the index"
        )
    unknown = sorted(set(meta["vectors"]) - set(SPACES))
    if unknown:
        raise SchemaMismatchError(
            f"the index has the vector space {', '.join(unknown)}, and this Vitrine has {', '.join(SPACES)}: add it to "
            "the table in opensearch/index/spaces.py, or index the catalogue again without it, with --rebuild"
        )
    return IndexSchema.from_dict(meta)


def differences(indexed: IndexSchema, schema: IndexSchema) -> list[str]:
    """Return every difference of two schemas with both values; empty when they are interchangeable."""
    old, new = indexed.plan.to_dict(), schema.plan.to_dict()
    problems = [
        f"{key} is {_shown(old[key])} in the index and {_shown(new[key])} in the plan"
        for key in old
        if key != "joined" and old[key] != new[key]  # which changes no document
    ]
    for name in space_names([*indexed.vectors, *schema.vectors]):
        before, after = indexed.vectors.get(name), schema.vectors.get(name)
        if before != after:
            problems.append(
                f"the {name} encoder is {_encoder(before)} in the index and {_encoder(after)} now"
            )
    return problems


def _vector(field: VectorField) -> dict[str, Any]:
    if not 1 <= field.dimension <= MAX_DIMENSIONS:
        raise EngineError(
            f"encoder {field.encoder} gives {field.dimension} dimensions, and the engine accepts 1 to "
            f"{MAX_DIMENSIONS}: choose another encoder"
        )
    method = {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"}
    return {"type": "knn_vector", "dimension": field.dimension, "method": method}


def _columns(names: Sequence[str], mapping: Mapping[str, Any]) -> dict[str, Any]:
    for name in names:
        parts = name.split(".")
        if any(not part.strip() for part in parts):
            raise EngineError(
                f"column {name!r} cannot be a field of an index (a name, or a part between dots, is empty): "
                "rename it in the catalogue, or leave it out of the field plan"
            )
        above = {".".join(parts[:end]) for end in range(1, len(parts))} & set(names)
        if above:
            raise EngineError(
                f"columns {min(above)!r} and {name!r} cannot both be fields: a dot makes the first an "
                "object; rename one of them in the catalogue, or leave it out of the field plan"
            )
    return {"dynamic": True, "properties": {name: dict(mapping) for name in names}}


def _shown(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    return "none" if value is None else repr(value)


def _encoder(field: VectorField | None) -> str:
    if field is None:
        return "none"
    return f"{field.encoder} ({field.dimension}, searched by {field.query_encoder})"
