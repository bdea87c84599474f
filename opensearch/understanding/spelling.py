"""Spelling correction of query words by the catalogue's own words.

symspellpy (the symmetric delete algorithm) looks a word up in about 0.02 ms, without a request to the engine. The engine's
suggesters would cost a request before each search, and know nothing of the other ways a word can be right (its stem).
"""

from __future__ import annotations

from collections.abc import Mapping

from opensearch.index.fields import FieldPlan

from .words import WORD

MIN_LENGTH = 4  # shorter words have too many neighbours to tell a typing error from a name
_LONG = 8  # from this length on a word may have two errors
# In a catalogue of this size a word of a single product may itself be misspelled, so it is no correction.
_MANY_DOCUMENTS = 1_000
# Snowball stemmers by the catalogue's language; the engine's stemmers are of the same family.
_STEMMERS = {
    "ar": "arabic", "da": "danish", "de": "german", "en": "english", "es": "spanish", "fi": "finnish", "fr": "french",
    "hu": "hungarian", "it": "italian", "nl": "dutch", "no": "norwegian", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip


class SpellingCorrector:
    """Corrects words that no product has, where a word of the catalogue is one or two typing errors away."""

    def __init__(
        self, frequencies: Mapping[str, int], documents: int, language: str = FieldPlan.language
    ) -> None:
        import Stemmer
        from symspellpy import SymSpell

        self._stem = Stemmer.Stemmer(_STEMMERS.get(language, "english")).stemWord
        self._known = set(frequencies)
        self._stems = {self._stem(word) for word in self._known}
        self._symspell = SymSpell(max_dictionary_edit_distance=2, prefix_length=7)
        minimum = 2 if documents >= _MANY_DOCUMENTS else 1
        for word, count in frequencies.items():
            if len(word) >= MIN_LENGTH - 1 and count >= minimum:
                self._symspell.create_dictionary_entry(word, count)

    def correct(self, word: str) -> str | None:
        """Return the catalogue's word nearest to `word` (lower case letters); None where the word stands as typed.

        The nearest word by Damerau-Levenshtein distance, of equally near ones the one that most products have. A word that
        a product has, or whose stem a product's word has, is never changed.
        """
        from symspellpy import Verbosity

        if len(word) < MIN_LENGTH or word in self._known or self._stem(word) in self._stems:
            return None
        distance = 1 if len(word) < _LONG else 2
        suggestions = self._symspell.lookup(word, Verbosity.CLOSEST, max_edit_distance=distance)
        return suggestions[0].term if suggestions else None


def corrected_words(line: str, corrector: SpellingCorrector) -> str:
    """Return the words of a query on one line, the misspelled ones replaced."""
    return " ".join(_corrected(token, corrector) for token in line.split())


def _corrected(token: str, corrector: SpellingCorrector) -> str:
    """Return the token corrected; one with a digit is a code, a size or a number and stays."""
    if any(sign.isdigit() for sign in token):
        return token
    pieces, end = [], 0
    for match in WORD.finditer(token):
        correction = corrector.correct(match[0].lower().replace("’", "'"))
        pieces += [token[end : match.start()], correction or match[0]]
        end = match.end()
    return "".join([*pieces, token[end:]])
