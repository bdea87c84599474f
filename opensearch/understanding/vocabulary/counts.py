"""Counting the products of an index: words, pairs of words in titles, and the values of keyword columns."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opensearch.analysis.codes import CODES, normalized_code
from opensearch.understanding.words import fold, joined_words_of, words_of

from .chinese import SignCounts

TITLE_WORDS = 12  # the first words of a title whose pairs are counted
MAX_VALUES = 5_000  # of a keyword column, the most frequent ones
MAX_VALUE_WORDS = 4  # a longer value is not typed as a whole
MAX_CODES = 200_000  # that consist of letters
MIN_CODE_LETTERS, MAX_CODE_LETTERS = 2, 12  # a longer run of letters is a name without its spaces
_PRUNE_AT = 200_000  # values of one column that are counted at a time


@dataclass
class ProductCounts:
    """Counts over products. Words are folded; `spellings` has the written forms of each, which the products use."""

    documents: int = 0
    words: Counter[str] = field(default_factory=Counter)  # products that hold the word
    title_words: Counter[str] = field(default_factory=Counter)
    spellings: dict[str, Counter[str]] = field(
        default_factory=dict
    )  # of words whose form differs from the folded one
    title_ids: array[int] = field(
        default_factory=lambda: array("L")
    )  # the titles one after the other, words by number
    title_sizes: array[int] = field(default_factory=lambda: array("B"))
    numbers: dict[str, int] = field(default_factory=dict)  # the number of each word in `title_ids`
    values: defaultdict[str, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )  # by keyword column
    chinese: SignCounts = field(default_factory=SignCounts)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)  # least and largest by number column
    codes: set[str] = field(
        default_factory=set
    )  # that consist of letters; the other ones show that they are codes

    def add(self, title: str, search: str, keywords: Mapping[str, Any]) -> None:
        """Count one product."""
        self.documents += 1
        self.chinese.add(title)
        for word in {*words_of(search), *words_of(title), *joined_words_of(search), *joined_words_of(title)}:
            folded = fold(word)
            self.words[folded] += 1
            if folded != word:
                self.spellings.setdefault(folded, Counter())[word] += 1
        in_title = tuple(dict.fromkeys(map(fold, words_of(title))))[:TITLE_WORDS]
        self.title_words.update(in_title)
        self.title_ids.extend(self.numbers.setdefault(word, len(self.numbers)) for word in in_title)
        self.title_sizes.append(len(in_title))
        for column, value in keywords.items():
            self._add_values(column, value if isinstance(value, list) else [value])

    def add_codes(self, id: str, codes: Iterable[str]) -> None:
        """Remember the codes of letters among those of a product; an id with signs, such as `red-shoes`, is a name."""
        name = normalized_code(id) if not id.isalpha() else ""
        for code in codes:
            fits = MIN_CODE_LETTERS <= len(code) <= MAX_CODE_LETTERS and len(self.codes) < MAX_CODES
            if fits and code != name and code.isalpha():
                self.codes.add(code)

    def add_numbers(self, numbers: Mapping[str, Any]) -> None:
        """Count the numbers of a product."""
        for column, value in numbers.items():
            for number in value if isinstance(value, list) else [value]:
                low, high = self.ranges.get(column, (number, number))
                self.ranges[column] = min(low, number), max(high, number)

    def _add_values(self, column: str, values: list[Any]) -> None:
        counts = self.values[column]
        counts.update(str(value) for value in values if value not in (None, ""))
        if len(counts) > _PRUNE_AT:
            self.values[column] = Counter(dict(counts.most_common(_PRUNE_AT // 2)))


def count_products(products: Iterable[Mapping[str, Any]]) -> ProductCounts:
    """Return the counts of documents with their fields `id`, `title`, `search`, `keywords`, `numbers` and `codes`."""
    counts = ProductCounts()
    for product in products:
        search = " ".join((product.get("search") or {}).values())
        counts.add(product.get("title") or "", search, product.get("keywords") or {})
        counts.add_numbers(product.get("numbers") or {})
        counts.add_codes(str(product.get("id") or ""), product.get(CODES) or ())
    return counts
