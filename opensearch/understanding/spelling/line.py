"""The words of a query line corrected together: words joined by mistake, words taken apart, words misspelled. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import log

from opensearch.analysis.codes import normalized_code
from opensearch.understanding.vocabulary.artifact import Vocabulary
from opensearch.understanding.words import WORD, fold
from vitrine.notation.cjk import CJK

from .typos import MISTYPED, space_log_probability
from .word import MARGIN, correct_word, in_context, log_probability_as_typed

_MAX_WORDS = 12  # of a longer query only the first ones are corrected
_MIN_PART = 3  # letters of a part of a word that lacks a space
_MAX_SPLIT = 30  # letters of a word that is taken apart
# Codes, numbers, sizes, addresses, and names beside Chinese signs: nothing in a token that has one of these is corrected.
_FIXED = re.compile(rf"[\d@/\\_:.#&+{CJK}]")
# Short words before the number that they belong to, as in `max 40`.
_BOUND = re.compile(r"(?:max|min|gr|sz|nr|no)\.?\s+\d", re.IGNORECASE)


@dataclass(frozen=True)
class _Word:
    """A word of the line: its place, its text, and its id in the vocabulary."""

    start: int
    end: int
    text: str
    fixed: bool
    id: int | None


def corrected_line(line: str, vocabulary: Vocabulary) -> str:
    """Return the words of a query on one line with the misspelled ones replaced; everything else stays as it is."""
    words = _words(line, vocabulary)
    if all(word.fixed for word in words):
        return line
    words = _joined(line, words, vocabulary)
    known = [word.id for word in words if word.id is not None]
    pieces, end = [], 0
    for word in words:
        text = word.text
        if not word.fixed:
            context = [id for id in known if id != word.id]
            text = correct_word(text, vocabulary, context) or _taken_apart(word, vocabulary) or text
        pieces += [line[end : word.start], text]
        end = word.end
    return "".join([*pieces, line[end:]])


def _words(line: str, vocabulary: Vocabulary) -> list[_Word]:
    words = []
    for token in re.finditer(r"\S+", line):
        fixed = bool(_FIXED.search(token[0].rstrip(".,:;!?"))) or bool(_BOUND.match(line, token.start()))
        fixed = fixed or vocabulary.is_code(normalized_code(token[0]))
        for match in WORD.finditer(token[0]):
            start, end = token.start() + match.start(), token.start() + match.end()
            folded = fold(match[0])
            words.append(_Word(start, end, match[0], fixed, vocabulary.id_of(folded)))
            if len(words) == _MAX_WORDS:
                return words
    return words


def _joined(line: str, words: list[_Word], vocabulary: Vocabulary) -> list[_Word]:
    """Return the words, two neighbours as one where products have the joined word and not both of its parts."""
    result: list[_Word] = []
    for word in words:
        before = result[-1] if result else None
        if before and not word.fixed and not before.fixed and line[before.end : word.start] == " ":
            one = _as_one(before, word, vocabulary)
            if one:
                result[-1] = one
                continue
        result.append(word)
    return result


def _as_one(first: _Word, second: _Word, vocabulary: Vocabulary) -> _Word | None:
    """Return two words as one, if a space in it explains them best; the analyzers join words that products have."""
    parts = fold(first.text), fold(second.text)
    unknown = [id for id in (first.id, second.id) if id is None]
    joined = vocabulary.id_of("".join(parts))
    if joined is None or not unknown or not vocabulary.corrects(joined):
        return None
    as_typed = sum(log_probability_as_typed(part, vocabulary) for part in parts)
    error = MISTYPED + space_log_probability(len(parts[0] + parts[1]))
    if error + log(vocabulary.probability(joined)) <= as_typed + MARGIN:
        return None
    return _Word(first.start, second.end, vocabulary.words.text(joined), False, joined)


def _taken_apart(word: _Word, vocabulary: Vocabulary) -> str | None:
    """Return a word that no product has as the words that it consists of, which titles hold together; else None."""
    folded = fold(word.text)
    if (
        word.id is not None
        or not 2 * _MIN_PART <= len(folded) <= _MAX_SPLIT
        or vocabulary.stem_probability(folded)
    ):
        return None
    best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}
    for end in range(_MIN_PART, len(folded) + 1):
        starts = [start for start in best if end - start >= _MIN_PART]
        found = vocabulary.words.find([folded[start:end] for start in starts])
        for start, ids in zip(starts, found, strict=True):
            if ids and (way := _with_part(best[start], ids[0], len(folded), vocabulary)):
                best[end] = max(best.get(end, way), way)
    probability, parts = best.get(len(folded), (0.0, []))
    if len(parts) < 2 or probability <= log_probability_as_typed(folded, vocabulary) + MARGIN:
        return None
    return " ".join(vocabulary.words.text(id) for id in parts)


def _with_part(
    before: tuple[float, list[int]], id: int, length: int, vocabulary: Vocabulary
) -> tuple[float, list[int]] | None:
    """Return a way to take a word apart with one more part; None where no title holds it with the part before."""
    probability, ids = before
    if not vocabulary.corrects(id):
        return None
    if not ids:
        return log(vocabulary.probability(id)), [id]
    if not vocabulary.together(id, ids[-1]):
        return None
    error = MISTYPED + space_log_probability(length)
    return probability + error + log(in_context(id, vocabulary, ids[-1:])), [*ids, id]
