"""The words of clicked queries: those that several shoppers typed and clicked after. Pure.

A shopper counts once for a word, however often the word was typed, so neither a robot nor one shopper's repeated error
makes a word. Searches without a shopper do not count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from rapidfuzz.distance import OSA

from opensearch.understanding.words import fold, words_of

from .tables import NearTable, max_errors

MIN_SHOPPERS = 3  # who typed a word
_MIN_LETTERS = 3
_MAX_WORDS = 12  # of one query
_MISSPELLED = 2  # a near word that more than so many times as many shoppers typed is what was meant
_MAX_KEPT = 50_000  # the words that most shoppers typed


def typed_words(searches: Iterable[tuple[str, str | None]]) -> dict[str, int]:
    """Return the folded words of clicked searches with the number of shoppers who typed each.

    `searches` are (query, shopper). A word is left out where far more shoppers typed a word that is one error away, or two
    of a long word: many shoppers make the same error, and click on what the corrected query finds.
    """
    shoppers: defaultdict[str, set[str]] = defaultdict(set)
    for query, shopper in searches:
        if shopper:
            for word in words_of(query)[:_MAX_WORDS]:
                if len(folded := fold(word)) >= _MIN_LETTERS:
                    shoppers[folded].add(shopper)
    counts = {word: len(own) for word, own in shoppers.items() if len(own) >= MIN_SHOPPERS}
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:_MAX_KEPT]
    near = NearTable.of(enumerate(frequent))
    kept = {}
    for word in frequent:
        errors = max_errors(word)
        others = {frequent[id] for number in range(1, errors + 1) for id in near.near(word, number)}
        more = (other for other in others if counts[other] > _MISSPELLED * counts[word])
        if not any(OSA.distance(word, other, score_cutoff=errors) <= errors for other in more):
            kept[word] = counts[word]
    return kept
