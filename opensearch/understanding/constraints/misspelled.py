"""Typing errors in the words of a constraint: `undr 50`, `43 zol`, `sise 42`. Pure.

These words are those of the tables of phrases, units and columns, not of products. A word is read as one of them where it
stands beside a number, is no word of the products or of the language, and is one error away from words of one meaning.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from rapidfuzz.distance import OSA

from opensearch.index.fields import FieldPlan
from opensearch.understanding.vocabulary.artifact import Vocabulary
from opensearch.understanding.words import fold
from vitrine.notation.units import CURRENCY_SYMBOLS, UNIT_SPELLINGS

from . import phrases
from .column_names import names_of, usual_names

_MIN_TYPED, _MIN_MEANT = 3, 4  # letters
_MAX_PHRASE = 3  # words
_BEFORE = re.compile(r"[^\W\d_]+(?:[ '’]+[^\W\d_]+){0,2}(?=\s*[:$€£¥]?\s*\d)")
_AFTER = re.compile(r"(?<=\d)(?:\s|-)?([^\W\d_]+)(?![^\W_])")


@dataclass(frozen=True)
class _Table:
    """Folded words and phrases, and those of each number of words, split, with what they mean."""

    phrases: Collection[str]
    by_size: Mapping[int, Sequence[tuple[list[str], Collection[str]]]]

    @classmethod
    def of(cls, meanings: Mapping[str, Collection[str]]) -> _Table:
        by_size: defaultdict[int, list[tuple[list[str], Collection[str]]]] = defaultdict(list)
        for phrase, meant in meanings.items():
            by_size[len(phrase.split())].append((phrase.split(), meant))
        return cls(frozenset(meanings), dict(by_size))


def with_known_words(line: str, plan: FieldPlan, vocabulary: Vocabulary) -> str:
    """Return the line with the misspelled words of constraints corrected."""
    if not any(sign.isdigit() for sign in line):
        return line
    for match in [*_BEFORE.finditer(line), *_AFTER.finditer(line)][::-1]:
        words = match[match.lastindex or 0]
        start = match.start(match.lastindex or 0)
        for place, typed, meant in _corrections(words, bool(match.lastindex), plan, vocabulary):
            line = line[: start + place] + meant + line[start + place + len(typed) :]
            break
    return line


def _corrections(
    words: str, after: bool, plan: FieldPlan, vocabulary: Vocabulary
) -> Iterator[tuple[int, str, str]]:
    """Yield the place of a misspelled word, the word, and what was meant; the longest phrase first."""
    typed = [(match.start(), match[0]) for match in re.finditer(r"[^\W\d_]+", words)]
    folded = [fold(word) for _, word in typed]
    tables = [_words_after_number()] if after else [_phrases_before_number(), _column_words(plan)]
    sizes = range(min(len(folded), _MAX_PHRASE), 0, -1)
    if any(" ".join(folded[-size:]) in table.phrases for size in sizes for table in tables):
        return
    for size in sizes:
        own = folded[-size:]
        for number, (place, word) in enumerate(typed[-size:]):
            if _is_known(own[number], vocabulary):
                continue
            for table in tables:
                if meant := _meant(own, number, table):
                    yield place, word, meant
                    return


def _is_known(folded: str, vocabulary: Vocabulary) -> bool:
    return (
        len(folded) < _MIN_TYPED
        or vocabulary.id_of(folded) is not None
        or vocabulary.stem_probability(folded) > 0
        or vocabulary.language_probability(folded) > 0
        or vocabulary.is_code(folded)
        or folded in _every_phrase_word()
    )


def _meant(own: list[str], number: int, table: _Table) -> str | None:
    """Return the word that was meant at a place of a phrase; None without one, or with words of several meanings."""
    typed, before, after = own[number], own[:number], own[number + 1 :]
    meant: dict[str, Collection[str]] = {}
    for parts, meanings in table.by_size.get(len(own), ()):
        word = parts[number]
        if abs(len(word) - len(typed)) > 1 or len(word) < _MIN_MEANT:
            continue
        if parts[:number] != before or parts[number + 1 :] != after:
            continue
        same_start = word[0] == typed[0] or word[:2] == typed[1::-1]
        if same_start and OSA.distance(word, typed, score_cutoff=1) == 1:
            meant[word] = meanings
    one_meaning = meant and set.intersection(*(set(meanings) for meanings in meant.values()))
    return min(meant) if one_meaning else None


@cache
def _phrases_before_number() -> _Table:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for meaning, table in (
        ("most", (*phrases.AT_MOST, *phrases.AT_MOST_AT_END)),
        ("least", phrases.AT_LEAST),
        ("between", phrases.BETWEEN),
    ):
        for phrase in table:
            if phrase[0].isalpha() and phrase.isprintable():
                found[fold(phrase)].add(meaning)
    return _Table.of(found)


@cache
def _words_after_number() -> _Table:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for word, unit in UNIT_SPELLINGS.items():
        if word.isalpha():
            found[fold(word)].add(unit.name)
    for word, codes in (*CURRENCY_SYMBOLS.items(), *phrases.CURRENCY_WORDS.items()):
        if word.isalpha() and word.isascii():
            found[fold(word)].update(codes)
    return _Table.of(found)


def _column_words(plan: FieldPlan) -> _Table:
    return _names_of_columns((*plan.numbers, *plan.keywords))


@lru_cache(maxsize=64)
def _names_of_columns(columns: tuple[str, ...]) -> _Table:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for number, kind in enumerate(usual_names()):
        for name in kind:
            found[name].add(f"kind {number}")
    for column in columns:
        for name in names_of(column):
            found[name].add(column)
    return _Table.of(found)


@cache
def _every_phrase_word() -> frozenset[str]:
    tables = (
        phrases.AT_MOST, phrases.AT_LEAST, phrases.AT_MOST_AT_END, phrases.AT_MOST_OF_MONEY, phrases.AT_LEAST_OF_MONEY,
        phrases.OR_LESS, phrases.OR_LESS_OF_MONEY, phrases.OR_MORE, phrases.BETWEEN, phrases.FROM, phrases.AND,
        phrases.PRICE, phrases.COUNTED, phrases.AGED, phrases.OF_MODELS, tuple(phrases.CURRENCY_WORDS),
        tuple(UNIT_SPELLINGS), tuple(CURRENCY_SYMBOLS),
    )  # fmt: skip
    words = frozenset(fold(word) for table in tables for phrase in table for word in phrase.split())
    return words.union(*usual_names())
