"""Versions of an index behind an alias: created, published in one step, rolled back and deleted.

A version is named `<alias>-v<UTC timestamp>`. It does not refresh until it is published. A load that was killed leaves a
version that no search reads: `unfinished` returns it so that the load can be resumed, and `prune` deletes it once a newer
one is in service.

An alias names one index at every moment: each move removes it from every other version in the same request. One that names
several all the same, by another tool or an earlier release, is read as the version published last, and `mend` moves it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from opensearch.analysis.chains import SYNONYM_FILTER
from opensearch.analysis.survey import Survey, usable_chains
from opensearch.client import explained, missing_index
from vitrine.errors import EngineError

from .fields import IndexSchema
from .meta import read_mapping, readable_schema, schema_of, update_meta, with_learned_settings
from .scan import count
from .schema import META_KEY, REFRESH_INTERVAL, Sharding, index_body

logger = logging.getLogger(__name__)

_PIPELINE = "index.search.default_pipeline"
_ONE_SHARD = Sharding()
_NO_SURVEY = Survey()
_MAX_LISTED = 20  # names of indices in an error


@dataclass(frozen=True)
class Version:
    """One index of an alias; `published`: when it last went into service (ISO, UTC), or None."""

    index: str
    published: str | None
    current: bool
    documents: int


def version_name(alias: str) -> str:
    """Return the name of a new version of the alias, made of the current time in milliseconds."""
    return f"{alias}-v{datetime.now(UTC):%Y%m%d%H%M%S%f}"[:-3]


def create_version(
    client: OpenSearch,
    alias: str,
    schema: IndexSchema,
    *,
    layout: Sharding = _ONE_SHARD,
    synonyms: Sequence[str] | None = None,
    survey: Survey = _NO_SURVEY,
) -> str:
    """Create an empty version and return its index name; the alias still names the previous one.

    `synonyms` are rules of `synonyms.parse_rules`; None takes over those in service. The languages of the survey and of
    the field plan get a field each, with the best chain that the cluster can build.
    """
    before = current(client, alias)
    if synonyms is None:
        synonyms = synonyms_of(client, before) if before else []
    if before and (previous := readable_schema(client, before)):
        schema = with_learned_settings(schema, previous)
    schema = replace(schema, chains=usable_chains(client, [schema.plan.language, *survey.languages]))
    body = index_body(schema, layout=layout, synonyms=synonyms, compounds=survey.compounds)
    index = version_name(alias)
    with explained(client):
        copies = _copies(client, layout.replicas)
        params = {"wait_for_active_shards": copies, "timeout": "60s", "request_timeout": 90}
        client.indices.create(index=index, body=body, params=params)
    return index


def publish(client: OpenSearch, alias: str, index: str) -> None:
    """Make `index` searchable and the only index of the alias, in one step that fails no search.

    It takes over the default search pipeline of the version in service, which is a setting of the index. Raises
    EngineError when another process has moved the alias at the same time.
    """
    before = current(client, alias)
    pipeline = _default_pipeline(client, before) if before else {}
    with explained(client):
        client.indices.put_settings(
            index=index, body={"index.refresh_interval": REFRESH_INTERVAL, **pipeline}
        )
        client.indices.refresh(index=index)
    update_meta(client, index, {"published": datetime.now(UTC).isoformat()})
    _move_alias(client, alias, index)


def mend(client: OpenSearch, alias: str) -> str | None:
    """Make an alias that names several indices name the one in service alone; return what was done, None for nothing."""
    names = holders(client, alias)
    if len(names) < 2:
        return None
    index = require_current(client, alias)
    _move_alias(client, alias, index)
    others = ", ".join(name for name in names if name != index)
    return f"alias {alias} named {len(names)} indices; it names {index} alone now, no longer {others}"


def holders(client: OpenSearch, alias: str) -> list[str]:
    """Return the names of the indices that the alias names, sorted; more than one is a fault that `mend` repairs.

    Raises EngineError when an index itself has that name.
    """
    with explained(client):
        try:
            indices: dict[str, Any] = client.indices.get_alias(index=alias)
        except NotFoundError:
            return []
    if alias in indices:
        raise EngineError(
            f"{alias} is an index and not an alias, and Vitrine keeps its versions behind an alias: name "
            f"another with --index, or embed this one beside it: `vitrine index --from {alias} --index NAME`"
        )
    return sorted(indices)


def current(client: OpenSearch, alias: str) -> str | None:
    """Return the index that the alias names, None when there is no such alias.

    Of several it is the version published last, with a warning; raises EngineError when none of them is a version.
    """
    names = holders(client, alias)
    if len(names) < 2:
        return names[0] if names else None
    published_at = {name: _published_at(client, name) for name in names if _is_version(alias, name)}
    index = max((name for name in published_at), key=lambda name: (published_at[name], name), default=None)
    if index is None:
        raise EngineError(
            f"alias {alias} names {len(names)} indices ({', '.join(names)}) and "
            "Vitrine keeps one version behind an alias: remove the others with POST /_aliases, or name "
            "another alias with --index"
        )
    _warn_of_several(alias, index, tuple(names))
    return index


def searched_index(client: OpenSearch, alias: str) -> str | None:
    """Return the index that searches name instead of an alias of several indices; None where they name the alias."""
    return current(client, alias) if len(holders(client, alias)) > 1 else None


def published(client: OpenSearch) -> dict[str, str]:
    """Return the index in service of every alias of Vitrine on this cluster."""
    with explained(client):
        aliases: dict[str, Any] = client.indices.get_alias(index="*")
    indices: dict[str, list[str]] = {}
    for index in sorted(aliases):
        for alias in aliases[index].get("aliases") or {}:
            if _is_version(alias, index):
                indices.setdefault(alias, []).append(index)
    return {
        alias: names[0] if len(names) == 1 else require_current(client, alias)
        for alias, names in indices.items()
    }


def require_current(client: OpenSearch, alias: str) -> str:
    """Return the index that the alias names. Raises IndexMissingError that lists the existing ones."""
    index = current(client, alias)
    if index is None:
        raise missing_index(client, alias)
    return index


def read_schema(client: OpenSearch, alias: str) -> IndexSchema:
    """Return the schema of the index that the alias names."""
    return schema_of(client, require_current(client, alias))


def versions(client: OpenSearch, alias: str) -> list[Version]:
    """Return every version of the alias, oldest first, with unpublished ones."""
    live = current(client, alias)
    with explained(client):
        try:
            indices = client.indices.get_mapping(index=f"{alias}-v*")
        except NotFoundError:
            indices = {}
        names = sorted(
            name for name in {*indices, live} if name and (name == live or _is_version(alias, name))
        )
        listed = []
        for name in names:
            index = indices[name] if name in indices else client.indices.get_mapping(index=name)[name]
            meta = (index["mappings"].get("_meta") or {}).get(META_KEY) or {}
            listed.append(Version(name, meta.get("published"), name == live, count(client, name)))
    return listed


def unfinished(client: OpenSearch, alias: str) -> str | None:
    """Return the newest version if it is newer than the one in service and never was: a load to resume."""
    newest: str | None = None
    for version in versions(client, alias):
        if version.current:
            newest = None
        elif version.published is None:
            newest = version.index
    return newest


def rollback(client: OpenSearch, alias: str) -> str:
    """Put the version published before the current one back in service and return its name."""
    index = require_current(client, alias)
    before = [v.index for v in versions(client, alias) if v.published and v.index < index]
    if not before:
        raise EngineError(
            f"there is no version of {alias} before {index} to return to: older ones were deleted "
            "or never published"
        )
    with explained(client):
        client.indices.put_settings(index=before[-1], body={"index.blocks.write": None})
    publish(client, alias, before[-1])
    return before[-1]


def prune(client: OpenSearch, alias: str, keep: int = 2, *, loads: bool = True) -> list[str]:
    """Delete old versions and abandoned loads and return their names; `keep` counts the one in service.

    Versions newer than the one in service stay, because they may be loading. With `loads` False, versions that were never
    published stay too.
    """
    if keep < 1:
        raise EngineError(f"keep={keep} would delete the version in service: keep at least 1")
    index = require_current(client, alias)
    older = [v for v in versions(client, alias) if v.index < index and _is_version(alias, v.index)]
    retained = [v.index for v in older if v.published][::-1][: keep - 1]
    deleted = [v.index for v in older if v.index not in retained and (v.published or loads)]
    for name in deleted:
        with explained(client):
            client.indices.delete(index=name, ignore_unavailable=True)
    return deleted


def refresh(client: OpenSearch, alias: str) -> None:
    """Make everything written so far visible to searches. `alias` may be the name of an index."""
    with explained(client):
        client.indices.refresh(index=alias)


def synonyms_of(client: OpenSearch, index: str) -> list[str]:
    """Return the synonym rules in the search analyzers of an index."""
    synonyms = read_analysis(client, index).get("filter", {}).get(SYNONYM_FILTER, {})
    return list(synonyms.get("synonyms") or [])


def read_analysis(client: OpenSearch, index: str) -> dict[str, Any]:
    """Return the `analysis` settings of an index."""
    with explained(client):
        settings = client.indices.get_settings(index=index)[index]["settings"]["index"]
    analysis: dict[str, Any] = settings.get("analysis", {})
    return analysis


def _move_alias(client: OpenSearch, alias: str, index: str) -> None:
    """Make the alias name `index` and nothing else, in one request, and check that it does.

    The pattern also removes a version that another process has published since the holders were read.
    """
    prefix = f"{alias}-v"
    names = {*holders(client, alias), index}
    foreign = sorted(name for name in names if not name.startswith(prefix) and name != index)
    patterns = [f"{prefix}*", *foreign] if any(name.startswith(prefix) for name in names) else foreign
    remove = [{"remove": {"index": name, "alias": alias, "must_exist": False}} for name in patterns]
    with explained(client):
        client.indices.update_aliases(body={"actions": [*remove, {"add": {"index": index, "alias": alias}}]})
    after = holders(client, alias)
    if after != [index]:
        raise EngineError(
            f"{index} was put in service, and another process has moved {alias} to {', '.join(after) or 'nothing'} since: "
            "see that only one command at a time changes the alias, then run this one again"
        )


@lru_cache(maxsize=64)  # once per process for each state
def _warn_of_several(alias: str, index: str, names: tuple[str, ...]) -> None:
    logger.warning(
        "alias %s names %d indices (%s); %s, published last, is used, and the next `vitrine index` or "
        "`vitrine index --rollback` makes the alias name one again",
        alias,
        len(names),
        ", ".join(names),
        index,
        extra={"alias": alias},
    )


def _published_at(client: OpenSearch, index: str) -> str:
    meta = (read_mapping(client, index).get("_meta") or {}).get(META_KEY) or {}
    return str(meta.get("published") or "")


def _copies(client: OpenSearch, replicas: int) -> int:
    """Return the number of shard copies to wait for; documents written to a single copy are lost with its node."""
    return min(1 + replicas, int(client.cluster.health()["number_of_data_nodes"])) if replicas else 1


def _default_pipeline(client: OpenSearch, index: str) -> dict[str, str]:
    with explained(client):
        response = client.indices.get_settings(index=index, name=_PIPELINE, params={"flat_settings": "true"})
    return dict(response.get(index, {}).get("settings", {}))


def _is_version(alias: str, index: str) -> bool:
    return re.fullmatch(rf"{re.escape(alias)}-v\d{{17}}", index) is not None
