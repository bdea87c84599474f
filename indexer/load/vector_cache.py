"""The embedding cache as a load uses it: an unreadable or unwritable cache slows a load down but never stops it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from encoders.cache import EmbeddingCache, default_cache_path
from encoders.protocol import FloatArray
from vitrine.errors import EncoderError


class VectorCache:
    """Vectors by encoder and content hash. After an error the cache is empty and `problem` is its message."""

    def __init__(self, path: Path | None = None) -> None:
        self.problem: str | None = None
        self._path = path or default_cache_path()
        self._file: EmbeddingCache | None = None
        try:
            self._file = EmbeddingCache(self._path)
        except (EncoderError, sqlite3.Error, OSError) as error:
            self._disable(error)

    def get(self, encoder: str, hashes: Sequence[str]) -> dict[str, FloatArray]:
        """Return the cached vectors (d,) by content hash."""
        try:
            return self._file.get(encoder, hashes) if self._file is not None else {}
        except sqlite3.Error as error:
            self._disable(error)
            return {}

    def add(self, encoder: str, hashes: Sequence[str], vectors: FloatArray) -> dict[str, FloatArray]:
        """Store the usable ones of the vectors (n, d) and return them by content hash.

        The engine accepts vectors that are finite and not zero. Stored vectors survive a kill of the process.
        """
        usable = np.isfinite(vectors).all(axis=1) & (np.abs(vectors).max(axis=1, initial=0) > 0)
        rows = {key: vector for key, vector, good in zip(hashes, vectors, usable, strict=True) if good}
        try:
            if self._file is not None:
                self._file.put(encoder, rows)
        except sqlite3.Error as error:
            self._disable(error)
        return rows

    def close(self) -> None:
        """Close the cache."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _disable(self, error: Exception) -> None:
        self.problem = self.problem or f"vectors are not kept for the next run: {self._path} failed ({error})"
        self._file = None
