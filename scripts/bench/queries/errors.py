"""Seeded typing errors, made independently of the product's own model of errors."""

from __future__ import annotations

import itertools
import random
import re
from collections import defaultdict

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _keys_beside() -> dict[str, str]:
    """Return the keys to the left and right of each key, and those above and below."""
    beside: defaultdict[str, set[str]] = defaultdict(set)
    for row, keys in enumerate(_ROWS):
        pairs = list(itertools.pairwise(keys))
        if row:
            above = _ROWS[row - 1]
            pairs += [(key, above[i + shift]) for i, key in enumerate(keys) for shift in (0, 1)]
        for a, b in pairs:
            beside[a].add(b)
            beside[b].add(a)
    return {key: "".join(sorted(others)) for key, others in beside.items()}


_BESIDE = _keys_beside()


def mistyped(word: str, generator: random.Random) -> str:
    """Return the word with one error: two letters swapped, one dropped, one doubled, or a neighbouring key."""
    while True:
        kind, i = generator.choice(("swap", "drop", "double", "key")), generator.randrange(len(word))
        typed = word
        if kind == "swap":
            typed = word[:i] + word[i : i + 2][::-1] + word[i + 2 :]
        elif kind == "drop":
            typed = word[:i] + word[i + 1 :]
        elif kind == "double":
            typed = word[: i + 1] + word[i:]
        elif word[i].lower() in _BESIDE:
            typed = word[:i] + generator.choice(_BESIDE[word[i].lower()]) + word[i + 1 :]
        if typed != word:
            return typed


def with_error(query: str, generator: random.Random) -> str | None:
    """Return the query with one error in its longest word of Latin letters; None where no word has four of them."""
    words = [match for match in re.finditer(r"[A-Za-z]+", query) if len(match[0]) >= 4]
    if not words:
        return None
    longest = max(words, key=lambda match: len(match[0]))
    return query[: longest.start()] + mistyped(longest[0], generator) + query[longest.end() :]
