"""UBI files of any shape: rows, bad rows, older shapes, robots."""

from __future__ import annotations

import gzip
import json
import time
from math import nan
from pathlib import Path
from typing import Any

import pytest

from opensearch.logs.ubi import event_id
from rerank.training.log.actions import normalised
from rerank.training.log.robots import RobotFinder, names_robot
from rerank.training.log.ubi_files import ENDS_EARLY, read_ubi_rows
from rerank.training.log.ubi_shapes import BadRecordError, event_shape, hash_shoppers, query_shape
from vitrine.errors import LogFileError

AT = 1_770_000_000
ISO = "2026-02-02T02:40:00.000+00:00"


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def lines(count: int) -> str:
    return "".join(json.dumps({"query_id": f"q{n}", "timestamp": AT + n}) + "\n" for n in range(count))


def test_lines_arrays_gzip_and_index_dumps_hold_the_same_rows(tmp_path: Path) -> None:
    records = [{"query_id": f"q{n}", "timestamp": AT + n} for n in range(3)]
    dump = "".join(json.dumps({"_index": "ubi_queries", "_source": r}) + "\n" for r in records)
    for number, content in enumerate(
        (
            lines(3).encode(),
            gzip.compress(lines(3).encode()),  # by content, whatever its name
            json.dumps(records, indent=1).encode(),
            b"\xef\xbb\xbf\n" + lines(3).replace("\n", "\r\n\r\n").encode(),
            dump.encode(),
        )
    ):
        rows = list(read_ubi_rows(write(tmp_path / f"{number}.jsonl", content)))
        assert [row.record for row in rows] == records, number
        assert all(row.problem is None for row in rows)


def test_a_gzip_file_that_ends_early_gives_the_rows_before_its_end(tmp_path: Path) -> None:
    whole = gzip.compress(lines(20_000).encode())
    rows = list(read_ubi_rows(write(tmp_path / "cut.jsonl.gz", whole[: len(whole) // 2])))
    assert rows[-1].problem == ENDS_EARLY
    assert len(rows) > 5_000
    assert [row.record["query_id"] for row in rows[:-1] if row.record] == [
        f"q{n}" for n in range(len(rows) - 1)
    ]
    (only,) = read_ubi_rows(write(tmp_path / "stub.gz", whole[:12]))
    assert only.problem == ENDS_EARLY


def test_rows_that_are_no_records_are_rows_with_a_problem(tmp_path: Path) -> None:
    rows = list(read_ubi_rows(write(tmp_path / "mixed", '{"a": 1}\n{"b": \n[1]\n"text"\n{"c": 2}\n')))
    assert [(row.number, row.problem) for row in rows] == [
        (1, None),
        (2, "the line is no JSON"),
        (3, "the row is no JSON object"),
        (4, "the row is no JSON object"),
        (5, None),
    ]
    assert rows[1].text == '{"b": '


@pytest.mark.parametrize("content", ["query_id,timestamp\nq1,5\n", "<ubi/>", "[1, 2"])
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(LogFileError, match=r"holds no JSON.*convert a table|begins like a JSON array"):
        list(read_ubi_rows(write(tmp_path / "events.csv", content)))


def test_a_missing_file_is_refused_and_an_empty_one_has_no_rows(tmp_path: Path) -> None:
    with pytest.raises(LogFileError, match="cannot be read: No such file"):
        list(read_ubi_rows(tmp_path / "none"))
    assert list(read_ubi_rows(write(tmp_path / "empty", ""))) == []


@pytest.mark.parametrize(
    "value",
    [
        AT,
        AT * 1000,
        AT * 1_000_000,
        AT * 10**9,
        str(AT),
        f"{AT}000",
        "2026-02-02T02:40:00Z",
        "2026-02-02 03:40:00+01:00",
        ISO,
    ],
)
def test_times_of_every_format_are_one_time(value: Any) -> None:
    assert query_shape({"query_id": "q", "timestamp": value}, "shop")["timestamp"] == ISO


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"timestamp": AT}, "no `query_id`"),
        ({"query_id": "q"}, "no `timestamp`"),
        ({"query_id": "q", "timestamp": "yesterday"}, "in no known format"),
        ({"query_id": "q", "timestamp": 1_770_000}, "before 1990"),
        ({"query_id": "q", "timestamp": time.time() + 1e6}, "in the future"),
        ({"query_id": "q", "timestamp": nan}, "in no known format"),
    ],
)
def test_a_record_that_cannot_be_placed_is_bad(record: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRecordError, match=reason):
        event_shape({**record, "action_name": "click"}, "shop", {})


def test_an_event_without_name_is_bad() -> None:
    with pytest.raises(BadRecordError, match="no `action_name`"):
        event_shape({"query_id": "q", "timestamp": AT, "action_name": "  "}, "shop", {})


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ({"ordinal": 3, "x": 1}, {"ordinal": 3, "x": 1}),
        (3, {"ordinal": 3}),
        ("3", {"ordinal": 3}),
        (3.0, {"ordinal": 3}),
        ([3], {"ordinal": 3}),
        ({"index": 2}, {"index": 2, "ordinal": 3}),
        ({"ordinal": "x"}, {}),
        ("top", {"given": "top"}),
        (2**40, {"given": str(2**40)}),
    ],
)
def test_positions_of_older_releases(position: Any, expected: dict[str, Any]) -> None:
    for raw in ({"event_attributes": {"position": position}}, {"position": position}):
        event = event_shape({"query_id": "q", "timestamp": AT, "action_name": "click", **raw}, "shop", {})
        assert event["event_attributes"]["position"] == expected
        assert "position" not in event


def test_older_queries_and_events_become_ubi_1_3() -> None:
    query = query_shape(
        {
            "query_id": 5.0,
            "time": AT,
            "query": {"q": 1},
            "user_query": "red",
            "query_response_objects_ids": "a, b",
        },
        "shop",
    )
    assert query["query_id"] == "5"
    assert query["query_response_hit_ids"] == ["a", "b"]
    assert query["user_query"] == "red"
    hits = query_shape({"query_id": "q", "timestamp": AT, "query_response_hit_ids": [{"id": 7}, "b"]}, "shop")
    assert hits["query_response_hit_ids"] == ["7", "b"]
    own = {"tap_tile": "click", "wish": "ignore", "bag": "cart"}
    for name, expected in (
        ("tapTile", "click"),
        ("bag", "add_to_cart"),
        ("wish", "ignore"),
        ("zoom", "zoom"),
    ):
        event = event_shape(
            {"query_id": "q", "timestamp": AT, "action_name": name, "object_id": "p"}, "shop", own
        )
        assert event["action_name"] == expected
        assert event["event_attributes"]["object"] == {"object_id": "p"}


def test_every_id_of_a_shopper_is_hashed() -> None:
    record = {
        "client_id": "c",
        "user_id": 5,
        "session_id": None,
        "query_attributes": {"session_id": "s", "k": 1},
    }
    assert hash_shoppers(record, lambda raw: f"#{raw}") == {
        "client_id": "#c",
        "user_id": "#5",
        "session_id": None,
        "query_attributes": {"session_id": "#s", "k": 1},
    }


def test_robots_are_those_who_act_faster_than_people_or_name_themselves() -> None:
    finder = RobotFinder()
    for n in range(61):
        finder.add("fast", AT + n * 0.9)
        finder.add("quick person", AT + n * 1.1)
    for n in range(2_001):
        finder.add("all day", AT + n * 43.0)
        finder.add("slow", AT + n * 44.0)
    finder.add_agent("named", {"query_attributes": {"user_agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}})
    finder.add_agent("browser", {"user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0"})
    assert finder.robots() == {"fast", "all day", "named"}
    assert not names_robot({"user_agent": "Cubot X18"})


def test_a_million_actions_of_one_robot_are_found_in_seconds() -> None:
    finder = RobotFinder()
    started = time.perf_counter()
    for n in range(1_000_000):
        finder.add("robot", AT + n * 0.01)
    assert finder.robots() == {"robot"}
    assert time.perf_counter() - started < 60


def test_an_event_is_one_document_whatever_its_action_is_said_to_mean() -> None:
    raw = {"query_id": "q", "timestamp": AT, "action_name": "tapTile", "object_id": "p1"}
    plain = event_shape(raw, "shop", {})
    renamed = event_shape(raw, "shop", {normalised("tapTile"): "click"})
    assert (plain["action_name"], renamed["action_name"]) == ("tapTile", "click")
    assert event_id(plain) == event_id(renamed)
    assert event_id(plain) != event_id(event_shape({**raw, "object_id": "p2"}, "shop", {}))
