"""The images of a training run, decoded once into a memory-mapped file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from encoders.preprocess import prepare
from encoders.protocol import ByteArray


class PixelFile:
    """Pixels (n, size, size, 3) uint8 in a memory-mapped file, and the mask (n,) of the rows that could be read."""

    def __init__(self, pixels: ByteArray, readable: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
        self.pixels = pixels
        self.readable = readable


def pixel_file(
    path: Path,
    keys: Sequence[str],
    size: int,
    load: Callable[[int], Image.Image | None],
    on_done: Callable[[], None] = lambda: None,
) -> PixelFile:
    """Return the images of `keys` padded to `size`; `load(row)` decodes them in threads unless `path` has them already.

    `load` returns None for an image that cannot be read. `on_done` is called once a row.
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
        on_done()

    with ThreadPoolExecutor() as threads:
        for _ in threads.map(one, range(len(keys))):
            pass
    pixels.flush()
    np.save(readable_path, readable, allow_pickle=False)
    finished.write_text(stamp)
    return PixelFile(pixels, readable)
