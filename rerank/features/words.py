"""The words of an index's products as hashes, and how many words of a query each product holds.

The engine's scores never reach a ranker, because not every way into it carries them. This table tells by id what they
would: which words of a query a product holds, and how rare these words are.
"""

from __future__ import annotations

import json
import re
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from opensearch.analysis.languages import ENGLISH, LANGUAGES, known_language
from opensearch.analysis.stop_words import stop_words
from opensearch.understanding.words import fold, stemmer
from rerank.arrays import BoolArray, CodeArray, FloatArray, IndexArray, load_mmap
from vitrine.errors import ArtifactError
from vitrine.notation.cjk import CJK

MAX_WORDS = 256  # of one product: those of the title, then the others in their order
MAX_QUERY_WORDS = 16
_RUN = re.compile(rf"[{CJK}]+|[^\W_{CJK}]+(?:['’][^\W\d_{CJK}]+)?")
_SIGN = re.compile(f"[{CJK}]")
_TITLE = 1  # the lowest bit of a hash: whether the title holds the word
_FACTS = "words.json"
_ARRAYS = ("hashes", "ends", "lengths", "known", "counts")


@dataclass(frozen=True)
class Coverage:
    """How many words of a query each of n products holds.

    `share` is the share of the query's words that a product holds anywhere, weighed by inverse document frequency; `focus`
    is the share of its title's words that are words of the query. Both are 0 without words. `count` is the number of the
    query's words.
    """

    count: int
    share: FloatArray  # (n,) in [0, 1]
    focus: FloatArray  # (n,) in [0, 1]


class ProductWords:
    """The distinct words of N products by their row, as 32-bit hashes of their stems, and how many products hold each."""

    def __init__(self, language: str, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.language = language
        self.hashes: CodeArray = arrays["hashes"]  # of all products one after the other
        self.ends: IndexArray = arrays["ends"]  # (N,)
        self.lengths: npt.NDArray[np.uint16] = arrays["lengths"]  # (N,) words of the title
        self.known: CodeArray = arrays["known"]  # (words,) ascending
        self.counts: CodeArray = arrays["counts"]  # (words,) products that hold each

    def __len__(self) -> int:
        return len(self.ends)

    def coverage(self, rows: IndexArray, query: str) -> Coverage:
        """Return the coverage of a query by the products of n rows."""
        words = _query_words(query, self.language)
        weights = self._inverse_frequencies(words)
        total = float(weights.sum())
        if not total or not len(rows):
            zeros = np.zeros(len(rows), dtype=np.float32)
            return Coverage(len(words), zeros, zeros)
        held, in_title = self._held(rows, words)
        lengths = np.maximum(self.lengths[rows], 1)
        return Coverage(
            len(words),
            (held @ weights / total).astype(np.float32),
            np.minimum(in_title.sum(axis=1) / lengths, 1.0).astype(np.float32),
        )

    def _held(self, rows: IndexArray, words: Sequence[str]) -> tuple[BoolArray, BoolArray]:
        """Return which words (n, words) the products hold anywhere, and which in the title."""
        ends = self.ends[rows]
        starts = np.where(rows > 0, self.ends[np.maximum(rows, 1) - 1], 0)
        sizes = ends - starts
        owner = np.repeat(np.arange(len(rows)), sizes)
        places = np.arange(len(owner)) + np.repeat(starts - np.cumsum(sizes) + sizes, sizes)
        values = self.hashes[places]
        anywhere, in_title = values | _TITLE, (values & _TITLE).astype(bool)
        held = np.zeros((len(rows), len(words)), dtype=np.bool_)
        titles = np.zeros_like(held)
        for column, forms in enumerate(_forms(words, self.language)):
            for form in forms:
                found = anywhere == form
                held[owner[found], column] = True
                titles[owner[found & in_title], column] = True
        return held, titles

    def _inverse_frequencies(self, words: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return log(1 + (N - n + 0.5) / (n + 0.5)) of each word (words,), as BM25 weighs words."""
        hashes = np.array([_hash(word, self.language) for word in words], dtype=np.uint32)
        places = np.minimum(np.searchsorted(self.known, hashes), max(len(self.known) - 1, 0))
        counts = np.zeros(len(words))
        if len(self.known):
            counts = np.where(self.known[places] == hashes, self.counts[places], 0).astype(np.float64)
        return np.log1p((len(self) - counts + 0.5) / (counts + 0.5))

    def save(self, directory: Path) -> None:
        """Write the table as files of an item table."""
        for name in _ARRAYS:
            np.save(directory / f"words.{name}.npy", getattr(self, name))
        (directory / _FACTS).write_text(json.dumps({"language": self.language}) + "\n")

    @classmethod
    def open(cls, directory: Path) -> Self | None:
        """Open the words of an item table; None where it has none. Raises ArtifactError."""
        if not (directory / _FACTS).is_file():
            return None
        try:
            facts = json.loads((directory / _FACTS).read_text())
            return cls(
                facts["language"], {name: load_mmap(directory / f"words.{name}.npy") for name in _ARRAYS}
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{directory} holds no words of products ({error}); train the model again"
            ) from None


def read_words(products: Iterable[tuple[int, str, str]], count: int, language: str) -> ProductWords:
    """Return the table of products, each with its row, title and searched words; a row that does not come has no words."""
    hashes, sizes = array("I"), np.zeros(count, dtype=np.int64)
    rows = array("q")
    lengths = np.zeros(count, dtype=np.uint16)
    for row, title, search in products:
        own, lengths[row] = _product_hashes(title, search, language)
        hashes.extend(own)
        rows.append(row)
        sizes[row] = len(own)
    found = np.frombuffer(rows, dtype=np.int64) if len(rows) else np.zeros(0, dtype=np.int64)
    values = np.frombuffer(hashes, dtype=np.uint32) if len(hashes) else np.zeros(0, dtype=np.uint32)
    order = np.argsort(np.repeat(found, sizes[found]), kind="stable")
    known, counts = np.unique(values | _TITLE, return_counts=True)
    return ProductWords(
        language,
        {
            "hashes": values[order],
            "ends": np.cumsum(sizes),
            "lengths": lengths,
            "known": known.astype(np.uint32),
            "counts": counts.astype(np.uint32),
        },
    )


def _product_hashes(title: str, search: str, language: str) -> tuple[list[int], int]:
    """Return the distinct hashes of a product's words, those of the title first, and the number of words of the title."""
    words = _words_of(title, language)
    # neighbours written together too: a title with `mouse pad` holds `mousepad`
    both = [*words, *(a + b for a, b in pairwise(words) if not _SIGN.match(a + b))]
    in_title = dict.fromkeys(_hash(word, language) for word in both)
    others = dict.fromkeys(_hash(word, language) for word in _words_of(search, language))
    rest = [value & ~_TITLE for value in others if value not in in_title]
    return [*in_title, *rest][:MAX_WORDS], min(len(words), 0xFFFF)


def _query_words(query: str, language: str) -> list[str]:
    return list(dict.fromkeys(_words_of(query, language)))[:MAX_QUERY_WORDS]


def _words_of(text: str, language: str) -> list[str]:
    """Return the folded words of a text in order without stop words; of a run of Chinese signs its pairs of neighbours."""
    words: list[str] = []
    left_out = _stop_words(language)
    for match in _RUN.finditer(text):
        run = match[0]
        if not _SIGN.match(run):
            word = fold(run.replace("’", "'")).removesuffix("'s")
            words += [] if word in left_out else [word]
        elif len(run) == 1:
            words.append(run)
        else:
            words += [run[place : place + 2] for place in range(len(run) - 1)]
    return words


@cache
def _stop_words(language: str) -> frozenset[str]:
    """Return the folded stop words of the catalogue's language; the English ones where it has none."""
    chains = LANGUAGES[known_language(language) or ENGLISH]
    return frozenset(map(fold, stop_words(chains[0].stop or "english")))


def _forms(words: Sequence[str], language: str) -> list[set[int]]:
    """Return the hashes under which a product may hold each word: itself, and joined with a neighbour."""
    forms = [{_hash(word, language)} for word in words]
    for place, (a, b) in enumerate(pairwise(words)):
        if not _SIGN.match(a) and not _SIGN.match(b):
            joined = _hash(a + b, language)
            forms[place].add(joined)
            forms[place + 1].add(joined)
    return forms


def _hash(word: str, language: str) -> int:
    """Return 32 bits of a word's stem, the lowest of them 1."""
    stem = word if _SIGN.match(word) else stemmer(language)(word)
    return zlib.crc32(stem.encode("utf-8", "surrogatepass")) | _TITLE
