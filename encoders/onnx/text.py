"""Texts to vectors with ONNX Runtime: no torch; a repeated query costs a look-up, a catalogue uses all cores."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from cachetools import LRUCache

from encoders.card import KIND, TextCard, require_card
from encoders.protocol import FloatArray
from encoders.tokens import batches_by_length, open_tokenizer, pad, prompt_length, token_ids
from vitrine.store import Store

from .session import open_session

# Characters of a query: more than an encoder's tokens hold, and a bound on the keys of the cache.
MAX_CHARACTERS = 4096
MAX_CACHED = 20_000
_TOKENS_PER_BATCH = 1024


class TextGraph:
    """The tokenizer and the graph of a text encoder artifact; safe between threads."""

    def __init__(self, directory: Path, card: TextCard, threads: int = 1) -> None:
        self._card = card
        self._tokenizer = open_tokenizer(directory, card)
        self._run = open_session(directory, threads)

    def tokens(self, texts: Sequence[str], prompt: str) -> list[list[int]]:
        """Return the token ids of each text after the prompt."""
        return token_ids(self._tokenizer, texts, prompt)

    def vectors(self, tokens: Sequence[Sequence[int]], prompt: str) -> FloatArray:
        """Return unit vectors (n, d) of a batch of token ids, which begin with those of the prompt."""
        ids, mask = pad(tokens)
        inputs = {"input_ids": ids, "attention_mask": mask}
        if not self._card.prompt_pooled:
            inputs["pooling_mask"] = mask.copy()
            inputs["pooling_mask"][:, : prompt_length(self._tokenizer, prompt)] = 0
        return first_dimensions(self._run(inputs), self._card.dimension)


def first_dimensions(vectors: FloatArray, dimension: int) -> FloatArray:
    """Return the first `dimension` values of unit vectors (n, d), of unit length again (Matryoshka representation)."""
    if vectors.shape[1] == dimension:
        return vectors
    first = vectors[:, :dimension]
    unit: FloatArray = first / np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-12)
    return unit


class OnnxTextEncoder:
    """The query encoder of an artifact; it caches the vectors of the latest queries and is safe between threads."""

    def __init__(self, directory: Path, name: str, threads: int = 1, capacity: int = MAX_CACHED) -> None:
        card = require_card(directory, name, TextCard)
        self.name = name
        self.dimension = card.dimension
        self.languages = card.languages
        self._prompt = card.query_prompt
        self._cache: LRUCache[str, FloatArray] = LRUCache(capacity)
        self._lock = threading.Lock()
        self._graph = TextGraph(directory, card, threads)

    def __call__(self, query: str) -> FloatArray:
        """Return the unit vector (d,) of a query; read-only, because the cache shares it."""
        vector = self._cached(query)
        return self.encode([query])[0] if vector is None else vector

    def encode(self, queries: Sequence[str]) -> list[FloatArray]:
        """Return one read-only unit vector (d,) a query, in order; uncached ones are computed in batches."""
        vectors = {query: vector for query in queries if (vector := self._cached(query)) is not None}
        missing = [query for query in dict.fromkeys(queries) if query not in vectors]
        tokens = self._graph.tokens([query[:MAX_CHARACTERS] for query in missing], self._prompt)
        for rows in batches_by_length([len(ids) for ids in tokens], _TOKENS_PER_BATCH):
            computed = self._graph.vectors([tokens[row] for row in rows], self._prompt)
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


class OnnxCatalogueEncoder:
    """The text encoder of an artifact for a catalogue: batches of similar length, one core each, nothing cached."""

    def __init__(self, directory: Path, name: str, threads: int | None = None) -> None:
        self._card = require_card(directory, name, TextCard)
        self.name, self.dimension, self.languages = name, self._card.dimension, self._card.languages
        self._graph = TextGraph(directory, self._card)
        self._pool = ThreadPoolExecutor(
            threads or len(os.sched_getaffinity(0)), thread_name_prefix="encode-text"
        )

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors (n, d), one a text of a product."""
        return self._encode(texts, self._card.document_prompt)

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors (n, d), one a query."""
        return self._encode(texts, self._card.query_prompt)

    def _encode(self, texts: Sequence[str], prompt: str) -> FloatArray:
        tokens = self._graph.tokens(texts, prompt)
        vectors = np.empty((len(tokens), self.dimension), dtype=np.float32)
        batches = list(batches_by_length([len(ids) for ids in tokens], _TOKENS_PER_BATCH))
        longest_first = batches[::-1]  # so that no core ends with a long batch while the others are idle

        def compute(rows: list[int]) -> FloatArray:
            return self._graph.vectors([tokens[row] for row in rows], prompt)

        for rows, computed in zip(longest_first, self._pool.map(compute, longest_first), strict=True):
            vectors[rows] = computed
        return vectors


def open_onnx_text(store: Store, name: str, threads: int = 1, capacity: int = MAX_CACHED) -> OnnxTextEncoder:
    """Return the query encoder of words in the artifact `name`. Raises VitrineError when the store lacks it."""
    return OnnxTextEncoder(store.get(KIND, name), name, threads, capacity)
