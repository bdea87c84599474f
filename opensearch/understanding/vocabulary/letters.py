"""Letter trigrams of a catalogue's words: how much an unknown word looks like a word. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import log

_MIXED = 0.15  # of each shorter context's probability, in the interpolation of trigram, bigram and letter
_ALPHABET = 60  # letters that may follow any context, for those never seen


class LetterModel:
    """P(word) by interpolated letter trigrams, counted over distinct words.

    `counts` has the number of each run of one to three letters, and under `1`, `2a` and `3ab` that of each context.
    """

    def __init__(self, counts: dict[str, int]) -> None:
        self.counts = counts

    @classmethod
    def count(cls, words: Iterable[str]) -> LetterModel:
        """Return the model of these words."""
        counts: Counter[str] = Counter()
        for word in words:
            line = f"\x02\x02{word}\x03"
            for end in range(3, len(line) + 1):
                counts.update((line[end - 3 : end], line[end - 2 : end], line[end - 1]))
                counts.update(("3" + line[end - 3 : end - 1], "2" + line[end - 2]))
                counts["1"] += 1
        return cls(dict(counts))

    def log_probability(self, word: str) -> float:
        """Return log P(word), over all strings of letters."""
        total, get = 0.0, self.counts.get
        line = f"\x02\x02{word}\x03"
        letters = get("1", 0)
        for end in range(3, len(line) + 1):
            one = (get(line[end - 1], 0) + 1) / (letters + _ALPHABET)
            two_context, three_context = get("2" + line[end - 2], 0), get("3" + line[end - 3 : end - 1], 0)
            two = get(line[end - 2 : end], 0) / two_context if two_context else one
            three = get(line[end - 3 : end], 0) / three_context if three_context else two
            total += log((1 - _MIXED) * three + _MIXED * ((1 - _MIXED) * two + _MIXED * one))
        return total
