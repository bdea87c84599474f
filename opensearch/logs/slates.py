"""The slate log: per search the engine's order, the shown order, the artifact set and a sample of features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from .records import (
    DATE,
    INTEGER,
    KEYWORD,
    LogIndex,
    LogRecord,
    Record,
    known_values,
    read_records,
    record_id,
    write_records,
)

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch.index.bulk import Outcome

SLATES = "vitrine-slates"
# read and never searched, so without the length limit of an indexed keyword
_STORED = {"type": "keyword", "index": False, "doc_values": False}
_SLATES = LogIndex(
    SLATES,
    {
        **dict.fromkeys(("query_id", "alias", "shopper", "arm", "degraded"), KEYWORD),
        **dict.fromkeys(("query", "searched", "engine", "shown"), _STORED),
        "at": DATE,
        "window": INTEGER,
        "artifacts": {
            "dynamic": "strict",
            "properties": dict.fromkeys(("model", "items", "behaviour"), KEYWORD),
        },
        "features": {"type": "object", "enabled": False},
    },
    alias_field="alias",
    time_field="at",
)


def write_slates(client: OpenSearch, slates: Iterable[Record]) -> list[Outcome]:
    """Write records of the slate log and return the refused ones, each with the reason."""
    records = ((f"{record.get('alias')}:{record_id(record, 'query_id')}", record) for record in slates)
    return write_records(client, SLATES, _SLATES.body, records)


def read_slates(
    client: OpenSearch, alias: str, until: float | None = None, since: float | None = None
) -> Iterator[LogRecord]:
    """Yield the slate log of an alias in order of time, from `since` to before `until` (seconds since 1970)."""
    return read_records(client, _SLATES, alias, (since, until))


def known_slates(client: OpenSearch, alias: str, query_ids: Iterable[str]) -> set[str]:
    """Return which of these searches the slate log of an alias holds."""
    return known_values(client, _SLATES, "query_id", alias, query_ids)
