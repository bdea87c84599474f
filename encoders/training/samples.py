"""The training samples of an image tower: images with the texts of their products."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .captions import ProductText
from .pixel_file import PixelFile


@dataclass(frozen=True)
class Samples:
    """Images and the products that they belong to. `product` (images,) is the product's row in `ids` and `texts`."""

    ids: list[str]
    texts: list[ProductText]
    pixels: PixelFile
    product: NDArray[np.int64]
    unreadable: int

    def rows(self, validation: bool) -> NDArray[np.int64]:
        """Return the rows of the readable images of the validation products, or of the training products."""
        in_validation = np.array([is_validation(id_) for id_ in self.ids])
        return np.flatnonzero(self.pixels.readable & (in_validation[self.product] == validation))


def is_validation(product_id: str) -> bool:
    """Return whether a product belongs to the validation split: one in sixteen, by a hash of its id."""
    return int(hashlib.sha256(f"validation:{product_id}".encode()).hexdigest(), 16) % 16 == 0
