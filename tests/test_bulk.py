"""The bulk writer: against a small engine that rejects on request, and against the live node."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensearch.client import connect
from opensearch.index.actions import line_of
from opensearch.index.bulk import Action, Outcome, Pace, write
from opensearch.index.scan import scan
from vitrine.errors import EngineError, IndexMissingError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

Item = tuple[str, str, dict[str, Any] | None]  # operation, id, document
Answer = tuple[int, Any]  # status and body; a negative status closes the connection instead


class SmallEngine:
    """Stores documents as the engine does for `_bulk`; `refuse` may answer a request, `reject` an item, instead."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.requests = 0
        self.refuse: Callable[[list[Item]], Answer | None] = lambda items: None
        self.reject: Callable[[Item], int] = lambda item: 0
        self._lock = threading.Lock()

    def bulk(self, body: bytes) -> Answer:
        items = _items(body)
        with self._lock:
            self.requests += 1
            refused = self.refuse(items)
            if refused:
                return refused
            return 200, {"errors": False, "items": [self._apply(item) for item in items]}

    def _apply(self, item: Item) -> dict[str, Any]:
        operation, id, document = item
        status = self.reject(item)
        if status:
            error = {"type": "rejected_execution_exception", "reason": "the queue is full"}
            return {operation: {"status": status, "error": error}}
        exists = id in self.documents
        if operation == "delete":
            self.documents.pop(id, None)
            return {
                operation: {"status": 200 if exists else 404, "result": "deleted" if exists else "not_found"}
            }
        assert document is not None
        if operation == "update":
            if not exists:
                return {
                    operation: {"status": 404, "error": {"type": "document_missing_exception", "reason": id}}
                }
            before = dict(self.documents[id])
            self.documents[id].update(document["doc"])
            same = before == self.documents[id]
            return {operation: {"status": 200, "result": "noop" if same else "updated"}}
        self.documents[id] = dict(document)
        return {operation: {"status": 200 if exists else 201, "result": "updated" if exists else "created"}}


def _items(body: bytes) -> list[Item]:
    lines = iter(body.splitlines())
    items: list[Item] = []
    for line in lines:
        ((operation, target),) = json.loads(line).items()
        items.append((operation, target["_id"], None if operation == "delete" else json.loads(next(lines))))
    return items


@pytest.fixture(scope="module")
def small() -> Iterator[tuple[SmallEngine, OpenSearch]]:
    engine = SmallEngine()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.send_response(200 if self.path == "/shop" else 404)
            self.end_headers()

        def do_POST(self) -> None:
            status, body = engine.bulk(self.rfile.read(int(self.headers["content-length"])))
            if status < 0:
                self.close_connection = True
                return
            answer = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    client = connect(f"http://127.0.0.1:{server.server_port}", retries=0)
    yield engine, client
    client.close()
    server.shutdown()
    server.server_close()
    thread.join()


def quick(**settings: Any) -> Pace:
    """A pace with short pauses after a rejection."""
    return Pace(**settings, first_pause_s=0.002, max_pause_s=0.05)


def _sent(number: int) -> Iterator[Action]:
    return (Action("index", str(row), {"n": row}) for row in range(number))


_actions = st.lists(
    st.tuples(st.sampled_from(["index", "update", "delete"]), st.sampled_from("abcd"), st.integers(0, 2)),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(actions=_actions, chance=st.integers(0, 1_000))
def test_rejections_change_neither_order_nor_outcome(
    small: tuple[SmallEngine, OpenSearch], actions: list[tuple[Any, str, int]], chance: int
) -> None:
    engine, client = small
    accepted = [
        Action(operation, id, None if operation == "delete" else {"n": number})
        for operation, id, number in actions
    ]
    engine.forget()
    results = [
        engine.bulk(b"".join([line_of(action)]))[1]["items"][0][action.operation] for action in accepted
    ]
    expected = engine.documents

    engine.forget()
    random = Random(chance)
    engine.reject = lambda item: random.choice([0, 0, 0, 0, 429, 503])
    engine.refuse = lambda items: random.choice([None, None, None, None, (429, {}), (503, {}), (-1, None)])
    stormy = list(write(client, "shop", accepted, quick(chunk_actions=3, in_flight=3, patience_s=60)))
    assert engine.documents == expected
    assert sorted(outcome.id for outcome in stormy) == sorted(action.id for action in accepted)
    refused = sorted(action.id for action, result in zip(accepted, results, strict=True) if "error" in result)
    assert sorted(outcome.id for outcome in stormy if outcome.status == "failed") == refused


def test_a_write_whose_answer_was_lost_is_repeated(small: tuple[SmallEngine, OpenSearch]) -> None:
    engine, client = small
    engine.forget()
    lost = [True]

    def lose_first(items: list[Item]) -> Answer | None:
        if lost.pop() if lost else False:
            for operation, id, document in items:
                assert operation == "index"
                engine.documents[id] = document or {}
            return -1, None
        return None

    engine.refuse = lose_first
    outcomes = list(write(client, "shop", _sent(5), quick()))
    assert [outcome.status for outcome in outcomes] == ["updated"] * 5
    assert len(engine.documents) == 5


@pytest.mark.parametrize("status", [400, 413])
def test_a_document_that_spoils_its_request_fails_alone(
    small: tuple[SmallEngine, OpenSearch], status: int
) -> None:
    engine, client = small
    engine.forget()
    error = {"error": {"type": "illegal_argument_exception", "reason": "poison"}, "status": status}
    engine.refuse = lambda items: (status, error) if {"13", "57"} & {id for _, id, _ in items} else None
    outcomes = list(write(client, "shop", _sent(100)))
    assert {outcome.id for outcome in outcomes if outcome.status == "failed"} == {"13", "57"}
    assert all("poison" in (outcome.reason or "") for outcome in outcomes if outcome.status == "failed")
    assert len(engine.documents) == 98


def test_patience_ends_with_an_outcome_for_every_action_read(small: tuple[SmallEngine, OpenSearch]) -> None:
    engine, client = small
    engine.forget()
    engine.reject = lambda item: 429 if int(item[1]) >= 20 else 0
    read: list[str] = []

    def actions() -> Iterator[Action]:
        for action in _sent(100_000):
            read.append(action.id)
            yield action

    outcomes: list[Outcome] = []
    with pytest.raises(
        EngineError, match=r"10 documents were still rejected .*the queue is full.*run the same"
    ):
        outcomes.extend(
            write(client, "shop", actions(), quick(chunk_actions=10, in_flight=2, patience_s=0.1))
        )
    assert sorted(outcome.id for outcome in outcomes) == sorted(read)
    assert sum(outcome.status == "created" for outcome in outcomes) == 20
    assert all("not written" in (outcome.reason or "") for outcome in outcomes if outcome.status == "failed")
    assert len(read) < 100


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((401, {}), "OPENSEARCH_USER"),
        ((200, b"<html>a proxy</html>"), "is not OpenSearch's"),
        ((200, {"items": []}), "is not OpenSearch's"),
        ((500, {"error": {"type": "null_pointer_exception", "reason": "oops"}}), "oops"),
    ],
)
def test_a_permanent_failure_stops_after_one_request(
    small: tuple[SmallEngine, OpenSearch], answer: Answer, reason: str
) -> None:
    engine, client = small
    engine.forget()
    engine.refuse = lambda items: answer
    with pytest.raises(EngineError, match=reason):
        list(write(client, "shop", _sent(3)))
    assert engine.requests == 1


def test_no_more_actions_are_read_than_needed(small: tuple[SmallEngine, OpenSearch]) -> None:
    engine, client = small
    engine.forget()
    read = 0

    def actions() -> Iterator[Action]:
        nonlocal read
        for action in _sent(500):
            read += 1
            yield action

    given_back = 0
    for _ in write(client, "shop", actions(), Pace(chunk_actions=10, in_flight=2)):
        given_back += 1
        assert read - given_back <= (2 + 2) * 10
    assert given_back == 500


def test_chunks_keep_to_bytes_and_count(small: tuple[SmallEngine, OpenSearch]) -> None:
    engine, client = small
    engine.forget()
    sizes: list[int] = []
    engine.refuse = lambda items: sizes.append(len(items))
    big = (Action("index", str(row), {"text": "x" * 1_000}) for row in range(20))
    list(write(client, "shop", big, Pace(chunk_bytes=5_500, in_flight=1)))
    assert sizes == [5, 5, 5, 5]
    sizes.clear()
    list(write(client, "shop", _sent(20), Pace(chunk_actions=8, in_flight=1)))
    assert sizes == [8, 8, 4]


def test_a_document_that_is_not_json_fails_alone(small: tuple[SmallEngine, OpenSearch]) -> None:
    engine, client = small
    engine.forget()
    actions = [
        Action("index", "surrogate", {"title": "\ud800"}),
        Action("index", "object", {"title": object()}),
        Action("index", "huge", {"n": 2**70}),
        Action("index", "", {"n": 1}),
        Action("index", "nothing"),
        Action("index", "slice", {"vec": np.arange(8, dtype=np.float32)[::2]}),
        Action("index", "half", {"vec": np.ones(2, np.float16), "n": np.int64(3), "b": np.bool_(True)}),
    ]
    outcomes = list(write(client, "shop", actions))
    assert {o.id for o in outcomes if o.status == "failed"} == {"surrogate", "object", "huge", "", "nothing"}
    assert engine.documents["slice"] == {"vec": [0, 2, 4, 6]}
    assert engine.documents["half"] == {"vec": [1, 1], "n": 3, "b": True}


def test_leaving_early_leaves_no_thread(small: tuple[SmallEngine, OpenSearch]) -> None:
    engine, client = small
    engine.forget()
    outcomes = write(client, "shop", _sent(1_000), Pace(chunk_actions=10, in_flight=2))
    next(outcomes)
    outcomes.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("bulk")]


def test_a_missing_index_is_not_created(small: tuple[SmallEngine, OpenSearch]) -> None:
    engine, client = small
    engine.forget()
    with pytest.raises(IndexMissingError, match="no index 'other'"):
        list(write(client, "other", _sent(1)))
    assert engine.requests == 0


MAPPING = {
    "dynamic": "strict",
    "properties": {
        "n": {"type": "double"},
        "vec": {
            "type": "knn_vector",
            "dimension": 4,
            "method": {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"},
        },
    },
}


@pytest.fixture
def shop(engine: OpenSearch) -> Iterator[str]:
    name = f"t-bulk-{uuid.uuid4().hex[:8]}"
    settings = {"number_of_replicas": 0, "index.knn": True}
    engine.indices.create(index=name, body={"settings": settings, "mappings": MAPPING})
    yield name
    engine.indices.delete(index=name, ignore_unavailable=True)


@pytest.mark.live
def test_bad_documents_fail_alone_on_the_node(engine: OpenSearch, shop: str) -> None:
    one = np.ones(4, np.float32)
    actions = [
        Action("index", "good", {"n": 1, "vec": one}),
        Action("index", "word", {"n": "abc"}),
        Action("index", "nan", {"vec": one * np.nan}),
        Action("index", "zero", {"vec": one * 0}),
        Action("index", "short", {"vec": one[:3]}),
        Action("index", "strange", {"colour": "red"}),
        Action("index", "long " * 120, {"n": 1}),
        Action("update", "missing", {"n": 1}),
        Action("delete", "missing"),
        Action("index", "good too", {"n": 2}),
    ]
    outcomes = list(write(engine, shop, actions))
    reasons = {outcome.id: outcome.reason or "" for outcome in outcomes if outcome.status == "failed"}
    assert set(reasons) == {"word", "nan", "zero", "short", "strange", "long " * 120, "missing"}
    assert "NaN and infinity are written as null" in reasons["nan"]
    assert "Expected: 4, Given: 3" in reasons["short"]
    assert "[colour]" in reasons["strange"]
    assert "512 bytes" in reasons["long " * 120]
    assert Outcome("missing", "noop") in outcomes
    engine.indices.refresh(index=shop)
    assert {id for id, _ in scan(engine, shop)} == {"good", "good too"}


@pytest.mark.live
def test_vectors_arrive_bit_for_bit_and_survive_updates(engine: OpenSearch, shop: str) -> None:
    vectors = np.random.default_rng(3).standard_normal((300, 4), dtype=np.float32)
    actions = (Action("index", str(row), {"n": row, "vec": vector}) for row, vector in enumerate(vectors))
    assert {o.status for o in write(engine, shop, actions, Pace(chunk_actions=37))} == {"created"}
    updates = [Action("update", str(row), {"n": row + 1}) for row in range(0, 300, 2)]
    updates += [Action("update", "1", {"by": 5}, "ctx._source.n += params.by")]
    assert {o.status for o in write(engine, shop, updates)} == {"updated"}
    assert {o.status for o in write(engine, shop, updates[:-1])} == {"noop"}
    engine.indices.refresh(index=shop)
    documents = dict(scan(engine, shop, page=70))
    for row, vector in enumerate(vectors):
        assert np.array_equal(np.asarray(documents[str(row)]["vec"], np.float32), vector)
    assert documents["1"]["n"] == 6


@pytest.mark.live
@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("write", "closed to writes .*index.blocks.write"),
        ("read_only", "closed to writes .*index.blocks.read_only"),
        ("read_only_allow_delete", "disk is nearly full .*free space"),
    ],
)
def test_a_blocked_index_stops_writing_with_the_next_step(
    engine: OpenSearch, shop: str, block: str, reason: str
) -> None:
    outcomes: list[Outcome] = []
    engine.indices.put_settings(index=shop, body={f"index.blocks.{block}": True})
    try:
        with pytest.raises(EngineError, match=reason):
            outcomes.extend(write(engine, shop, _sent(5), Pace(chunk_actions=2, in_flight=1)))
    finally:
        engine.indices.put_settings(index=shop, body={f"index.blocks.{block}": None})
    assert outcomes
    assert all(outcome.status == "failed" and outcome.reason for outcome in outcomes)


@contextmanager
def _relay(url: str) -> Iterator[tuple[str, Callable[[bool], None]]]:
    """Forward TCP to a real node; the second value disconnects and reconnects it."""
    parts = urlsplit(url)
    target = (parts.hostname or "127.0.0.1", parts.port or 80)
    server = socket.create_server(("127.0.0.1", 0))
    open_ends: list[socket.socket] = []
    up = [True]

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while part := source.recv(65536):
                sink.sendall(part)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def accept() -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            if not up[0]:
                near.close()
                continue
            far = socket.create_connection(target)
            open_ends.extend((near, far))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    def switch(on: bool) -> None:
        up[0] = on
        while not on and open_ends:
            end = open_ends.pop()
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
            finally:
                end.close()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", switch
    finally:
        switch(False)
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.live
def test_no_action_is_lost_when_the_engine_is_unreachable_for_a_while(
    engine: OpenSearch, engine_url: str, shop: str
) -> None:
    with _relay(engine_url) as (url, switch):
        client = connect(url, retries=0)

        def actions() -> Iterator[Action]:
            for row, action in enumerate(_sent(2_000)):
                if row == 700:
                    switch(False)
                    threading.Timer(0.5, switch, [True]).start()
                yield action

        outcomes = list(write(client, shop, actions(), Pace(chunk_actions=100)))
        client.close()
    assert len(outcomes) == 2_000
    assert {outcome.status for outcome in outcomes} <= {"created", "updated"}
    engine.indices.refresh(index=shop)
    assert engine.count(index=shop)["count"] == 2_000
