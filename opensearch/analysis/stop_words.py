"""The stop words of each language, and the filters that leave them out of products and of queries.

A query keeps them, each with a mark, until its synonyms are found, so that a synonym may hold them (`bed and breakfast`).
The mark is set before the stemmer runs, so that no other word becomes a stop word by it (`withe` and `with`).
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

Filters = dict[str, dict[str, Any]]

MARK = "\ue010"  # a private character, which no stemmer or normalization changes
FILTERS: Filters = {
    "vitrine_marked_words": {"type": "pattern_replace", "pattern": f"^{MARK}.*", "replacement": MARK},
    "vitrine_marked": {"type": "stop", "stopwords": [MARK]},
}
# The last steps of an analyzer of queries.
UNMARK = tuple(FILTERS)
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
# `&` becomes `and` in every language.
_AND = "and"


@cache
def stop_words(name: str) -> tuple[str, ...]:
    """Return the stop words of the engine's list by this name, and `and`, in lower case.

    In English alone a letter is one: the t of `t-shirt` is a stop word of French. Raises KeyError for an unknown name.
    """
    words = _lists()[name]
    return tuple(word for word in dict.fromkeys((*words, _AND)) if len(word) > 1 or name == "english")


def only_stop_words(name: str, text: str) -> bool:
    """Return whether all words of a text, one at least, are stop words of the list."""
    known, words = _known(name), _WORD.findall(text.lower())
    return bool(words) and all(word.replace("\u2019", "'") in known for word in words)


def stop_filters(language: str, name: str) -> Filters:
    """Return the filters of a language by name: those that remove and mark its stop words."""
    words = list(stop_words(name))
    return {
        f"vitrine_stop_{language}": {"type": "stop", "stopwords": words},
        f"vitrine_mark_{language}": {
            "type": "stemmer_override",
            "rules": [f"{word} => {MARK}{word}" for word in words],
        },
    }


@cache
def _known(name: str) -> frozenset[str]:
    return frozenset(stop_words(name))


@cache
def _lists() -> dict[str, list[str]]:
    lines = (files(__package__) / "stop_words.txt").read_text(encoding="utf-8").splitlines()
    rows = (line.partition(": ") for line in lines if not line.startswith("#"))
    return {name: words.split() for name, _, words in rows}
