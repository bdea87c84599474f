"""Objects around products: hits and bulk dumps of a search engine, and nodes of a GraphQL answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from indexer.catalogue.rows import CatalogueRow, SkippedRow

ID_COLUMN = "_id"  # the column of a document's id in an engine

_BULK_ACTIONS = frozenset({"index", "create", "update", "delete"})
_ACTION_KEYS = frozenset(
    {
        "_index",
        "_id",
        "_type",
        "_routing",
        "routing",
        "_version",
        "version",
        "version_type",
        "_parent",
        "if_seq_no",
    }
    | {
        "if_primary_term",
        "retry_on_conflict",
        "_retry_on_conflict",
        "pipeline",
        "require_alias",
        "dynamic_templates",
    }
)
# An object whose only key is one of these is the object in it.
_WRAPPERS = frozenset({"product", "item", "node", "doc", "record", "offer", "article"})


class Envelopes:
    """Takes the products out of the objects of a file, one after the other.

    A bulk dump has an action line before each document, so what an object is depends on the one before it.
    """

    def __init__(self) -> None:
        self._action: tuple[str, Mapping[str, Any]] | None = None

    def row(self, line: int, values: dict[str, Any]) -> CatalogueRow | SkippedRow | None:
        """Return the row of an object; None for an action line, whose document follows."""
        if self._action is not None:
            (name, meta), self._action = self._action, None
            return _document(line, values, name, meta)
        if (action := _bulk_action(values)) is not None:
            if action[0] == "delete":
                return SkippedRow(line, "a delete action of a bulk dump")
            self._action = action
            return None
        return CatalogueRow(line, _unwrapped(values))


def _document(
    line: int, values: dict[str, Any], action: str, meta: Mapping[str, Any]
) -> CatalogueRow | SkippedRow:
    if action == "update":
        document = values.get("doc", values.get("upsert"))
        if not isinstance(document, dict):
            return SkippedRow(line, "an update by script of a bulk dump")
        values = document
    return CatalogueRow(line, _with_id(values, meta))


def _bulk_action(values: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    if len(values) != 1:
        return None
    ((name, meta),) = values.items()
    if name in _BULK_ACTIONS and isinstance(meta, Mapping) and _ACTION_KEYS.issuperset(meta):
        return name, meta
    return None


def _unwrapped(values: dict[str, Any]) -> dict[str, Any]:
    source = values.get("_source")
    if isinstance(source, dict) and (ID_COLUMN in values or "_index" in values):
        return _with_id(source, values)
    if isinstance(values.get("node"), dict) and set(values) <= {"node", "cursor"}:
        return _unwrapped(values["node"])
    if isinstance(values.get("item"), dict) and values.get("@type") == "ListItem":
        return _unwrapped(values["item"])
    if len(values) == 1:
        ((name, inner),) = values.items()
        if name.lower() in _WRAPPERS and isinstance(inner, dict):
            return _unwrapped(inner)
    return values


def _with_id(source: dict[str, Any], meta: Mapping[str, Any]) -> dict[str, Any]:
    id = meta.get(ID_COLUMN)
    if id is None or str(source.get("id")) == str(id):
        return source
    return {**source, ID_COLUMN: id}
