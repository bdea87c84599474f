"""The words of a text, as the vocabulary counts them and as a query is read. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from vitrine.notation.cjk import CJK

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_WORD = 40  # characters; longer runs of letters are data, not words
# Letters of alphabets; a run of Chinese, Japanese or Korean signs is no word that can be misspelled letter by letter.
WORD = re.compile(rf"[^\W\d_{CJK}]+(?:['’][^\W\d_{CJK}]+)?")
_HYPHENATED = re.compile(rf"(?<![\w-])[^\W\d_{CJK}]+(?:-[^\W\d_{CJK}]+)+(?![\w-])")
# Snowball stemmers by the catalogue's language; the engine's stemmers are of the same family.
_STEMMERS = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian",
    "id": "indonesian", "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch", "no": "norwegian",
    "nb": "norwegian", "nn": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
_LIGATURES = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ł": "l", "ı": "i", "’": "'"}
)
_ACCENTS = re.compile(r"[\u0300-\u036f]")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, in order; numbers, codes' digits and Chinese signs are left out."""
    return [
        word for match in WORD.finditer(text) if len(word := match[0].lower().replace("’", "'")) <= MAX_WORD
    ]


def joined_words_of(text: str) -> list[str]:
    """Return the words of a text that have hyphens, without them, as they are also typed: `usbc` of `USB-C`."""
    if "-" not in text:
        return []
    words = (match[0].lower().replace("-", "") for match in _HYPHENATED.finditer(text))
    return [word for word in words if len(word) <= MAX_WORD]


def fold(word: str) -> str:
    """Return a word without case and accents, as the engine's analyzers compare words: `Résumé` is `resume`."""
    if word.isascii():
        return word.lower()
    lower = unicodedata.normalize("NFKD", word.lower().translate(_LIGATURES))
    return unicodedata.normalize("NFC", _ACCENTS.sub("", lower))


def spelled_out(word: str) -> str:
    """Return a folded word whose umlauts are written with two letters, as `mueller` for `Müller`."""
    return fold(word.lower().translate(_UMLAUTS))


@cache
def stemmer(language: str) -> Callable[[str], str]:
    """Return the function from a folded word to its stem; English for a language that has no stemmer here."""
    import Stemmer

    stem: Callable[[str], str] = Stemmer.Stemmer(_STEMMERS.get(language, "english")).stemWord
    return stem
