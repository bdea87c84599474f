"""The rerank service over HTTP, standing on a small ranker and no engine: orders, deadlines, degradation, bodies."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from opensearch.index.fields import FieldPlan, IndexSchema
from opensearch.logs.profiles import Click
from rerank.arrays import FloatArray
from rerank.models.ranker import RankRequest
from rerank.query_encoders import QueryEncoders
from rerank.rules import UNAVAILABLE
from rerank.service.app import make_app
from rerank.service.hook import results
from rerank.service.metrics import Metrics
from rerank.service.order import Ask, RankPool, order
from rerank.service.run import bound
from rerank.service.server import Parts
from rerank.service.slate_log import Slate, SlateLog
from rerank.serving_context import ServingContext
from rerank.shoppers import shopper_hash
from rerank.window import RankedWindow
from vitrine.errors import RerankError
from vitrine.store import ArtifactSet, Store

ARTIFACTS = ArtifactSet("model-1", "items-1", "behaviour-1")
NO_MODEL = "no model for alias shop yet: run `vitrine train`"


class LastFirst:
    """Turns the window round; what the shopper clicked comes before everything."""

    artifacts = ARTIFACTS

    def __init__(self, pause_s: float = 0.0, error: Exception | None = None) -> None:
        self.pause_s = pause_s
        self.error = error

    def scores(self, request: RankRequest) -> FloatArray:
        time.sleep(self.pause_s)
        if self.error:
            raise self.error
        clicked = {click.id for click in request.history}
        return np.array(
            [place + 1000.0 * (product in clicked) for place, product in enumerate(request.ids)], np.float32
        )

    def warm(self) -> None:
        pass


@dataclass
class Clicks:
    """Lookups from dictionaries."""

    histories: dict[str, list[Click]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    pause_s: float = 0.0
    error: Exception | None = None

    async def history(self, alias: str, shopper: str) -> Sequence[Click]:
        await asyncio.sleep(self.pause_s)
        if self.error:
            raise self.error
        return self.histories.get(shopper, [])

    async def unavailable(self, alias: str, ids: Sequence[str]) -> Collection[str]:
        return self.gone & set(ids)


@dataclass
class FixedShops:
    open: dict[str, ServingContext]
    trouble: str | None = None

    async def watch(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def shop(tmp_path: Path) -> ServingContext:
    schema = IndexSchema(FieldPlan(), None, None)
    return ServingContext("shop", schema, QueryEncoders(schema, Store(str(tmp_path))), LastFirst())


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINE_SHOPPER_KEY", "a key for tests")


def service(
    shop: ServingContext,
    lookups: Clicks | None = None,
    slates: list[Slate] | None = None,
    trouble: str | None = None,
) -> TestClient:
    written: list[Slate] = [] if slates is None else slates
    parts = Parts(
        shops=FixedShops({} if trouble else {"shop": shop}, trouble),
        lookups=lookups or Clicks(),
        write_slates=written.extend,
        metrics=Metrics(),
    )
    return TestClient(make_app(parts), raise_server_exceptions=False)


@pytest.fixture
def client(shop: ServingContext) -> Iterator[TestClient]:
    with service(shop) as made:
        yield made


def test_order_says_who_made_it(client: TestClient) -> None:
    answer = client.post("/v1/order/shop", json={"ids": ["a", "b", "c"], "query": "shoes"})
    assert answer.status_code == 200
    assert answer.json() == {
        "order": ["c", "b", "a"],
        "scores": [2.0, 1.0, 0.0],
        "rules": {},
        "artifacts": {"model": "model-1", "items": "items-1", "behaviour": "behaviour-1"},
        "degraded": None,
    }


def test_order_and_hook_agree_on_a_shopper_known_by_id_and_by_hash(shop: ServingContext) -> None:
    hashed = shopper_hash("anna")
    with service(shop, Clicks({hashed: [Click("a", 1.0)]})) as client:
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


def test_unavailable_products_are_demoted_and_the_rule_is_named(shop: ServingContext) -> None:
    stocked = replace(shop.schema, plan=FieldPlan(available="in_stock"))
    with service(replace(shop, schema=stocked), Clicks(gone={"c"})) as client:
        answer = client.post("/v1/order/shop", json={"ids": ["a", "b", "c"]}).json()
        hook = client.post("/v1/hook/shop", json={"ctx": {}, "docs": ["a", "b", "c"]}).json()
    assert answer["order"] == ["b", "a", "c"]
    assert answer["rules"] == {"c": UNAVAILABLE}
    assert [row["index"] for row in hook["results"]] == [1, 0, 2]
    falling = [row["relevance_score"] for row in hook["results"]]
    assert falling == sorted(falling, reverse=True)


def test_without_a_model_order_degrades_and_the_hook_lets_the_engine_do(shop: ServingContext) -> None:
    with service(replace(shop, ranker=None, degraded=NO_MODEL)) as client:
        answer = client.post("/v1/order/shop", json={"ids": ["a", "b"]}).json()
        hook = client.post("/v1/hook/shop", json={"ctx": {"q": ""}, "docs": ["a", "b"]})
    assert answer["order"] == ["a", "b"]
    assert answer["degraded"] == NO_MODEL
    assert answer["artifacts"] is None
    assert hook.status_code == 503
    assert hook.json() == {"error": NO_MODEL}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RerankError("the table is gone"), "the table is gone"),
        (ValueError("inside"), "ranking failed (ValueError)"),
    ],
)
def test_a_ranker_that_fails_leaves_engine_order(shop: ServingContext, error: Exception, reason: str) -> None:
    with service(replace(shop, ranker=LastFirst(error=error))) as client:
        answer = client.post("/v1/order/shop", json={"ids": ["a", "b"]}).json()
        hook = client.post("/v1/hook/shop", json={"ctx": {"q": ""}, "docs": ["a", "b"]})
    assert (answer["order"], answer["degraded"]) == (["a", "b"], reason)
    assert hook.status_code == 503


def test_scores_that_are_not_finite_leave_engine_order(
    shop: ServingContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LastFirst, "scores", lambda self, request: np.array([np.nan, 1.0], np.float32))
    with service(shop) as client:
        answer = client.post("/v1/order/shop", json={"ids": ["a", "b"]}).json()
    assert answer["order"] == ["a", "b"]
    assert "expected one finite score each" in answer["degraded"]


def test_the_deadline_is_kept(shop: ServingContext) -> None:
    with service(replace(shop, ranker=LastFirst(pause_s=1.0))) as client:
        began = time.perf_counter()
        answer = client.post("/v1/order/shop", json={"ids": ["a", "b"], "deadline_ms": 40}).json()
        took = time.perf_counter() - began
    assert answer["order"] == ["a", "b"]
    assert answer["degraded"] == "the deadline of 40 ms passed"
    assert took < 0.8


@pytest.mark.parametrize("lookups", [Clicks(pause_s=1.0), Clicks(error=ConnectionError("engine away"))])
def test_a_history_that_is_late_or_lost_never_fails_the_order(shop: ServingContext, lookups: Clicks) -> None:
    lookups.histories = {shopper_hash("anna"): [Click("a", 1.0)]}
    with service(shop, lookups) as client:
        answer = client.post("/v1/order/shop", json={"ids": ["a", "b"], "shopper": "anna"}).json()
    assert answer["order"] == ["b", "a"]
    assert answer["degraded"] is None


def test_too_many_waiting_windows_degrade_at_once(shop: ServingContext) -> None:
    pool = RankPool(workers=1)
    slow = replace(shop, ranker=LastFirst(pause_s=0.02))

    async def storm() -> list[RankedWindow]:
        ask = Ask(["a", "b"], "", deadline_ms=60_000)
        return await asyncio.gather(*(order(slow, ask, Clicks(), pool) for _ in range(80)))

    verdicts = asyncio.run(storm())
    pool.close()
    busy = [verdict for verdict in verdicts if verdict.degraded]
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
        ("/v1/hook/shop", b'{"ctx": {}, "docs": ["a", ""]}', 400, "without its id"),
        ("/v1/hook/shop", b'{"ctx": "x", "docs": ["a"]}', 400, "$.ctx"),
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


def test_a_body_that_never_ends_is_refused(client: TestClient) -> None:
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
    assert 'vitrine_answers_total{alias="shop",door="order",outcome="reranked"} 1.0' in text
    assert 'vitrine_refused_total{door="order",status="400"} 1.0' in text


def test_not_ready_until_the_engine_was_seen(shop: ServingContext) -> None:
    with service(shop, trouble="no OpenSearch answers") as client:
        ready = client.get("/ready")
        answer = client.post("/v1/order/shop", json={"ids": ["a"]})
    assert ready.status_code == 503
    assert ready.json() == {"ready": False, "error": "no OpenSearch answers"}
    assert answer.status_code == 503


def test_slates_hold_both_orders_and_only_the_hash(shop: ServingContext) -> None:
    slates: list[Slate] = []
    with service(shop, slates=slates) as client:
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
    held = threading.Event()

    def count(outcome: str, number: int) -> None:
        counted[outcome] = counted.get(outcome, 0) + number

    def write(slates: Sequence[dict[str, Any]]) -> None:
        held.set()
        raise ConnectionError("engine away")

    async def overflow() -> None:
        log = SlateLog(write, count)
        for number in range(2_100):
            log.add({"query_id": str(number)})
        running = asyncio.create_task(log.run())
        while not held.is_set():
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
            bound("127.0.0.1", other.getsockname()[1])


@settings(max_examples=60)
@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=60), st.randoms())
def test_hook_scores_sort_into_the_verdict_in_single_precision(scores: list[float], random: Any) -> None:
    """Also where scores are equal: the engine sees float32 and must not have to break a tie."""
    falling = sorted([*scores, *scores], reverse=True)
    positions = list(range(len(falling)))
    random.shuffle(positions)
    found = results(RankedWindow(positions, falling, {}, ARTIFACTS, None))
    values = [row["relevance_score"] for row in found]
    assert all(isinstance(value, np.float32) and np.isfinite(value) for value in values)
    assert all(above > below for above, below in itertools.pairwise(values))
    assert [row["index"] for row in found] == positions
