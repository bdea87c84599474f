"""The words that the compounds of a catalogue are made of, found among the catalogue's own words. Pure.

`Kinderfahrrad` is split into `Kinder` and `Fahrrad` when both are words of some product. So no dictionary of a language is
needed, and nothing is split that the catalogue does not sell apart. (Koehn and Knight: Empirical methods for compound
splitting, EACL 2003, split where the parts are more frequent than the whole.)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MIN_PART = 4  # characters of a word inside a compound

# Letters between the parts in German, Dutch and the Scandinavian languages: Arbeit-s-hose, Sonne-n-brille.
_LINKS = ("", "s", "n", "en", "es", "er", "e", "-")
_MIN_WORD = 2 * MIN_PART
MAX_WORD = 40
# The lists are part of the cluster state, which every node keeps in memory.
MAX_PARTS = 5_000
MAX_WORDS = 10_000
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Compounds:
    """The words that split the compounds of products, `parts`, and those that split what a shopper types, `words`.

    A product's word is split only into the parts of a compound of the catalogue, because `Tasche` is no `Asche`. A
    shopper's word may be a compound that no product has.
    """

    parts: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def compound_words(text: str) -> Counter[str]:
    """Return the words of a text that may be compounds or parts of them, in lower case."""
    return Counter({word for word in _WORD.findall(text.lower()) if MIN_PART <= len(word) <= MAX_WORD})


def compounds_of(frequencies: Mapping[str, int]) -> Compounds:
    """Return the parts of the compounds among these words, and the words that a compound may be made of.

    `frequencies` counts the products that have each word. A word is split into two words, with or without letters
    between them; the second may itself be a compound.
    """
    used: Counter[str] = Counter()
    for word in frequencies:
        if len(word) >= _MIN_WORD:
            used.update(set(_parts(word, frequencies)))
    by_frequency = sorted(frequencies, key=lambda word: (-frequencies[word], word))
    parts = sorted(word for word, _ in used.most_common(MAX_PARTS))
    return Compounds(tuple(parts), tuple(sorted(by_frequency[:MAX_WORDS])))


def _parts(word: str, frequencies: Mapping[str, int]) -> Iterator[str]:
    for end in range(MIN_PART, len(word) - MIN_PART + 1):
        first, rest = word[:end], word[end:]
        if first not in frequencies:
            continue
        for link in _LINKS:
            second = rest.removeprefix(link)
            if rest.startswith(link) and len(second) >= MIN_PART and second in frequencies:
                yield from (first, second)
