"""The vocabulary of an index: what its products and shoppers say, counted once and stored as memory-mapped arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from opensearch.understanding.words import stemmer
from vitrine.errors import ArtifactError
from vitrine.store import Store

from .letters import LetterModel
from .tables import Arrays, NearTable, PairTable, TextTable, text_hash

KIND = "vocabularies"
VERSION = 4
_FACTS = "vocabulary.json"
_NPY_HEADER = 128  # bytes of an .npy file before its numbers


@dataclass(frozen=True)
class ColumnValue:
    """A value of a keyword column, and the number of products that have it."""

    column: str
    text: str
    count: int


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words, pairs of words and keyword values of an index's products. Words are looked up folded.

    `facts` holds what is small: the number of documents, the language, the letter model's counts, and `typed`, the words
    of clicked queries with the shoppers who typed them.
    """

    facts: Mapping[str, Any]
    saved: Arrays

    @property
    def documents(self) -> int:
        """The number of products."""
        return int(self.facts["documents"])

    @cached_property
    def words(self) -> TextTable:
        """Every word as the products write it, under its folded form."""
        return TextTable.from_arrays("words", self.saved)

    @cached_property
    def near(self) -> NearTable:
        """The words that may correct others, by what they share with a misspelled word."""
        return NearTable(self.saved["near.hashes"], self.saved["near.ids"])

    @cached_property
    def pairs(self) -> PairTable:
        """How many titles hold two words."""
        return PairTable(self.saved["pairs"])

    @cached_property
    def letters(self) -> LetterModel:
        """What the words look like, letter by letter."""
        return LetterModel(self.facts["letters"])

    @property
    def language(self) -> str:
        """The language of the catalogue."""
        return str(self.facts["language"])

    @cached_property
    def values(self) -> TextTable:
        """The most frequent values of the keyword columns, under their stems."""
        return TextTable.from_arrays("values", self.saved)

    def column_values(self, keys: Sequence[str]) -> list[list[ColumnValue]]:
        """Return the column values under each key of `values.value_key`."""
        names, columns, counts = (
            self.facts["columns"],
            self.saved["values.columns"],
            self.saved["values.counts"],
        )
        return [
            [ColumnValue(names[int(columns[id])], self.values.text(id), int(counts[id])) for id in ids]
            for ids in self.values.find(keys)
        ]

    @cached_property
    def pinyin(self) -> TextTable:
        """Words of a Chinese catalogue under their pinyin."""
        return TextTable.from_arrays("pinyin", self.saved)

    @cached_property
    def script(self) -> Mapping[int, str]:
        """The catalogue's sign for each Chinese sign of the other script, for `str.translate`."""
        return {ord(sign): own for sign, own in self.facts["script"].items()}

    def id_of(self, folded: str) -> int | None:
        """Return the id of a folded word; None where neither products nor clicked queries have it."""
        ids = self.words.find([folded])[0]
        return ids[0] if ids else None

    def spelled_out_id(self, folded: str) -> int | None:
        """Return the id of the word that products write with an umlaut and the shopper with two letters, if any."""
        hashes, wanted = self.saved["umlauts.hashes"], np.uint64(text_hash(folded))
        place = int(hashes.searchsorted(wanted))
        found = place < len(hashes) and hashes[place] == wanted
        return int(self.saved["umlauts.ids"][place]) if found else None

    def probability(self, id: int) -> float:
        """Return how probable a word is, by the products that hold it anywhere and those that have it in the title.

        The weight of clicked queries counts as further products that hold it.
        """
        anywhere = self._weight_of(id) / self.facts["total"]
        return float(anywhere + int(self.saved["words.titles"][id]) / self.facts["title_total"]) / 2

    def count_of(self, id: int) -> int:
        """Return the number of products that hold a word."""
        return int(self.saved["words.counts"][id])

    def corrects(self, id: int) -> bool:
        """Return whether a word is frequent enough to replace others."""
        return self._weight_of(id) >= int(self.facts["minimum"])

    def is_code(self, code: str) -> bool:
        """Return whether a text of `normalized_code` is a code of a product that consists of letters."""
        hashes = self.saved["codes.hashes"]
        if not len(hashes):
            return False
        wanted = np.uint64(text_hash(code))
        place = int(hashes.searchsorted(wanted))
        return bool(place < len(hashes) and hashes[place] == wanted)

    @property
    def typed(self) -> Mapping[str, int]:
        """The words of clicked queries, with the number of shoppers who typed each."""
        return dict(self.facts["typed"])

    def may_hold(self, column: str, low: float, high: float) -> bool:
        """Return whether the values of a number column reach into a range; true for a column that has none."""
        least, largest = self.facts["ranges"].get(column, (low, high))
        return bool(least <= high and largest >= low)

    def _weight_of(self, id: int) -> int:
        return int(self.saved["words.counts"][id]) + int(self.saved["words.typed"][id])

    def stem_probability(self, folded: str) -> float:
        """Return the probability of all words with the stem of this one; 0 where no product has any."""
        return _looked_up(self.saved, "stems", stemmer(self.language)(folded))

    def language_probability(self, folded: str) -> float:
        """Return the probability of a word in the catalogue's language at large; 0 where it is no common word."""
        return _looked_up(self.saved, "language", folded)

    @property
    def largest_probability(self) -> float:
        """The largest probability that a word can have beside any other words, see `together`."""
        return float((self.facts["largest"] + 1 / self.facts["title_words"]) / 2)

    @property
    def unseen(self) -> float:
        """The probability of a word that no product has, by the words that one product has: large in a small catalogue."""
        return float(self.facts["unseen"])

    @property
    def has_language(self) -> bool:
        """Whether the common words of the catalogue's language are known."""
        return len(self.saved["language.hashes"]) > 0

    def together(self, id: int, other: int) -> float:
        """Return P(word | another word of the title)."""
        titles = int(self.saved["words.titles"][other])
        if not titles or id == other:
            return 0.0
        return min(self.pairs.count(id, other) / titles, 1.0) / float(self.facts["title_words"])

    def save(self, directory: Path) -> None:
        """Write the vocabulary as files of an artifact; equal vocabularies give equal bytes."""
        for name, array in self.saved.items():
            np.save(directory / f"{name}.npy", array, allow_pickle=False)
        (directory / _FACTS).write_bytes(orjson.dumps(self.facts, option=orjson.OPT_SORT_KEYS))

    @classmethod
    def open(cls, directory: Path) -> Vocabulary:
        """Open a saved vocabulary. Raises ArtifactError."""
        try:
            facts = orjson.loads((directory / _FACTS).read_bytes())
            if facts["version"] != VERSION:
                raise ArtifactError(
                    f"{directory} holds a vocabulary of version {facts['version']}, this release reads {VERSION}: "
                    "run `vitrine index` again"
                )
            saved = {path.name.removesuffix(".npy"): _mapped(path) for path in directory.glob("*.npy")}
            vocabulary = cls(facts, saved)
            vocabulary.require_complete()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{directory} holds no vocabulary ({type(error).__name__}: {error}): run `vitrine index` again"
            ) from None
        return vocabulary

    def require_complete(self) -> None:
        """Raise KeyError or ValueError where an array is missing or has another length."""
        for name in ("words.counts", "words.titles", "words.typed"):
            if len(self.saved[name]) != len(self.words):
                raise ValueError(f"{name} does not fit the words")
        if len(self.saved["umlauts.hashes"]) != len(self.saved["umlauts.ids"]):
            raise ValueError("the words with umlauts are incomplete")
        if len(self.saved["pinyin.counts"]) != len(self.pinyin):
            raise ValueError("the words by pinyin are incomplete")
        for name in ("values.columns", "values.counts"):
            if len(self.saved[name]) != len(self.values):
                raise ValueError(f"{name} does not fit the values")
        for name in ("stems", "language"):
            if len(self.saved[f"{name}.hashes"]) != len(self.saved[f"{name}.probabilities"]):
                raise ValueError(f"the probabilities of {name} are incomplete")
        if len(self.near.hashes) != len(self.near.ids) or not len(self.pairs.counts):
            raise ValueError("the table of near words or of pairs is incomplete")
        _ = self.unseen, self.largest_probability
        _ = (
            self.letters,
            self.documents,
            self.facts["total"],
            self.language,
            self.facts["columns"],
            self.facts["script"],
            self.typed,
            self.facts["ranges"],
            self.saved["codes.hashes"],
        )


def open_vocabulary(store: Store, name: str) -> Vocabulary:
    """Open a stored vocabulary. Raises VitrineError when the store lacks it."""
    return Vocabulary.open(store.get(KIND, name))


def _mapped(path: Path) -> NDArray[Any]:
    empty = path.stat().st_size <= _NPY_HEADER  # which cannot be mapped
    array: NDArray[Any] = np.load(path, mmap_mode=None if empty else "r", allow_pickle=False)
    return np.asarray(array)


def _looked_up(saved: Arrays, name: str, text: str) -> float:
    """Return the probability of a text in one of the saved tables; 0 where the table lacks it."""
    hashes, wanted = saved[f"{name}.hashes"], np.uint64(text_hash(text))
    place = int(hashes.searchsorted(wanted))
    found = place < len(hashes) and hashes[place] == wanted
    return float(saved[f"{name}.probabilities"][place]) if found else 0.0
