"""What shoppers did, kept in the engine: UBI 1.3 queries and events, the slate log, and shopper profiles.

Shoppers stand in all of them as keyed hashes, never by an id of the shop. A record's own content makes its
document id, so that writing it a second time changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson
from opensearchpy.exceptions import NotFoundError, RequestError

from opensearch.client import explained
from opensearch.index.bulk import Action, Outcome, Pace, write

from .profiles import Click

if TYPE_CHECKING:
    from opensearchpy import AsyncOpenSearch, OpenSearch

QUERIES = "ubi_queries"
EVENTS = "ubi_events"
SLATES = "vitrine-slates"
SHOPPERS = "vitrine-shoppers"
MOST_CLICKS = 50  # of a shopper that are kept

Record = Mapping[str, Any]

_PAGE = 1_000
_KEEP_ALIVE = "10m"
_CONFLICTS = 10  # clicks of one shopper that arrive at once
_KEYWORD = {"type": "keyword", "ignore_above": 8_191}
_KEPT = {"type": "keyword", "index": False, "doc_values": False}  # read, never searched: no limit of length
_DATE = {"type": "date", "format": "strict_date_optional_time||epoch_millis"}
_NUMBER = {"type": "integer"}
_MAPPINGS: dict[str, dict[str, Any]] = {
    QUERIES: {
        **dict.fromkeys(
            ("application", "query_id", "client_id", "session_id", "query_response_id"), _KEYWORD
        ),
        **dict.fromkeys(("query_response_hit_ids", "object_id_field", "indexes", "user_query"), _KEYWORD),
        "query": {"type": "text", "index": False},
        "timestamp": _DATE,
        "query_attributes": {"type": "flat_object"},
    },
    EVENTS: {
        **dict.fromkeys(("application", "action_name", "query_id", "client_id", "session_id"), _KEYWORD),
        **dict.fromkeys(("message", "message_type", "user_query"), _KEYWORD),
        "timestamp": _DATE,
        "event_attributes": {
            "dynamic": False,  # a shop's own attributes are kept and make no new fields
            "properties": {
                "object": {
                    "dynamic": False,
                    "properties": dict.fromkeys(("internal_id", "object_id", "object_id_field"), _KEYWORD),
                },
                "position": {"dynamic": False, "properties": {"ordinal": _NUMBER}},
            },
        },
    },
    SLATES: {
        **dict.fromkeys(("query_id", "alias", "shopper", "arm", "degraded"), _KEYWORD),
        **dict.fromkeys(("query", "engine", "shown"), _KEPT),
        "at": _DATE,
        "window": _NUMBER,
        "artifacts": {
            "dynamic": "strict",
            "properties": dict.fromkeys(("model", "items", "behaviour"), _KEYWORD),
        },
        "features": {"type": "object", "enabled": False},
    },
    SHOPPERS: {
        **dict.fromkeys(("alias", "shopper"), _KEYWORD),
        "clicks": {"type": "object", "enabled": False},
    },
}
_APPEND = """
def clicks = ctx._source.clicks;
for (click in params.clicks) {
  boolean known = false;
  for (other in clicks) { if (other.id == click.id && other.at == click.at) { known = true; } }
  if (!known) { clicks.add(click); }
}
clicks.sort((a, b) -> Double.compare(((Number) a.at).doubleValue(), ((Number) b.at).doubleValue()));
while (clicks.size() > params.most) { clicks.remove(0); }
"""


def ensure_logs(client: OpenSearch) -> None:
    """Make the indices of queries, events, slates and profiles that are not there yet, with strict mappings."""
    for index in _MAPPINGS:
        _ensure(client, index)


def write_queries(client: OpenSearch, queries: Iterable[Record]) -> list[Outcome]:
    """Write UBI queries and give those that were refused, each with the reason."""
    return _write(client, QUERIES, (Action("index", _key(record, "query_id"), record) for record in queries))


def write_events(client: OpenSearch, events: Iterable[Record]) -> list[Outcome]:
    """Write UBI events and give those that were refused, each with the reason."""
    return _write(client, EVENTS, (Action("index", _key(record), record) for record in events))


def write_slates(client: OpenSearch, slates: Iterable[Record]) -> list[Outcome]:
    """Write records of the slate log and give those that were refused, each with the reason."""
    keyed = ((_key(record, "query_id"), record) for record in slates)
    return _write(
        client, SLATES, (Action("index", f"{record.get('alias')}:{key}", record) for key, record in keyed)
    )


def write_profiles(client: OpenSearch, alias: str, profiles: Mapping[str, Iterable[Click]]) -> list[Outcome]:
    """Replace the profiles of these shoppers (keyed hashes) and give those that were refused."""
    actions = (
        Action("index", _profile_id(alias, shopper), _profile(alias, shopper, clicks))
        for shopper, clicks in profiles.items()
    )
    return _write(client, SHOPPERS, actions)


def read_queries(
    client: OpenSearch, alias: str, until: float | None = None, since: float | None = None
) -> Iterator[dict[str, Any]]:
    """Give the UBI queries of an alias in order of time, from `since` to before `until` (seconds since 1970)."""
    return _read(client, QUERIES, ("application", alias), "timestamp", (since, until))


def read_events(
    client: OpenSearch,
    alias: str,
    until: float | None = None,
    since: float | None = None,
    actions: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """Give the UBI events of an alias in order of time, from `since` to before `until` (seconds since 1970).

    `actions` are the action names that are wanted; all when there are none.
    """
    wanted = {"terms": {"action_name": list(actions)}} if actions else None
    return _read(client, EVENTS, ("application", alias), "timestamp", (since, until), wanted)


def read_slates(
    client: OpenSearch, alias: str, until: float | None = None, since: float | None = None
) -> Iterator[dict[str, Any]]:
    """Give the slate log of an alias in order of time, from `since` to before `until` (seconds since 1970)."""
    return _read(client, SLATES, ("alias", alias), "at", (since, until))


def append_clicks(client: OpenSearch, alias: str, shopper: str, clicks: Sequence[Click]) -> None:
    """Add clicks to a shopper's profile, which keeps the newest `MOST_CLICKS`; the same click counts once."""
    if not clicks:
        return
    _ensure(client, SHOPPERS)
    with explained(client):
        client.update(**_appending(alias, shopper, clicks))


async def append_clicks_async(
    client: AsyncOpenSearch, alias: str, shopper: str, clicks: Sequence[Click]
) -> None:
    """`append_clicks` without blocking the event loop."""
    if not clicks:
        return
    with explained(client):
        if not await client.indices.exists(index=SHOPPERS):
            try:
                await client.indices.create(index=SHOPPERS, body=_body(SHOPPERS))
            except RequestError as error:
                if error.error != "resource_already_exists_exception":
                    raise
        await client.update(**_appending(alias, shopper, clicks))


def read_profile(client: OpenSearch, alias: str, shopper: str) -> list[Click]:
    """Give a shopper's clicks, oldest first, written a moment ago or before; none for a stranger."""
    return read_profiles(client, alias, [shopper])[shopper]


async def read_profile_async(client: AsyncOpenSearch, alias: str, shopper: str) -> list[Click]:
    """`read_profile` without blocking the event loop."""
    with explained(client):
        try:
            found = await client.get(index=SHOPPERS, id=_profile_id(alias, shopper))
        except NotFoundError:  # a stranger, or nobody has clicked yet
            return []
    return [Click(str(click["id"]), float(click["at"])) for click in found["_source"].get("clicks", [])]


def read_profiles(client: OpenSearch, alias: str, shoppers: Iterable[str]) -> dict[str, list[Click]]:
    """Give the clicks of several shoppers, each oldest first."""
    asked = list(dict.fromkeys(shoppers))
    if not asked:
        return {}
    with explained(client):
        try:
            body = {"ids": [_profile_id(alias, shopper) for shopper in asked]}
            found = client.mget(index=SHOPPERS, body=body)["docs"]
        except NotFoundError:  # nobody has clicked yet
            return {shopper: [] for shopper in asked}
    held = [document.get("_source", {}).get("clicks", []) for document in found]
    return {
        shopper: [Click(str(click["id"]), float(click["at"])) for click in clicks]
        for shopper, clicks in zip(asked, held, strict=True)
    }


def _appending(alias: str, shopper: str, clicks: Sequence[Click]) -> dict[str, Any]:
    added = _profile(alias, shopper, clicks)
    script = {
        "lang": "painless",
        "source": _APPEND,
        "params": {"clicks": added["clicks"], "most": MOST_CLICKS},
    }
    body = {"scripted_upsert": True, "script": script, "upsert": {**added, "clicks": []}}
    params = {"retry_on_conflict": _CONFLICTS}
    return {"index": SHOPPERS, "id": _profile_id(alias, shopper), "body": body, "params": params}


def _profile(alias: str, shopper: str, clicks: Iterable[Click]) -> dict[str, Any]:
    newest = sorted(clicks, key=lambda click: click.at)[-MOST_CLICKS:]
    return {
        "alias": alias,
        "shopper": shopper,
        "clicks": [{"id": click.id, "at": float(click.at)} for click in newest],
    }


def _profile_id(alias: str, shopper: str) -> str:
    return f"{alias}:{shopper}"


def _key(record: Record, field: str | None = None) -> str:
    """Give the document id of a record: its own id, else a digest of its content."""
    if field and record.get(field):
        key = str(record[field])
        if len(key.encode(errors="replace")) <= 256:
            return key
    text = orjson.dumps(record, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _write(client: OpenSearch, index: str, actions: Iterable[Action]) -> list[Outcome]:
    _ensure(client, index)
    return [outcome for outcome in write(client, index, actions, Pace(patience_s=30)) if outcome.reason]


def _ensure(client: OpenSearch, index: str) -> None:
    """Make the index unless it is there: the engine would make one of its own, with a guessed mapping."""
    with explained(client):
        if client.indices.exists(index=index):
            return
        try:
            client.indices.create(index=index, body=_body(index))
        except RequestError as error:
            if error.error != "resource_already_exists_exception":
                raise


def _body(index: str) -> dict[str, Any]:
    settings = {"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1"}}
    return {"settings": settings, "mappings": {"dynamic": "strict", "properties": _MAPPINGS[index]}}


def _read(
    client: OpenSearch,
    index: str,
    owner: tuple[str, str],
    moment: str,
    span: tuple[float | None, float | None],
    wanted: dict[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """Give the sources of an owner's records as they stood at one moment, in order of time."""
    since, until = (None if limit is None else round(limit * 1000) for limit in span)
    limits: dict[str, Any] = {"format": "epoch_millis"}
    limits |= {} if since is None else {"gte": since}
    limits |= {} if until is None else {"lt": until}
    filters = [{"term": {owner[0]: owner[1]}}, {"range": {moment: limits}}, *([wanted] if wanted else [])]
    body: dict[str, Any] = {
        "size": _PAGE,
        "query": {"bool": {"filter": filters}},
        "sort": [{moment: "asc"}, {"_shard_doc": "asc"}],
        "track_total_hits": False,
    }
    with explained(client):
        try:
            client.indices.refresh(index=index)
        except NotFoundError:  # nothing was logged yet
            return
        held = client.create_pit(index=index, params={"keep_alive": _KEEP_ALIVE})["pit_id"]
    try:
        while True:
            body["pit"] = {"id": held, "keep_alive": _KEEP_ALIVE}
            with explained(client):
                answer = client.search(body=body, params={"allow_partial_search_results": "false"})
            hits = answer["hits"]["hits"]
            yield from (hit["_source"] for hit in hits)
            if len(hits) < _PAGE:
                return
            body["search_after"] = hits[-1]["sort"]
    finally:
        with explained(client):
            client.delete_pit(body={"pit_id": [held]})
