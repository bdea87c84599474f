"""The second stage of a load: the vectors of pending documents, space by space.

Cached vectors come first; contents of similar length are embedded together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from encoders.protocol import FloatArray, TextEncoder
from opensearch.index.fields import HASHES
from opensearch.index.spaces import TEXT

from .changes import PendingDocument
from .document import content
from .embed_images import ImageVectors
from .encoders import Encoders, content_encoders, image_encoder
from .report import LoadReport, RejectedRows
from .vector_cache import VectorCache


@dataclass(frozen=True)
class BatchSizes:
    """The number of contents that are sorted by length together, and of contents and images that are embedded at once.

    Sorting many contents keeps the padding small. The vectors of a batch are in the cache once it is done, so a load
    that is killed repeats at most one batch per space; a smaller batch is padded more.
    """

    window: int = 2048
    contents: int = 512
    images: int = 64


@dataclass
class Embedder:
    """Computes the vectors of a load with one encoder per space."""

    encoders: Encoders
    cache: VectorCache
    report: LoadReport
    rejects: RejectedRows
    batches: BatchSizes = BatchSizes()

    def embedded(self, pages: Iterable[list[PendingDocument]]) -> Iterator[PendingDocument]:
        """Yield all documents with their vectors; first those of a page that need no vector but those of images."""
        encoders = content_encoders(self.encoders)
        images = self._image_vectors()
        waiting: list[PendingDocument] = []
        for page in pages:
            if images:
                images.embed(page)
            for pending in page:
                pending.missing = {space for space in encoders if self._needs_vector(pending, space)}
                if pending.missing:
                    waiting.append(pending)
                else:
                    yield pending
            if len(waiting) >= self.batches.window:
                yield from self._embed_window(waiting, encoders)
                waiting = []
        yield from self._embed_window(waiting, encoders)

    def _image_vectors(self) -> ImageVectors | None:
        encoder = image_encoder(self.encoders)
        if encoder is None:
            return None
        return ImageVectors(encoder, self.cache, self.report, self.rejects, self.batches.images)

    def _needs_vector(self, pending: PendingDocument, space: str) -> bool:
        if not content(pending.product, space):
            return False
        languages = self.encoders[space].languages
        # only texts have a language; elsewhere it is that of the queries
        if space == TEXT and languages and pending.product.language not in languages:
            self.report.texts_unsupported[pending.product.language] += 1
            return False
        return pending.content_changed(space)

    def _embed_window(
        self, waiting: list[PendingDocument], encoders: dict[str, TextEncoder]
    ) -> Iterator[PendingDocument]:
        for space, encoder in encoders.items():
            yield from self._embed_space(space, encoder, [each for each in waiting if space in each.missing])

    def _embed_space(
        self, space: str, encoder: TextEncoder, waiting: list[PendingDocument]
    ) -> Iterator[PendingDocument]:
        """Yield the documents of which this was the last missing vector. Equal contents are embedded once."""
        by_hash: dict[str, list[PendingDocument]] = {}
        for pending in waiting:
            by_hash.setdefault(pending.fields[HASHES][space], []).append(pending)
        contents = {key: content(same[0].product, space) for key, same in by_hash.items()}
        cached = self.cache.get(encoder.name, list(contents))
        self.report.cached[space] += len(cached)
        for key, vector in cached.items():
            yield from _with_vector(by_hash[key], space, vector)
        new = sorted((key for key in contents if key not in cached), key=lambda key: len(contents[key]))
        for start in range(0, len(new), self.batches.contents):
            keys = new[start : start + self.batches.contents]
            vectors = self.cache.add(encoder.name, keys, encoder.encode([contents[key] for key in keys]))
            self.report.embedded[space] += len(keys)
            for key in keys:  # written while the next batch is computed
                yield from _with_vector(by_hash[key], space, vectors.get(key))


def _with_vector(
    documents: Iterable[PendingDocument], space: str, vector: FloatArray | None
) -> Iterator[PendingDocument]:
    """Set the vector in the space, and yield the documents that miss no other."""
    for pending in documents:
        if vector is not None:
            pending.vectors[space] = vector
        pending.missing.discard(space)
        if not pending.missing:
            yield pending
