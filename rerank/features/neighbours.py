"""Each product's most similar others by the shoppers' clicks, as the features of a window read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from rerank.arrays import FloatArray, HalfArray, HashArray, find_hashes, load_mmap

COUNT = 20  # neighbours of a product that are stored


@dataclass(frozen=True)
class RelatedProduct:
    """A neighbour of a product, by its id, with its similarity above 0."""

    id: str
    similarity: float


@dataclass(frozen=True)
class NeighbourTable:
    """The neighbours of N products as of one moment, 0 where there are fewer than COUNT."""

    hashes: HashArray  # (N, COUNT) of ids
    similarity: HalfArray  # (N, COUNT)

    @classmethod
    def empty(cls, count: int) -> Self:
        """Return the table of products without neighbours."""
        return cls(np.zeros((count, COUNT), dtype=np.uint64), np.zeros((count, COUNT), dtype=np.float16))


def neighbour_scores(candidates: HashArray, neighbours: HashArray, similarity: HalfArray) -> FloatArray:
    """Return log(1 + sum of similarities) of each candidate (n,) to the clicked products, in whose lists it stands.

    `neighbours` and `similarity` are the lists (clicks, COUNT) of the clicked products.
    """
    listed = similarity.ravel() > 0
    hashes, places = np.unique(neighbours.ravel()[listed], return_inverse=True)
    sums = np.bincount(places, similarity.ravel()[listed], minlength=len(hashes))
    rows, known = find_hashes(hashes, candidates)
    if not len(sums):
        return np.zeros(len(candidates), dtype=np.float32)
    return np.where(known, np.log1p(sums[rows]), 0.0).astype(np.float32)


class StoredIds:
    """The ids of a snapshot's products, mapped into memory: a list of strings costs each process 100 bytes an id."""

    def __init__(self, directory: Path) -> None:
        self._text = load_mmap(directory / "ids.npy")
        self._ends = load_mmap(directory / "id_ends.npy")

    def __getitem__(self, row: int) -> str:
        start = self._ends[row - 1] if row else 0
        return bytes(self._text[start : self._ends[row]]).decode()

    @staticmethod
    def save(ids: Sequence[str], directory: Path) -> None:
        """Write the ids as one text and the ends of each id in it."""
        texts = [product.encode() for product in ids]
        np.save(directory / "ids.npy", np.frombuffer(b"".join(texts), dtype=np.uint8))
        np.save(directory / "id_ends.npy", np.cumsum([len(text) for text in texts], dtype=np.int64))
