"""UBI queries and events and the slate log on the live node: written once, read in order of time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from opensearch.index.create import ensure_index, strict_body
from opensearch.logs import ubi
from opensearch.logs.records import LogIndex, count_values, read_records
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
    assert [record.at for record in read] == [START + place for place in range(20)]
    assert [record.source for record in read] == sorted(queries, key=lambda record: record["timestamp"])


def test_records_of_several_pages_are_read_once_each(engine: OpenSearch, alias: str) -> None:
    # ten records share a millisecond, so that pages end between records of equal time
    events = [event(alias, f"q{place}", place // 10) for place in range(50)]
    ubi.write_events(engine, events)
    log = LogIndex(ubi.EVENTS, {}, "application", "timestamp")
    records = read_records(engine, log, alias, (None, None), page=7)
    read = [record.source["query_id"] for record in records]
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
    assert [record.source["query_id"] for record in read] == ["q1", "q2"]


def test_an_alias_reads_its_own_records_only(engine: OpenSearch, alias: str) -> None:
    write_slates(engine, [slate(alias, "q", 1)])
    assert list(read_slates(engine, f"{alias}-other")) == []


def test_a_slate_with_a_very_long_query_and_features_is_stored_completely(
    engine: OpenSearch, alias: str
) -> None:
    assert write_slates(engine, [slate(alias, "q", 1)]) == []
    assert list(read_slates(engine, alias)) == [(slate(alias, "q", 1), START + 1)]


def test_a_trackers_own_fields_are_stored_and_create_no_fields(engine: OpenSearch, alias: str) -> None:
    own = {**event(alias, "q", 1), "page_id": "/search", "experiment": {"arm": 2}, "user_id": "u"}
    older = {**query(alias, "q", 1), "query_response_object_ids": ["p1"], "browser": "x"}
    assert ubi.write_events(engine, [own]) == []
    assert ubi.write_queries(engine, [older]) == []
    assert [record.source for record in ubi.read_events(engine, alias)] == [own]
    assert [record.source for record in ubi.read_queries(engine, alias)] == [older]
    mapping = engine.indices.get_mapping(index=ubi.EVENTS)[ubi.EVENTS]["mappings"]
    assert not {"page_id", "experiment"} & mapping["properties"].keys()


# --- indices that another program, or an earlier release, has made


@pytest.fixture
def index(engine: OpenSearch) -> Iterator[str]:
    name = f"eq-{uuid4().hex[:8]}"
    yield name
    engine.indices.delete(index=name, params={"ignore_unavailable": "true"})


def write(engine: OpenSearch, index: str, *records: dict[str, Any]) -> None:
    for number, record in enumerate(records):
        engine.index(index=index, id=str(number), body=record, params={"refresh": "true"})


def test_a_strict_index_of_an_earlier_release_is_opened_in_place(
    engine: OpenSearch, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = replace(ubi.UBI_LOGS[1], name=index)
    monkeypatch.setattr(ubi, "UBI_LOGS", (log,))
    properties = {name: field for name, field in log.properties.items() if name != "user_id"}
    engine.indices.create(index=index, body={"mappings": {"dynamic": "strict", "properties": properties}})
    write(engine, index, event("shop", "q", 1))
    assert ubi.strict_logs(engine) == [index]
    assert ubi.accept_own_fields(engine) == [index]
    write(engine, index, event("shop", "q", 1), {**event("shop", "q", 2), "page_id": "/search"})
    assert [record.at - START for record in read_records(engine, log, "shop", (None, None))] == [1, 2]
    assert ubi.accept_own_fields(engine) == []


def test_a_strict_index_of_another_program_is_left_alone(
    engine: OpenSearch, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ubi, "UBI_LOGS", (replace(ubi.UBI_LOGS[1], name=index),))
    mappings = {"dynamic": "strict", "properties": {"application": {"type": "keyword"}}}
    engine.indices.create(index=index, body={"mappings": mappings})
    assert ubi.strict_logs(engine) == []


NOON = datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("field", "times", "seconds"),
    [
        (  # as Vitrine maps it
            {"type": "date", "format": "strict_date_optional_time||epoch_millis", "ignore_malformed": True},
            [
                1793534400000,
                "1793534400000",
                "2026-11-01T12:00:00.000Z",
                "2026-11-01T13:00:00+0100",
                "2026-11-01T13:00:00.500+01:00",
                "2026-11-01T12:00:00,250",
                "2026-11-01",
                "2026-11-01 12:00:00",  # not by the mapping's format, and ISO 8601 all the same
                "noon",
                None,
            ],
            [0, 0, 0, 0, 0.5, 0.25, -43200, 0, None, None],
        ),
        ({"type": "date", "format": "epoch_second"}, [1793534400, "1793534401"], [0, 1]),
        ({"type": "date", "format": "dd/MM/yyyy HH:mm"}, ["01/11/2026 12:05"], [300]),
        ({"type": "date_nanos"}, ["2026-11-01T12:00:00.123456789Z"], [0.123456]),
        ({"type": "long"}, [1793534400000, 1793534400], [0, 0]),
        ({"type": "text", "fields": {"keyword": {"type": "keyword"}}}, ["2026-11-01T12:00:01Z"], [1]),
        (None, ["2026-11-01T12:00:02.000Z"], [2]),  # mapped by the engine's guess
    ],
)
def test_a_time_is_read_as_the_engine_reads_it(
    engine: OpenSearch, index: str, field: Any, times: list[Any], seconds: list[float | None]
) -> None:
    if field:
        engine.indices.create(index=index, body={"mappings": {"properties": {"timestamp": field}}})
    records = [
        {"application": "a-shop", "number": number, "timestamp": time} for number, time in enumerate(times)
    ]
    write(engine, index, *records, {"application": "another-shop", "timestamp": times[0]})
    # `application` is text with a keyword here, as the engine guesses it
    log = LogIndex(index, {}, "application", "timestamp", strict=False)
    read = {
        record.source["number"]: record.at
        for record in read_records(engine, log, "a-shop", (None, None), page=3)
    }
    expected = [float("nan") if second is None else NOON + second for second in seconds]
    assert [read[number] for number in range(len(times))] == pytest.approx(expected, abs=1e-6, nan_ok=True)
    later = read_records(engine, log, "a-shop", (NOON + 0.4, None))
    assert {record.source["number"] for record in later if record.at == record.at} == {
        number for number, second in enumerate(seconds) if second is not None and second >= 0.4
    }


def test_names_are_counted_where_the_mapping_holds_whole_values(engine: OpenSearch, index: str) -> None:
    log = LogIndex(index, {}, "application", "timestamp", strict=False)
    assert count_values(engine, log, "action_name", "shop") == {}
    names = ["click", "click", "Add to cart", None]
    write(engine, index, *({"application": "shop", "action_name": name} for name in names))
    assert count_values(engine, log, "action_name", "shop") == {"click": 2, "Add to cart": 1, "": 1}
    assert count_values(engine, log, "application") == {"shop": 4}
    assert count_values(engine, log, "nothing") is None


def test_a_name_that_the_mapping_cuts_into_words_is_matched_whole(engine: OpenSearch, index: str) -> None:
    mappings = {"properties": {"application": {"type": "text"}, "timestamp": {"type": "date"}}}
    engine.indices.create(index=index, body={"mappings": mappings})
    names = ["the-shop", "not-the-shop", None]
    write(engine, index, *({"application": name, "timestamp": moment(1)} for name in names))
    log = LogIndex(index, {}, "application", "timestamp", strict=False)
    for name in ("the-shop", ""):
        (record,) = read_records(engine, log, name, (None, None))
        assert (record.source["application"] or "") == name


def test_custom_event_attributes_are_stored_and_create_no_fields(engine: OpenSearch, alias: str) -> None:
    custom = event(alias, "q", 1, colour="red", basket={"size": 3})
    assert ubi.write_events(engine, [custom]) == []
    assert [record.source for record in ubi.read_events(engine, alias)] == [custom]
    mapping = engine.indices.get_mapping(index=ubi.EVENTS)[ubi.EVENTS]["mappings"]
    assert "colour" not in mapping["properties"]["event_attributes"]["properties"]


def test_a_record_that_does_not_fit_is_returned_with_the_reason(engine: OpenSearch, alias: str) -> None:
    wrong = {**slate(alias, "q1", 1), "email": "someone@example.org"}
    (refused,) = write_slates(engine, [wrong, slate(alias, "q2", 2)])
    assert refused.id == f"{alias}:q1"
    assert "strict" in (refused.reason or "")
    assert [record.source["query_id"] for record in read_slates(engine, alias)] == ["q2"]


def test_a_log_of_an_earlier_release_gets_the_fields_that_it_lacks(engine: OpenSearch) -> None:
    index = f"eq-log-{uuid4().hex[:8]}"
    earlier = strict_body({"query": {"type": "keyword", "index": False}})
    now = strict_body({**earlier["mappings"]["properties"], "searched": {"type": "keyword"}})
    try:
        ensure_index(engine, index, earlier)
        ensure_index(engine, index, now)
        engine.index(index=index, body={"query": "shooes", "searched": "shoes"})
        (mapping,) = engine.indices.get_mapping(index=index).values()
        assert mapping["mappings"] == {**now["mappings"], "dynamic": "strict"}
    finally:
        engine.indices.delete(index=index)
