"""The embedding cache: vectors by encoder and content hash, so that nothing is embedded twice, even after a kill."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import platformdirs

from vitrine.errors import EncoderError

from .protocol import FloatArray

_KEYS_PER_QUERY = 500  # below SQLite's smallest limit of variables in a statement
_BUSY_S = 60.0


class EmbeddingCache:
    """A file of vectors that several processes and threads may use at once; `put` returns once they are stored.

    A key is the hash of encoder name and content hash, a value the vector's float32 bytes.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises EncoderError for a file that is no embedding cache."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._file = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")  # a killed process loses nothing; a power cut may
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)"
            )
        except sqlite3.DatabaseError as error:
            self._file.close()
            raise EncoderError(
                f"{path} is no embedding cache ({error}); delete it, and the next run creates it"
            ) from error

    def get(self, encoder: str, hashes: Iterable[str]) -> dict[str, FloatArray]:
        """Return the cached vectors (d,) by content hash."""
        contents = {_key(encoder, content): content for content in hashes}
        vectors: dict[str, FloatArray] = {}
        for keys in _chunks(list(contents), _KEYS_PER_QUERY):
            statement = f"SELECT key, vector FROM vectors WHERE key IN ({','.join('?' * len(keys))})"
            with self._lock:
                rows = self._file.execute(statement, keys).fetchall()
            vectors.update((contents[key], np.frombuffer(vector, dtype="<f4")) for key, vector in rows)
        return vectors

    def put(self, encoder: str, vectors: Mapping[str, FloatArray]) -> None:
        """Store vectors (d,) by content hash, all or none; existing ones stay."""
        rows = [
            (_key(encoder, content), vector.astype("<f4").tobytes()) for content, vector in vectors.items()
        ]
        with self._lock:
            self._file.execute("BEGIN IMMEDIATE")
            try:
                self._file.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT")

    def __len__(self) -> int:
        with self._lock:
            count: int = self._file.execute("SELECT count(*) FROM vectors").fetchone()[0]
        return count

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def default_cache_path() -> Path:
    """Return the path of the embedding cache in the user's cache directory."""
    return Path(platformdirs.user_cache_dir("vitrine")) / "embeddings.sqlite"


def _key(encoder: str, content: str) -> bytes:
    return hashlib.blake2b(f"{encoder}\0{content}".encode(), digest_size=16).digest()


def _chunks(keys: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
