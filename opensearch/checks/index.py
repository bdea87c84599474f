"""The doctor's look at the index: mapping against encoders, analysis, settings, versions and missing vectors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opensearchpy import OpenSearch

from opensearch.client import explained
from opensearch.index.fields import IndexSchema, VectorField
from opensearch.index.scan import count
from opensearch.index.schema import META_KEY, Chinese, schema_from_mapping
from opensearch.index.versions import Version, require_current, synonyms_of, versions
from vitrine.doctor import Context, Finding, fail, ok, warn
from vitrine.errors import VitrineError
from vitrine.store import Store

_WHERE = {"text": "text_vec", "image": "images.vec"}
_BLOCKS = ("write", "read_only", "read_only_allow_delete", "read", "metadata")
_AGAIN = "index the catalogue into a new version (`vitrine index CATALOGUE --rebuild`)"


def mapping_of(held: Mapping[str, Any], schema: IndexSchema | None) -> Iterator[Finding]:
    """Judge a mapping: whole `_source`, strict, and every vector as the schema says."""
    kept = held.get("_source", {})
    if kept.get("excludes") or kept.get("includes") or kept.get("enabled") is False:
        yield fail(
            "_source",
            f"cut by the mapping: {json.dumps(kept)}",
            f"a partial update loses vectors for ever: {_AGAIN}",
        )
    else:
        yield ok("_source", "whole")
    if schema and held.get("dynamic") != "strict":
        yield warn("mapping", "not strict: stray fields are guessed", f"somebody changed it; {_AGAIN}")
    fields = dict(_vectors(held))
    for path, field in fields.items():
        yield _vector(path, field)
    if schema:
        for name, path in _WHERE.items():
            yield from _as_encoded(path, fields.get(path), getattr(schema, name))


def settings_of(index: str, flat: Mapping[str, Any], data_nodes: int) -> Iterator[Finding]:
    """Judge the flat settings of an index."""
    lift = f"PUT {index}/_settings with "
    blocks = [name for name in _BLOCKS if str(flat.get(f"index.blocks.{name}")) == "true"]
    for name in blocks:
        advice = (
            "free disk space, the engine lifts it by itself"
            if name.endswith("delete")
            else f'{lift}"index.blocks.{name}": null'
        )
        yield fail("writes", f"blocked (index.blocks.{name})", advice)
    if not blocks:
        yield ok("writes", "open")
    interval = str(flat.get("index.refresh_interval", "1s"))
    if interval.startswith("-"):
        yield fail("refresh", "off: what is written is never seen", f'{lift}"index.refresh_interval": "1s"')
    else:
        yield ok("refresh", f"every {interval}")
    replicas = int(flat.get("index.number_of_replicas", 0))
    found = f"{flat.get('index.number_of_shards')} shards, {replicas} replicas"
    if data_nodes > 1 and replicas == 0 and "index.auto_expand_replicas" not in flat:
        yield warn(
            "copies",
            f"{found} on {data_nodes} nodes: one lost node fails searches",
            f'{lift}"index.number_of_replicas": 1',
        )
    else:
        yield ok("copies", found)


def analysis_of(chinese: Chinese, smartcn: bool, rules: Sequence[str]) -> Iterator[Finding]:
    """Judge the analysis of an index against what the cluster could do."""
    if chinese == "smartcn":
        yield ok("Chinese", "words are segmented (smartcn)")
    elif smartcn:
        yield ok(
            "Chinese",
            "pairs of signs (cjk), made before smartcn was installed",
            f"for segmented words {_AGAIN}",
        )
    else:
        yield ok("Chinese", "pairs of signs (cjk)")
    yield ok("synonyms", f"{len(rules)} rules")


def documents_of(total: int, without: Mapping[str, int]) -> Iterator[Finding]:
    """Judge how many documents there are, and how many lack the vector of a leg."""
    if not total:
        yield warn("documents", "none", "index a catalogue: `vitrine index CATALOGUE`")
        return
    yield ok("documents", f"{total:,}")
    for path, missing in without.items():
        found = f"{missing:,} of {total:,} documents have none"
        if missing == total:
            yield fail(
                path,
                found,
                "no search can use this leg: look for the reason in the report of `vitrine index`",
            )
        elif missing > total / 2:
            yield warn(
                path,
                found,
                "they are found by the other legs only; see the report of `vitrine index` for the reason",
            )
        else:
            yield ok(path, found)


def versions_of(found: Sequence[Version]) -> Iterator[Finding]:
    """Judge what else stands behind the alias."""
    live = next((version.index for version in found if version.current), "")
    loading = [version.index for version in found if version.published is None and version.index > live]
    kept = [version.index for version in found if version.published and not version.current]
    if loading:
        yield warn(
            "versions",
            f"{loading[-1]} was never put in service: a load runs, or was killed",
            "run the same `vitrine index` again, it goes on from there",
        )
    else:
        yield ok(
            "versions", f"{live}" + (f"; to roll back to: {kept[-1]}" if kept and kept[-1] < live else "")
        )


def encoders_of(schema: IndexSchema, store: Store) -> Iterator[Finding]:
    """Judge the artifacts that query vectors come from against the fields that they search."""
    for name, path in _WHERE.items():
        field: VectorField | None = getattr(schema, name)
        if field is None:
            continue
        subject = f"encoder of {path}"
        if not store.has("encoders", field.query_encoder):
            yield fail(
                subject,
                f"{field.query_encoder} is not in the store {store.url}",
                "name the store that holds it with VITRINE_STORE",
            )
            continue
        facts = json.loads(
            (store.get("encoders", field.query_encoder) / "encoder.json").read_text(encoding="utf-8")
        )
        if facts["dimension"] == field.dimension:
            yield ok(subject, f"{field.query_encoder}, {field.dimension} dimensions")
        else:
            yield fail(
                subject,
                f"{field.query_encoder} gives {facts['dimension']} dimensions and the field has {field.dimension}",
                _AGAIN,
            )


def check_index(context: Context) -> Iterator[Finding]:
    """Look at the index behind the alias."""
    client, alias, store = context.client, context.alias, context.store
    index = require_current(client, alias)
    with explained(client):
        held = client.indices.get_mapping(index=index)[index]["mappings"]
        flat = client.indices.get_settings(index=index, params={"flat_settings": "true"})[index]["settings"]
        nodes = int(client.cluster.health()["number_of_data_nodes"])
        plugins = {row["component"] for row in client.cat.plugins(format="json", h="component")}
    yield ok("index", f"{alias} is {index}")
    schema: IndexSchema | None = None
    try:
        schema = schema_from_mapping(held)
        if schema is None:
            yield fail(
                "_meta",
                "missing: Vitrine did not make this index, and its encoders are unknown",
                f"`vitrine index --from {alias} --index NAME` indexes it beside itself",
            )
        else:
            yield ok("_meta", "field plan and encoders recorded")
    except VitrineError as error:
        yield fail("_meta", str(error), _AGAIN)
    yield from mapping_of(held, schema)
    yield from settings_of(index, flat, nodes)
    if schema is None:
        return
    chinese: Chinese = "smartcn" if held["_meta"][META_KEY].get("chinese") == "smartcn" else "cjk"
    yield from analysis_of(chinese, "analysis-smartcn" in plugins, synonyms_of(client, index))
    yield from documents_of(*_counts(client, index, schema))
    yield from versions_of(versions(client, alias))
    if store is not None:
        yield from encoders_of(schema, store)


def _counts(client: OpenSearch, index: str, schema: IndexSchema) -> tuple[int, dict[str, int]]:
    having: dict[str, dict[str, Any]] = {}
    if schema.text:
        having["text_vec"] = {"exists": {"field": "text_vec"}}
    if schema.image:
        having["images.vec"] = {"nested": {"path": "images", "query": {"exists": {"field": "images.vec"}}}}
    total = count(client, index)
    counts = {path: count(client, index, query) for path, query in having.items()}
    return total, {path: total - count for path, count in counts.items()}


def _vectors(mapping: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, held in (mapping.get("properties") or {}).items():
        if held.get("type") == "knn_vector":
            yield f"{path}{name}", held
        yield from _vectors(held, f"{path}{name}.")


def _vector(path: str, field: Mapping[str, Any]) -> Finding:
    method = field.get("method") or {}
    engine = method.get("engine", "the cluster's default")
    if engine != "lucene":
        return fail(
            path,
            f"engine {engine}",
            f"a node without native libraries dies of it, and filters differ: {_AGAIN}",
        )
    space = method.get("space_type", field.get("space_type"))
    if space != "cosinesimil":
        return warn(path, f"space {space}", f"the weights of the legs are meant for cosinesimil: {_AGAIN}")
    return ok(path, f"lucene, {field.get('dimension')} dimensions, cosine")


def _as_encoded(path: str, found: Mapping[str, Any] | None, wanted: VectorField | None) -> Iterator[Finding]:
    if wanted and found is None:
        yield fail(path, f"missing, although {wanted.encoder} is recorded for it", _AGAIN)
    elif wanted and found and int(found["dimension"]) != wanted.dimension:
        yield fail(
            path, f"{found['dimension']} dimensions, and {wanted.encoder} gives {wanted.dimension}", _AGAIN
        )
    elif found and not wanted:
        yield fail(path, "no encoder is recorded for it", _AGAIN)
