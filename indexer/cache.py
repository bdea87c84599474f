"""Vectors that were computed once, kept on this machine by encoder and content, for every later run."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import platformdirs

from .encoders.protocol import FloatArray

_VARIABLES = 500  # of one SQL statement


class VectorCache:
    """A file of vectors that many threads and processes share; what was put in survives a kill.

    A cache that cannot be read or written costs time, never a run: `problem` then says why.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.problem: str | None = None
        self._lock = threading.Lock()
        self._path = path or Path(platformdirs.user_cache_dir("vitrine")) / "vectors.sqlite"
        self._file: sqlite3.Connection | None = None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._open()
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def _open(self) -> sqlite3.Connection:
        file = sqlite3.connect(self._path, timeout=60, check_same_thread=False, isolation_level=None)
        try:
            file.execute("PRAGMA journal_mode = WAL")
            file.execute("PRAGMA synchronous = NORMAL")
            file.execute(
                "CREATE TABLE IF NOT EXISTS vectors"
                " (encoder TEXT, content TEXT, vector BLOB, PRIMARY KEY (encoder, content)) WITHOUT ROWID"
            )
        except sqlite3.Error:
            file.close()
            raise
        return file

    def get(self, encoder: str, contents: Sequence[str]) -> dict[str, FloatArray]:
        """The vectors (d,) that are there, by content hash."""
        found: dict[str, FloatArray] = {}
        with self._lock:
            try:
                for start in range(0, len(contents), _VARIABLES):
                    some = contents[start : start + _VARIABLES]
                    found.update(self._select(encoder, some))
            except sqlite3.Error as error:
                self._give_up(error)
        return found

    def _select(self, encoder: str, contents: Sequence[str]) -> Iterable[tuple[str, FloatArray]]:
        if self._file is None:
            return []
        marks = ",".join("?" * len(contents))
        query = f"SELECT content, vector FROM vectors WHERE encoder = ? AND content IN ({marks})"
        rows = self._file.execute(query, [encoder, *contents])
        return [(content, np.frombuffer(vector, dtype="<f4")) for content, vector in rows]

    def put(self, encoder: str, contents: Sequence[str], vectors: FloatArray) -> None:
        """Keep vectors (n, d) of n content hashes; they are safe on disk when this returns."""
        rows = [(encoder, c, v.astype("<f4").tobytes()) for c, v in zip(contents, vectors, strict=True)]
        with self._lock:
            if self._file is None:
                return
            try:
                self._file.execute("BEGIN IMMEDIATE")
                self._file.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
                self._file.execute("COMMIT")
            except sqlite3.Error as error:
                self._give_up(error)

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _give_up(self, error: Exception) -> None:
        self.problem = self.problem or f"the cache of vectors {self._path} is not used ({error}); delete it"
        if self._file is not None:
            self._file.close()
            self._file = None
