"""Query images to vectors with ONNX Runtime, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from encoders.card import KIND, ImageCard, require_card
from encoders.preprocess import prepare
from encoders.protocol import FloatArray
from vitrine.store import Store

from .session import open_session


class OnnxImageEncoder:
    """An image encoder artifact as ONNX."""

    def __init__(self, directory: Path, name: str, threads: int = 1) -> None:
        self._card = require_card(directory, name, ImageCard)
        self.name = name
        self.dimension = self._card.dimension
        self.query_encoder = self._card.query_encoder
        self.size = self._card.size
        self._run = open_session(directory, threads)

    def __call__(self, image: Image.Image) -> FloatArray:
        """Return the unit vector (d,) of one RGB image."""
        vector: FloatArray = self.encode([image])[0]
        return vector

    def encode(self, images: Sequence[Image.Image]) -> FloatArray:
        """Return unit vectors (n, d) of RGB images."""
        card = self._card
        pixels = np.stack([prepare(image, card.size, card.fit, card.background) for image in images])
        return self._run({"pixels": pixels})


def open_onnx_image(store: Store, name: str, threads: int = 1) -> OnnxImageEncoder:
    """Return the query encoder of images in the artifact `name`. Raises VitrineError when the store lacks it."""
    return OnnxImageEncoder(store.get(KIND, name), name, threads)
