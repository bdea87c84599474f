"""The query rules of an alias: one document, changed in one atomic step and numbered by version."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import ConflictError, NotFoundError

from opensearch.client import explained
from opensearch.index.create import ensure_index, strict_body
from vitrine.errors import EngineError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

QUERY_RULES = "vitrine-rules"
_MAX_ATTEMPTS = 20  # of one change, against concurrent changes
_PROPERTIES: dict[str, Any] = {
    "alias": {"type": "keyword"},
    "version": {"type": "long"},
    "at": {"type": "double"},
    "rules": {"type": "object", "enabled": False},
    "explore": {"type": "object", "enabled": False},
}


@dataclass(frozen=True)
class StoredRules:
    """The rules of an alias as JSON objects, and how new products are promoted; version 0: none were ever written."""

    version: int = 0
    rules: Sequence[Mapping[str, Any]] = ()
    explore: Mapping[str, Any] = field(default_factory=dict)


def read_query_rules(client: OpenSearch, alias: str) -> StoredRules:
    """Return the rules in service, read in real time."""
    return _stored(_get(client, alias))


def change_query_rules(
    client: OpenSearch, alias: str, change: Callable[[StoredRules], StoredRules]
) -> StoredRules:
    """Put what `change` makes of the rules in service for every replica, and return it with its version.

    `change` is called again on the newest rules where another process wrote meanwhile; what it raises leaves the rules as
    they are. Equal rules keep their version.
    """
    for _ in range(_MAX_ATTEMPTS):
        document = _get(client, alias)
        before = _stored(document)
        changed = replace(change(before), version=before.version)
        if changed == before:
            return before
        changed = replace(changed, version=before.version + 1)
        if _put(client, alias, changed, document):
            return changed
    raise EngineError(
        f"the rules of {alias} changed {_MAX_ATTEMPTS} times during this change: check which other process edits them, "
        "then try again"
    )


def _stored(document: Mapping[str, Any] | None) -> StoredRules:
    if document is None:
        return StoredRules()
    source = document["_source"]
    return StoredRules(int(source["version"]), source.get("rules") or [], source.get("explore") or {})


def _get(client: OpenSearch, alias: str) -> dict[str, Any] | None:
    with explained(client):
        try:
            document: dict[str, Any] = client.get(index=QUERY_RULES, id=alias)
        except NotFoundError:  # no such document, or no index yet
            return None
    return document


def _put(client: OpenSearch, alias: str, rules: StoredRules, document: Mapping[str, Any] | None) -> bool:
    """Write the rules over the document that was read; False when another process wrote first."""
    if document:
        condition = {"if_seq_no": document["_seq_no"], "if_primary_term": document["_primary_term"]}
    else:
        ensure_index(client, QUERY_RULES, strict_body(_PROPERTIES))
        condition = {"op_type": "create"}
    body = {
        "alias": alias,
        "version": rules.version,
        "at": time.time(),
        "rules": [dict(rule) for rule in rules.rules],
        "explore": dict(rules.explore),
    }
    with explained(client):
        try:
            client.index(index=QUERY_RULES, id=alias, body=body, params=condition)
        except ConflictError:
            return False
    return True
