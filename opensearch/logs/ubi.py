"""UBI 1.3 (User Behavior Insights) queries and events of an alias, stored in the engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .records import DATE, INTEGER, KEYWORD, LogIndex, Record, read_records, record_id, write_records

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch.index.bulk import Outcome

QUERIES = "ubi_queries"
EVENTS = "ubi_events"

_QUERIES = LogIndex(
    QUERIES,
    {
        **dict.fromkeys(("application", "query_id", "client_id", "session_id", "query_response_id"), KEYWORD),
        **dict.fromkeys(("query_response_hit_ids", "object_id_field", "indexes", "user_query"), KEYWORD),
        "query": {"type": "text", "index": False},
        "timestamp": DATE,
        "query_attributes": {"type": "flat_object"},
    },
    alias_field="application",
    time_field="timestamp",
)
_EVENTS = LogIndex(
    EVENTS,
    {
        **dict.fromkeys(("application", "action_name", "query_id", "client_id", "session_id"), KEYWORD),
        **dict.fromkeys(("message", "message_type", "user_query"), KEYWORD),
        "timestamp": DATE,
        "event_attributes": {
            "dynamic": False,  # a shop's own attributes are stored and create no fields
            "properties": {
                "object": {
                    "dynamic": False,
                    "properties": dict.fromkeys(("internal_id", "object_id", "object_id_field"), KEYWORD),
                },
                "position": {"dynamic": False, "properties": {"ordinal": INTEGER}},
            },
        },
    },
    alias_field="application",
    time_field="timestamp",
)


def write_queries(client: OpenSearch, queries: Iterable[Record]) -> list[Outcome]:
    """Write UBI queries and return the refused ones, each with the reason."""
    records = ((record_id(record, "query_id"), record) for record in queries)
    return write_records(client, QUERIES, _QUERIES.properties, records)


def write_events(client: OpenSearch, events: Iterable[Record]) -> list[Outcome]:
    """Write UBI events and return the refused ones, each with the reason."""
    return write_records(
        client, EVENTS, _EVENTS.properties, ((record_id(record), record) for record in events)
    )


def read_queries(
    client: OpenSearch, alias: str, until: float | None = None, since: float | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the UBI queries of an alias in order of time, from `since` to before `until` (seconds since 1970)."""
    return read_records(client, _QUERIES, alias, (since, until))


def read_events(
    client: OpenSearch,
    alias: str,
    until: float | None = None,
    since: float | None = None,
    actions: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """Yield the UBI events of an alias in order of time, from `since` to before `until` (seconds since 1970).

    `actions` restricts the action names; empty means all.
    """
    clause = {"terms": {"action_name": list(actions)}} if actions else None
    return read_records(client, _EVENTS, alias, (since, until), clause)
