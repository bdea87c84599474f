"""The Python event client: records reach the engine, and nothing that goes wrong reaches the caller."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from opensearch.logs import ubi
from vitrine.events import EventClient

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

ROOT = Path(__file__).parent.parent


@pytest.fixture
def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def application(engine: OpenSearch) -> Iterator[str]:
    name = f"ev-{uuid4().hex[:8]}"
    yield name
    engine.delete_by_query(
        index=f"{ubi.QUERIES},{ubi.EVENTS}",
        body={"query": {"term": {"application": name}}},
        params={"ignore_unavailable": "true", "refresh": "true", "conflicts": "proceed"},
    )


def stored(engine: OpenSearch, application: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    queries, events = ubi.read_queries(engine, application), ubi.read_events(engine, application)
    return [record.source for record in queries], [record.source for record in events]


@pytest.mark.live
def test_records_reach_the_engine_in_batches(engine: OpenSearch, engine_url: str, application: str) -> None:
    ubi.write_queries(engine, [])  # the indices, as `vitrine serve` and `vitrine train` make them
    ubi.write_events(engine, [])
    with EventClient(
        engine_url, application, hash_shopper=lambda shopper: f"hash of {shopper}", batch=40
    ) as client:
        client.query("q1", "red", ["p7", 3], client_id="me")
        for position in range(1, 101):
            client.event("click", "q1", f"p{position}", position, session_id="s", dwell_ms=5)
        assert client.flush(20)
        assert (client.sent, client.dropped) == (101, 0)
    queries, events = stored(engine, application)
    assert queries[0]["query_response_hit_ids"] == ["p7", "3"]
    assert queries[0]["client_id"] == "hash of me"
    assert sorted(e["event_attributes"]["position"]["ordinal"] for e in events) == list(range(1, 101))
    assert {e["session_id"] for e in events} == {"hash of s"}


@pytest.mark.live
def test_what_waits_is_sent_at_exit(engine: OpenSearch, engine_url: str, application: str) -> None:
    ubi.write_events(engine, [])
    code = f"""
from vitrine.events import EventClient
client = EventClient({engine_url!r}, {application!r}, pause_s=60)
client.event("click", "q1", "p1")
"""
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert [event["query_id"] for event in stored(engine, application)[1]] == ["q1"]


@pytest.mark.live
def test_a_record_that_the_engine_refuses_is_dropped_and_the_others_are_stored(
    engine: OpenSearch, engine_url: str, application: str
) -> None:
    ubi.write_events(engine, [])
    with EventClient(engine_url, application) as client:
        client.event("click", "q1", "p1", attributes={"position": 5})  # an object in the mapping
        client.event("click", "q2", "p1")
    assert (client.sent, client.dropped) == (1, 1)
    assert [event["query_id"] for event in stored(engine, application)[1]] == ["q2"]


def test_nothing_is_raised_and_nothing_waits_when_the_engine_is_away(closed_port: str) -> None:
    client = EventClient(closed_port, max_waiting=10, exit_timeout_s=1)
    started = time.monotonic()
    for _ in range(1_000):
        client.event("click", "q", "p")
    assert time.monotonic() - started < 1
    assert client.dropped >= 900
    client.close()
    client.event("click", "q", "p")  # after the end
    assert client.sent == 0


def test_records_that_cannot_be_made_are_dropped(closed_port: str) -> None:
    def broken() -> Iterator[str]:
        yield "p1"
        raise RuntimeError("the shop's own code")

    client = EventClient(closed_port, exit_timeout_s=0)
    client.query("q", "red", broken())
    client.event("click", "q", "p", position="third")  # type: ignore[arg-type]
    client.event(
        "click", "q", "p", attributes={"object": {1: object()}}
    )  # keys and values that are no JSON are text
    assert client.dropped == 2
    client.close()


def test_a_server_that_never_answers_holds_up_neither_the_caller_nor_the_exit() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = EventClient(
            f"http://127.0.0.1:{silent.getsockname()[1]}", pause_s=0.01, timeout_s=0.5, exit_timeout_s=0.3
        )
        started = time.monotonic()
        client.event("click", "q", "p")
        client.close()
        assert time.monotonic() - started < 3


def test_records_have_the_shape_of_ubi(closed_port: str) -> None:
    client = EventClient(closed_port, "shop", exit_timeout_s=0)
    record = json.loads(client._line({"query_id": "q"}))
    assert record["application"] == "shop"
    assert record["timestamp"].endswith("+00:00")
    client.close()
