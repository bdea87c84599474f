"""The drawn shop without an engine: products with vectors, query vectors, and the candidates of every query."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from encoders.text import open_text_encoder
from indexer.catalogue.product import read_product
from indexer.load.document import embedding_text, search_text
from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from opensearch.index.spaces import IMAGE, TEXT
from opensearch.search.query_text import language_of
from rerank.arrays import DoubleArray, FloatArray, unit
from rerank.features.groups import QueryVectors
from rerank.features.product_table import ProductTable, read_products
from scripts.sample.catalogue import PLAN, Catalogue, Truth, draw_catalogue
from scripts.sample.images.drawing import ImageSpec, draw
from vitrine.store import Store

WINDOW = 200
_SIDE_PX, _IMAGE_WIDTH = 16, 48
_WORD = re.compile(r"[a-z0-9]+|[\u4e00-\u9fff]")
_RIDGE = 3.0  # of the map from words to image vectors


@dataclass(frozen=True)
class Shop:
    """Products and queries; `orders` are the ids of each query's candidates in the engine's order."""

    truths: Mapping[str, Truth]
    schema: IndexSchema
    products: ProductTable
    queries: Mapping[str, QueryVectors]
    orders: Mapping[str, list[str]]

    def embed(self, texts: Sequence[str]) -> list[QueryVectors]:
        """Return the vectors of queries."""
        return [self.queries[text] for text in texts]


def open_shop(queries: Sequence[str], products: int, seed: int, today: date, work: Path) -> Shop:
    """Return the drawn shop; its vectors are kept in `work`, so that a second run does not compute them again."""
    catalogue = draw_catalogue(products, seed, today)
    vectors = _Vectors(catalogue, queries, work / f"vectors-{products}-{seed}-{len(queries)}.npz").arrays
    plan = FieldPlan.from_dict(PLAN)
    spaces = {TEXT: vectors["text"].shape[1], IMAGE: vectors["image"].shape[1]}
    schema = IndexSchema(plan, {space: VectorField(space, TEXT, width) for space, width in spaces.items()})
    documents = [
        _document(row, text, image)
        for row, text, image in zip(catalogue.rows, vectors["text"], vectors["image"], strict=True)
    ]
    by_query = {
        text: {TEXT: words, IMAGE: seen} if words.any() else {}
        for text, words, seen in zip(queries, vectors["queries"], vectors["seen"], strict=True)
    }
    orders = _orders(catalogue, queries, vectors)
    truths = {truth.id: truth for truth in catalogue.truths}
    return Shop(truths, schema, read_products(documents, schema), by_query, orders)


def _document(row: Mapping[str, Any], text: FloatArray, image: FloatArray) -> dict[str, Any]:
    return {
        "id": row["id"],
        "text_vec": text.tolist() if text.any() else None,
        "images": [{"vec": image.tolist()}] if image.any() else [],
        "numbers": {name: row.get(name) for name in PLAN["numbers"]},
        "keywords": {name: row.get(name) for name in PLAN["keywords"]},
        "created": row["created"],
    }


@dataclass(frozen=True)
class _Vectors:
    """The vectors of products (N, d), zeros where missing, and of queries (Q, d)."""

    catalogue: Catalogue
    texts: Sequence[str]
    file: Path

    @cached_property
    def arrays(self) -> dict[str, FloatArray]:
        if not self.file.is_file():
            self.file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(self.file, **self._computed())  # type: ignore[arg-type]
        with np.load(self.file) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def _computed(self) -> dict[str, FloatArray]:
        encoder = open_text_encoder(None, Store(str(self.file.parent / "store")))
        rows = self.catalogue.rows
        english = np.array([row["lang"] == "en" for row in rows])
        plan = FieldPlan.from_dict(PLAN)
        words = [embedding_text(read_product(row, plan)[0]) for row in rows]
        text = encoder.encode(words) * english[:, None]
        asked = np.array([language_of(query) == "en" for query in self.texts])
        queries = encoder.encode_queries(list(self.texts)) * asked[:, None]
        image = _image_vectors(self.catalogue)
        # a small tower: the linear map from the words of products to what their images look like
        known = english & image.any(axis=1)
        left = text[known].T @ text[known] + _RIDGE * np.eye(text.shape[1], dtype=np.float32)
        seen = unit(queries @ np.linalg.solve(left, text[known].T @ image[known])) * asked[:, None]
        arrays = {"text": text, "image": image, "queries": queries, "seen": seen}
        return {name: array.astype(np.float32) for name, array in arrays.items()}


def _image_vectors(catalogue: Catalogue) -> FloatArray:
    """Return the principal components of the drawn images, reduced to thumbnails and their colours; zeros without image."""
    first = {row["images"][0]: number for number, row in enumerate(catalogue.rows) if row["images"]}
    images = [(path, spec) for path, spec in catalogue.images() if path in first]
    with ProcessPoolExecutor(2) as pool:
        seen = np.stack(list(pool.map(_thumbnail, images, chunksize=64)))
    centred = seen - seen.mean(axis=0)
    components = np.linalg.svd(centred, full_matrices=False)[2][:_IMAGE_WIDTH]
    vectors = np.zeros((len(catalogue.rows), _IMAGE_WIDTH), dtype=np.float32)
    projected = centred @ components.T
    vectors[[first[path] for path, _ in images]] = unit(
        (projected / projected.std(axis=0)).astype(np.float32)
    )
    return vectors


def _thumbnail(image: tuple[str, ImageSpec]) -> FloatArray:
    path, spec = image
    small = draw(spec, path).resize((_SIDE_PX, _SIDE_PX))
    pixels = np.asarray(small, dtype=np.float32).reshape(-1, 3) / 255.0
    bins = (pixels * 3.999).astype(np.int64) @ np.array([16, 4, 1])
    colours = np.sqrt(np.bincount(bins, minlength=64) / len(bins))
    return np.concatenate([pixels.ravel() / _SIDE_PX, colours]).astype(np.float32)


def _orders(
    catalogue: Catalogue, queries: Sequence[str], vectors: Mapping[str, FloatArray]
) -> dict[str, list[str]]:
    """Return the candidates of each query: words, text and image cosines, each scaled to 0 and 1 and then added."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    plan = FieldPlan.from_dict(PLAN)
    words = TfidfVectorizer(analyzer=_words, sublinear_tf=True)
    held = words.fit_transform([search_text(read_product(row, plan)[0]) for row in catalogue.rows])
    lexical = np.asarray((words.transform(queries) @ held.T).todense())
    cosines = [vectors["queries"] @ vectors["text"].T, vectors["seen"] @ vectors["image"].T]
    scores = 2.0 * _scaled(lexical) + sum(_scaled(values) for values in cosines)
    ids = [row["id"] for row in catalogue.rows]
    return {
        text: [ids[row] for row in np.argsort(-values, kind="stable")[:WINDOW] if values[row] > 0]
        for text, values in zip(queries, scores, strict=True)
    }


def _words(text: str) -> list[str]:
    """Return the words of a text without an English plural, and pairs of Chinese signs."""
    found = _WORD.findall(text.lower())
    pairs = [a + b for a, b in pairwise(found) if not (a + b).isascii()]
    return [re.sub(r"(?<=..)e?s$", "", word) for word in found if word.isascii()] + pairs


def _scaled(scores: DoubleArray | FloatArray) -> DoubleArray:
    """Return scores (Q, N) from 0 to 1 in each row among the best `WINDOW`; zeros for a row of equal scores."""
    values = scores.astype(np.float64)
    low: DoubleArray = np.sort(values, axis=1)[:, [-WINDOW]]
    spread = values.max(axis=1, keepdims=True) - low
    scaled: DoubleArray = np.clip(values - low, 0, None) / np.where(spread > 1e-6, spread, np.inf)
    return scaled
