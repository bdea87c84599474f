"""The embedding cache as a load uses it: one that cannot be read or written costs time, never the run."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from encoders.cache import EmbeddingCache, default_cache_path
from encoders.protocol import FloatArray
from vitrine.errors import EncoderError


class VectorCache:
    """Vectors by encoder and content hash; after a fault it is empty, and `problem` says why."""

    def __init__(self, path: Path | None = None) -> None:
        self.problem: str | None = None
        self._path = path or default_cache_path()
        self._file: EmbeddingCache | None = None
        try:
            self._file = EmbeddingCache(self._path)
        except (EncoderError, sqlite3.Error, OSError) as error:
            self._give_up(error)

    def get(self, encoder: str, contents: Sequence[str]) -> dict[str, FloatArray]:
        """The vectors (d,) that are there, by content hash."""
        try:
            return self._file.get(encoder, contents) if self._file is not None else {}
        except sqlite3.Error as error:
            self._give_up(error)
            return {}

    def put(self, encoder: str, vectors: dict[str, FloatArray]) -> None:
        """Keep vectors (d,) by content hash; they outlive a kill of the process once this returns."""
        try:
            if self._file is not None:
                self._file.put(encoder, vectors)
        except sqlite3.Error as error:
            self._give_up(error)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _give_up(self, error: Exception) -> None:
        self.problem = self.problem or f"vectors are not kept for the next run: {self._path} failed ({error})"
        self._file = None
