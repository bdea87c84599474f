"""The vectors of a page's images: several per product, loaded in the background before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from encoders.protocol import FloatArray, ImageEncoder
from opensearch.index.spaces import IMAGE

from .changes import PendingDocument
from .document import IndexedImage
from .image_loader import LoadedImage
from .report import LoadReport, RejectedRows
from .vector_cache import VectorCache

_REF_CHARACTERS = 2000  # of a rejected image's reference in the file


@dataclass
class ImageVectors:
    """Embeds the images of pending documents, `batch` at once."""

    encoder: ImageEncoder
    cache: VectorCache
    report: LoadReport
    rejects: RejectedRows
    batch: int

    def embed(self, page: Sequence[PendingDocument]) -> None:
        """Set the images of every document, with a vector each unless the index has it; count those that failed."""
        loaded = [(pending, [image.result() for image in pending.loading]) for pending in page]
        vectors = self._vectors([image for _, images in loaded for image in images])
        for pending, images in loaded:
            for image in images:
                self._add(pending, image, vectors)
            pending.loading = []

    def _vectors(self, images: Sequence[LoadedImage]) -> dict[str, FloatArray]:
        """Return the vectors (d,) by hash: the cached ones, and those of new pixels, once for equal images."""
        vectors = {image.hash: image.vec for image in images if image.hash and image.vec is not None}
        self.report.cached[IMAGE] += len(vectors)
        pixels = {image.hash: image.pixels for image in images if image.hash and image.pixels is not None}
        keys = [key for key in pixels if key not in vectors]
        for start in range(0, len(keys), self.batch):
            some = keys[start : start + self.batch]
            computed = self.encoder.encode(np.stack([pixels[key] for key in some]))
            vectors.update(self.cache.add(self.encoder.name, some, computed))
            self.report.embedded[IMAGE] += len(some)
        return vectors

    def _add(self, pending: PendingDocument, image: LoadedImage, vectors: dict[str, FloatArray]) -> None:
        problem = image.problem
        if problem is None and image.is_new and image.hash not in vectors:
            problem = "the encoder gives no usable vector for the image"
        if problem is not None:
            self.report.images_failed += 1
            self.rejects.add_image(pending.line, pending.product.id, problem, image.ref[:_REF_CHARACTERS])
            return
        vector = vectors.get(image.hash or "") if image.is_new else None
        pending.images.append(IndexedImage(image.ref, image.hash, vector))
