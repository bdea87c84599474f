"""What the indexer asks of an encoder, whoever made it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]


class TextEncoder(Protocol):
    """Words to vectors."""

    @property
    def name(self) -> str:
        """The artifact in the store that holds this encoder."""

    @property
    def dimension(self) -> int: ...

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages it understands; empty: any."""

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Vectors (n, d) of unit length, one a text, in the order of the texts."""


class ImageEncoder(Protocol):
    """Pictures to vectors."""

    @property
    def name(self) -> str:
        """The artifact in the store that holds this encoder."""

    @property
    def dimension(self) -> int: ...

    @property
    def query_encoder(self) -> str:
        """The text encoder artifact whose vectors of words search these vectors."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the query encoder understands; empty: any."""

    def prepare(self, image: Image.Image) -> ByteArray:
        """The pixels (size, size, 3) that `encode` takes, of an RGB picture; safe in any thread."""

    def encode(self, pixels: ByteArray) -> FloatArray:
        """Vectors (n, d) of unit length of prepared pictures (n, size, size, 3)."""
