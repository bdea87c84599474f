"""From what a person asks, words or a picture or both, to vectors in the two spaces of one index."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np
from PIL import Image

from encoders.onnx import ImageEmbedder, TextEmbedder, open_image_embedder, open_text_embedder
from opensearch.index.fields import IndexSchema, VectorField
from opensearch.index.spaces import space_names
from opensearch.search.query import supports_language
from opensearch.search.query_text import clean_words, language_of
from rerank.features.groups import QueryVectors
from vitrine.errors import ArtifactError, QueryError
from vitrine.store import Store

from .arrays import FloatArray, unit

T = TypeVar("T")


class QueryEncoders:
    """The encoders that make query vectors for one index, opened when the first query needs them."""

    def __init__(self, schema: IndexSchema, store: Store) -> None:
        self.schema = schema
        self._store = store
        self._words: dict[str, _Once[TextEmbedder]] = {
            field.query_encoder: _Once(self._opener(field.query_encoder)) for field in schema.vectors.values()
        }
        self._pictures = _Once(self._open_pictures)

    def vectors(self, words: str, picture: Image.Image | None = None) -> QueryVectors:
        """The query in the space of the products' texts and of their pictures; None where it has no vector.

        Words in a language that an encoder does not know give none; with a picture the picture space takes
        the direction halfway between both.
        """
        return self.batch([words], [picture])[0]

    def batch(self, words: Sequence[str], pictures: Sequence[Image.Image | None]) -> list[QueryVectors]:
        """One `vectors` a query, the words embedded in batches."""
        lines = [clean_words(text) for text in words]
        text = self._embed(self.schema.vectors.get("text"), lines)
        image = self._embed(self.schema.vectors.get("image"), lines)
        shown = [row for row, picture in enumerate(pictures) if picture is not None]
        seen = self._see([picture for picture in pictures if picture is not None])
        for row, vector in zip(shown, seen, strict=True):
            image[row] = _both(image[row], vector)
        return [
            {name: vector for name, vector in zip(("text", "image"), pair, strict=True) if vector is not None}
            for pair in zip(text, image, strict=True)
        ]

    def text_embedder(self) -> TextEmbedder | None:
        """The encoder of words for the text space, None when the index has no text vectors."""
        text = self.schema.vectors.get("text")
        return self._words[text.query_encoder].get() if text else None

    def warm(self) -> None:
        """Open what queries of words need and run it once."""
        self.vectors("warm")

    def _embed(self, field: VectorField | None, words: Sequence[str]) -> list[FloatArray | None]:
        made: list[FloatArray | None] = [None] * len(words)
        usual = self.schema.plan.language
        rows = [
            row
            for row, text in enumerate(words)
            if text and supports_language(field, language_of(text, usual))
        ]
        if field and rows:
            embedder = self._words[field.query_encoder].get()
            require_dimension(field, embedder.name, embedder.dimension)
            for row, vector in zip(rows, embedder.encode([words[row] for row in rows]), strict=True):
                made[row] = vector
        return made

    def _see(self, pictures: Sequence[Image.Image]) -> list[FloatArray]:
        return list(self._pictures.get().encode(pictures)) if pictures else []

    def _opener(self, name: str) -> Callable[[], TextEmbedder]:
        return lambda: open_text_embedder(self._store, name)

    def _open_pictures(self) -> ImageEmbedder:
        field = self.schema.vectors.get("image")
        if field is None:
            raise QueryError("the index has no picture vectors; index the catalogue with --image-encoder")
        embedder = open_image_embedder(self._store, field.encoder)
        require_dimension(field, embedder.name, embedder.dimension)
        if embedder.query_encoder not in (None, field.query_encoder):
            raise ArtifactError(
                f"picture encoder {embedder.name} was made for words of {embedder.query_encoder}, "
                f"the index was searched with {field.query_encoder} so far; index the pictures again"
            )
        return embedder


def require_same_encoders(schema: IndexSchema, encoders: Mapping[str, str | None], what: str) -> None:
    """Refuse to judge an index with what was made for others' vectors, naming both encoders."""
    for space in space_names([*schema.vectors, *encoders]):
        field = schema.vectors.get(space)
        found, wanted = field.encoder if field else None, encoders.get(space)
        if found != wanted:
            raise ArtifactError(
                f"the {space} vectors of the index are by {found or 'no encoder'}, {what} was made "
                f"for those of {wanted or 'none'}; run `vitrine train`, or index with that encoder again"
            )


def require_dimension(field: VectorField, name: str, dimension: int) -> None:
    """Refuse an encoder whose vectors cannot be compared with the field's."""
    if field.dimension != dimension:
        raise ArtifactError(
            f"query encoder {name} gives vectors of {dimension} values, the index holds {field.dimension} "
            f"by {field.encoder}; index the catalogue again, or name the store that holds its encoders"
        )


def _both(words: FloatArray | None, picture: FloatArray) -> FloatArray:
    """The direction halfway, or the picture's where the words have none."""
    return picture if words is None else unit(np.add(words, picture))


class _Once(Generic[T]):
    """A value made on first use, once, whatever the number of threads."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._value: T | None = None

    def get(self) -> T:
        with self._lock:
            if self._value is None:
                self._value = self._make()
            return self._value
