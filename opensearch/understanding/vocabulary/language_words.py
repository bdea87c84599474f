"""The common words of a language with their frequencies, so that a word that only this shop lacks is no typing error.

The dictionaries come with pyspellchecker (MIT), which only `vitrine index` needs: they are stored in the vocabulary.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

_log = logging.getLogger(__name__)

MAX_WORDS = 100_000  # the most frequent ones


def language_words(language: str) -> Mapping[str, int]:
    """Return the words of a language with their counts in a large corpus; none for a language without dictionary."""
    try:
        from spellchecker import SpellChecker
    except ModuleNotFoundError:  # the extra `index` is missing: words are then judged by their letters alone
        _log.warning("pyspellchecker is not installed: install vitrine-search[index]")
        return {}
    if language not in SpellChecker.languages():
        return {}
    counts: dict[str, int] = SpellChecker(language=language).word_frequency.dictionary
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_WORDS])
