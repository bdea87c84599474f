"""Query vectors at serving time: equal to the indexer's, cached, and without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from encoder_samples import tiny_text_encoder

from indexer.encoders.text import TorchText, open_text
from opensearch.errors import VitrineError
from opensearch.store import Store
from rerank.embed import TextEmbedder, VectorCache, open_text_embedder
from rerank.errors import ArtifactError

QUERIES = [
    "red shoes",
    "blue dress for women",
    "bag",
    "RED SHOES",
    "unheard words",
    "x" * 5000,
    "red " * 3000,
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(str(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def encoder(store: Store, tmp_path_factory: pytest.TempPathFactory) -> TorchText:
    opened = open_text(str(tiny_text_encoder(tmp_path_factory.mktemp("tiny"))), store)
    assert isinstance(opened, TorchText)
    return opened


@pytest.fixture
def embedder(store: Store, encoder: TorchText) -> TextEmbedder:
    return open_text_embedder(store, encoder.name)


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return (left * right).sum(axis=1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


def test_served_vectors_equal_the_indexed_ones(embedder: TextEmbedder, encoder: TorchText) -> None:
    served = np.stack(embedder.encode(QUERIES))
    assert cosines(served, encoder.encode(QUERIES)).min() > 1 - 1e-3


def test_packaged_encoder_is_served_equal(store: Store) -> None:
    encoder = open_text(None, store)
    served = np.stack(open_text_embedder(store, encoder.name).encode(QUERIES))
    assert cosines(served, encoder.encode(QUERIES)).min() > 1 - 1e-3


def test_a_query_alone_and_in_a_batch_is_the_same(
    store: Store, encoder: TorchText, embedder: TextEmbedder
) -> None:
    together = embedder.encode(QUERIES)
    alone = open_text_embedder(store, encoder.name)
    for query, vector in zip(QUERIES, together, strict=True):
        np.testing.assert_allclose(alone(query), vector, atol=1e-5)


def test_repeated_queries_in_one_call_and_a_hit_give_the_same_object(embedder: TextEmbedder) -> None:
    first, second = embedder.encode(["red shoes", "red shoes"])
    assert first is second is embedder("red shoes")
    assert embedder.cache.hits == 1


def test_a_cached_vector_cannot_be_changed(embedder: TextEmbedder) -> None:
    with pytest.raises(ValueError, match="read-only"):
        embedder("red shoes")[0] = 1.0


def test_a_monstrous_query_is_answered_but_not_kept(embedder: TextEmbedder) -> None:
    np.testing.assert_allclose(np.linalg.norm(embedder("red " * 1_000_000)), 1.0, atol=1e-4)
    assert len(embedder.cache) == 0


def test_the_cache_forgets_what_was_used_longest_ago() -> None:
    cache = VectorCache(2)
    for key in "ab":
        cache.put(key, np.zeros(1, np.float32))
    cache.get("a")
    cache.put("c", np.zeros(1, np.float32))
    assert cache.get("b") is None
    assert cache.get("a") is not None
    assert (cache.hits, cache.misses, len(cache)) == (2, 1, 2)


def test_a_missing_artifact_names_the_store(store: Store) -> None:
    with pytest.raises(VitrineError, match="encoders/nothing-000 is not in the store"):
        open_text_embedder(store, "nothing-000")


def test_an_incomplete_artifact_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"encoder\.json and model\.onnx are expected"):
        TextEmbedder(tmp_path, "broken-1")


def test_serving_never_imports_torch(store: Store, encoder: TorchText) -> None:
    code = (
        "import sys; from opensearch.store import Store; from rerank.embed import open_text_embedder;"
        f"open_text_embedder(Store({store.url!r}), {encoder.name!r})('red shoes');"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
