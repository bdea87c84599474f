"""Query words to vectors with ONNX Runtime: no torch, and a repeated query costs a look-up."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from cachetools import LRUCache

from encoders.card import KIND, TextCard, require_card
from encoders.protocol import FloatArray
from encoders.tokens import batches_by_length, open_tokenizer, pad, token_ids
from vitrine.store import Store

from .session import open_session

# Characters of a query: more than an encoder's tokens hold, and a bound on the keys of the cache.
MAX_CHARACTERS = 4096
MAX_CACHED = 20_000
_TOKENS_PER_BATCH = 1024


class OnnxTextEncoder:
    """A text encoder artifact as ONNX; it caches the vectors of the latest queries and is safe between threads."""

    def __init__(self, directory: Path, name: str, threads: int = 1, capacity: int = MAX_CACHED) -> None:
        card = require_card(directory, name, TextCard)
        self.name = name
        self.dimension = card.dimension
        self.languages = card.languages
        self._cache: LRUCache[str, FloatArray] = LRUCache(capacity)
        self._lock = threading.Lock()
        self._tokenizer = open_tokenizer(directory, card)
        self._run = open_session(directory, threads)

    def __call__(self, query: str) -> FloatArray:
        """Return the unit vector (d,) of a query; read-only, because the cache shares it."""
        vector = self._cached(query)
        return self.encode([query])[0] if vector is None else vector

    def encode(self, queries: Sequence[str]) -> list[FloatArray]:
        """Return one read-only unit vector (d,) a query, in order; uncached ones are computed in batches."""
        vectors = {query: vector for query in queries if (vector := self._cached(query)) is not None}
        missing = [query for query in dict.fromkeys(queries) if query not in vectors]
        tokens = token_ids(self._tokenizer, [query[:MAX_CHARACTERS] for query in missing])
        for rows in batches_by_length([len(ids) for ids in tokens], _TOKENS_PER_BATCH):
            ids, mask = pad([tokens[row] for row in rows])
            computed = self._run({"input_ids": ids, "attention_mask": mask})
            for row, vector in zip(rows, computed, strict=True):
                vectors[missing[row]] = self._add(missing[row], vector)
        return [vectors[query] for query in queries]

    def _cached(self, query: str) -> FloatArray | None:
        with self._lock:
            return self._cache.get(query)

    def _add(self, query: str, vector: FloatArray) -> FloatArray:
        own = vector.copy()  # a view would keep the whole batch in memory
        own.setflags(write=False)
        if len(query) <= MAX_CHARACTERS:
            with self._lock:
                self._cache[query] = own
        return own


def open_onnx_text(store: Store, name: str, threads: int = 1, capacity: int = MAX_CACHED) -> OnnxTextEncoder:
    """Return the query encoder of words in the artifact `name`. Raises VitrineError when the store lacks it."""
    return OnnxTextEncoder(store.get(KIND, name), name, threads, capacity)
