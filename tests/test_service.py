"""The rerank service over HTTP on a small ranker and no engine: orders, deadlines, degradation, bodies."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from support.service_stubs import ARTIFACTS, ReverseRanker, StubLookups, service_of

from opensearch.hook.pipelines import escaped
from opensearch.index.fields import FieldPlan, IndexSchema
from opensearch.logs.profiles import Click
from rerank.query_encoders import QueryEncoders
from rerank.request import RankedWindow, RerankRequest
from rerank.rules.window import UNAVAILABLE
from rerank.service.deadline import rerank_in_time
from rerank.service.hook import relevance_scores
from rerank.service.pool import WorkerPool
from rerank.service.run import bind_port
from rerank.service.slate_log import SlateLog
from rerank.serving_context import ServingContext
from rerank.shoppers import shopper_hash
from rerank.slate import Slate
from vitrine.errors import RerankError
from vitrine.store import Store

NO_MODEL = "no model for alias shop yet: run `vitrine train`"


@pytest.fixture
def context(tmp_path: Path) -> ServingContext:
    schema = IndexSchema(FieldPlan())
    return ServingContext("shop", schema, QueryEncoders(schema, Store(str(tmp_path))), ReverseRanker())


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINE_SHOPPER_KEY", "a key for tests")


@pytest.fixture
def client(context: ServingContext) -> Iterator[TestClient]:
    with service_of(context) as client:
        yield client


def test_an_order_names_its_artifacts(client: TestClient) -> None:
    answer = client.post("/v1/order/shop", json={"ids": ["a", "b", "c"], "query": "shoes"})
    assert answer.status_code == 200
    assert answer.json() == {
        "order": ["c", "b", "a"],
        "scores": [2.0, 1.0, 0.0],
        "rules": {},
        "unknown": 0,
        "artifacts": {"model": "model-1", "items": "items-1", "behaviour": "behaviour-1"},
        "degraded": None,
    }


def test_order_and_hook_agree_on_a_shopper_known_by_id_and_by_hash(context: ServingContext) -> None:
    hashed = shopper_hash("anna")
    with service_of(context, lookups=StubLookups({hashed: [Click("a", 1.0)]})) as client:
        ids = ["a", "b", "c"]
        by_id = client.post("/v1/order/shop", json={"ids": ids, "query": "x", "shopper": "anna"}).json()
        by_hash = client.post(
            "/v1/order/shop", json={"ids": ids, "query": "x", "shopper_hash": hashed}
        ).json()
        hook = client.post("/v1/hook/shop", json={"ctx": {"q": "x", "shopper": hashed}, "docs": ids}).json()
    assert by_id["order"] == by_hash["order"] == ["a", "c", "b"]
    assert [ids[row["index"]] for row in hook["results"]] == ["a", "c", "b"]


def test_hook_answers_floats_with_a_decimal_point(client: TestClient) -> None:
    answer = client.post("/v1/hook/shop", json={"ctx": {"q": "%24{parameters.x}"}, "docs": ["a", "b"]})
    assert answer.text == '{"results":[{"index":1,"relevance_score":1.0},{"index":0,"relevance_score":0.0}]}'


def test_the_hook_unescapes_the_whole_context(context: ServingContext) -> None:
    slates: list[Mapping[str, Any]] = []
    sent = {"q": "100% ${x}", "shopper": "anna $1%", "query_id": "q%24$"}
    with service_of(context, slates=slates) as client:
        client.post("/v1/hook/shop", json={"ctx": escaped(sent), "docs": ["a", "b"]})
    (slate,) = slates
    assert (slate["query"], slate["query_id"]) == ("100% ${x}", "q%24$")
    assert slate["shopper"] == shopper_hash("anna $1%")


def test_a_slate_survives_its_record() -> None:
    slate = Slate("q", "shop", 1.5, "shooes", None, ("a", "b"), ("b", "a"), "reranked", ARTIFACTS)
    slate = replace(slate, searched="shoes")
    assert Slate.from_record(slate.to_record(), 1.5) == slate
    assert slate.words == "shoes"
    earlier = Slate.from_record({**slate.to_record(), "searched": None}, 1.5)
    assert earlier is not None
    assert earlier.words == "shooes"


def test_unavailable_products_are_demoted_and_the_rule_is_named(context: ServingContext) -> None:
    stocked = replace(context.schema, plan=FieldPlan(available="in_stock"))
    with service_of(replace(context, schema=stocked), lookups=StubLookups(sold_out={"c"})) as client:
        answer = client.post("/v1/order/shop", json={"ids": ["a", "b", "c"]}).json()
        hook = client.post("/v1/hook/shop", json={"ctx": {}, "docs": ["a", "b", "c"]}).json()
    assert answer["order"] == ["b", "a", "c"]
    assert answer["rules"] == {"c": UNAVAILABLE}
    assert [row["index"] for row in hook["results"]] == [1, 0, 2]
    falling = [row["relevance_score"] for row in hook["results"]]
    assert falling == sorted(falling, reverse=True)


def test_without_a_model_the_rules_apply_to_the_engines_order(context: ServingContext) -> None:
    stocked = replace(
        context, ranker=None, degraded=NO_MODEL, schema=replace(context.schema, plan=FieldPlan(available="x"))
    )
    with service_of(stocked, lookups=StubLookups(sold_out={"a"})) as client:
        answer = client.post("/v1/order/shop", json={"ids": ["a", "b", "c"]}).json()
        hook = client.post("/v1/hook/shop", json={"ctx": {"q": ""}, "docs": ["a", "b", "c"]}).json()
        state = client.get("/v1/hook/shop").json()
    assert answer["order"] == ["b", "c", "a"]
    assert answer["degraded"] == NO_MODEL
    assert (answer["artifacts"], answer["scores"]) == (None, [])
    assert [row["index"] for row in hook["results"]] == [1, 2, 0]
    assert state == {"failures": [], "degraded": NO_MODEL}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RerankError("the table is gone"), "the table is gone"),
        (ValueError("inside"), "ranking failed (ValueError)"),
    ],
)
def test_a_ranker_that_fails_leaves_engine_order(
    context: ServingContext, error: Exception, reason: str
) -> None:
    with service_of(replace(context, ranker=ReverseRanker(error=error))) as client:
        answer = client.post("/v1/order/shop", json={"ids": ["a", "b"]}).json()
        hook = client.post("/v1/hook/shop", json={"ctx": {"q": ""}, "docs": ["a", "b"]})
    assert (answer["order"], answer["degraded"]) == (["a", "b"], reason)
    assert hook.status_code == 503


def test_scores_that_are_not_finite_leave_engine_order(
    context: ServingContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReverseRanker, "score", lambda self, inputs: np.array([np.nan, 1.0], np.float32))
    with service_of(context) as client:
        answer = client.post("/v1/order/shop", json={"ids": ["a", "b"]}).json()
    assert answer["order"] == ["a", "b"]
    assert "expected one finite score each" in answer["degraded"]


def test_a_window_that_is_not_ranked_by_the_deadline_keeps_the_engine_order(context: ServingContext) -> None:
    gate = threading.Event()  # scoring ends only after the answer
    with service_of(replace(context, ranker=ReverseRanker(gate))) as client:
        answer = client.post("/v1/order/shop", json={"ids": ["a", "b"], "deadline_ms": 40}).json()
        gate.set()
    assert answer["order"] == ["a", "b"]
    assert answer["degraded"] == "the deadline of 40 ms passed"


@pytest.mark.parametrize(
    "lookups", [StubLookups(never=True), StubLookups(error=ConnectionError("engine away"))]
)
def test_a_history_that_is_late_or_lost_never_fails_the_order(
    context: ServingContext, lookups: StubLookups
) -> None:
    lookups.histories = {shopper_hash("anna"): [Click("a", 1.0)]}
    body = {"ids": ["a", "b"], "shopper": "anna", "deadline_ms": 2000}
    with service_of(context, lookups=lookups) as client:
        answer = client.post("/v1/order/shop", json=body).json()
    assert answer["order"] == ["b", "a"]
    assert answer["degraded"] is None


def test_too_many_waiting_windows_degrade_at_once(context: ServingContext) -> None:
    pool, gate = WorkerPool(workers=1), threading.Event()
    blocked = replace(context, ranker=ReverseRanker(gate))

    async def storm() -> list[RankedWindow]:
        request = RerankRequest(["a", "b"], deadline_ms=60_000)
        windows = [
            asyncio.create_task(rerank_in_time(blocked, request, StubLookups(), pool)) for _ in range(80)
        ]
        while sum(window.done() for window in windows) < 80 - 64:  # the refused ones
            await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(*windows)

    windows = asyncio.run(storm())
    pool.close()
    busy = [window for window in windows if window.degraded]
    assert len(busy) == 80 - 64
    assert "windows wait to be ranked" in str(busy[0].degraded)


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("/v1/order/shop", b"{", 400, "not JSON"),
        ("/v1/order/shop", b"\xff\xfe", 400, "not JSON"),
        ("/v1/order/shop", b"[]", 400, "Expected `object`, got `array`"),
        ("/v1/order/shop", b'{"ids": []}', 400, "$.ids"),
        ("/v1/order/shop", b'{"ids": [1]}', 400, "$.ids[0]"),
        ("/v1/order/shop", b'{"ids": ["a"], "shoper": "x"}', 400, "unknown field `shoper`"),
        ("/v1/order/shop", b'{"ids": ["a"], "deadline_ms": 0}', 400, "$.deadline_ms"),
        ("/v1/order/shop", b'{"ids": ["a"], "shopper_hash": "anna"}', 400, "$.shopper_hash"),
        ("/v1/order/shop", b'{"ids": ["a"], "vectors": {"text": [1]}}', 400, "the index takes none"),
        ("/v1/order/nowhere", b'{"ids": ["a"]}', 404, "no index behind alias 'nowhere'; known here: shop"),
        ("/v1/hook/nowhere", b'{"ctx": {}, "docs": ["a"]}', 404, "nowhere"),
        ("/v1/hook/shop", b'{"ctx": {}, "docs": []}', 400, "$.docs"),
        ("/v1/hook/shop", b'{"ctx": {}, "docs": ["a", ""]}', 400, "without the field"),
        ("/v1/hook/shop", b'{"ctx": "x", "docs": ["a"]}', 400, "$.ctx"),
        ("/v1/hook/shop", b'{"ctx": {"q": 1}, "docs": ["a"]}', 400, "$.q"),
        ("/v1/embed", b'{"input": []}', 400, "$.input"),
        (
            "/v1/embed",
            b'{"input": "x", "model": "other"}',
            400,
            "no alias and no text encoder is called 'other'",
        ),
    ],
)
def test_bad_requests_are_one_sentence(
    client: TestClient, path: str, body: bytes, status: int, sentence: str
) -> None:
    answer = client.post(path, content=body)
    assert answer.status_code == status
    assert sentence in answer.json()["error"]


def test_a_body_that_is_too_large_is_refused(client: TestClient) -> None:
    answer = client.post("/v1/order/shop", content=b"[" * (5 << 20))
    assert answer.status_code == 400
    assert "larger than 4 MB" in answer.json()["error"]


def test_health_ready_and_metrics(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    ready = client.get("/ready")
    assert ready.status_code == 200
    assert ready.json()["aliases"]["shop"]["artifacts"]["model"] == "model-1"
    client.post("/v1/order/shop", json={"ids": ["a"]})
    client.post("/v1/order/shop", json={"ids": []})
    text = client.get("/metrics").text
    assert 'vitrine_answers_total{alias="shop",endpoint="order",outcome="reranked"} 1.0' in text
    assert 'vitrine_refused_total{endpoint="order",status="400"} 1.0' in text


def test_the_service_is_not_ready_before_the_engine_answered(context: ServingContext) -> None:
    with service_of(context, error="no OpenSearch answers") as client:
        ready = client.get("/ready")
        answer = client.post("/v1/order/shop", json={"ids": ["a"]})
    assert ready.status_code == 503
    assert ready.json() == {"ready": False, "error": "no OpenSearch answers"}
    assert answer.status_code == 503


def test_slates_hold_both_orders_and_only_the_hash(context: ServingContext) -> None:
    slates: list[Mapping[str, Any]] = []
    with service_of(context, slates=slates) as client:
        body = {"ids": ["a", "b"], "query": "shoes", "shopper": "anna", "query_id": "q-7"}
        client.post("/v1/order/shop", json=body)
        client.post("/v1/order/shop", json={"ids": ["alone"]})
    (slate,) = slates
    assert slate["query_id"] == "q-7"
    assert (slate["engine"], slate["shown"], slate["window"]) == (["a", "b"], ["b", "a"], 2)
    assert slate["shopper"] == shopper_hash("anna")
    assert slate["artifacts"] == {"model": "model-1", "items": "items-1", "behaviour": "behaviour-1"}
    assert "anna" not in str(slate)


def test_the_slate_log_counts_what_it_cannot_keep() -> None:
    counted: dict[str, int] = {}
    writing = threading.Event()

    def count(outcome: str, number: int) -> None:
        counted[outcome] = counted.get(outcome, 0) + number

    def write(records: Sequence[Mapping[str, Any]]) -> None:
        writing.set()
        raise ConnectionError("engine away")

    async def overflow() -> None:
        log = SlateLog(write, count)
        for number in range(2_100):
            log.add(Slate(str(number), "shop", 0.0, "", None, ("a", "b"), ("b", "a")))
        running = asyncio.create_task(log.run())
        while not writing.is_set():
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(overflow())
    assert counted["dropped"] == 100
    assert counted["failed"] in (1_800, 2_000)  # the batch that was being written ends uncounted


def test_a_taken_port_is_one_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(RerankError, match=r"port \d+ of 127\.0\.0\.1 is taken; .* --port"):
            bind_port("127.0.0.1", other.getsockname()[1])


def test_a_sorted_search_through_the_hook_keeps_its_order(context: ServingContext) -> None:
    ids = ["c", "a", "b"]
    with service_of(context) as client:
        sent = {"ctx": {"q": "x", "sort": True}, "docs": ids}
        hook = client.post("/v1/hook/shop", json=sent).json()
    by_score = sorted(hook["results"], key=lambda row: -row["relevance_score"])
    assert [ids[row["index"]] for row in by_score] == ids


def test_the_hook_tells_why_reranks_failed(context: ServingContext) -> None:
    broken = ReverseRanker(error=RerankError("the table is gone"))
    with service_of(replace(context, ranker=broken)) as client:
        for _ in range(2):
            client.post("/v1/hook/shop", json={"ctx": {}, "docs": ["", ""]})
        client.post("/v1/hook/shop", json={"ctx": {}, "docs": ["a", "b"]})
        failures = client.get("/v1/hook/shop").json()["failures"]
        assert client.get("/v1/hook/nowhere").status_code == 404
    assert [row["count"] for row in failures] == [2, 1]
    assert "without the field `id`" in failures[0]["reason"]
    assert failures[1]["reason"] == "the table is gone"


@settings(max_examples=60)
@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=60), st.randoms())
def test_hook_scores_sort_into_the_order_of_the_window_in_single_precision(
    scores: list[float], random: Any
) -> None:
    """Also where scores are equal: the engine sees float32 and must not have to break a tie."""
    falling = sorted([*scores, *scores], reverse=True)
    positions = list(range(len(falling)))
    random.shuffle(positions)
    results = relevance_scores(RankedWindow(positions, falling, {}, ARTIFACTS))
    values = [row["relevance_score"] for row in results]
    assert all(isinstance(value, np.float32) and np.isfinite(value) for value in values)
    assert all(above > below for above, below in itertools.pairwise(values))
    assert [row["index"] for row in results] == positions
