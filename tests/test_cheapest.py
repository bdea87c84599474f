"""Photo price comparison: a threshold learned from the index's own images, and the cheapest products above it."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.rerank_index import (
    DIMENSION,
    create_rerank_index,
    delete_rerank_index,
    image_encoder,
    text_encoder,
)
from support.service_stubs import service_of

from opensearch.index.bulk import Action, write
from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from opensearch.index.meta import schema_of, set_similarity_threshold
from opensearch.index.versions import (
    create_version,
    publish,
    read_schema,
)
from opensearch.search.filter_columns import price_column
from opensearch.search.query import Fusion
from opensearch.search.retrieve import Candidate
from rerank.cheapest import cheapest_hits, comparison_terms
from rerank.rules.window import UNAVAILABLE
from rerank.search import search
from rerank.search_request import Search
from rerank.service.metrics import Metrics
from rerank.service.state import EngineContexts
from rerank.serving_context import open_context
from rerank.training.similarity_threshold import calibrate_threshold, threshold_for
from vitrine.cli import main
from vitrine.errors import QueryError, RerankError
from vitrine.store import Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

COLOURS = 40  # evenly round a quarter of the circle from red to green


def candidate(product: str, cosine: float, price: float | None, available: bool = True) -> Candidate:
    numbers = {} if price is None else {"price": price}
    return Candidate(product, 1.0, {"image": (1 + cosine) / 2}, {"numbers": numbers, "available": available})


def test_the_cheapest_above_the_threshold_come_first() -> None:
    hits = cheapest_hits(
        [
            candidate("dear", 0.99, 50.0),
            candidate("unknown", 0.98, None),
            candidate("gone", 0.97, 1.0, available=False),
            candidate("cheap", 0.96, 5.0),
            candidate("cheap and nearer", 0.965, 5.0),
            candidate("other", 0.94, 0.5),
        ],
        0.95,
        "price",
    )
    assert [hit.id for hit in hits] == ["cheap and nearer", "cheap", "dear", "gone", "unknown"]
    assert [hit.engine_rank for hit in hits] == [5, 4, 1, 3, 2]
    assert [hit.rule for hit in hits] == [None, None, None, UNAVAILABLE, None]
    assert hits[2].score == pytest.approx(0.99)


def test_at_a_false_accept_rate_of_five_percent_one_of_twenty_images_passes() -> None:
    nearest = [0.50 + place / 100 for place in range(20)]  # 0.50 .. 0.69: 0.68 must not pass, 0.69 may
    assert threshold_for(nearest, 0.05) == 0.68001
    assert threshold_for(nearest, 0.1) == 0.67001


@given(st.lists(st.floats(-1, 0.9998), min_size=20, max_size=80))
def test_no_more_than_the_false_accept_rate_reach_the_threshold(nearest: list[float]) -> None:
    similarity_threshold = threshold_for(nearest, 0.05)
    assert sum(cosine >= similarity_threshold for cosine in nearest) <= 0.05 * len(nearest)


def test_too_few_or_too_similar_images_are_refused() -> None:
    with pytest.raises(RerankError, match=r"has 19 images .* needs at least 20"):
        threshold_for([0.5] * 19, 0.05)
    with pytest.raises(RerankError, match="no threshold separates them"):
        threshold_for([1.0] * 20, 0.05)


def test_a_plan_without_price_column_is_refused() -> None:
    schema = IndexSchema(FieldPlan(numbers=("weight",)), similarity_threshold=0.9)
    assert price_column(schema.plan) is None
    with pytest.raises(QueryError, match=r"has no price column \(numbers: weight\)"):
        comparison_terms("shop", schema)


def colour(step: float) -> tuple[int, int, int]:
    angle = np.pi / 2 * step / COLOURS
    return (round(255 * np.cos(angle)), round(255 * np.sin(angle)), 0)


def vector(step: float) -> list[float]:
    """The vector of `rerank_index.image_encoder` for an image of this colour."""
    values = np.zeros(DIMENSION)
    values[:3] = np.array(colour(step)) / 255
    values[3] = 0.05
    return list(values / np.linalg.norm(values))


def products() -> Iterator[dict[str, Any]]:
    """Every colour is one product with two photos, offered by three sellers as one group at falling prices."""
    for step in range(COLOURS):
        for seller in range(3):
            place = 3 * step + seller
            yield {
                "id": f"c{step:02d}-{seller}",
                "title": f"colour {step}",
                "search": {"en": f"colour {step}"},
                "images": [
                    {"hash": f"{place}a", "ref": "a.png", "vec": vector(step + 0.02 * seller)},
                    {"hash": f"{place}b", "ref": "b.png", "vec": vector(step + 0.02 * seller + 0.1)},
                ],
                "numbers": {"price": 30.0 - 10 * seller + step},
                "keywords": {},
                "language": "en",
                "group": f"g{step}",
                "hashes": {"text": str(place), "row": str(place)},
            }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(str(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def alias(engine: OpenSearch, store: Store) -> Iterator[str]:
    words = text_encoder(store)
    image = VectorField(image_encoder(store, words), words, DIMENSION, ("en",))
    schema = IndexSchema(FieldPlan(numbers=("price",), group="seller"), {"image": image})
    name = f"srv-{uuid4().hex[:8]}"
    index = create_version(engine, name, schema)
    assert all(
        o.status != "failed" for o in write(engine, index, (Action("index", p["id"], p) for p in products()))
    )
    publish(engine, name, index)
    yield name
    delete_rerank_index(engine, name)


@pytest.fixture
def run(engine_url: str, store: Store, alias: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("OPENSEARCH_URL", engine_url)
    monkeypatch.setenv("VITRINE_STORE", store.url)
    monkeypatch.setenv("VITRINE_INDEX", alias)

    def invoke(*arguments: str) -> Any:
        return CliRunner().invoke(main, arguments)

    return invoke


@pytest.fixture
def photo(tmp_path: Path) -> str:
    """A photo of colour 20 with another brightness than any indexed image."""
    Image.new("RGB", (16, 16), colour(20.05)).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def ids(hits: Sequence[Any]) -> list[str]:
    return [hit["id"] for hit in hits]


@pytest.mark.live
def test_the_threshold_separates_sellers_of_one_product_from_the_next(
    engine: OpenSearch, run: Any, alias: str, photo: str, store: Store
) -> None:
    set_similarity_threshold(engine, alias, None)
    early = run("search", "--image", photo, "--cheapest")
    assert early.exit_code == 2
    assert f"run `vitrine calibrate --index {alias}`" in early.stderr
    done = run("calibrate", "--json")
    assert done.exit_code == 0, done.output
    calibration = json.loads(done.stdout)
    assert calibration["images"] == 2 * 3 * COLOURS  # both photos of every offer
    assert calibration["false_accept_rate"] <= 0.05
    assert calibration["same_product"] == {
        "count": 3 * COLOURS,
        "median": pytest.approx(1, abs=1e-3),
        "true_accept_rate": 1.0,
    }
    assert calibration["same_group"]["count"] == 3 * COLOURS
    assert read_schema(engine, alias).similarity_threshold == calibration["similarity_threshold"]
    answer = json.loads(run("search", "--image", photo, "--cheapest", "--json").stdout)
    assert ids(answer["hits"]) == ["c20-2", "c20-1", "c20-0"]  # 30, 40 and 50; the neighbours cost less
    assert [hit["product"]["numbers"]["price"] for hit in answer["hits"]] == [30.0, 40.0, 50.0]
    assert all(hit["score"] >= calibration["similarity_threshold"] for hit in answer["hits"])
    assert (answer["order"], answer["total"], answer["similarity_threshold"]) == (
        "cheapest",
        3,
        calibration["similarity_threshold"],
    )
    table = run("search", "--image", photo, "--cheapest").stdout
    assert "cheapest first" in table
    some = json.loads(run("search", "--image", photo, "--cheapest", "--filter", "price>35", "--json").stdout)
    assert ids(some["hits"]) == ["c20-1", "c20-0"]
    # a new version with the same image encoder keeps the threshold, one with another drops it
    schema = schema_of(engine, alias_index(engine, alias))
    same = create_version(engine, alias, IndexSchema(schema.plan, {"image": schema.vectors["image"]}))
    other = create_version(engine, alias, IndexSchema(schema.plan, {"image": VectorField("x-1", "x-1", 4)}))
    assert schema_of(engine, same).similarity_threshold == calibration["similarity_threshold"]
    assert schema_of(engine, other).similarity_threshold is None
    for version in (same, other):
        engine.indices.delete(index=version)


def alias_index(engine: OpenSearch, alias: str) -> str:
    return str(next(iter(engine.indices.get_alias(name=alias))))


@pytest.mark.live
def test_the_cheapest_are_found_over_http(engine: OpenSearch, alias: str, store: Store, photo: str) -> None:
    set_similarity_threshold(engine, alias, 0.9995)
    context = open_context(engine, store, alias)
    data = Path(photo).read_bytes()
    with service_of(context, client=engine) as http:
        body = {"image": base64.b64encode(data).decode(), "cheapest": True}
        pasted = http.post("/v1/search/shop", json=body).json()
        headers = {"content-type": "image/png"}
        raw = http.post("/v1/search/shop?cheapest=true", content=data, headers=headers).json()
        words = http.post("/v1/search/shop", json={**body, "query": "red"})
        none = http.post("/v1/search/shop", json={"cheapest": True})
    assert ids(pasted["hits"]) == ids(raw["hits"]) == ["c20-2", "c20-1", "c20-0"]
    assert (pasted["order"], pasted["degraded"], pasted["similarity_threshold"]) == ("cheapest", None, 0.9995)
    assert (words.status_code, none.status_code) == (400, 400)
    assert "by its image alone" in words.json()["error"]
    assert "give one (--image FILE, or `image` over HTTP)" in none.json()["error"]


@pytest.mark.live
def test_an_image_without_near_products_is_reported(
    engine: OpenSearch, run: Any, alias: str, tmp_path: Path
) -> None:
    set_similarity_threshold(engine, alias, 0.9995)
    Image.new("RGB", (16, 16), (0, 0, 255)).save(tmp_path / "blue.png")
    result = run("search", "--image", str(tmp_path / "blue.png"), "--cheapest")
    assert result.exit_code == 0, result.output
    assert (
        "no product is as near to the image as the similarity threshold of 0.99950 requires" in result.stdout
    )


@pytest.mark.live
def test_an_open_context_takes_over_a_new_threshold(engine: OpenSearch, alias: str, store: Store) -> None:
    set_similarity_threshold(engine, alias, None)
    contexts = EngineContexts(engine, store, Metrics())
    contexts.refresh()
    opened = contexts.open[alias]
    set_similarity_threshold(engine, alias, 0.91)
    contexts.refresh()
    assert contexts.open[alias].schema.similarity_threshold == 0.91
    assert contexts.open[alias].encoders is opened.encoders


@pytest.mark.live
def test_calibration_without_images_or_without_difference_is_refused(
    engine: OpenSearch, store: Store, run: Any
) -> None:
    with pytest.raises(RerankError, match="holds no image vectors"):
        calibrate_threshold(engine, "shop", IndexSchema(FieldPlan()))
    same, _ = create_rerank_index(engine, store)  # every product of a colour has the same vector
    try:
        result = run("calibrate", "--index", same)
        assert result.exit_code == 2
        assert "no threshold separates them" in result.stderr
        assert read_schema(engine, same).similarity_threshold is None
    finally:
        delete_rerank_index(engine, same)


@pytest.mark.live
def test_a_price_comparison_by_words_is_refused(engine: OpenSearch, store: Store, alias: str) -> None:
    image = Image.open(io.BytesIO(_png()))
    context = open_context(engine, store, alias)
    with pytest.raises(QueryError, match="by its image alone"):
        search(engine, context, Search("red", image, cheapest=True))
    with pytest.raises(QueryError, match="by its image alone"):
        search(engine, context, Search(image=image, cheapest=True, fusion=Fusion(sub_queries=("lexical",))))


def _png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4)).save(out, "PNG")
    return out.getvalue()
