"""From the words and the image of a query to its vectors in the vector spaces of one index."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np
from PIL import Image

from encoders.image_io import DRAFT_SIDE
from encoders.onnx.image import OnnxImageEncoder, open_onnx_image
from encoders.onnx.text import OnnxTextEncoder, open_onnx_text
from opensearch.index.fields import IndexSchema, VectorField
from opensearch.index.spaces import space_names
from opensearch.search.query import supports_language
from opensearch.search.query_text import clean_words, language_of
from rerank.features.groups import QueryVectors
from vitrine.errors import ArtifactError, QueryError
from vitrine.store import Store

from .arrays import FloatArray, unit

TEXT_SPACE = "text"  # the space whose encoder `/v1/embed` offers
IMAGE_SPACE = "image"  # the space that a query's image lies in; words reach every space

T = TypeVar("T")


class QueryEncoders:
    """The encoders that make query vectors for one index, each opened when the first query needs it."""

    def __init__(self, schema: IndexSchema, store: Store) -> None:
        self.schema = schema
        self._store = store
        self._text = {name: _Lazy(self._text_opener(name)) for name in _query_encoders(schema)}
        self._image = _Lazy(self._open_onnx_image)

    def vectors(self, words: str, image: Image.Image | None = None) -> QueryVectors:
        """Return the query's unit vector (d,) in each vector space of the index where it has one.

        Words in a language that a space's query encoder does not know have no vector there. With words and an image,
        the vector in the image space is the direction halfway between both.
        """
        return self.batch([words], [image])[0]

    def batch(self, words: Sequence[str], images: Sequence[Image.Image | None]) -> list[QueryVectors]:
        """Return the `vectors` of each query, embedded in batches; `words` and `images` are aligned."""
        lines = [clean_words(text) for text in words]
        vectors: list[dict[str, FloatArray]] = [{} for _ in lines]
        for space, field in self.schema.vectors.items():
            for row, vector in self._embed_words(field, lines):
                vectors[row][space] = vector
        for row, vector in self._embed_images(images):
            vectors[row][IMAGE_SPACE] = _halfway(vectors[row].get(IMAGE_SPACE), vector)
        return list(vectors)

    def text_embedder(self, space: str = TEXT_SPACE) -> OnnxTextEncoder | None:
        """Return the query encoder of a space; None when the index has no such vectors."""
        field = self.schema.vectors.get(space)
        return self._text[field.query_encoder].get() if field else None

    @property
    def image_side(self) -> int:
        """The side in pixels at which the index's images were decoded, and at which a query's image has to be."""
        return self._image.get().size if IMAGE_SPACE in self.schema.vectors else DRAFT_SIDE

    def warm(self) -> None:
        """Open the encoders that a query of words needs, and run each once."""
        self.vectors("warm")

    def _embed_words(self, field: VectorField, lines: Sequence[str]) -> Iterator[tuple[int, FloatArray]]:
        """Yield the row and the vector of each line whose language the field's query encoder knows."""
        default = self.schema.plan.language
        rows = [
            row
            for row, line in enumerate(lines)
            if line and supports_language(field, language_of(line, default))
        ]
        if not rows:
            return
        embedder = self._text[field.query_encoder].get()
        require_dimension(field, embedder.name, embedder.dimension)
        yield from zip(rows, embedder.encode([lines[row] for row in rows]), strict=True)

    def _embed_images(self, images: Sequence[Image.Image | None]) -> Iterator[tuple[int, FloatArray]]:
        """Yield the row and the vector of each image."""
        present = {row: image for row, image in enumerate(images) if image is not None}
        if present:
            yield from zip(present, self._image.get().encode(list(present.values())), strict=True)

    def _text_opener(self, name: str) -> Callable[[], OnnxTextEncoder]:
        return lambda: open_onnx_text(self._store, name)

    def _open_onnx_image(self) -> OnnxImageEncoder:
        field = self.schema.vectors.get(IMAGE_SPACE)
        if field is None:
            raise QueryError("the index has no image vectors; index the catalogue with --image-encoder")
        embedder = open_onnx_image(self._store, field.encoder)
        require_dimension(field, embedder.name, embedder.dimension)
        if embedder.query_encoder not in (None, field.query_encoder):
            raise ArtifactError(
                f"image encoder {embedder.name} fits the query encoder {embedder.query_encoder}, and the index "
                f"was searched with {field.query_encoder} so far; index the images again"
            )
        return embedder


def require_same_encoders(schema: IndexSchema, encoders: Mapping[str, str | None], what: str) -> None:
    """Refuse to rank an index with a model for the vectors of other encoders. Raises ArtifactError."""
    for space in space_names([*schema.vectors, *encoders]):
        field = schema.vectors.get(space)
        actual, expected = field.encoder if field else None, encoders.get(space)
        if actual != expected:
            raise ArtifactError(
                f"the {space} vectors of the index are by {actual or 'no encoder'}, {what} was made "
                f"for those of {expected or 'none'}; run `vitrine train`, or index with that encoder again"
            )


def require_dimension(field: VectorField, name: str, dimension: int) -> None:
    """Refuse an encoder whose vectors cannot be compared with the field's. Raises ArtifactError."""
    if field.dimension != dimension:
        raise ArtifactError(
            f"query encoder {name} gives vectors of {dimension} values, the index holds {field.dimension} "
            f"by {field.encoder}; index the catalogue again, or name the store that holds its encoders"
        )


def _query_encoders(schema: IndexSchema) -> set[str]:
    return {field.query_encoder for field in schema.vectors.values()}


def _halfway(words: FloatArray | None, image: FloatArray) -> FloatArray:
    """Return the direction halfway between two unit vectors (d,), or the image's where the words have none."""
    return image if words is None else unit(np.add(words, image))


class _Lazy(Generic[T]):
    """A value that the first `get` creates, once for any number of threads."""

    def __init__(self, create: Callable[[], T]) -> None:
        self._create = create
        self._lock = threading.Lock()
        self._value: T | None = None

    def get(self) -> T:
        with self._lock:
            if self._value is None:
                self._value = self._create()
            return self._value
