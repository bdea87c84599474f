"""Building the vocabulary of an index: products counted, words and pairs put into arrays, the artifact stored."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from opensearch.analysis.codes import CODES
from opensearch.index.scan import scan
from opensearch.understanding.constraints.values import value_key
from opensearch.understanding.words import fold, spelled_out, stemmer
from vitrine.store import Store, content_name

from .artifact import KIND, VERSION, Vocabulary
from .chinese import SignCounts, is_chinese, pinyin_table, script_map
from .counts import MAX_VALUE_WORDS, MAX_VALUES, ProductCounts, count_products
from .language_words import language_words
from .letters import LetterModel
from .tables import NearTable, PairTable, TextTable, hashes_of

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_FEW_VALUES = 20  # a column with so many values has no codes
_MAX_CANDIDATES = 200_000  # the words that correct others: the most frequent ones
_MIN_SLOTS, _MAX_SLOTS = 1 << 16, 1 << 24  # of the table of pairs; 32 MB at most
_SLOTS_PER_TITLE = 16


def make_vocabulary(
    counts: ProductCounts, language: str, typed: Mapping[str, int] | None = None
) -> Vocabulary:
    """Return the vocabulary of counted products, and of the words that so many shoppers typed and clicked after."""
    typed = typed or {}
    folded = sorted({*counts.words, *typed})
    words, order = TextTable.of(folded, [_spelling(counts, word) for word in folded])
    in_order = [folded[i] for i in order.tolist()]
    frequencies = np.array([counts.words[word] for word in in_order], dtype=np.uint32)
    titles = np.array([counts.title_words[word] for word in in_order], dtype=np.uint32)
    of_shoppers = np.array([_weight(typed.get(word, 0)) for word in in_order], dtype=np.uint32)
    weights = frequencies + of_shoppers
    minimum = _minimum(weights)
    candidates = [(id, word) for id, word in enumerate(in_order) if weights[id] >= minimum and len(word) >= 3]
    columns = sorted(name for name, values in counts.values.items() if _is_attribute(values))
    facts = {
        "columns": columns,
        "version": VERSION,
        "documents": counts.documents,
        "language": language,
        "minimum": minimum,
        # Good (1953): what is not seen yet is as probable as what was seen once
        "unseen": float((frequencies == 1).sum() / max(frequencies.sum(), 1)),
        "total": int(weights.sum()) or 1,
        "typed": dict(sorted(typed.items())),
        "ranges": {column: list(ends) for column, ends in sorted(counts.ranges.items())},
        "title_total": int(titles.sum()) or 1,
        "title_words": max(float(titles.sum()) / max(len(counts.title_sizes), 1), 1.0),
        "letters": LetterModel.count(word for _, word in candidates).counts,
    }
    near = NearTable.of(candidates)
    saved = {
        **words.arrays("words"),
        "words.counts": frequencies,
        "words.titles": titles,
        "words.typed": of_shoppers,
        "codes.hashes": np.sort(hashes_of(sorted(counts.codes))),
        "near.hashes": near.hashes,
        "near.ids": near.ids,
        "pairs": _pairs(counts, in_order).counts,
    }
    stem = stemmer(language)
    shares = (weights / weights.sum() + titles / max(titles.sum(), 1)) / 2
    facts["largest"] = float(shares.max(initial=0))
    saved |= _probabilities("stems", [stem(word) for word in in_order], shares)
    saved |= _umlauts(words) | _values(counts, columns, language)
    chinese = counts.chinese if is_chinese(counts.chinese, counts.documents) else SignCounts()
    facts["script"] = dict(script_map(chinese))
    saved |= pinyin_table(chinese)
    # Latin words in a Chinese catalogue are English ones
    common = language_words("en" if language == "zh" else language)
    counted = np.array(list(common.values()), dtype=np.float64)
    saved |= _probabilities("language", [fold(word) for word in common], counted / max(counted.sum(), 1))
    return Vocabulary(facts, saved)


def build_vocabulary(
    client: OpenSearch, index: str, language: str, store: Store, typed: Mapping[str, int] | None = None
) -> str:
    """Store the vocabulary of an index, read as it stands now, and return the artifact's name.

    `typed` has the words of clicked queries with the number of shoppers who typed each.
    """
    hits = scan(client, index, includes=["id", "title", "search", "keywords", "numbers", CODES], page=1_000)
    vocabulary = make_vocabulary(count_products(source for _, source in hits), language, typed)
    with tempfile.TemporaryDirectory(prefix="vitrine-vocabulary-") as folder:
        directory = Path(folder)
        vocabulary.save(directory)
        name = content_name("vocabulary", directory)
        store.put(KIND, name, directory)
    return name


def _weight(shoppers: int) -> int:
    """Return how many products a word of clicked queries weighs: a hundred shoppers are as many as ten products."""
    return isqrt(shoppers)


def _spelling(counts: ProductCounts, folded: str) -> str:
    """Return the form of a word that most products write."""
    spellings = counts.spellings.get(folded)
    if not spellings:
        return folded
    plain = counts.words[folded] - spellings.total()
    form, count = min(spellings.items(), key=lambda item: (-item[1], item[0]))
    return form if count > plain else folded


def _minimum(frequencies: NDArray[np.uint32]) -> int:
    """Return the number of products that must hold a word before it may correct others."""
    if len(frequencies) <= _MAX_CANDIDATES:
        return 1
    return int(np.partition(frequencies, -_MAX_CANDIDATES)[-_MAX_CANDIDATES])


def _is_attribute(values: Counter[str]) -> bool:
    """Return whether a column has values that products share: it is no column of codes, and not of yes and no alone."""
    shared = 2 * len(values) <= values.total() or len(values) <= _FEW_VALUES
    return shared and not set(values) <= {"true", "false"}


def _values(counts: ProductCounts, columns: Sequence[str], language: str) -> dict[str, NDArray[Any]]:
    """Return the table of the columns' most frequent values, with the number of the column and the count of each."""
    rows = []
    for number, column in enumerate(columns):
        for value, count in sorted(counts.values[column].items(), key=lambda item: (-item[1], item[0]))[
            :MAX_VALUES
        ]:
            key = value_key(value, language)
            if key and key.count(" ") < MAX_VALUE_WORDS:
                rows.append((key, value, number, count))
    table, order = TextTable.of([row[0] for row in rows], [row[1] for row in rows])
    numbers = np.array([rows[i][2] for i in order.tolist()], dtype=np.uint16)
    found = np.array([rows[i][3] for i in order.tolist()], dtype=np.uint32)
    return {**table.arrays("values"), "values.columns": numbers, "values.counts": found}


def _umlauts(words: TextTable) -> dict[str, NDArray[Any]]:
    """Return the ids of the words that have umlauts, under the hashes of their forms with two letters."""
    written = ((id, words.text(id)) for id in range(len(words)))
    forms = {
        spelled_out(text): id
        for id, text in written
        if not text.isascii() and spelled_out(text) != fold(text)
    }
    hashes = hashes_of(list(forms))
    order = np.argsort(hashes, kind="stable")
    return {
        "umlauts.hashes": hashes[order],
        "umlauts.ids": np.array(list(forms.values()), dtype=np.uint32)[order],
    }


def _probabilities(name: str, texts: Sequence[str], shares: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Return the arrays of `_looked_up`: the shares (n,) of texts, those of equal texts added."""
    hashes, place = np.unique(hashes_of(texts), return_inverse=True)
    probabilities = np.bincount(place, weights=shares, minlength=len(hashes)).astype(np.float32)
    return {f"{name}.hashes": hashes, f"{name}.probabilities": probabilities}


def _pairs(counts: ProductCounts, words: Sequence[str]) -> PairTable:
    """Return the pairs of the titles, by the ids of their words."""
    ids = np.zeros(max(len(counts.numbers), 1), dtype=np.uint64)
    for id, word in enumerate(words):
        if (number := counts.numbers.get(word)) is not None:
            ids[number] = id
    slots = _MIN_SLOTS
    while slots < min(_SLOTS_PER_TITLE * counts.documents, _MAX_SLOTS):
        slots *= 2
    flat = np.frombuffer(counts.title_ids, dtype=np.dtype(counts.title_ids.typecode))
    sizes = np.frombuffer(counts.title_sizes, dtype=np.uint8)
    return PairTable.of(ids[flat], sizes, slots)
