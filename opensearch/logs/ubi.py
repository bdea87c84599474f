"""UBI 1.3 (User Behavior Insights) queries and events of an alias, stored in the engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opensearchpy.exceptions import NotFoundError

from opensearch.client import explained

from .records import (
    DATE,
    INTEGER,
    KEYWORD,
    LogIndex,
    LogRecord,
    Record,
    count_values,
    known_values,
    open_log,
    read_records,
    record_id,
    write_records,
)

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch.index.bulk import Outcome

QUERIES = "ubi_queries"
EVENTS = "ubi_events"
ACTION = "action_name"

# a record whose time the engine cannot read is stored all the same, as by the UBI plugin's own mapping
_TIME = {**DATE, "ignore_malformed": True}
_QUERIES = LogIndex(
    QUERIES,
    {
        **dict.fromkeys(("application", "query_id", "client_id", "user_id", "session_id"), KEYWORD),
        **dict.fromkeys(
            ("query_response_id", "query_response_hit_ids", "query_response_object_ids"), KEYWORD
        ),
        **dict.fromkeys(("object_id_field", "indexes", "user_query"), KEYWORD),
        "query": {"type": "text", "index": False},
        "timestamp": _TIME,
        "query_attributes": {"type": "flat_object"},
    },
    alias_field="application",
    time_field="timestamp",
    strict=False,  # a tracker's own fields are stored and create no fields
)
_EVENTS = LogIndex(
    EVENTS,
    {
        **dict.fromkeys(("application", ACTION, "query_id", "client_id", "user_id", "session_id"), KEYWORD),
        **dict.fromkeys(("message", "message_type", "user_query"), KEYWORD),
        "timestamp": _TIME,
        "event_attributes": {
            "dynamic": False,
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
    strict=False,
)
UBI_LOGS = (_QUERIES, _EVENTS)
LOGGED_ACTION = "logged_action_name"  # an attribute of an event whose action was renamed


def write_queries(client: OpenSearch, queries: Iterable[Record]) -> list[Outcome]:
    """Write UBI queries and return the refused ones, each with the reason.

    The pages of one search share its `query_id`, so a record is known by its content.
    """
    return write_records(client, QUERIES, _QUERIES.body, ((record_id(record), record) for record in queries))


def write_events(client: OpenSearch, events: Iterable[Record]) -> list[Outcome]:
    """Write UBI events and return the refused ones, each with the reason."""
    return write_records(client, EVENTS, _EVENTS.body, ((event_id(record), record) for record in events))


def event_id(event: Record) -> str:
    """Return the document id of an event: a digest of its content, with the name of its action as it was logged.

    So an event is one document, whatever its action was said to mean when it was written.
    """
    attributes = event.get("event_attributes")
    if isinstance(attributes, Mapping) and LOGGED_ACTION in attributes:
        rest = {name: value for name, value in attributes.items() if name != LOGGED_ACTION}
        event = {**event, "action_name": attributes[LOGGED_ACTION], "event_attributes": rest}
    return record_id(event)


def read_queries(
    client: OpenSearch, alias: str, until: float | None = None, since: float | None = None
) -> Iterator[LogRecord]:
    """Yield the UBI queries of an alias in order of time, from `since` to before `until` (seconds since 1970)."""
    return read_records(client, _QUERIES, alias, (since, until))


def read_events(
    client: OpenSearch,
    alias: str,
    until: float | None = None,
    since: float | None = None,
    actions: Sequence[str] = (),
) -> Iterator[LogRecord]:
    """Yield the UBI events of an alias in order of time, from `since` to before `until` (seconds since 1970).

    `actions` restricts the action names, where the index can match whole names; empty means all.
    """
    clause = None
    if actions:
        fields = open_log(client, _EVENTS, ACTION)
        exact = fields.exact(ACTION) if fields else None
        clause = {"terms": {exact: list(actions)}} if exact else None
    return read_records(client, _EVENTS, alias, (since, until), clause)


def known_queries(client: OpenSearch, alias: str, query_ids: Iterable[str]) -> set[str]:
    """Return which of these searches the UBI queries of an alias hold."""
    return known_values(client, _QUERIES, "query_id", alias, query_ids)


def read_other_log(client: OpenSearch, index: str, applications: Sequence[str] = ()) -> Iterator[LogRecord]:
    """Yield the UBI records of any index in order of time, of some applications, or of all that it names."""
    log = LogIndex(index, {}, "application", "timestamp")
    names = list(applications) or list(count_values(client, log, log.alias_field) or {})
    for name in names:
        yield from read_records(client, log, name, (None, None))


def count_actions(client: OpenSearch, alias: str) -> dict[str, int] | None:
    """Return how many events of an alias have each action name; None where the mapping cannot count them."""
    return count_values(client, _EVENTS, ACTION, alias)


def count_applications(client: OpenSearch) -> dict[str, int]:
    """Return how many searches and events name each application, "" for none."""
    totals: dict[str, int] = {}
    for log in UBI_LOGS:
        for name, count in (count_values(client, log, log.alias_field) or {}).items():
            totals[name] = totals.get(name, 0) + count
    return totals


def strict_logs(client: OpenSearch) -> list[str]:
    """Return the UBI indices of an earlier release, which refuse every record that has a field of its own."""
    return [log.name for log in UBI_LOGS if _is_strict(client, log)]


def accept_own_fields(client: OpenSearch) -> list[str]:
    """Change the UBI indices of an earlier release in place, so that they store a tracker's own fields; return them."""
    changed = [log for log in UBI_LOGS if _is_strict(client, log)]
    for log in changed:
        with explained(client):
            client.indices.put_mapping(index=log.name, body=log.body["mappings"])
    return [log.name for log in changed]


def _is_strict(client: OpenSearch, log: LogIndex) -> bool:
    """Return whether an index is strict and has the fields of an earlier release, so that Vitrine made it."""
    with explained(client):
        try:
            mapping: dict[str, Any] = next(iter(client.indices.get_mapping(index=log.name).values()))[
                "mappings"
            ]
        except NotFoundError:
            return False
    if mapping.get("dynamic") != "strict":
        return False
    later = {"user_id", "query_response_object_ids"}
    return set(log.properties) - later <= set(mapping.get("properties") or ())
