"""Encoders whose vectors are known: words and colours as numbers; they record every call."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from encoders.protocol import ByteArray, FloatArray


def unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def text_vector(text: str) -> FloatArray:
    """8 numbers that are the same for the same text, of length one."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    vector: FloatArray = unit(np.random.default_rng(seed).normal(size=(1, 8)).astype(np.float32))[0]
    return vector


@dataclass
class StubText:
    """A text encoder of 8 dimensions; `log` is a file that gets a line a text, `pause` seconds a call."""

    name: str = "stub-text-0"
    dimension: int = 8
    languages: tuple[str, ...] = ()
    calls: list[list[str]] = field(default_factory=list)
    log: Path | None = None
    pause: float = 0.0

    def encode(self, texts: Sequence[str]) -> FloatArray:
        time.sleep(self.pause)
        self.calls.append(list(texts))
        if self.log:
            with self.log.open("a") as file:
                file.writelines(f"{text}\n" for text in texts)
        return np.stack([text_vector(text) for text in texts])

    encode_queries = encode

    @property
    def texts(self) -> list[str]:
        return [text for call in self.calls for text in call]


@dataclass
class StubImage:
    """An image encoder of 4 dimensions: mean red, green and blue, and a one; pictures of one colour are counted."""

    name: str = "stub-image-0"
    query_encoder: str = "stub-text-0"
    dimension: int = 4
    languages: tuple[str, ...] = ()
    size: int = 8
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def prepare(self, image: Image.Image) -> ByteArray:
        return np.asarray(image.resize((8, 8)), dtype=np.uint8)

    def encode(self, pixels: ByteArray) -> FloatArray:
        means = pixels.reshape(len(pixels), -1, 3).mean(axis=1)
        self.seen += [tuple(round(value) for value in mean) for mean in means]
        return unit(np.concatenate([means / 255, np.ones((len(pixels), 1))], axis=1).astype(np.float32))


def save_colour_image(path: Path, colour: tuple[int, int, int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16), colour).save(path)
    return path
