"""Queries that no product fits, made from the catalogue's own titles, and title phrases, which their product fits. Pure."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Collection, Iterable, Sequence

from opensearch.search.query_text import TERM
from vitrine.notation.cjk import CJK

_CJK = re.compile(f"[{CJK}]")
_WORD = re.compile(rf"[^\W\d_]{{3,}}|[{CJK}]")  # without units, codes and numbers
_PHRASE_WORDS = (2, 3)
_PHRASE_SIGNS = (4, 5, 6)
FOREIGN_LANGUAGE = "zh"
_SIGNS = "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过"
# Words of subjects that few shops sell; those that the catalogue has are left out.
_OTHER_SUBJECTS = (
    "volcano", "parliament", "mortgage", "asteroid", "theology", "orchestra", "glacier", "senator", "diplomacy",
    "molecule", "bacteria", "philosophy", "kidney", "cathedral", "algebra", "hurricane", "democracy", "treaty",
    "vaccine", "pharaoh", "jellyfish", "hippopotamus", "galaxy", "photosynthesis", "bankruptcy", "lawsuit",
    "referendum", "inflation", "empire", "gladiator", "monastery", "pilgrimage", "metaphor", "grammar",
    "adjective", "neuron", "artery", "surgeon", "lawyer", "barley", "harvest", "rainforest", "earthquake",
    "avalanche", "comet", "prophet", "heresy", "crusade", "duchess", "election", "genome", "enzyme", "tsunami",
    "equator", "constitution", "verdict", "subsidy", "pension", "embassy", "archipelago", "peninsula",
)  # fmt: skip


def title_phrases(titles: Iterable[str], count: int, seed: int = 0) -> list[str]:
    """Return up to `count` phrases of two or three neighbouring words of a title, or of four to six Chinese signs."""
    generator = random.Random(seed)
    shuffled = sorted(titles)
    generator.shuffle(shuffled)
    phrases: list[str] = []
    for title in shuffled:
        words = _words(title)
        signs = any(_CJK.search(word) for word in words)
        length = generator.choice(_PHRASE_SIGNS if signs else _PHRASE_WORDS)
        if len(words) >= 2:
            start = generator.randrange(max(len(words) - length, 0) + 1)
            phrases.append(("" if signs else " ").join(words[start : start + length]))
        if len(phrases) == count:
            break
    return phrases


def nonsense_queries(titles: Iterable[str], count: int, seed: int = 0) -> list[str]:
    """Return `count` queries without a word of the titles, of as many kinds as there are in equal parts.

    The kinds: random letters; words of the titles with their letters, or Chinese signs, in another order; words of
    subjects that have nothing to do with the catalogue.
    """
    generator = random.Random(seed)
    known = {word for title in titles for word in _words(title)}
    long_words = sorted(word for word in known if len(word) >= 5)
    signs = sorted(word for word in known if _CJK.search(word))
    others = [word for word in _OTHER_SUBJECTS if word not in known]
    kinds: list[Callable[[], str]] = [lambda: _random_letters(generator)]
    if long_words:
        kinds.append(lambda: _shuffled(generator, long_words, known))
    if len(signs) >= 10:
        kinds.append(lambda: "".join(generator.sample(signs, generator.choice(_PHRASE_SIGNS))))
    if others:
        kinds.append(lambda: generator.choice(others))
    return [
        " ".join(kinds[number % len(kinds)]() for _ in range(generator.randint(1, 2)))
        for number in range(count)
    ]


def foreign_nonsense(language: str, count: int, seed: int = 0) -> list[str]:
    """Return `count` queries that mean nothing, in another script than that of a catalogue in this language.

    They are rows of frequent Chinese signs; for a Chinese catalogue random letters and words of other subjects.
    """
    generator = random.Random(seed)
    if language != FOREIGN_LANGUAGE:
        return ["".join(generator.sample(_SIGNS, generator.randint(2, 5))) for _ in range(count)]
    return [
        _random_letters(generator) if number % 2 else " ".join(generator.sample(_OTHER_SUBJECTS, 2))
        for number in range(count)
    ]


def _words(title: str) -> list[str]:
    return [term for term in TERM.findall(title.lower()) if _WORD.fullmatch(term)]


def _random_letters(generator: random.Random) -> str:
    return "".join(generator.choices(string.ascii_lowercase, k=generator.randint(4, 10)))


def _shuffled(generator: random.Random, words: Sequence[str], known: Collection[str]) -> str:
    """Return the letters of a word in an order that makes no word of the titles; random letters where none is found."""
    for _ in range(10):
        word = generator.choice(words)
        shuffled = "".join(generator.sample(word, len(word)))
        if shuffled not in known:
            return shuffled
    return _random_letters(generator)
