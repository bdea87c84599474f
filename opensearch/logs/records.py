"""Log records in the engine: written once however often they are sent, read in order of time.

The document id of a record is its own id or a digest of its content, so writing a record again changes nothing.
Shoppers appear in all logs as keyed hashes, never as ids of the shop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from opensearchpy.exceptions import NotFoundError

from opensearch.client import explained
from opensearch.index.bulk import Action, Outcome, Pace, write
from opensearch.index.create import ensure_index, strict_body
from opensearch.index.scan import read_pages

from .log_fields import LogFields, read_log_fields, seconds_of_hit

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Record = Mapping[str, Any]

KEYWORD = {"type": "keyword", "ignore_above": 8_191}
DATE = {"type": "date", "format": "strict_date_optional_time||epoch_millis"}
INTEGER = {"type": "integer"}
_PAGE = 1_000
_MAX_NAMES = 1_000  # that are counted
_MAX_ID_BYTES = 256


@dataclass(frozen=True)
class LogIndex:
    """The index of one log: its fields, the field that names the alias, and the field of the record's time.

    `strict` refuses fields that the log does not know; without it they are stored and not searched.
    """

    name: str
    properties: Mapping[str, Any]
    alias_field: str
    time_field: str
    strict: bool = True

    @property
    def body(self) -> dict[str, Any]:
        """The settings and the mapping of a new index."""
        body = strict_body(self.properties)
        return body if self.strict else {**body, "mappings": {**body["mappings"], "dynamic": False}}


class LogRecord(NamedTuple):
    """A record as it was written, and its time as the engine reads it (seconds since 1970, NaN without one)."""

    source: dict[str, Any]
    at: float


def record_id(record: Record, field: str | None = None) -> str:
    """Return the document id of a record: its value of `field` if that is set, else a digest of its content."""
    if field and record.get(field):
        own = str(record[field])
        if len(own.encode(errors="replace")) <= _MAX_ID_BYTES:
            return own
    text = orjson.dumps(record, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def write_records(
    client: OpenSearch, index: str, body: Mapping[str, Any], records: Iterable[tuple[str, Record]]
) -> list[Outcome]:
    """Write (document id, record) pairs into the index, creating it with `body` if needed; return the refused ones."""
    ensure_index(client, index, body)
    actions = (Action("index", id, record) for id, record in records)
    return [outcome for outcome in write(client, index, actions, Pace(patience_s=30)) if outcome.reason]


def read_records(
    client: OpenSearch,
    log: LogIndex,
    alias: str,
    span: tuple[float | None, float | None],
    clause: Mapping[str, Any] | None = None,
    page: int = _PAGE,
) -> Iterator[LogRecord]:
    """Yield an alias's records in order of time, in a span from and to before (seconds since 1970, None: open).

    Those without a time come last, whatever the span, and as of a moment of their own. An empty `alias` reads the records
    that name none. `clause` is a further filter; a log without index yields nothing.
    """
    fields = open_log(client, log)
    if fields is None:
        return
    filters = [owner_clause(log, fields, alias), *([clause] if clause else [])]
    since, until = (-inf if span[0] is None else span[0]), (inf if span[1] is None else span[1])
    for body in _requests(log, fields, filters, span):
        with closing(read_pages(client, log.name, body, page)) as pages:
            for hits in pages:
                for hit in hits:
                    at = seconds_of_hit(hit, log.time_field, fields)
                    outside = at < since or at >= until
                    # the engine matches the words of a name where the mapping has no whole value of it
                    if not outside and str(hit["_source"].get(log.alias_field) or "") == alias:
                        yield LogRecord(hit["_source"], at)


def _requests(
    log: LogIndex,
    fields: LogFields,
    filters: Sequence[Mapping[str, Any]],
    span: tuple[float | None, float | None],
) -> Iterator[dict[str, Any]]:
    """Yield the searches that read a log: by time, and then the records without one.

    Paged together by time, the engine loses records without one at the border of two pages.
    """
    time, by_document = log.time_field, {"_shard_doc": "asc"}
    exists = {"exists": {"field": time}}
    without_time: list[dict[str, Any]] = []
    if fields.is_date(time) or fields.is_number(time):
        without_time.append(exists)
        request: dict[str, Any] = {
            "query": {"bool": {"filter": [*filters, exists]}},
            "sort": [{time: "asc"}, by_document],
        }
        if fields.is_date(time):
            request["query"]["bool"]["filter"].append({"range": {time: _limits(span)}})
            request["docvalue_fields"] = [{"field": time, "format": "epoch_millis"}]
        yield request
    yield {"query": {"bool": {"filter": filters, "must_not": without_time}}, "sort": [by_document]}


def known_values(
    client: OpenSearch, log: LogIndex, field: str, alias: str, values: Iterable[str]
) -> set[str]:
    """Return which values of a field occur in an alias's records; none where the mapping cannot match whole values."""
    fields = open_log(client, log, field)
    exact = fields.exact(field) if fields else None
    if fields is None or exact is None:
        return set()
    found: set[str] = set()
    names = list(values)
    params = {"search_pipeline": "_none", "allow_partial_search_results": "false"}
    for start in range(0, len(names), _PAGE):
        part = names[start : start + _PAGE]
        query = {"bool": {"filter": [owner_clause(log, fields, alias), {"terms": {exact: part}}]}}
        body = {"size": 0, "query": query, "aggs": {"known": {"terms": {"field": exact, "size": len(part)}}}}
        with explained(client):
            buckets = client.search(index=log.name, body=body, params=params)["aggregations"]["known"][
                "buckets"
            ]
        found |= {str(bucket["key"]) for bucket in buckets}
    return found


def count_values(
    client: OpenSearch, log: LogIndex, field: str, alias: str | None = None
) -> dict[str, int] | None:
    """Return how many records have each value of a field, "" for none; of one alias, or of the whole log.

    Returns None where the mapping has no whole value of the field to count; a log without index has no values.
    """
    fields = open_log(client, log, field)
    if fields is None:
        return {}
    exact = fields.exact(field)
    if exact is None:
        return None
    query = {"match_all": {}} if alias is None else owner_clause(log, fields, alias)
    counts = {
        "names": {"terms": {"field": exact, "size": _MAX_NAMES}},
        "unnamed": {"missing": {"field": exact}},
    }
    params = {"search_pipeline": "_none", "allow_partial_search_results": "false"}
    with explained(client):
        body = {"size": 0, "query": query, "aggs": counts}
        found = client.search(index=log.name, body=body, params=params)["aggregations"]
    names = {str(bucket["key"]): int(bucket["doc_count"]) for bucket in found["names"]["buckets"]}
    unnamed = int(found["unnamed"]["doc_count"])
    return {**names, "": unnamed} if unnamed else names


def open_log(client: OpenSearch, log: LogIndex, *names: str) -> LogFields | None:
    """Make what was written visible, and return how the index maps the log's fields and `names`; None without index."""
    with explained(client):
        try:
            client.indices.refresh(index=log.name)
        except NotFoundError:
            return None
    return read_log_fields(client, log.name, log.alias_field, log.time_field, *names)


def owner_clause(log: LogIndex, fields: LogFields, alias: str) -> dict[str, Any]:
    """Return the clause of an alias's records, or of those that name none; a log without the field names none."""
    exact = fields.exact(log.alias_field)
    if not alias:
        return {"bool": {"must_not": {"exists": {"field": log.alias_field}}}}
    return {"term": {exact: alias}} if exact else {"match_phrase": {log.alias_field: alias}}


def _limits(span: tuple[float | None, float | None]) -> dict[str, Any]:
    """Return the bounds of a range of times."""
    limits: dict[str, Any] = {"format": "epoch_millis"}
    limits |= {} if span[0] is None else {"gte": round(span[0] * 1000)}
    limits |= {} if span[1] is None else {"lt": round(span[1] * 1000)}
    return limits
