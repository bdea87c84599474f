"""POST /v1/search on a live node: words, pasted images, filters, pages, and one sentence for every error."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from support.rerank_index import (
    create_rerank_index,
    delete_rerank_index,
    neural_artifacts,
    picture,
    rrf_artifacts,
)
from support.service_stubs import ReverseRanker, StubLookups, service_of

from opensearch.client import connect
from opensearch.search.filters import parse_filters
from opensearch.search.fusion import default_weights
from opensearch.search.query import Fusion
from rerank.features.groups import VERSION
from rerank.models.ranker import HasFeatures, load_ranker
from rerank.request import RerankRequest
from rerank.search import search
from rerank.search_request import Search
from rerank.service.slate_log import FEATURES_OF_FIRST
from rerank.serving_context import ServingContext, open_context
from rerank.shoppers import shopper_hash
from vitrine.store import ArtifactSet, Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def context(engine: OpenSearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingContext]:
    store = Store(str(tmp_path_factory.mktemp("store")))
    alias, schema = create_rerank_index(engine, store)
    names = ArtifactSet(**rrf_artifacts(store, schema, tmp_path_factory.mktemp("model")))
    yield replace(open_context(engine, store, alias), ranker=load_ranker(store, names), degraded=None)
    delete_rerank_index(engine, alias)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINE_SHOPPER_KEY", "a key for tests")


@pytest.fixture(scope="module")
def client(engine: OpenSearch, context: ServingContext) -> Iterator[TestClient]:
    with service_of(context, client=engine) as client:
        yield client


def file_of(colour: str, form: str = "PNG") -> bytes:
    out = io.BytesIO()
    picture(colour).save(out, form)
    return out.getvalue()


def body_of(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(answer: Any) -> list[str]:
    return [hit["id"] for hit in body_of(answer)["hits"]]


def test_http_gives_the_answer_of_the_search_function(
    engine: OpenSearch, context: ServingContext, client: TestClient
) -> None:
    body = {"query": "red shoes", "size": 48, "filters": "price<40", "facets": ["thing"]}
    page = body_of(client.post("/v1/search/shop", json=body))
    request = Search("red shoes", filters=parse_filters(["price<40"], context.schema.plan), facets=["thing"])
    same = search(engine, context, request)
    assert [hit["id"] for hit in page["hits"]] == [hit.id for hit in same.hits]
    assert [hit["score"] for hit in page["hits"]] == [hit.score for hit in same.hits]
    assert [hit["engine_rank"] for hit in page["hits"]] == [hit.engine_rank for hit in same.hits]
    assert page["hits"][0]["product"]["title"] == "red shoes"
    assert page["order"] == "reranked"
    assert page["degraded"] is None
    assert page["artifacts"]["model"].startswith("model-")
    assert page["facets"] == same.retrieved.facets
    assert page["total"] == same.retrieved.total


def test_pages_put_together_are_the_window(client: TestClient) -> None:
    whole = ids(client.post("/v1/search/shop", json={"query": "shoes", "size": 200}))
    pages = [
        ids(client.post("/v1/search/shop", json={"query": "shoes", "size": 7, "page": n}))
        for n in range(1, 9)
    ]
    assert [product for page in pages for product in page] == whole
    assert ids(client.post("/v1/search/shop", json={"query": "shoes", "size": 100, "page": 9})) == []


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_an_image_is_taken_as_base64_as_a_data_uri_and_as_the_body(client: TestClient, form: str) -> None:
    data = file_of("green", form)
    text = base64.b64encode(data).decode()
    plain = client.post("/v1/search/shop", json={"image": text, "order": "engine"})
    uri = f"data:image/{form.lower()};base64,{text}"
    as_uri = client.post("/v1/search/shop", json={"image": uri, "order": "engine"})
    headers = {"content-type": f"image/{form.lower()}"}
    raw = client.post("/v1/search/shop?order=engine&size=10", content=data, headers=headers)
    assert ids(plain) == ids(as_uri) == ids(raw)
    assert all(12 <= int(product[1:]) < 24 for product in ids(raw)[:8])  # green products with an image


def test_an_image_body_takes_filters_and_words_from_the_query_string(client: TestClient) -> None:
    query = "query=dress&filters=price<40&filters=thing=dress&size=5&page=1"
    page = body_of(
        client.post(
            f"/v1/search/shop?{query}",
            content=file_of("blue"),
            headers={"content-type": "application/octet-stream"},
        )
    )
    assert page["hits"]
    assert all(hit["product"]["keywords"]["thing"] == "dress" for hit in page["hits"])
    assert all(hit["product"]["numbers"]["price"] < 40 for hit in page["hits"])


def test_weights_apply_to_one_search(engine: OpenSearch, context: ServingContext, client: TestClient) -> None:
    image = base64.b64encode(file_of("green")).decode()
    body: dict[str, Any] = {"query": "red lamp", "image": image, "order": "engine"}
    by_image = body_of(client.post("/v1/search/shop", json={**body, "weights": [0, 0, 1]}))["hits"]
    by_words = body_of(client.post("/v1/search/shop", json={**body, "weights": [1, 0, 0]}))["hits"]
    assert all(set(hit["sub_query_scores"]) == {"image"} for hit in by_image)
    assert all(set(hit["sub_query_scores"]) == {"lexical"} for hit in by_words)
    assert by_words[0]["product"]["title"] == "red lamp"
    one = search(
        engine,
        context,
        Search("red lamp", picture("green"), order="engine", fusion=Fusion(weights={"lexical": 1})),
    )
    assert [hit["id"] for hit in by_words] == [hit.id for hit in one.hits[:10]]
    text = client.post("/v1/search/shop", json={**body, "weights": "1,0,0"})
    assert ids(text) == [hit["id"] for hit in by_words]


def test_sort_and_engine_order_are_not_degraded(client: TestClient) -> None:
    page = body_of(client.post("/v1/search/shop", json={"query": "red", "sort": "-price"}))
    prices = [hit["product"]["numbers"]["price"] for hit in page["hits"]]
    assert prices == sorted(prices, reverse=True)
    assert (page["order"], page["degraded"]) == ("engine", None)


def test_the_slate_holds_both_orders_and_only_the_hash(engine: OpenSearch, context: ServingContext) -> None:
    slates: list[Mapping[str, Any]] = []
    with service_of(context, client=engine, slates=slates) as client:
        body = {"query": "red shoes", "shopper": "anna", "query_id": "q-1", "size": 200}
        shown = ids(client.post("/v1/search/shop", json=body))
        client.post("/v1/search/shop", json={**body, "page": 2})
        client.post("/v1/search/shop", json={**body, "order": "engine"})
        metrics = client.get("/metrics").text
    (slate,) = slates
    assert (slate["query_id"], slate["shown"], slate["shopper"]) == ("q-1", shown, shopper_hash("anna"))
    assert sorted(slate["engine"]) == sorted(shown)
    assert slate["engine"] != shown
    assert "anna" not in str(slate)
    assert 'vitrine_answers_total{alias="shop",endpoint="search",outcome="reranked"} 2.0' in metrics
    assert 'vitrine_answers_total{alias="shop",endpoint="search",outcome="engine"} 1.0' in metrics


def test_one_slate_in_ten_carries_the_features_that_were_served(
    engine: OpenSearch, context: ServingContext
) -> None:
    slates: list[Mapping[str, Any]] = []
    with service_of(context, client=engine, slates=slates) as client:
        for number in range(60):
            body = {"query": "red shoes", "query_id": f"q-{number}", "order": "reranked"}
            shown = ids(client.post("/v1/search/shop", json=body))
    sampled = [slate["features"] for slate in slates if slate["features"]]
    assert len(slates) == 60
    assert 2 <= len(sampled) <= 12
    first = sampled[0]
    assert first["version"] == VERSION
    assert [row["id"] for row in first["sample"]] == shown[:FEATURES_OF_FIRST]
    # the same values as of the whole window at once
    request = RerankRequest(slates[0]["engine"], "red shoes", context.encoders.vectors("red shoes"))
    whole = (
        context.ranker.feature_rows(request, range(len(request.ids)))
        if isinstance(context.ranker, HasFeatures)
        else None
    )
    assert whole is not None
    assert first["names"] == list(whole.names)
    timeless = [column for column, name in enumerate(whole.names) if name != "recency"]
    for row in first["sample"]:
        values = whole.values[whole.ids.index(row["id"])]
        assert len(row["values"]) == len(whole.names)
        assert np.array(row["values"])[timeless] == pytest.approx(values[timeless], rel=1e-5, abs=1e-6)
    ranks = {product: rank for rank, product in enumerate(slates[0]["engine"])}
    rank = first["names"].index("rank")
    assert [row["values"][rank] for row in first["sample"]] == pytest.approx(
        [-np.log2(1 + ranks[row["id"]]) / 8 for row in first["sample"]], rel=1e-5
    )


def test_a_broken_reranker_answers_in_engine_order(engine: OpenSearch, context: ServingContext) -> None:
    broken = replace(context, ranker=ReverseRanker(error=ValueError("inside")))
    with service_of(broken, client=engine) as client:
        page = body_of(client.post("/v1/search/shop", json={"query": "red shoes"}))
        plain = body_of(client.post("/v1/search/shop", json={"query": "red shoes", "order": "engine"}))
    assert page["degraded"] == "ranking failed (ValueError)"
    assert (page["order"], page["artifacts"]) == ("engine", None)
    assert [hit["id"] for hit in page["hits"]] == [hit["id"] for hit in plain["hits"]]


def test_an_unreachable_engine_is_503_in_one_sentence(context: ServingContext) -> None:
    dead = connect("http://127.0.0.1:9", timeout=1, retries=0)
    with service_of(context, client=dead) as client:
        answer = client.post("/v1/search/shop", json={"query": "red"})
    assert answer.status_code == 503
    assert "no OpenSearch answers at http://127.0.0.1:9" in answer.json()["error"]


def bomb() -> bytes:
    """A PNG of 20,000 x 20,000 white pixels in 50 KB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    rows = zlib.compress((b"\x00" + b"\xff" * 2_500) * 20_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (file_of("red", "JPEG")[:300], "damaged"),
        (b"just some words in a file that was called photo.jpg", "cannot be used: the file"),
        (b"", "cannot be used: the file"),
        (bomb(), "20000 x 20000 pixels"),
        (b"\x00" * ((32 << 20) + 1), "larger than 32 MB"),
    ],
    ids=["truncated", "text", "empty", "bomb", "too large"],
)
def test_bad_images_are_refused_in_one_sentence(client: TestClient, data: bytes, sentence: str) -> None:
    raw = client.post("/v1/search/shop", content=data, headers={"content-type": "image/jpeg"})
    pasted = client.post("/v1/search/shop", json={"image": base64.b64encode(data).decode()})
    for answer in (raw, pasted):
        assert answer.status_code == 400
        assert sentence in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"image": "%%%"}, "not base64"),
        ({"image": "data:image/png,abc"}, "data URI is not base64"),
        ({"query": "x", "colour": "red"}, "unknown field `colour`"),
        ({"query": "x", "size": 0}, "$.size"),
        ({"query": "x", "page": "2"}, "$.page"),
        ({"query": "x", "filters": ["weight<3"]}, "no column 'weight'"),
        ({"query": "x", "facets": "weight"}, "no column 'weight'"),
        ({"query": "x", "sort": ["weight"]}, "no column 'weight'"),
        ({"query": "x", "weights": [1, 2]}, "not 3 numbers"),
        ({"query": "x", "weights": [0, 0, 0]}, "at least one of them above zero"),
        ({"query": "x", "weights": [1e308, 1e308, 1e308]}, "finite numbers"),
        ({"query": "x", "weights": "nan,1,1"}, "finite numbers"),
        ({"query": "x", "shopper_hash": "anna"}, "$.shopper_hash"),
    ],
)
def test_bad_bodies_are_refused_in_one_sentence(
    client: TestClient, body: dict[str, Any], sentence: str
) -> None:
    answer = client.post("/v1/search/shop", json=body)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


def test_bad_query_strings_and_aliases_are_refused_in_one_sentence(client: TestClient) -> None:
    headers = {"content-type": "image/png"}
    odd = client.post("/v1/search/shop?size=ten", content=file_of("red"), headers=headers)
    twice = client.post("/v1/search/shop?image=x", content=file_of("red"), headers=headers)
    missing = client.post("/v1/search/nowhere", json={"query": "x"})
    assert (odd.status_code, twice.status_code, missing.status_code) == (400, 400, 404)
    assert "$.size" in odd.json()["error"]
    assert "`image` cannot be given beside the image body" in twice.json()["error"]
    assert "known here: shop" in missing.json()["error"]


@pytest.mark.parametrize("artifacts", [rrf_artifacts, neural_artifacts])
def test_an_explained_hit_adds_up_to_its_score_in_search_and_order(
    engine: OpenSearch, context: ServingContext, tmp_path: Path, artifacts: Any
) -> None:
    store = Store(str(tmp_path / "store"))
    ranker = load_ranker(store, ArtifactSet(**artifacts(store, context.schema, tmp_path)))
    lookups = StubLookups(sold_out={f"p{n:02d}" for n in range(48) if n % 8 == 3})
    with service_of(replace(context, ranker=ranker), client=engine, lookups=lookups) as client:
        body = {"query": "red shoes", "size": 48, "explain": True}
        searched = body_of(client.post("/v1/search/shop", json=body))["hits"]
        plain = body_of(client.post("/v1/search/shop", json={**body, "explain": False}))["hits"]
        ids = [hit["id"] for hit in sorted(searched, key=lambda hit: hit["engine_rank"])]
        ordered = body_of(
            client.post("/v1/order/shop", json={"ids": ids, "query": "red shoes", "explain": True})
        )
    assert [hit["explanation"] for hit in plain] == [None] * len(plain)
    assert [(hit["id"], hit["score"]) for hit in plain] == [(hit["id"], hit["score"]) for hit in searched]
    assert set(searched[0]["explanation"]["parts"]) == {"text", "image", "numbers", "behaviour"}
    for hit in searched:
        found = hit["explanation"]
        total = found["base"] + sum(found["parts"].values()) + sum(found["rules"].values())
        assert total == pytest.approx(hit["score"], abs=1e-4)
        assert found["engine_rank"] == hit["engine_rank"]
        assert list(found["rules"]) == ([hit["rule"]] if hit["rule"] else [])
        assert found["parts"]["text"] != 0
        if not hit["product"].get("images", int(hit["id"][1:]) % 3):
            assert found["parts"]["image"] == 0
    assert any(hit["rule"] for hit in searched)
    assert (
        [row["id"] for row in ordered["explanations"]] == ordered["order"] == [hit["id"] for hit in searched]
    )
    for row, hit in zip(ordered["explanations"], searched, strict=True):
        assert row["score"] == pytest.approx(hit["score"], abs=1e-4)
        assert row["parts"] == pytest.approx(hit["explanation"]["parts"], abs=1e-4)


def test_an_order_of_the_engine_explains_itself(engine: OpenSearch, context: ServingContext) -> None:
    body = {"query": "red shoes", "explain": True, "size": 48, "min_cosine": 0}
    with service_of(replace(context, ranker=None, degraded="no model"), client=engine) as client:
        searched = body_of(client.post("/v1/search/shop", json=body))
        by_rank = body_of(client.post("/v1/search/shop", json={**body, "fusion": "rrf"}))
        ordered = body_of(client.post("/v1/order/shop", json={"ids": ["p01", "p00"], "explain": True}))
    assert searched["degraded"] == "no model"
    raw = [hit["sub_query_scores"] for hit in searched["hits"]]
    for hit in searched["hits"]:
        found = hit["explanation"]
        assert found["engine_rank"] == hit["engine_rank"]
        assert found["rules"] == ({hit["rule"]: 0.0} if hit["rule"] else {})
        assert found["base"] + sum(found["parts"].values()) == pytest.approx(hit["score"], abs=1e-6)
        for (
            name,
            weight,
        ) in default_weights().items():  # as the engine normalizes, over all results of the sub-query
            scores = [own[name] for own in raw if name in own]
            share = (hit["sub_query_scores"].get(name, min(scores)) - min(scores)) / (
                max(scores) - min(scores)
            )
            assert found["parts"][name] == pytest.approx(weight * share, abs=2e-3)
    assert {hit["explanation"]["base"] - hit["score"] for hit in by_rank["hits"]} == {0.0}
    assert [
        (row["id"], row["engine_rank"], row["score"], row["base"]) for row in ordered["explanations"]
    ] == [
        ("p01", 1, None, None),
        ("p00", 2, None, None),
    ]
