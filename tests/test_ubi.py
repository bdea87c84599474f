"""The logs in the engine: written once however often, read in order of time; profiles keep the newest clicks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from opensearch.client import connect_async
from opensearch.logs import ubi
from opensearch.logs.profiles import Click
from opensearch.logs.ubi import MOST_CLICKS

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

pytestmark = pytest.mark.live

START = datetime(2026, 3, 1, tzinfo=UTC).timestamp()


@pytest.fixture
def alias(engine: OpenSearch) -> Iterator[str]:
    name = f"eq-{uuid4().hex[:8]}"
    yield name
    for index, field in (
        (ubi.QUERIES, "application"),
        (ubi.EVENTS, "application"),
        (ubi.SLATES, "alias"),
        (ubi.SHOPPERS, "alias"),
    ):
        engine.indices.refresh(index=index, params={"ignore_unavailable": "true"})
        engine.delete_by_query(
            index=index,
            body={"query": {"term": {field: name}}},
            params={"ignore_unavailable": "true", "refresh": "true", "conflicts": "proceed"},
        )


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(START + seconds, UTC).isoformat(timespec="milliseconds")


def query(alias: str, key: str, seconds: float) -> dict[str, Any]:
    return {
        "application": alias,
        "query_id": f"{alias}-{key}",
        "client_id": "f" * 32,
        "user_query": "red shoes",
        "timestamp": moment(seconds),
        "query_response_id": key,
        "query_response_hit_ids": ["p1", "p2"],
        "query_attributes": {"arm": "engine", "anything": {"deep": 1}},
    }


def event(alias: str, key: str, seconds: float, **attributes: Any) -> dict[str, Any]:
    return {
        "application": alias,
        "action_name": "click",
        "query_id": f"{alias}-{key}",
        "client_id": "f" * 32,
        "session_id": "s",
        "timestamp": moment(seconds),
        "event_attributes": {
            "object": {"object_id": "p1", "object_id_field": "id"},
            "position": {"ordinal": 1},
            **attributes,
        },
    }


def slate(alias: str, key: str, seconds: float) -> dict[str, Any]:
    return {
        "query_id": key,
        "alias": alias,
        "at": moment(seconds),
        "query": "long " * 9_000,
        "shopper": None,
        "engine": ["p1", "p2"],
        "shown": ["p2", "p1"],
        "window": 200,
        "arm": "reranked",
        "artifacts": {"model": "m", "items": "i", "behaviour": "b"},
        "features": {"version": 1, "sample": [{"id": "p1", "values": [1.0, None]}]},
    }


def test_records_come_back_as_they_were_in_order_of_time(engine: OpenSearch, alias: str) -> None:
    queries = [query(alias, f"q{place}", place) for place in range(20)]
    random.Random(1).shuffle(queries)
    assert ubi.write_queries(engine, queries) == []
    read = list(ubi.read_queries(engine, alias))
    assert read == sorted(queries, key=lambda record: record["timestamp"])


def test_more_than_a_page_is_read_once_each(
    engine: OpenSearch, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ubi, "_PAGE", 7)
    # many at the same millisecond: pages end between them
    events = [event(alias, f"q{place}", place // 10) for place in range(50)]
    ubi.write_events(engine, events)
    read = [record["query_id"] for record in ubi.read_events(engine, alias)]
    assert len(read) == 50
    assert sorted(read) == sorted(record["query_id"] for record in events)


def test_written_twice_is_there_once(engine: OpenSearch, alias: str) -> None:
    for _ in range(2):
        ubi.write_queries(engine, [query(alias, "q", 1)])
        ubi.write_events(engine, [event(alias, "q", 2), event(alias, "q", 3)])
        ubi.write_slates(engine, [slate(alias, "q", 1)])
    assert len(list(ubi.read_queries(engine, alias))) == 1
    assert len(list(ubi.read_events(engine, alias))) == 2
    assert len(list(ubi.read_slates(engine, alias))) == 1


def test_until_is_left_out_and_since_is_in(engine: OpenSearch, alias: str) -> None:
    ubi.write_slates(engine, [slate(alias, f"q{place}", place) for place in range(5)])
    read = ubi.read_slates(engine, alias, until=START + 3, since=START + 1)
    assert [record["query_id"] for record in read] == ["q1", "q2"]


def test_aliases_do_not_see_each_other(engine: OpenSearch, alias: str) -> None:
    ubi.write_slates(engine, [slate(alias, "q", 1)])
    assert list(ubi.read_slates(engine, f"{alias}-other")) == []


def test_slate_with_a_very_long_query_and_features_is_kept_whole(engine: OpenSearch, alias: str) -> None:
    assert ubi.write_slates(engine, [slate(alias, "q", 1)]) == []
    assert list(ubi.read_slates(engine, alias)) == [slate(alias, "q", 1)]


def test_own_attributes_of_a_shop_are_kept_and_make_no_fields(engine: OpenSearch, alias: str) -> None:
    odd = event(alias, "q", 1, colour="red", basket={"size": 3})
    assert ubi.write_events(engine, [odd]) == []
    assert list(ubi.read_events(engine, alias)) == [odd]
    held = engine.indices.get_mapping(index=ubi.EVENTS)[ubi.EVENTS]["mappings"]
    assert "colour" not in held["properties"]["event_attributes"]["properties"]


def test_record_that_does_not_fit_is_given_back_with_the_reason(engine: OpenSearch, alias: str) -> None:
    wrong = {**slate(alias, "q1", 1), "email": "someone@example.org"}
    (refused,) = ubi.write_slates(engine, [wrong, slate(alias, "q2", 2)])
    assert refused.id == f"{alias}:q1"
    assert "strict" in (refused.reason or "")
    assert [record["query_id"] for record in ubi.read_slates(engine, alias)] == ["q2"]


def test_click_is_in_the_profile_at_once_and_counts_once(engine: OpenSearch, alias: str) -> None:
    assert ubi.read_profile(engine, alias, "ab") == []
    click = Click("p1", 1.5)
    for _ in range(2):
        ubi.append_clicks(engine, alias, "ab", [click])
    assert ubi.read_profile(engine, alias, "ab") == [click]
    ubi.append_clicks(engine, alias, "ab", [])
    assert ubi.read_profile(engine, alias, "ab") == [click]


def test_profile_keeps_the_newest_clicks_oldest_first(engine: OpenSearch, alias: str) -> None:
    clicks = [Click(f"p{place}", float(place)) for place in range(MOST_CLICKS + 15)]
    mixed = random.Random(2).sample(clicks, len(clicks))
    for start in range(0, len(mixed), 13):
        ubi.append_clicks(engine, alias, "ab", mixed[start : start + 13])
    assert ubi.read_profile(engine, alias, "ab") == clicks[-MOST_CLICKS:]


def test_clicks_at_once_are_all_kept(engine: OpenSearch, alias: str) -> None:
    clicks = [Click(f"p{place}", float(place)) for place in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda click: ubi.append_clicks(engine, alias, "ab", [click]), clicks))
    assert ubi.read_profile(engine, alias, "ab") == clicks


def test_many_profiles_are_written_and_read_together(engine: OpenSearch, alias: str) -> None:
    profiles = {f"s{n}": [Click("a", 2.0), Click("b", 1.0)] for n in range(5)}
    assert ubi.write_profiles(engine, alias, profiles) == []
    read = ubi.read_profiles(engine, alias, ["s1", "stranger", "s4"])
    ordered = [Click("b", 1.0), Click("a", 2.0)]
    assert read == {"s1": ordered, "stranger": [], "s4": ordered}
    assert ubi.read_profiles(engine, f"{alias}-other", ["s1"]) == {"s1": []}


def test_asyncio_appends_the_same(engine: OpenSearch, engine_url: str, alias: str) -> None:
    async def append() -> None:
        client = connect_async(engine_url)
        try:
            await ubi.append_clicks_async(client, alias, "ab", [Click("p1", 1.0)])
        finally:
            await client.close()

    asyncio.run(append())
    assert ubi.read_profile(engine, alias, "ab") == [Click("p1", 1.0)]
