"""Engine pipeline, service and `vitrine search` on live processes: one order, also while the service is down."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.rerank_index import (
    create_rerank_index,
    delete_rerank_index,
    drop_pointer,
    neural_artifacts,
    rrf_artifacts,
)
from support.waiting import wait_until

from opensearch.hook.install import install_hook, remove_hook
from opensearch.hook.pipelines import rerank_ext, rerank_name
from opensearch.index.meta import set_vocabulary
from opensearch.logs.pointer import swap_pointer
from opensearch.logs.profiles import SHOPPERS, Click, write_profiles
from opensearch.logs.query_rules import QUERY_RULES, change_query_rules
from opensearch.logs.slates import SLATES
from opensearch.understanding.vocabulary.build import build_vocabulary
from rerank.answer import Hit
from rerank.features.groups import VERSION
from rerank.search import engine_body, search
from rerank.search_request import Search, SearchRequest, resolve
from rerank.service.slate_log import FEATURES_OF_ONE_IN
from rerank.serving_context import open_context
from rerank.shoppers import shopper_hash
from vitrine.store import ArtifactSet, Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

pytestmark = pytest.mark.live
WITHOUT_PRICE = "p20"  # a green lamp
ROOT = Path(__file__).parent.parent
QUERIES = ["red shoes", "dress", "lamp for 100% of ${parameters.docs} $", "", "red 鞋", "lamp under 40"]


def free_port() -> int:
    with socket.socket() as response:
        response.bind(("127.0.0.1", 0))
        return int(response.getsockname()[1])


def call(url: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
    except urllib.error.URLError:
        return 0, None


@dataclass
class World:
    """An alias with a model in service, its store, and how to start a service on it."""

    engine: OpenSearch
    alias: str
    store: Store
    environment: dict[str, str]
    artifacts: ArtifactSet

    def serve(self, port: int, log: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "vitrine", "serve", "--port", str(port), "--deadline-ms", "5000"]
        with log.open("wb") as stderr:
            return subprocess.Popen(command, cwd=ROOT, env=self.environment, stderr=stderr)

    def search_of(self, query: str, **values: Any) -> Search:
        """The search of a query as the index understands it."""
        context = open_context(self.engine, self.store, self.alias, ranked=False)
        request = SearchRequest(query=query, **values)
        return resolve(request, context.schema, vocabulary=context.vocabulary)

    def engine_ids(self, query: str, shopper: str | None = None) -> tuple[list[str], bool]:
        """The hits of OpenSearch's own `_search` through the hook, and whether they are reranked."""
        context = open_context(self.engine, self.store, self.alias)
        wanted = self.search_of(query)
        body = engine_body(context, wanted, context.encoders.vectors(wanted.query))
        del body["search_pipeline"]
        body["ext"] = rerank_ext({"q": query, "shopper": shopper})
        params = {"search_pipeline": rerank_name(self.alias)}
        answer = self.engine.search(index=self.alias, body=body, params=params)
        return [hit["_id"] for hit in answer["hits"]["hits"]], "profile" in answer


@pytest.fixture(scope="module")
def world(engine: OpenSearch, engine_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("store")
    store = Store(str(folder))
    alias, schema = create_rerank_index(engine, store)
    without_price = "ctx._source.numbers.remove('price')"
    engine.update(index=alias, id=WITHOUT_PRICE, body={"script": without_price}, params={"refresh": "true"})
    set_vocabulary(engine, alias, build_vocabulary(engine, alias, "en", store))
    names = neural_artifacts(store, schema, tmp_path_factory.mktemp("model"))
    artifacts = ArtifactSet(**names)
    swap_pointer(engine, alias, artifacts)
    environment = {
        **os.environ,
        "OPENSEARCH_URL": engine_url,
        "VITRINE_STORE": str(folder),
        "VITRINE_SHOPPER_KEY": "a key for tests",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITRINE_SHOPPER_KEY", "a key for tests")
        yield World(engine, alias, store, environment, artifacts)
    delete_rerank_index(engine, alias)
    drop_pointer(engine, alias)
    engine.delete(index=QUERY_RULES, id=alias, params={"ignore": 404})
    by_alias = {"query": {"term": {"alias": alias}}}
    everywhere = {"ignore_unavailable": "true", "conflicts": "proceed"}
    engine.delete_by_query(index=f"{SLATES},{SHOPPERS}", body=by_alias, params=everywhere)


@pytest.fixture(scope="module")
def service(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("service") / "log"
    process = world.serve(port, log)
    try:
        wait_until(lambda: call(f"{url}/ready")[0] == 200)
        assert call(f"{url}/ready")[1]["aliases"][world.alias]["degraded"] is None
        install_hook(world.engine, world.alias, url, "a key")
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) in (0, -signal.SIGTERM)
        remove_hook(world.engine, world.alias)
        assert "Traceback" not in log.read_text()


@pytest.fixture(scope="module")
def anna(world: World) -> str:
    """The keyed hash of a shopper who has clicked two bags."""
    hashed = shopper_hash("anna")
    clicks = [Click("p06", 1_795_000_000.0), Click("p18", 1_795_003_600.0)]
    assert write_profiles(world.engine, world.alias, {hashed: clicks}) == []
    return hashed


@pytest.mark.parametrize("query", QUERIES)
def test_all_ways_give_one_order(world: World, service: str, anna: str, query: str) -> None:
    context = open_context(world.engine, world.store, world.alias)
    plain = search(world.engine, context, world.search_of(query, order="engine"))
    client = search(world.engine, context, world.search_of(query, shopper_hash=anna))
    ids = [hit.id for hit in plain.hits]
    _, ordered = call(f"{service}/v1/order/{world.alias}", {"ids": ids, "query": query, "shopper": "anna"})
    hooked, reranked = world.engine_ids(query, anna)
    whole = {"query": query, "shopper": "anna", "size": len(ids)}
    _, searched = call(f"{service}/v1/search/{world.alias}", whole)
    assert client.degraded is None
    assert ordered["degraded"] is None
    assert reranked
    assert [hit.id for hit in client.hits] == ordered["order"] == hooked
    assert [hit["id"] for hit in searched["hits"]] == hooked
    assert ordered["order"] != ids
    assert ordered["rules"] == {hit.id: hit.rule for hit in client.hits if hit.rule}


def test_products_that_break_a_bound_come_after_the_others_with_and_without_a_model(
    world: World, service: str
) -> None:
    def hits() -> list[Hit]:
        context = open_context(world.engine, world.store, world.alias)
        return search(world.engine, context, world.search_of("lamp under 40")).hits

    def broken(hit: Hit) -> bool:
        return bool(hit.product["numbers"].get("price", 0) > 40)

    ranked = hits()
    drop_pointer(world.engine, world.alias)
    try:
        ready = f"{service}/ready"
        wait_until(lambda: call(ready)[1]["aliases"][world.alias]["artifacts"] is None, seconds=10)
        plain = hits()
        hooked, _ = world.engine_ids("lamp under 40")
    finally:
        swap_pointer(world.engine, world.alias, world.artifacts)
        wait_until(lambda: call(ready)[1]["aliases"][world.alias]["artifacts"] is not None, seconds=10)
    for answer in (ranked, plain):
        in_stock = [hit for hit in answer if hit.product["available"]]
        assert [broken(hit) for hit in in_stock] == sorted(broken(hit) for hit in in_stock)
        assert all((hit.rule is not None) == broken(hit) for hit in in_stock)
        assert any(hit.id == WITHOUT_PRICE and hit.rule is None for hit in in_stock)
    assert hooked == [hit.id for hit in plain]
    assert [hit.id for hit in ranked] != hooked


def test_query_rules_give_one_order_in_every_way_within_seconds(world: World, service: str) -> None:
    rules: list[dict[str, Any]] = [
        {"name": "lamps", "query": "Lamp under 40", "pin": {"p01": 1, "p08": 4}, "bury": ["p09"]},
        {"name": "bags", "bury_filters": ["thing=bag"]},
    ]
    old = {"script": "ctx._source.created = '2020-01-01'", "query": {"prefix": {"id": "p0"}}}
    world.engine.update_by_query(index=world.alias, body=old, params={"refresh": "true"})
    explore = {"positions": 3, "half_life_days": 365.0}
    change_query_rules(
        world.engine, world.alias, lambda stored: replace(stored, rules=rules, explore=explore)
    )

    def ordered(ids: list[str]) -> Any:
        return call(f"{service}/v1/order/{world.alias}", {"ids": ids, "query": "lamp under 40"})[1]

    try:
        context = open_context(world.engine, world.store, world.alias)
        client = search(world.engine, context, world.search_of("lamp under 40"))
        ids = [hit.id for hit in sorted(client.hits, key=lambda hit: hit.engine_rank)]
        wait_until(lambda: "p01" in ordered(ids)["rules"], seconds=3)
        order = ordered(ids)
        hooked, _ = world.engine_ids("lamp under 40")
        whole = {"query": "lamp under 40", "size": len(ids)}
        _, searched = call(f"{service}/v1/search/{world.alias}", whole)
    finally:
        change_query_rules(world.engine, world.alias, lambda stored: replace(stored, rules=[], explore={}))
    assert [hit.id for hit in client.hits] == order["order"] == hooked
    assert [hit["id"] for hit in searched["hits"]] == hooked
    assert order["rules"] == {hit.id: hit.rule for hit in client.hits if hit.rule}
    assert (hooked[0], hooked[3]) == ("p01", "p08")
    assert {"buried by rule 'bags'", "buried by rule 'lamps'"} <= set(order["rules"].values())
    assert any(rule.startswith("new: ") for rule in order["rules"].values())
    wait_until(lambda: "p01" not in ordered(ids)["rules"], seconds=3)


def test_a_slate_reaches_the_engine_with_its_features(world: World, service: str) -> None:
    query_id = next(f"f{n}" for n in range(999) if zlib.crc32(f"f{n}".encode()) % FEATURES_OF_ONE_IN == 0)
    body = {"query": "red shoes", "query_id": query_id, "size": 5}
    _, answer = call(f"{service}/v1/search/{world.alias}", body)
    key = f"{world.alias}:{query_id}"
    wait_until(lambda: bool(world.engine.exists(index=SLATES, id=key)))
    features = world.engine.get(index=SLATES, id=key)["_source"]["features"]
    assert features["version"] == VERSION
    assert [row["id"] for row in features["sample"]] == [hit["id"] for hit in answer["hits"]]
    assert all(len(row["values"]) == len(features["names"]) for row in features["sample"])


def test_a_shoppers_clicks_change_the_order(world: World, service: str, anna: str) -> None:
    body = {"ids": [f"p{place:02d}" for place in range(48)], "query": "red shoes"}
    _, stranger = call(f"{service}/v1/order/{world.alias}", body)
    _, known = call(f"{service}/v1/order/{world.alias}", {**body, "shopper": "anna"})
    assert stranger["order"] != known["order"]
    assert sorted(stranger["order"]) == sorted(known["order"])


def test_an_unknown_id_keeps_its_engine_rank_and_is_counted(world: World, service: str) -> None:
    ids = [f"p{place:02d}" for place in range(48)]
    ids[2:2] = ["nowhere"]
    _, answer = call(f"{service}/v1/order/{world.alias}", {"ids": ids, "query": "red shoes"})
    assert answer["unknown"] == 1
    assert answer["order"].index("nowhere") == 2
    assert answer["order"][:2] != ids[:2]
    _, searched = call(f"{service}/v1/search/{world.alias}", {"query": "red shoes", "candidates": ids})
    assert searched["unknown"] == 1


def test_query_vectors_sent_by_the_caller_give_the_same_order(world: World, service: str) -> None:
    context = open_context(world.engine, world.store, world.alias)
    vectors = context.encoders.vectors("red shoes")
    ids = [f"p{place:02d}" for place in range(48)]
    body = {"ids": ids, "query": "red shoes"}
    own = {"text": vectors["text"].tolist(), "image": vectors["image"].tolist()}
    _, embedded = call(f"{service}/v1/order/{world.alias}", body)
    _, by_vectors = call(f"{service}/v1/order/{world.alias}", {**body, "vectors": own})
    assert embedded["order"] == by_vectors["order"]
    status, refused = call(f"{service}/v1/order/{world.alias}", {**body, "vectors": {"text": [1.0]}})
    assert status == 400
    assert context.schema.vectors["text"]
    assert context.schema.vectors["text"].query_encoder in refused["error"]


def test_words_are_embedded_in_the_form_of_openai(world: World, service: str) -> None:
    _, answer = call(f"{service}/v1/embed", {"input": ["red shoes", "bag"], "model": world.alias})
    vector = open_context(world.engine, world.store, world.alias).encoders.vectors("red shoes")["text"]
    assert [row["index"] for row in answer["data"]] == [0, 1]
    assert answer["data"][0]["embedding"] == pytest.approx(vector.tolist(), abs=1e-6)


def test_slates_are_logged_with_both_orders(world: World, service: str, anna: str) -> None:
    body = {
        "ids": ["p01", "p02", "p00"],
        "query": "a lamp under 40",
        "shopper": "anna",
        "query_id": "slate-test",
    }
    _, answer = call(f"{service}/v1/order/{world.alias}", body)
    wanted = {"query": {"bool": {"filter": [{"term": {"query_id": "slate-test"}}]}}}

    def written() -> list[Any]:
        world.engine.indices.refresh(index=SLATES, params={"ignore_unavailable": "true"})
        response = world.engine.search(index=SLATES, body=wanted, params={"ignore_unavailable": "true"})
        return [hit["_source"] for hit in response["hits"]["hits"]]

    wait_until(lambda: len(written()) == 1)
    (slate,) = written()
    assert slate["engine"] == body["ids"]
    assert (slate["query"], slate["searched"]) == (body["query"], "a lamp")
    assert slate["shown"] == answer["order"]
    assert slate["artifacts"] == answer["artifacts"]
    assert slate["shopper"] == anna
    assert slate["alias"] == world.alias


def test_a_new_model_is_served_within_seconds(world: World, service: str, tmp_path: Path) -> None:
    schema = open_context(world.engine, world.store, world.alias).schema
    names = rrf_artifacts(world.store, schema, tmp_path, created="2026-11-20T01:00:00+00:00")
    swap_pointer(world.engine, world.alias, ArtifactSet(**names))

    def served() -> Any:
        return call(f"{service}/v1/order/{world.alias}", {"ids": ["p00", "p01"]})[1]["artifacts"]

    wait_until(lambda: served() == names, seconds=10)


def test_a_taken_port_is_one_sentence(world: World, service: str, tmp_path: Path) -> None:
    second = world.serve(int(service.rsplit(":", 1)[1]), tmp_path / "log")
    assert second.wait(timeout=60) == 2
    stderr = (tmp_path / "log").read_text()
    assert stderr.startswith("error: port ")
    assert "choose another with --port" in stderr
    assert "Traceback" not in stderr


def test_the_engine_answers_in_its_own_order_while_the_service_is_down(world: World, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = world.serve(port, tmp_path / "log")
    try:
        wait_until(lambda: call(f"{url}/ready")[0] == 200)
        install_hook(world.engine, world.alias, url, "a key")
        with_service, reranked = world.engine_ids("red shoes")
    finally:
        process.kill()
        process.wait(timeout=20)
    try:
        without, still = world.engine_ids("red shoes")
    finally:
        remove_hook(world.engine, world.alias)
    context = open_context(world.engine, world.store, world.alias)
    plain = search(world.engine, context, world.search_of("red shoes", order="engine"))
    assert reranked
    assert not still
    assert without == [hit.id for hit in plain.hits]
    assert with_service != without
