"""Query words and pictures to vectors with ONNX Runtime: no torch, and a known query costs a look-up."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrine.errors import ArtifactError
from vitrine.store import Store

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]
MAX_CHARACTERS = (
    4096  # of a query: more than the encoders' tokens can hold, and a bound on what the cache keeps
)
ROWS_A_BATCH = 32


class VectorCache:
    """The vectors of the latest `capacity` keys; safe between threads."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._vectors: OrderedDict[str, FloatArray] = OrderedDict()
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    def get(self, key: str) -> FloatArray | None:
        with self._lock:
            vector = self._vectors.get(key)
            if vector is None:
                self.misses += 1
                return None
            self._vectors.move_to_end(key)
            self.hits += 1
            return vector

    def put(self, key: str, vector: FloatArray) -> None:
        with self._lock:
            self._vectors[key] = vector
            self._vectors.move_to_end(key)
            while len(self._vectors) > self._capacity:
                self._vectors.popitem(last=False)

    def __len__(self) -> int:
        return len(self._vectors)


class TextEmbedder:
    """A text encoder artifact as ONNX: words to a unit vector (d,)."""

    def __init__(self, directory: Path, name: str, threads: int = 1, capacity: int = 20_000) -> None:
        from tokenizers import Tokenizer

        card = _card(directory, name, "text")
        self.name = name
        self.dimension = int(card["dimension"])
        self.languages: tuple[str, ...] = tuple(card["languages"])
        self.cache = VectorCache(capacity)
        self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._tokenizer.enable_truncation(int(card["max_tokens"]))
        self._tokenizer.no_padding()
        self._run = _session(directory / "model.onnx", threads)

    def __call__(self, query: str) -> FloatArray:
        """The unit vector (d,) of a query; read-only, for it is shared with the cache."""
        vector = self.cache.get(query)
        return self.encode([query])[0] if vector is None else vector

    def encode(self, queries: Sequence[str]) -> list[FloatArray]:
        """One read-only unit vector (d,) a query, in order; unknown ones are computed in batches."""
        found = {query: self.cache.get(query) for query in queries}
        missing = [query for query, vector in found.items() if vector is None]
        tokens = [
            encoding.ids for encoding in self._tokenizer.encode_batch([q[:MAX_CHARACTERS] for q in missing])
        ]
        order = sorted(range(len(missing)), key=lambda row: len(tokens[row]))
        for start in range(0, len(order), ROWS_A_BATCH):
            rows = order[start : start + ROWS_A_BATCH]
            ids, mask = _padded([tokens[row] for row in rows])
            vectors = self._run({"input_ids": ids, "attention_mask": mask})
            for row, vector in zip(rows, vectors, strict=True):
                found[missing[row]] = self._keep(missing[row], vector)
        return [vector for query in queries if (vector := found[query]) is not None]

    def _keep(self, query: str, vector: FloatArray) -> FloatArray:
        alone = vector.copy()  # a view would keep the whole batch alive
        alone.setflags(write=False)
        if len(query) <= MAX_CHARACTERS:
            self.cache.put(query, alone)
        return alone


class ImageEmbedder:
    """An image encoder artifact as ONNX: a picture to a unit vector (d,)."""

    def __init__(self, directory: Path, name: str, threads: int = 1) -> None:
        card = _card(directory, name, "image")
        self.name = name
        self.dimension = int(card["dimension"])
        self.query_encoder: str | None = card.get("query_encoder")
        self.size = int(card["size"])
        self._fit = str(card["fit"])
        self._background: tuple[int, int, int] = tuple(card.get("background") or (255, 255, 255))
        self._run = _session(directory / "model.onnx", threads)

    def __call__(self, image: Image.Image) -> FloatArray:
        """The unit vector (d,) of one picture, already opened and in RGB."""
        vector: FloatArray = self.encode([image])[0]
        return vector

    def encode(self, images: Sequence[Image.Image]) -> FloatArray:
        """Unit vectors (n, d) of pictures in RGB."""
        pixels = np.stack([prepare(image, self.size, self._fit, self._background) for image in images])
        return self._run({"pixels": pixels})


def open_text_embedder(store: Store, name: str, threads: int = 1, capacity: int = 20_000) -> TextEmbedder:
    """The query encoder of words in the artifact `name`. Raises VitrineError when the store lacks it."""
    return TextEmbedder(store.get("encoders", name), name, threads, capacity)


def open_image_embedder(store: Store, name: str, threads: int = 1) -> ImageEmbedder:
    """The query encoder of pictures in the artifact `name`. Raises VitrineError when the store lacks it."""
    return ImageEmbedder(store.get("encoders", name), name, threads)


def prepare(image: Image.Image, size: int, fit: str, background: tuple[int, int, int]) -> ByteArray:
    """Pixels (size, size, 3) of an RGB picture, step by step as the indexer's pixels.py makes them."""
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


def _card(directory: Path, name: str, kind: str) -> dict[str, Any]:
    path = directory / "encoder.json"
    if not path.is_file() or not (directory / "model.onnx").is_file():
        raise ArtifactError(
            f"encoder {name} is incomplete: encoder.json and model.onnx are expected in {directory}"
        )
    card: dict[str, Any] = json.loads(path.read_text())
    if card["kind"] != kind:
        raise ArtifactError(
            f"encoder {name} is for {card['kind']}, a query encoder for {kind} is needed here"
        )
    return card


def _session(path: Path, threads: int) -> Callable[[dict[str, NDArray[Any]]], FloatArray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(feed: dict[str, NDArray[Any]]) -> FloatArray:
        vectors: FloatArray = session.run(["vector"], feed)[0]
        return vectors

    return run


def _padded(tokens: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    longest = max(1, *map(len, tokens))
    ids = np.zeros((len(tokens), longest), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, some in enumerate(tokens):
        ids[row, : len(some)] = some
        mask[row, : len(some)] = 1
    return ids, mask
