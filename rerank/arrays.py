"""Array types, 64-bit hashes of ids, and a fast exact conversion of float16 to float32."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
HalfArray = npt.NDArray[np.float16]
DoubleArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
HashArray = npt.NDArray[np.uint64]
CodeArray = npt.NDArray[np.uint32]
IndexArray = npt.NDArray[np.int64]

_EMPTY = hashlib.blake2b(digest_size=8)


def id_hashes(ids: Sequence[str]) -> HashArray:
    """Return the BLAKE2b hash of each id, cut to 64 bits, (n,)."""
    digests = b"".join([_digest(i) for i in ids])
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64, copy=False)


def _digest(text: str) -> bytes:
    """Return the 8 bytes of a text's BLAKE2b hash."""
    state = _EMPTY.copy()  # faster than a new state, whose parameters would be read each time
    state.update(text.encode())
    return state.digest()


def load_mmap(path: Path) -> npt.NDArray[Any]:
    """Return a saved array mapped into memory, as a plain ndarray: indexing `np.memmap` takes several times as long."""
    return np.asarray(np.load(path, mmap_mode="r"))


def hash_text(text: str) -> int:
    """Return the BLAKE2b hash of a text, cut to 64 bits."""
    return int.from_bytes(_digest(text), "little")


def find_hashes(table: HashArray, hashes: HashArray) -> tuple[IndexArray, BoolArray]:
    """Return the rows (n,) of `hashes` in the sorted `table` and which are present; an absent one has row 0."""
    if not len(table):
        return np.zeros(len(hashes), dtype=np.int64), np.zeros(len(hashes), dtype=np.bool_)
    rows = np.minimum(np.searchsorted(table, hashes), len(table) - 1).astype(np.int64)
    known = np.asarray(table[rows] == hashes)
    return np.where(known, rows, 0), known


def half_to_float(half: npt.NDArray[Any]) -> FloatArray:
    """Return finite float16 values as float32, exactly; numpy's `astype` is scalar code and four times slower."""
    bits = np.ascontiguousarray(half).view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= np.int32(-0x70002000)  # the sign, and exponent and mantissa at their places in float32
    single = bits.view(np.float32)
    single *= np.float32(2.0**112)  # the exponent bias of float32 is larger by 112
    return single


def unit(vectors: FloatArray) -> FloatArray:
    """Return rows (n, d) scaled to length one; a row of zeros stays."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, np.float32(1e-12)), dtype=np.float32)


def sigmoid(values: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-value)) of each value in float32."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -30.0, 30.0))), dtype=np.float32)
