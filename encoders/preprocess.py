"""An RGB image to the square of pixels that an image encoder takes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .protocol import ByteArray

WHITE = (255, 255, 255)


def prepare(image: Image.Image, size: int, fit: str, background: tuple[int, int, int] = WHITE) -> ByteArray:
    """Return the pixels (size, size, 3) of an RGB image.

    `fit` is `pad` (the whole image on a background), `crop` (its middle) or `squash` (the whole image, distorted).
    """
    # Not PIL.ImageOps.pad and fit: they round and resample differently, and existing vectors would no longer compare.
    width, height = image.size
    if fit == "squash":
        return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0))
    scale = size / (max if fit == "pad" else min)(width, height)
    scaled = image.resize(
        (max(1, round(width * scale)), max(1, round(height * scale))),
        Image.Resampling.BICUBIC,
        reducing_gap=3.0,
    )
    canvas = Image.new("RGB", (size, size), background)
    canvas.paste(scaled, ((size - scaled.width) // 2, (size - scaled.height) // 2))
    return np.asarray(canvas)
