"""Doctor checks of the index: mapping against encoders, analysis, settings, versions and missing vectors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opensearchpy import OpenSearch

from encoders.card import read_card
from opensearch.analysis.chains import analysis_settings, digest_of
from opensearch.analysis.survey import usable_chains
from opensearch.client import explained
from opensearch.index.fields import IndexSchema, VectorField
from opensearch.index.meta import recorded_analysis
from opensearch.index.scan import count
from opensearch.index.schema import schema_from_mapping
from opensearch.index.spaces import SPACES, has_vector
from opensearch.index.versions import Version, holders, require_current, synonyms_of, versions
from vitrine.doctor import Context, Finding, fail, ok, warn
from vitrine.errors import VitrineError
from vitrine.store import Store

_BLOCKS = ("write", "read_only", "read_only_allow_delete", "read", "metadata")
_REBUILD = "index the catalogue into a new version (`vitrine index CATALOGUE --rebuild`)"


def mapping_of(mapping: Mapping[str, Any], schema: IndexSchema | None) -> Iterator[Finding]:
    """Check a mapping: complete `_source`, strict, and every vector field as the schema records it."""
    source = mapping.get("_source", {})
    if source.get("excludes") or source.get("includes") or source.get("enabled") is False:
        yield fail(
            "_source",
            f"cut by the mapping: {json.dumps(source)}",
            f"a partial update loses vectors for good: {_REBUILD}",
        )
    else:
        yield ok("_source", "complete")
    if schema and mapping.get("dynamic") != "strict":
        yield warn(
            "mapping",
            "not strict: unknown fields are added with a guessed type",
            f"it was changed; {_REBUILD}",
        )
    fields = dict(_vector_fields(mapping))
    for path, field in fields.items():
        yield _vector_field(path, field)
    if schema:
        for name, space in SPACES.items():
            yield from _recorded_encoder(space.path, fields.get(space.path), schema.vectors.get(name))


def settings_of(index: str, flat: Mapping[str, Any], data_nodes: int) -> Iterator[Finding]:
    """Check the flat settings of an index: writes, refreshing and copies."""
    request = f"PUT {index}/_settings with "
    blocks = [name for name in _BLOCKS if str(flat.get(f"index.blocks.{name}")) == "true"]
    for name in blocks:
        advice = (
            "free disk space; the engine then removes the block"
            if name.endswith("delete")
            else f'{request}"index.blocks.{name}": null'
        )
        yield fail("writes", f"blocked (index.blocks.{name})", advice)
    if not blocks:
        yield ok("writes", "open")
    interval = str(flat.get("index.refresh_interval", "1s"))
    if interval.startswith("-"):
        yield fail(
            "refresh", "off: searches never see what is written", f'{request}"index.refresh_interval": "1s"'
        )
    else:
        yield ok("refresh", f"every {interval}")
    replicas = int(flat.get("index.number_of_replicas", 0))
    layout = f"{flat.get('index.number_of_shards')} shards, {replicas} replicas"
    if data_nodes > 1 and replicas == 0 and "index.auto_expand_replicas" not in flat:
        yield warn(
            "copies",
            f"{layout} on {data_nodes} nodes: the loss of one node fails searches",
            f'{request}"index.number_of_replicas": 1',
        )
    else:
        yield ok("copies", layout)


def analysis_of(
    schema: IndexSchema, recorded: str | None, available: Mapping[str, str], rules: int
) -> Iterator[Finding]:
    """Compare the analysis of an index with what this release and the cluster would give it now.

    `recorded` is the hash of the index's chains, `available` the best chain of each language, `rules` counts synonyms.
    """
    if recorded == digest_of(analysis_settings(schema.chains)):
        yield ok("analysis", ", ".join(f"{name}: {chain}" for name, chain in schema.chains.items()))
    else:
        yield warn(
            "analysis",
            "the chains of another release: words may be split and joined otherwise than this release does",
            f"searches work as before; for the chains of this release {_REBUILD}",
        )
    better = {name: chain for name, chain in available.items() if schema.chains.get(name, chain) != chain}
    for name, chain in better.items():
        yield ok(
            f"language {name}",
            f"{schema.chains[name]}, created before the plugin for {chain} was installed",
            f"for {chain} {_REBUILD}",
        )
    yield ok("synonyms", f"{rules} rules")


def documents_of(total: int, without: Mapping[str, int]) -> Iterator[Finding]:
    """Check the number of documents, and for each vector field how many have no vector."""
    if not total:
        yield warn("documents", "none", "index a catalogue: `vitrine index CATALOGUE`")
        return
    yield ok("documents", f"{total:,}")
    for path, missing in without.items():
        share = f"{missing:,} of {total:,} documents have none"
        if missing == total:
            yield fail(
                path,
                share,
                "no search can use this sub-query: the report of `vitrine index` has the reason",
            )
        elif missing > total / 2:
            yield warn(
                path,
                share,
                "only the other sub-queries find these products: the report of `vitrine index` has the reason",
            )
        else:
            yield ok(path, share)


def versions_of(listed: Sequence[Version]) -> Iterator[Finding]:
    """Check the versions of the alias besides the one in service."""
    live = next((version.index for version in listed if version.current), "")
    loading = [version.index for version in listed if version.published is None and version.index > live]
    previous = [version.index for version in listed if version.published and not version.current]
    if loading:
        yield warn(
            "versions",
            f"{loading[-1]} was never put in service: its load is running or was killed",
            "run the same `vitrine index` again to resume it",
        )
    else:
        yield ok(
            "versions",
            f"{live}" + (f"; to roll back to: {previous[-1]}" if previous and previous[-1] < live else ""),
        )


def encoders_of(schema: IndexSchema, store: Store) -> Iterator[Finding]:
    """Compare the query encoders in the store with the vector fields that they search."""
    for name, field in schema.vectors.items():
        subject = f"encoder of {SPACES[name].path}"
        if not store.has("encoders", field.query_encoder):
            yield fail(
                subject,
                f"{field.query_encoder} is not in the store {store.url}",
                "name the store that holds it with VITRINE_STORE",
            )
            continue
        card = read_card(store.get("encoders", field.query_encoder))
        if card.dimension == field.dimension:
            yield ok(subject, f"{field.query_encoder}, {field.dimension} dimensions")
        else:
            yield fail(
                subject,
                f"{field.query_encoder} gives {card.dimension} dimensions and the field has {field.dimension}",
                _REBUILD,
            )


def alias_of(alias: str, index: str, names: Sequence[str]) -> Finding:
    """Check that the alias names one index; `index` is the one that Vitrine takes it for."""
    if len(names) < 2:
        return ok("index", f"{alias} is {index}")
    return fail(
        "index",
        f"{alias} names {len(names)} indices ({', '.join(names)}): a plain search gives the products of all of them",
        f"run `vitrine index CATALOGUE --index {alias}` or `vitrine index --rollback --index {alias}`, "
        f"and the alias names one again (the first keeps {index})",
    )


def check_index(context: Context) -> Iterator[Finding]:
    """Run all checks of the index behind the alias."""
    client, alias, store = context.client, context.alias, context.store
    index = require_current(client, alias)
    with explained(client):
        mapping = client.indices.get_mapping(index=index)[index]["mappings"]
        flat = client.indices.get_settings(index=index, params={"flat_settings": "true"})[index]["settings"]
        nodes = int(client.cluster.health()["number_of_data_nodes"])
    yield alias_of(alias, index, holders(client, alias))
    schema: IndexSchema | None = None
    try:
        schema = schema_from_mapping(mapping)
        if schema is None:
            yield fail(
                "_meta",
                "missing: Vitrine did not create this index, and its encoders are unknown",
                f"`vitrine index --from {alias} --index NAME` indexes its documents beside it",
            )
        else:
            yield ok("_meta", "field plan and encoders recorded")
    except VitrineError as error:
        yield fail("_meta", str(error), _REBUILD)
    yield from mapping_of(mapping, schema)
    yield from settings_of(index, flat, nodes)
    if schema is None:
        return
    available = usable_chains(client, schema.chains)
    yield from analysis_of(schema, recorded_analysis(mapping), available, len(synonyms_of(client, index)))
    yield from documents_of(*_counts(client, index, schema))
    yield from versions_of(versions(client, alias))
    if store is not None:
        yield from encoders_of(schema, store)


def _counts(client: OpenSearch, index: str, schema: IndexSchema) -> tuple[int, dict[str, int]]:
    total = count(client, index)
    spaces = [SPACES[name] for name in schema.vectors]
    counts = {space.path: count(client, index, has_vector(space)) for space in spaces}
    return total, {path: total - count for path, count in counts.items()}


def _vector_fields(mapping: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield path and mapping of every vector field."""
    for name, field in (mapping.get("properties") or {}).items():
        if field.get("type") == "knn_vector":
            yield f"{path}{name}", field
        yield from _vector_fields(field, f"{path}{name}.")


def _vector_field(path: str, field: Mapping[str, Any]) -> Finding:
    method = field.get("method") or {}
    engine = method.get("engine", "the cluster's default")
    if engine != "lucene":
        return fail(
            path,
            f"engine {engine}",
            f"it stops a node without native libraries, and its filters differ: {_REBUILD}",
        )
    space = method.get("space_type", field.get("space_type"))
    if space != "cosinesimil":
        return warn(path, f"space {space}", f"the sub-query weights are meant for cosinesimil: {_REBUILD}")
    return ok(path, f"lucene, {field.get('dimension')} dimensions, cosine")


def _recorded_encoder(
    path: str, field: Mapping[str, Any] | None, recorded: VectorField | None
) -> Iterator[Finding]:
    """Compare a vector field of the mapping with the encoder that the schema records for it."""
    if recorded and field is None:
        yield fail(path, f"missing, although {recorded.encoder} is recorded for it", _REBUILD)
    elif recorded and field and int(field["dimension"]) != recorded.dimension:
        yield fail(
            path,
            f"{field['dimension']} dimensions, and {recorded.encoder} gives {recorded.dimension}",
            _REBUILD,
        )
    elif field and not recorded:
        yield fail(path, "no encoder is recorded for it", _REBUILD)
