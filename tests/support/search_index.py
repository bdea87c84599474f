"""An index of 60 products on the live node, two of them Chinese, some without image or price."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import orjson

from opensearch.index.fields import FieldPlan, IndexSchema, VectorField

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

DIMENSION = 8
PLAN = FieldPlan(
    numbers=("price",),
    keywords=("gender", "colour"),
    dates=("released",),
    language_field="lang",
    available="in_stock",
)
SCHEMA = IndexSchema(
    PLAN,
    {
        "text": VectorField("words-1", "words-1", DIMENSION, ("en",)),
        "image": VectorField("pictures-1", "words-1", DIMENSION, ("en",)),
    },
)
COLOURS = ("red", "blue", "green")
CHINESE = {"p58": "红色连衣裙", "p59": "蓝色跑鞋"}


def vectors(seed: int, count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Unit vectors (count, 8)."""
    drawn = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), dtype=np.float32)


TEXTS = vectors(1, 60)
IMAGES = vectors(2, 120).reshape(60, 2, DIMENSION)


def products() -> Iterator[dict[str, Any]]:
    """Every third has no picture, every fifth no price; the last two are Chinese."""
    for place in range(60):
        key = f"p{place:02d}"
        colour = COLOURS[place % 3]
        title = CHINESE.get(key, f"{colour} {'shoes' if place % 2 else 'shirt'} no {place}")
        language = "zh" if key in CHINESE else "en"
        pictures = [
            {"hash": f"{key}-{k}", "ref": f"{key}-{k}.jpg", "vec": IMAGES[place, k].tolist()} for k in (0, 1)
        ]
        yield {
            "id": key,
            "title": title,
            "search": {language: f"{title} {colour if language == 'en' else ''}"},
            "text_vec": TEXTS[place].tolist(),
            "images": pictures if place % 3 else [],
            "numbers": {"price": float(place)} if place % 5 else {},
            "keywords": {"gender": "Women" if place % 4 else "Men", "colour": colour},
            "dates": {"released": f"{2015 + place % 10}-06-15"},
            "language": language,
            "available": place % 7 != 0,
        }


@contextmanager
def search_index(client: OpenSearch, shards: int = 1) -> Iterator[str]:
    """An alias over an index with the products; both are gone afterwards."""
    from opensearch.index.schema import Sharding, index_body

    alias = f"eq-{uuid4().hex[:8]}"
    index = f"{alias}-v1"
    body = index_body(SCHEMA, layout=Sharding(shards, 0))
    client.indices.create(index=index, body={**body, "aliases": {alias: {}}})
    try:
        lines = [
            orjson.dumps(line)
            for product in products()
            for line in (
                {"index": {"_index": index, "_id": product["id"], "routing": product["id"]}},
                product,
            )
        ]
        answer = client.bulk(body=b"\n".join(lines) + b"\n", params={"refresh": "true"})
        assert not answer["errors"], answer["items"][0]
        yield alias
    finally:
        client.indices.delete(index=index)
