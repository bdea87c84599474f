"""Vectors for a stream of work: cached ones first, texts of like length together. The second stage of a load."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from encoders.protocol import FloatArray, ImageEncoder, TextEncoder

from .changes import PendingDocument
from .document import IndexedPicture, embedding_text
from .image_loader import LoadedImage
from .report import LoadReport, RejectedRows
from .vector_cache import VectorCache

TEXT_WINDOW = 2048  # texts that are sorted by length together: of so many, little is padded
TEXT_SLICE = 512  # texts that are computed, and then safe in the cache, at once; fewer are padded more
PICTURE_SLICE = 64


@dataclass
class Embedder:
    """The encoders of a run (None: no such vectors) and where their vectors are kept."""

    text: TextEncoder | None
    image: ImageEncoder | None
    cache: VectorCache
    report: LoadReport
    rejects: RejectedRows

    def embedded(self, pages: Iterable[list[PendingDocument]]) -> Iterator[PendingDocument]:
        """All the work with its vectors; what needs no new text vector goes first."""
        waiting: list[PendingDocument] = []
        for page in pages:
            self._settle_pictures(page)
            for work in page:
                if self._wants_text(work):
                    waiting.append(work)
                else:
                    yield work
            if len(waiting) >= TEXT_WINDOW:
                yield from self._settle_texts(waiting)
                waiting = []
        yield from self._settle_texts(waiting)

    def _wants_text(self, work: PendingDocument) -> bool:
        if self.text is None or not embedding_text(work.product):
            return False
        if self.text.languages and work.product.language not in self.text.languages:
            self.report.texts_unsupported += 1
            return False
        return work.text_changed

    def _settle_texts(self, waiting: list[PendingDocument]) -> Iterator[PendingDocument]:
        if self.text is None or not waiting:
            return
        holders: dict[str, list[PendingDocument]] = {}
        for work in waiting:
            holders.setdefault(work.fields["hashes"]["text"], []).append(work)
        texts = {key: embedding_text(works[0].product) for key, works in holders.items()}
        cached = self.cache.get(self.text.name, list(texts))
        self.report.texts_cached += len(cached)
        for key, vector in cached.items():
            yield from _with_vector(holders[key], vector)
        missing = sorted((key for key in texts if key not in cached), key=lambda key: len(texts[key]))
        for start in range(0, len(missing), TEXT_SLICE):
            keys = missing[start : start + TEXT_SLICE]
            made = self._kept(self.text.name, keys, self.text.encode([texts[key] for key in keys]))
            self.report.texts_embedded += len(keys)
            for key in keys:  # written while the next slice is computed
                yield from _with_vector(holders[key], made.get(key))

    def _settle_pictures(self, page: list[PendingDocument]) -> None:
        looked = {work.product.id: [look.result() for look in work.looks] for work in page if work.looks}
        vectors = self._picture_vectors([look for looks in looked.values() for look in looks])
        for work in page:
            for look in looked.get(work.product.id, ()):
                self._settle_picture(work, look, vectors)
            work.looks = []

    def _picture_vectors(self, looks: Sequence[LoadedImage]) -> dict[str, FloatArray]:
        if self.image is None:
            return {}
        found = {look.hash: look.vec for look in looks if look.hash and look.vec is not None}
        self.report.images_cached += len(found)
        missing = {look.hash: look.pixels for look in looks if look.hash and look.pixels is not None}
        keys = [key for key in missing if key not in found]
        for start in range(0, len(keys), PICTURE_SLICE):
            some = keys[start : start + PICTURE_SLICE]
            made = self.image.encode(np.stack([missing[key] for key in some]))
            found.update(self._kept(self.image.name, some, made))
            self.report.images_embedded += len(some)
        return found

    def _settle_picture(
        self, work: PendingDocument, look: LoadedImage, vectors: dict[str, FloatArray]
    ) -> None:
        fresh = look.pixels is not None or look.vec is not None
        if look.problem is None and fresh and look.hash not in vectors:
            look.problem = "the encoder gives no usable vector for the picture"
        if look.problem is not None:
            self.report.images_failed += 1
            self.rejects.add_image(work.line, work.product.id, look.problem, look.ref[:2000])
            return
        work.pictures.append(
            IndexedPicture(look.ref, look.hash, vectors.get(look.hash or "") if fresh else None)
        )

    def _kept(self, encoder: str, keys: Sequence[str], made: FloatArray) -> dict[str, FloatArray]:
        """The vectors that the engine can take, by content hash, put into the cache."""
        usable = np.isfinite(made).all(axis=1) & (np.abs(made).max(axis=1, initial=0) > 0)
        vectors = {key: vector for key, vector, good in zip(keys, made, usable, strict=True) if good}
        self.cache.put(encoder, vectors)
        return vectors


def _with_vector(works: Iterable[PendingDocument], vector: FloatArray | None) -> Iterator[PendingDocument]:
    for work in works:
        work.text_vec = vector
        yield work
