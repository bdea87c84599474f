"""Values of columns in a query's words: `red` is a colour, `size 42` a size, `sports shoes` a category. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from opensearch.index.fields import FieldPlan
from opensearch.understanding.vocabulary.artifact import ColumnValue, Vocabulary
from opensearch.understanding.vocabulary.counts import MAX_VALUE_WORDS
from opensearch.understanding.words import fold, stemmer
from vitrine.notation.cjk import CJK

from .column_names import names_column

# A word that stands alone is a value of a column where most products that hold it have the value there.
_MIN_SHARE = 0.5
_MAX_TOKENS = 16
_CERTAIN_TOKENS = 3  # of a value that has a number too: it hardly means anything else
_MAX_SIGNS = 8  # of a Chinese value
_MAX_SPELLINGS = 20  # of one value in one column
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,15})?")  # one of 309 digits is infinite, which JSON does not have
_TOKEN = re.compile(rf"[{CJK}]+|\d+(?:[.,/]\d+)*|[^\W\d_{CJK}]+(?:['’][^\W\d_{CJK}]+)?")


@dataclass(frozen=True)
class Value:
    """A value at line[start:end]: its column and its spellings there; `named` where the line names the column too."""

    column: str
    values: tuple[str, ...]
    start: int
    end: int
    named: bool = False
    number: float | None = None  # in a number column


@dataclass(frozen=True)
class _Token:
    start: int
    end: int
    text: str  # folded
    key: str  # its stem

    @property
    def is_number(self) -> bool:
        return self.text[0].isdigit()


def value_key(text: str, language: str) -> str:
    """Return the form in which values are looked up: stems of folded words."""
    return " ".join(token.key for token in _tokens(text, language))


def values_in(line: str, plan: FieldPlan, vocabulary: Vocabulary) -> Iterator[Value]:
    """Yield the values of a line from left to right, the longest first, none over another."""
    tokens = _split_signs(_tokens(line, vocabulary.language), vocabulary)[:_MAX_TOKENS]
    phrases = _phrases(tokens, vocabulary)
    place = 0
    while place < len(tokens):
        for size in range(min(MAX_VALUE_WORDS, len(tokens) - place), 0, -1):
            run, values = tokens[place : place + size], phrases[place, size]
            beside = [*tokens[max(place - 1, 0) : place], *tokens[place + size : place + size + 1]]
            found = _named(run, beside, values, plan)
            if not found and not _in_number(run, line):
                found = _alone(run, [value for value in values if value.column not in plan.codes], vocabulary)
            if found:
                yield found
                place += size
                break
        else:
            place += 1


def _tokens(line: str, language: str) -> list[_Token]:
    stem = stemmer(language)
    tokens = []
    for match in _TOKEN.finditer(line):
        text = fold(match[0])
        tokens.append(_Token(match.start(), match.end(), text, stem(text)))
    return tokens


def _split_signs(tokens: Sequence[_Token], vocabulary: Vocabulary) -> list[_Token]:
    """Return the tokens with each run of Chinese signs cut at the values that it holds, the longest first."""
    result: list[_Token] = []
    for token in tokens:
        result.extend(_cut(token, vocabulary) if re.match(rf"[{CJK}]", token.text) else [token])
    return result


def _cut(token: _Token, vocabulary: Vocabulary) -> Iterator[_Token]:
    text, place, rest = token.text, 0, 0
    spans = [(i, j) for i in range(len(text)) for j in range(min(len(text), i + _MAX_SIGNS), i, -1)]
    known = vocabulary.column_values([text[i:j] for i, j in spans])
    longest: dict[int, int] = {}
    for (i, j), values in zip(spans, known, strict=True):
        if values and j - i > 1:
            longest.setdefault(i, j)
    while place < len(text):
        end = longest.get(place, 0)
        if end:
            if rest < place:
                yield _part(token, rest, place)
            yield _part(token, place, end)
            rest = end
        place = end or place + 1
    if rest < len(text):
        yield _part(token, rest, len(text))


def _part(token: _Token, start: int, end: int) -> _Token:
    text = token.text[start:end]
    return _Token(token.start + start, token.start + end, text, text)


def _phrases(
    tokens: Sequence[_Token], vocabulary: Vocabulary
) -> dict[tuple[int, int], Sequence[ColumnValue]]:
    """Return the column values of each run of tokens, by its place and size."""
    places = [
        (place, size)
        for place in range(len(tokens))
        for size in range(1, min(MAX_VALUE_WORDS, len(tokens) - place) + 1)
    ]
    keys = [" ".join(token.key for token in tokens[place : place + size]) for place, size in places]
    return dict(zip(places, vocabulary.column_values(keys), strict=True))


def _named(
    run: Sequence[_Token], beside: Sequence[_Token], values: Sequence[ColumnValue], plan: FieldPlan
) -> Value | None:
    """Return the value of a run of tokens in a column that a token beside it names; None where none does."""
    number = run[0].text if len(run) == 1 and _NUMBER.fullmatch(run[0].text) else None
    for token in beside:
        place = (min(run[0].start, token.start), max(run[-1].end, token.end))
        columns = {value.column for value in values if names_column(token.text, value.column)}
        if columns:
            column, _ = _most_products([value for value in values if value.column in columns])
            return Value(column, _spellings(values, column), *place, named=True)
        for name in plan.numbers if number else ():
            if names_column(token.text, name):
                return Value(name, (run[0].text,), *place, named=True, number=float(run[0].text))
    return None


def _alone(run: Sequence[_Token], values: Sequence[ColumnValue], vocabulary: Vocabulary) -> Value | None:
    """Return the value of a run of tokens where most products that hold its words have it; None for numbers alone."""
    words = [token for token in run if not token.is_number]
    if not values or not words:
        return None
    column, count = _most_products(values)
    certain = len(run) >= _CERTAIN_TOKENS and len(words) < len(run)  # W32 L34
    if not certain and count < _MIN_SHARE * _holders(words, vocabulary):
        return None
    return Value(column, _spellings(values, column), run[0].start, run[-1].end)


def _in_number(run: Sequence[_Token], line: str) -> bool:
    """Return whether a word touches a number: `2m` has no size M."""
    before, after = line[: run[0].start][-1:], line[run[-1].end :][:1]
    return (before.isdigit() and not run[0].is_number) or (after.isdigit() and not run[-1].is_number)


def _most_products(values: Sequence[ColumnValue]) -> tuple[str, int]:
    """Return the column in which most products have one of the values, and their number."""
    counts: Counter[str] = Counter()
    for value in values:
        counts[value.column] += value.count
    return counts.most_common(1)[0]


def _holders(words: Sequence[_Token], vocabulary: Vocabulary) -> int:
    """Return the number of products that hold a word, or titles that hold several; 0 for signs, which are not counted."""
    ids = [id for word in words if (id := vocabulary.id_of(word.text)) is not None]
    if len(ids) == 1:
        return vocabulary.count_of(ids[0])
    return min((vocabulary.pairs.count(a, b) for a, b in pairwise(ids)), default=0)


def _spellings(values: Sequence[ColumnValue], column: str) -> tuple[str, ...]:
    own = sorted((value for value in values if value.column == column), key=lambda value: -value.count)
    return tuple(value.text for value in own[:_MAX_SPELLINGS])
