"""The interfaces of text and image encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]


class TextEncoder(Protocol):
    """Texts to vectors."""

    @property
    def name(self) -> str:
        """The artifact in the store that holds this encoder."""

    @property
    def dimension(self) -> int:
        """The length of its vectors."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the encoder knows; empty: any."""

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return vectors (n, d) of unit length, one a text of a product, in the order of the texts."""

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return vectors (n, d) of unit length, one a query; they differ from `encode` where the encoder has prompts."""


class ImageEncoder(Protocol):
    """Images to vectors."""

    @property
    def name(self) -> str:
        """The artifact in the store that holds this encoder."""

    @property
    def dimension(self) -> int:
        """The length of its vectors."""

    @property
    def query_encoder(self) -> str:
        """The text encoder artifact whose vectors of words search these vectors."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the query encoder knows; empty: any."""

    @property
    def size(self) -> int:
        """The side of the square of pixels that it takes; images are decoded to at least that, never larger for nothing."""

    def prepare(self, image: Image.Image) -> ByteArray:
        """Return the pixels (size, size, 3) that `encode` takes, of an RGB image; safe in any thread."""

    def encode(self, pixels: ByteArray) -> FloatArray:
        """Return vectors (n, d) of unit length of prepared images (n, size, size, 3)."""
