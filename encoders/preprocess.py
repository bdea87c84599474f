"""From a picture to the square of pixels that a tower takes, and many of them as one file for training."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .protocol import ByteArray

FITS = ("pad", "crop", "squash")
WHITE = (255, 255, 255)


def prepare(image: Image.Image, size: int, fit: str, background: tuple[int, int, int] = WHITE) -> ByteArray:
    """Pixels (size, size, 3) of an RGB picture: all of it on a background (pad), its middle (crop) or squashed.

    `encoders/onnx.py` repeats these steps for query pictures; a test holds the two equal.
    """
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


class PixelFile:
    """Pictures decoded once: pixels (n, size, size, 3) uint8 in a memory-mapped file, and which rows could be read."""

    def __init__(self, pixels: ByteArray, readable: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
        self.pixels = pixels
        self.readable = readable


def pixel_file(
    path: Path,
    keys: Sequence[str],
    size: int,
    load: Callable[[int], Image.Image | None],
    done: Callable[[], None] = lambda: None,
) -> PixelFile:
    """The pictures of `keys` padded to `size`; decoded in threads by `load(row)` unless `path` has them already.

    `load` gives None for a picture that cannot be read. `done` is called once a row.
    """
    shape = (len(keys), size, size, 3)
    stamp = hashlib.sha256("\0".join([str(size), *keys]).encode()).hexdigest()
    finished = path.with_suffix(".done")
    readable_path = path.with_suffix(".readable.npy")
    if finished.is_file() and finished.read_text() == stamp:
        pixels = np.memmap(path, np.uint8, "r", shape=shape)
        return PixelFile(pixels, np.load(readable_path, allow_pickle=False))
    path.parent.mkdir(parents=True, exist_ok=True)
    finished.unlink(missing_ok=True)
    pixels = np.memmap(path, np.uint8, "w+", shape=shape)
    readable = np.zeros(len(keys), dtype=np.bool_)

    def one(row: int) -> None:
        image = load(row)
        if image is not None:
            pixels[row] = prepare(image, size, "pad")
            readable[row] = True
        done()

    with ThreadPoolExecutor() as threads:
        for _ in threads.map(one, range(len(keys))):
            pass
    pixels.flush()
    np.save(readable_path, readable, allow_pickle=False)
    finished.write_text(stamp)
    return PixelFile(pixels, readable)
