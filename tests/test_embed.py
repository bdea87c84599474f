"""The embedding stage: which contents reach the encoders, in which batches, and which vectors are used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.stub_encoders import StubText, text_vector

from encoders.protocol import FloatArray
from encoders.tokens import batches_by_length
from indexer.catalogue.product import Product
from indexer.load.changes import PendingDocument
from indexer.load.document import fields_of
from indexer.load.embed import Embedder
from indexer.load.report import LoadReport, RejectedRows
from indexer.load.vector_cache import VectorCache


def pending(id: str, title: str, language: str = "en") -> PendingDocument:
    product = Product(id, title=title, language=language)
    return PendingDocument(1, {}, product, fields_of(product))


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[VectorCache]:
    opened = VectorCache(tmp_path / "vectors.sqlite")
    yield opened
    opened.close()


def run(
    encoder: StubText, cache: VectorCache, documents: list[PendingDocument], folder: Path
) -> tuple[list[PendingDocument], LoadReport]:
    report = LoadReport()
    embedder = Embedder({"text": encoder}, cache, report, RejectedRows(folder / "rejected"))
    pages = [documents[start : start + 128] for start in range(0, len(documents), 128)]
    return list(embedder.embedded(pages)), report


def test_equal_texts_are_embedded_once(cache: VectorCache, tmp_path: Path) -> None:
    encoder = StubText()
    documents = [pending(str(n), f"title {n % 10}") for n in range(50)]
    embedded, report = run(encoder, cache, documents, tmp_path)
    assert sorted(encoder.texts) == [f"title {n}" for n in range(10)]
    assert report.embedded["text"] == 10
    for each in embedded:
        np.testing.assert_array_equal(each.vectors["text"], text_vector(each.product.title))
    again = StubText()
    documents, report = run(again, cache, [pending("x", "title 3"), pending("y", "new")], tmp_path)
    assert again.texts == ["new"]
    assert report.cached["text"] == 1
    np.testing.assert_array_equal(documents[0].vectors["text"], text_vector("title 3"))


def test_cached_vectors_of_another_encoder_are_not_used(cache: VectorCache, tmp_path: Path) -> None:
    run(StubText(), cache, [pending("1", "a")], tmp_path)
    other = StubText(name="other")
    run(other, cache, [pending("1", "a")], tmp_path)
    assert other.texts == ["a"]


def test_empty_texts_and_unknown_languages_have_no_vector(cache: VectorCache, tmp_path: Path) -> None:
    encoder = StubText(languages=("en",))
    documents, report = run(
        encoder, cache, [pending("1", ""), pending("2", "红色", "zh"), pending("3", "red")], tmp_path
    )
    assert encoder.texts == ["red"]
    assert report.texts_unsupported == {"zh": 1}
    assert {each.product.id: "text" not in each.vectors for each in documents} == {
        "1": True,
        "2": True,
        "3": False,
    }


def test_at_most_a_tenth_of_the_tokens_is_padding(cache: VectorCache, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    # in words, as descriptions have them
    lengths = np.clip(generator.lognormal(3.0, 0.8, 4096), 1, 256).astype(int)
    encoder = StubText()
    titles = [" ".join(f"w{generator.integers(10, 99)}" for _ in range(length)) for length in lengths]
    run(encoder, cache, [pending(str(n), title) for n, title in enumerate(titles)], tmp_path)
    real = padded = 0
    for call in encoder.calls:
        tokens = [len(text.split()) for text in call]
        for rows in batches_by_length(tokens, 64):
            real += sum(tokens[row] for row in rows)
            padded += len(rows) * max(tokens[row] for row in rows)
    assert real <= padded <= 1.1 * real


class Broken(StubText):
    """Gives NaN for one text and zeros for another."""

    def encode(self, texts: list[str]) -> FloatArray:  # type: ignore[override]
        vectors = super().encode(texts)
        vectors[[text == "nan" for text in texts]] = np.nan
        vectors[[text == "zero" for text in texts]] = 0
        return vectors


def test_vectors_that_the_engine_rejects_are_left_out(cache: VectorCache, tmp_path: Path) -> None:
    documents, _ = run(Broken(), cache, [pending(t, t) for t in ("nan", "good", "zero")], tmp_path)
    assert [each.product.id for each in documents if "text" in each.vectors] == ["good"]
    assert len(cache.get("stub-text-0", [each.fields["hashes"]["text"] for each in documents])) == 1


def test_a_broken_cache_is_reported_and_vectors_are_computed(tmp_path: Path) -> None:
    path = tmp_path / "vectors.sqlite"
    path.write_bytes(b"this is no database" * 100)
    broken = VectorCache(path)
    assert "not kept" in str(broken.problem)
    documents, _ = run(StubText(), broken, [pending("1", "a")], tmp_path)
    assert "text" in documents[0].vectors
