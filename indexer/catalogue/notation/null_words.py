"""Words that stand for an empty cell: those found in a catalogue, and the further ones of single columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .numerals import is_free, split_numeral

# Null in every column. They are compared without case.
NULL_WORDS = frozenset({
    "n/a", "n.a.", "n. a.", "null", "none", "nan", "-", "--", "---", "\u2013", "\u2014", "\\n", "#n/a", "#na", "#null!",
    "#value!", "#ref!", "#div/0!", "#name?", "#num!", "#nv", "#wert!", "#bezug!", "<na>", "<null>", "(null)", "(none)",
    "[null]", "undefined", "nat", "k.a.", "k. a.", "n/d", "s/o", "-nan", "1.#ind", "1.#qnan", "nil", "\u65e0\u6570\u636e",
    "\u4e0d\u9002\u7528",
})  # fmt: skip
# Null in columns of numbers and dates only; elsewhere they may be values.
_WEAK = frozenset({
    "na", "nd", "nv", "?", "??", ".", "..", "...", "*", "x", "tbd", "tba", "tbc", "unknown", "missing", "empty", "keine",
    "unbekannt", "inconnu", "aucun", "desconocido", "ninguno", "\u65e0", "\u6682\u65e0", "\u672a\u77e5", "inf", "-inf",
})  # fmt: skip
_ZERO_DATE = re.compile(r"0000[./-]00[./-]00([ T]00:00(:00(\.0+)?)?Z?)?|00[./-]00[./-]0000( 00:00(:00)?)?")
_MAX_OWN_WORDS = 2
_MIN_NUMBERS = 0.5  # the share of numbers from which a repeated word of the column stands for an empty cell


def null_words(rows: Iterable[Mapping[str, Any]], id_column: str | None = None) -> tuple[str, ...]:
    """Return the null words of the cells, the most frequent first."""
    counts: Counter[str] = Counter()
    spellings: dict[str, str] = {}
    for row in rows:
        for name, cell in row.items():
            if isinstance(cell, str) and len(cell) <= 30 and name != id_column:
                word = cell.strip()
                if word.casefold() in NULL_WORDS:
                    counts[word.casefold()] += 1
                    spellings.setdefault(word.casefold(), word)
    return tuple(spellings[word] for word, _ in counts.most_common())


def column_null_words(values: Sequence[Any], *, own_words: bool) -> tuple[str, ...]:
    """Return the further null words of a column of numbers or dates; empty when it holds none.

    With `own_words` they include up to two words that are repeated in place of a number, such as "on request", but none
    for a price of zero.
    """
    texts = Counter(value.strip() for value in values if isinstance(value, str))
    weak = tuple(text for text in texts if text.casefold() in _WEAK or _ZERO_DATE.fullmatch(text))
    if not own_words:
        return weak
    words = {
        text: n
        for text, n in texts.items()
        if text not in weak and not split_numeral(text) and not is_free(text)
    }
    numbers = len(values) - sum(words.values()) - sum(texts[text] for text in weak)
    repeated = all(count > 1 and not re.search(r"\d", text) for text, count in words.items())
    if len(words) <= _MAX_OWN_WORDS and repeated and numbers >= _MIN_NUMBERS * len(values):
        return (*weak, *words)
    return weak
