"""UBI queries and events and the slate log on the live node: written once, read in order of time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from opensearch.logs import ubi
from opensearch.logs.records import LogIndex, read_records
from opensearch.logs.slates import SLATES, read_slates, write_slates

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
        (SLATES, "alias"),
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


def test_records_are_read_unchanged_in_order_of_time(engine: OpenSearch, alias: str) -> None:
    queries = [query(alias, f"q{place}", place) for place in range(20)]
    random.Random(1).shuffle(queries)
    assert ubi.write_queries(engine, queries) == []
    read = list(ubi.read_queries(engine, alias))
    assert read == sorted(queries, key=lambda record: record["timestamp"])


def test_records_of_several_pages_are_read_once_each(engine: OpenSearch, alias: str) -> None:
    # ten records share a millisecond, so that pages end between records of equal time
    events = [event(alias, f"q{place}", place // 10) for place in range(50)]
    ubi.write_events(engine, events)
    log = LogIndex(ubi.EVENTS, {}, "application", "timestamp")
    read = [record["query_id"] for record in read_records(engine, log, alias, (None, None), page=7)]
    assert len(read) == 50
    assert sorted(read) == sorted(record["query_id"] for record in events)


def test_a_record_written_twice_is_stored_once(engine: OpenSearch, alias: str) -> None:
    for _ in range(2):
        ubi.write_queries(engine, [query(alias, "q", 1)])
        ubi.write_events(engine, [event(alias, "q", 2), event(alias, "q", 3)])
        write_slates(engine, [slate(alias, "q", 1)])
    assert len(list(ubi.read_queries(engine, alias))) == 1
    assert len(list(ubi.read_events(engine, alias))) == 2
    assert len(list(read_slates(engine, alias))) == 1


def test_the_span_includes_its_start_and_excludes_its_end(engine: OpenSearch, alias: str) -> None:
    write_slates(engine, [slate(alias, f"q{place}", place) for place in range(5)])
    read = read_slates(engine, alias, until=START + 3, since=START + 1)
    assert [record["query_id"] for record in read] == ["q1", "q2"]


def test_an_alias_reads_its_own_records_only(engine: OpenSearch, alias: str) -> None:
    write_slates(engine, [slate(alias, "q", 1)])
    assert list(read_slates(engine, f"{alias}-other")) == []


def test_a_slate_with_a_very_long_query_and_features_is_stored_completely(
    engine: OpenSearch, alias: str
) -> None:
    assert write_slates(engine, [slate(alias, "q", 1)]) == []
    assert list(read_slates(engine, alias)) == [slate(alias, "q", 1)]


def test_custom_event_attributes_are_stored_and_create_no_fields(engine: OpenSearch, alias: str) -> None:
    custom = event(alias, "q", 1, colour="red", basket={"size": 3})
    assert ubi.write_events(engine, [custom]) == []
    assert list(ubi.read_events(engine, alias)) == [custom]
    mapping = engine.indices.get_mapping(index=ubi.EVENTS)[ubi.EVENTS]["mappings"]
    assert "colour" not in mapping["properties"]["event_attributes"]["properties"]


def test_a_record_that_does_not_fit_is_returned_with_the_reason(engine: OpenSearch, alias: str) -> None:
    wrong = {**slate(alias, "q1", 1), "email": "someone@example.org"}
    (refused,) = write_slates(engine, [wrong, slate(alias, "q2", 2)])
    assert refused.id == f"{alias}:q1"
    assert "strict" in (refused.reason or "")
    assert [record["query_id"] for record in read_slates(engine, alias)] == ["q2"]
