"""How probable a typing error is: the noisy channel of spelling correction. Pure.

`edit_log_probability(intended, typed)` is log P(typed | intended, mistyped) by the kind of the error: a dropped letter, a
doubled one, two swapped ones, a neighbouring key or a similar sound, and with less probability any other letter. The
shares are of the size that studies report (Kernighan, Church, Gale 1990; Cucerzan, Brill 2004); docs/benchmarks.md says
which rules beside them were settled with judged queries in sight.
"""

from __future__ import annotations

import itertools
from math import log

MISTYPED = log(0.05)  # words of a query that have an error
# Share of each kind among single errors.
_DROP, _SWAP, _DOUBLE, _INSERT, _NEIGHBOUR, _SUBSTITUTE = 0.30, 0.17, 0.13, 0.10, 0.18, 0.12
_FIRST_LETTER = log(0.5)  # an error in the first letter is rarer, and seen by the typist
_LETTERS = 26
_SPACE = 0.1  # a space left out or put in, among single errors
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
# QWERTZ and AZERTY exchange these keys
_EXCHANGED = {frozenset(pair) for pair in ("yz", "aq", "wz")}
# Letters that sound alike, which are misspelled rather than mistyped.
_ALIKE = {
    frozenset(pair)
    for pair in ("ae", "ai", "ao", "ei", "eo", "eu", "iy", "ou", "ck", "cs", "sz", "dt", "fv", "gj", "bp")
}


def _neighbours() -> set[frozenset[str]]:
    """Return the pairs of letters that are often exchanged: keys beside each other, on one row or on two, and sounds."""
    pairs = _EXCHANGED | _ALIKE
    for row, keys in enumerate(_ROWS):
        pairs |= {frozenset(pair) for pair in itertools.pairwise(keys)}
        if row + 1 < len(_ROWS):
            below = _ROWS[row + 1]
            pairs |= {frozenset((key, below[i])) for i, key in enumerate(keys) if i < len(below)}
            pairs |= {frozenset((key, below[i - 1])) for i, key in enumerate(keys) if 0 < i <= len(below)}
    return pairs


_BESIDE = _neighbours()


def edit_log_probability(intended: str, typed: str, max_edits: int = 2) -> float | None:
    """Return the log probability of typing `typed` for `intended`; None when more than `max_edits` errors are needed."""
    if intended == typed:
        return 0.0
    start = 0
    while start < min(len(intended), len(typed)) and intended[start] == typed[start]:
        start += 1
    end = 0
    shorter = min(len(intended), len(typed)) - start
    while end < shorter and intended[-1 - end] == typed[-1 - end]:
        end += 1
    before = max(start - 1, 0)  # the letter before, for doubled letters
    first = intended[before : len(intended) - end], typed[before : len(typed) - end]
    best = _best(first[0], first[1], start - before, start - before, max_edits, len(intended))
    if best is None:
        return None
    return best + (_FIRST_LETTER if start == 0 else 0.0)


def largest_error(typed: str) -> float:
    """Return the log probability of the most probable single error that gives a word of this length."""
    return log(_DROP / max(len(typed) - 1, 1))


def space_log_probability(length: int) -> float:
    """Return the log probability that a space was left out, or put in, at a given place of so many letters."""
    return log(_SPACE / max(length - 1, 1))


def _best(a: str, b: str, i: int, j: int, edits: int, length: int) -> float | None:
    """Return the most probable way from a[i:] to b[j:] with at most so many errors, None where there is none."""
    while i < len(a) and j < len(b) and a[i] == b[j]:
        # a doubled or dropped letter of a run has the same outcome wherever it happens in the run
        i, j = i + 1, j + 1
    if i == len(a) and j == len(b):
        return 0.0
    if not edits or abs((len(a) - i) - (len(b) - j)) > edits:
        return None
    ways = []
    for cost, di, dj in _errors(a, b, i, j, length):
        rest = _best(a, b, i + di, j + dj, edits - 1, length)
        if rest is not None:
            ways.append(cost + rest + (MISTYPED if rest else 0.0))
    return max(ways, default=None)


def _errors(a: str, b: str, i: int, j: int, length: int) -> list[tuple[float, int, int]]:
    """Return each error that may stand at a[i], b[j]: its log probability, and the letters that it takes of both."""
    found = []
    if i < len(a):
        found.append((log(_DROP / length), 1, 0))
    if j < len(b):
        doubled = (j > 0 and b[j] == b[j - 1]) or (i < len(a) and b[j] == a[i])
        found.append((log(_DOUBLE / length if doubled else _INSERT / (_LETTERS * (length + 1))), 0, 1))
    if i < len(a) and j < len(b):
        beside = frozenset((a[i], b[j])) in _BESIDE
        found.append((log(_NEIGHBOUR / (7 * length) if beside else _SUBSTITUTE / (_LETTERS * length)), 1, 1))
        if a[i : i + 2] == b[j : j + 2][::-1] and len(a[i : i + 2]) == 2:
            found.append((log(_SWAP / length), 2, 2))
    return found
