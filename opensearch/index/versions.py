"""Versions of an index behind an alias: make one, load it, publish it in one step, go back, clear away.

A version is `<alias>-v<UTC timestamp>`. It is made with refreshing off and gets it back when it is published;
a load that was killed leaves a version that no search sees; `unfinished` finds it to go on with, and once a
newer one is in service `prune` deletes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, RequestError

from opensearch.client import explained, missing_index
from vitrine.errors import EngineError, SchemaMismatchError

from .fields import IndexSchema
from .scan import count
from .schema import (
    META_KEY,
    REFRESH_INTERVAL,
    SYNONYM_FILTER,
    Chinese,
    Sharding,
    differences,
    index_body,
    schema_from_mapping,
)

_PIPELINE = "index.search.default_pipeline"


@dataclass(frozen=True)
class Version:
    """One index behind an alias; `published`: when it last went into service (ISO, UTC), or None."""

    index: str
    published: str | None
    current: bool
    documents: int


def version_name(alias: str) -> str:
    """Name a new version of the alias by the present moment, to the millisecond."""
    return f"{alias}-v{datetime.now(UTC):%Y%m%d%H%M%S%f}"[:-3]


def create_version(
    client: OpenSearch,
    alias: str,
    schema: IndexSchema,
    *,
    shards: int = 1,
    replicas: int = 0,
    synonyms: Sequence[str] | None = None,
) -> str:
    """Make an empty version and give its index name; the alias still names the one before.

    `synonyms` are rules as `synonyms.parse_rules` gives them; None takes over those in service.
    """
    before = current(client, alias)
    if synonyms is None:
        synonyms = synonyms_of(client, before) if before else []
    if before:
        schema = _with_learned(schema, schema_of(client, before))
    body = index_body(
        schema, layout=Sharding(shards, replicas), chinese=chinese_analysis(client), synonyms=synonyms
    )
    index = version_name(alias)
    with explained(client):
        copies = _copies(client, replicas)
        params = {"wait_for_active_shards": copies, "timeout": "60s", "request_timeout": 90}
        client.indices.create(index=index, body=body, params=params)
    return index


def publish(client: OpenSearch, alias: str, index: str) -> None:
    """Make `index` searchable and let the alias name it alone, in one step that no search notices.

    The default search pipeline of the version in service goes along: it sits on the index, not on the alias.
    """
    holders = _holders(client, alias)
    settings = {"index.refresh_interval": REFRESH_INTERVAL, **_default_pipeline(client, holders)}
    with explained(client):
        mapping = client.indices.get_mapping(index=index)[index]["mappings"]
        client.indices.put_settings(index=index, body=settings)
        client.indices.refresh(index=index)
        meta = dict(mapping.get("_meta") or {})
        meta[META_KEY] = {**meta.get(META_KEY, {}), "published": datetime.now(UTC).isoformat()}
        client.indices.put_mapping(index=index, body={"_meta": meta})
        remove = [
            {"remove": {"index": holder, "alias": alias}} for holder in sorted(holders) if holder != index
        ]
        add = {"add": {"index": index, "alias": alias}}
        client.indices.update_aliases(body={"actions": [*remove, add]})


def current(client: OpenSearch, alias: str) -> str | None:
    """Give the index that the alias names, None when there is no such alias."""
    holders = _holders(client, alias)
    if len(holders) > 1:
        raise EngineError(
            f"alias {alias} names {len(holders)} indices ({', '.join(sorted(holders))}) and "
            "Vitrine keeps one version behind an alias: remove the others with POST /_aliases, or name "
            "another alias with --index"
        )
    return next(iter(holders), None)


def published(client: OpenSearch) -> dict[str, str]:
    """Give the index in service behind every alias that Vitrine keeps on this cluster."""
    with explained(client):
        found: dict[str, Any] = client.indices.get_alias(index="*")
    return {
        alias: index
        for index in sorted(found)
        for alias in found[index].get("aliases") or {}
        if _is_version(alias, index)
    }


def require_current(client: OpenSearch, alias: str) -> str:
    """Give the index that the alias names; IndexMissingError lists what exists instead."""
    index = current(client, alias)
    if index is None:
        raise missing_index(client, alias)
    return index


def read_schema(client: OpenSearch, alias: str) -> IndexSchema:
    """Give the plan and the encoders that the index behind the alias was made with."""
    return schema_of(client, require_current(client, alias))


def schema_of(client: OpenSearch, index: str) -> IndexSchema:
    """Give the schema of one index by its own name; EngineError when Vitrine did not make it."""
    schema = schema_from_mapping(_mapping(client, index))
    if schema is None:
        raise EngineError(
            f"index {index} was not made by Vitrine (its mapping has no `_meta.{META_KEY}`): "
            f"`vitrine index --from {index} --index NAME` indexes it beside itself and leaves it as it is"
        )
    return schema


def set_weights(client: OpenSearch, index: str, weights: tuple[float, float, float] | None) -> None:
    """Keep the leg weights for queries of words with one index, by its own name; None goes back to the defaults."""
    _keep(client, index, weights=weights)


def set_floor(client: OpenSearch, alias: str, similarity_threshold: float | None) -> None:
    """Keep the cosine from which two pictures count as of one product with the index in service; None forgets it."""
    _keep(client, require_current(client, alias), similarity_threshold=similarity_threshold)


def _keep(client: OpenSearch, index: str, **learned: Any) -> None:
    """Keep what was learned with one index."""
    held = replace(schema_of(client, index), **learned).to_dict()
    meta = dict(_mapping(client, index).get("_meta") or {})
    meta[META_KEY] = {**meta.get(META_KEY, {}), **held}
    with explained(client):
        client.indices.put_mapping(index=index, body={"_meta": meta})


def require_same_schema(alias: str, found: IndexSchema, wanted: IndexSchema) -> None:
    """Raise SchemaMismatchError that names every difference, plan and encoders, with both values."""
    told = differences(found, wanted)
    if told:
        raise SchemaMismatchError(
            f"index {alias} was made otherwise: {'; '.join(told)}; use the plan and the encoders of the "
            "index, rebuild it whole into a new version, or name another with --index"
        )


def versions(client: OpenSearch, alias: str) -> list[Version]:
    """Give every version of the alias, oldest first, unpublished ones included."""
    live = set(_holders(client, alias))
    with explained(client):
        try:
            found = client.indices.get_mapping(index=f"{alias}-v*")
        except NotFoundError:
            found = {}
        names = sorted(name for name in {*found, *live} if name in live or _is_version(alias, name))
        listed = []
        for name in names:
            held = found[name] if name in found else client.indices.get_mapping(index=name)[name]
            meta = (held["mappings"].get("_meta") or {}).get(META_KEY) or {}
            listed.append(Version(name, meta.get("published"), name in live, count(client, name)))
    return listed


def unfinished(client: OpenSearch, alias: str) -> str | None:
    """Give the newest version, if never published and later than the one in service: a load to go on with."""
    newest: str | None = None
    for version in versions(client, alias):
        if version.current:
            newest = None
        elif version.published is None:
            newest = version.index
    return newest


def rollback(client: OpenSearch, alias: str) -> str:
    """Put the version published before the current one back in service, and give its name."""
    index = require_current(client, alias)
    before = [v.index for v in versions(client, alias) if v.published and v.index < index]
    if not before:
        raise EngineError(
            f"there is no version of {alias} before {index} to go back to: older ones were pruned "
            "or never published"
        )
    with explained(client):
        client.indices.put_settings(index=before[-1], body={"index.blocks.write": None})
    publish(client, alias, before[-1])
    return before[-1]


def prune(client: OpenSearch, alias: str, keep: int = 2, *, loads: bool = True) -> list[str]:
    """Delete old versions and abandoned loads, and give their names; `keep` counts the one in service.

    What is newer than the version in service is left alone: it may be loading just now. With `loads` False so is
    every version that was never published.
    """
    if keep < 1:
        raise EngineError(f"keep={keep} would delete the version in service: keep at least 1")
    index = require_current(client, alias)
    older = [v for v in versions(client, alias) if v.index < index and _is_version(alias, v.index)]
    kept = [v.index for v in older if v.published][::-1][: keep - 1]
    gone = [v.index for v in older if v.index not in kept and (v.published or loads)]
    for name in gone:
        with explained(client):
            client.indices.delete(index=name, ignore_unavailable=True)
    return gone


def drop(client: OpenSearch, alias: str, index: str) -> None:
    """Delete one version that is not in service."""
    if index == current(client, alias):
        raise EngineError(f"{index} is in service as {alias}: publish or roll back to another version first")
    if not _is_version(alias, index):
        raise EngineError(f"{index} is no version of {alias}, whose versions are named {alias}-v<timestamp>")
    with explained(client):
        client.indices.delete(index=index, ignore_unavailable=True)


def refresh(client: OpenSearch, alias: str) -> None:
    """Make everything that was written so far visible to searches; an index name serves too."""
    with explained(client):
        client.indices.refresh(index=alias)


def chinese_analysis(client: OpenSearch) -> Chinese:
    """Ask the cluster whether it segments Chinese words (plugin analysis-smartcn), else pairs of signs do."""
    try:
        with explained(client):
            client.indices.analyze(body={"tokenizer": "smartcn_tokenizer", "text": "红色"})
    except EngineError as error:
        if isinstance(error.__cause__, RequestError):
            return "cjk"
        raise
    return "smartcn"


def chinese_of(client: OpenSearch, index: str) -> Chinese:
    """Give the Chinese analysis that an index was made with; changing it would mean to index again."""
    meta = (_mapping(client, index).get("_meta") or {}).get(META_KEY) or {}
    return "smartcn" if meta.get("chinese") == "smartcn" else "cjk"


def synonyms_of(client: OpenSearch, index: str) -> list[str]:
    """Give the synonym rules in the search analyzers of an index."""
    with explained(client):
        settings = client.indices.get_settings(index=index)[index]["settings"]["index"]
    held = settings.get("analysis", {}).get("filter", {}).get(SYNONYM_FILTER, {})
    return list(held.get("synonyms") or [])


def _with_learned(schema: IndexSchema, old: IndexSchema) -> IndexSchema:
    """Take over what was learned on the version before, as far as it was on the same vectors."""
    if schema.weights is None and (old.text, old.image) == (schema.text, schema.image):
        schema = replace(schema, weights=old.weights)
    if schema.similarity_threshold is None and old.image == schema.image:
        schema = replace(schema, similarity_threshold=old.similarity_threshold)
    return schema


def _holders(client: OpenSearch, alias: str) -> dict[str, Any]:
    """Give the indices behind the alias; EngineError when an index itself has that name."""
    with explained(client):
        try:
            found: dict[str, Any] = client.indices.get_alias(index=alias)
        except NotFoundError:
            return {}
    if alias in found:
        raise EngineError(
            f"{alias} is an index and not an alias, and Vitrine keeps its versions behind an alias: name "
            f"another with --index, or embed this one beside it: `vitrine index --from {alias} --index NAME`"
        )
    return found


def _copies(client: OpenSearch, replicas: int) -> int:
    """How many copies of a shard the nodes can hold: what is written before the second is there dies with a node."""
    return min(1 + replicas, int(client.cluster.health()["number_of_data_nodes"])) if replicas else 1


def _default_pipeline(client: OpenSearch, indices: Iterable[str]) -> dict[str, str]:
    for index in indices:
        with explained(client):
            held = client.indices.get_settings(index=index, name=_PIPELINE, params={"flat_settings": "true"})
        return dict(held.get(index, {}).get("settings", {}))
    return {}


def _mapping(client: OpenSearch, index: str) -> dict[str, Any]:
    with explained(client):
        mapping: dict[str, Any] = client.indices.get_mapping(index=index)[index]["mappings"]
    return mapping


def _is_version(alias: str, index: str) -> bool:
    return re.fullmatch(rf"{re.escape(alias)}-v\d{{17}}", index) is not None
