"""Log records in the engine: written once however often they are sent, read in order of time.

The document id of a record is its own id or a digest of its content, so writing a record again changes nothing.
Shoppers appear in all logs as keyed hashes, never as ids of the shop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from opensearchpy.exceptions import NotFoundError

from opensearch.client import explained
from opensearch.index.bulk import Action, Outcome, Pace, write
from opensearch.index.create import ensure_index, strict_body
from opensearch.index.scan import read_pages

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Record = Mapping[str, Any]

KEYWORD = {"type": "keyword", "ignore_above": 8_191}
DATE = {"type": "date", "format": "strict_date_optional_time||epoch_millis"}
INTEGER = {"type": "integer"}
_PAGE = 1_000
_MAX_ID_BYTES = 256


@dataclass(frozen=True)
class LogIndex:
    """The index of one log: its fields, the field that names the alias, and the field of the record's time."""

    name: str
    properties: Mapping[str, Any]
    alias_field: str
    time_field: str


def record_id(record: Record, field: str | None = None) -> str:
    """Return the document id of a record: its value of `field` if that is set, else a digest of its content."""
    if field and record.get(field):
        own = str(record[field])
        if len(own.encode(errors="replace")) <= _MAX_ID_BYTES:
            return own
    text = orjson.dumps(record, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def write_records(
    client: OpenSearch, index: str, properties: Mapping[str, Any], records: Iterable[tuple[str, Record]]
) -> list[Outcome]:
    """Write (document id, record) pairs into the index, creating it if needed; return the refused ones."""
    ensure_index(client, index, strict_body(properties))
    actions = (Action("index", id, record) for id, record in records)
    return [outcome for outcome in write(client, index, actions, Pace(patience_s=30)) if outcome.reason]


def read_records(
    client: OpenSearch,
    log: LogIndex,
    alias: str,
    span: tuple[float | None, float | None],
    clause: Mapping[str, Any] | None = None,
    page: int = _PAGE,
) -> Iterator[dict[str, Any]]:
    """Yield an alias's records in order of time, in a span from and to before (seconds since 1970, None: open).

    The records are those of one moment. `clause` is a further filter; a log without index yields nothing.
    """
    since, until = span
    limits: dict[str, Any] = {"format": "epoch_millis"}
    limits |= {} if since is None else {"gte": round(since * 1000)}
    limits |= {} if until is None else {"lt": round(until * 1000)}
    filters = [{"term": {log.alias_field: alias}}, {"range": {log.time_field: limits}}]
    body = {
        "query": {"bool": {"filter": [*filters, clause] if clause else filters}},
        "sort": [{log.time_field: "asc"}, {"_shard_doc": "asc"}],
    }
    with explained(client):
        try:
            client.indices.refresh(index=log.name)
        except NotFoundError:
            return
    with closing(read_pages(client, log.name, body, page)) as pages:
        for hits in pages:
            yield from (hit["_source"] for hit in hits)
