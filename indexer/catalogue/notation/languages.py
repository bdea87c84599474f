"""The language of a catalogue and of a product, by the script and the letters of their texts.

py3langid ships its model of 97 languages in 4 MB and reads a text in a tenth of a millisecond. Lingua is better on
single words, but a catalogue has a thousand rows of text, and lingua has no wheel for every supported Python.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from vitrine.notation.cjk import HAN, HANGUL, KANA

# The languages that are told apart (ISO 639-1): those that the engine has an analyzer for, and some large ones besides.
LANGUAGES = (
    "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "ga", "gl", "he", "hi",
    "hr", "hu", "hy", "id", "it", "lt", "lv", "nl", "nn", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv", "th", "tr",
    "uk", "vi",
)  # fmt: skip
DEFAULT_LANGUAGE = "en"
_MIN_PROBABILITY = 0.6  # product names of a few words are recognized with less
_SURE_PROBABILITY = 0.9
_SURE_CHARACTERS = 80  # of a sample; a language that fewer letters show is a guess
_MAX_CHARACTERS = 20_000
_PRODUCT_CHARACTERS = 2000  # the beginning of the text that decides the language
_NORWEGIAN = {"nn": "no"}

_HAN, _KANA, _HANGUL = (re.compile(f"[{script}]") for script in (HAN, KANA, HANGUL))
_KANA_HANGUL = re.compile(f"[{KANA}{HANGUL}]")
_LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+")
_CODE = re.compile(r"\S*\d\S*|\S+://\S+")


@dataclass(frozen=True)
class DetectedLanguage:
    """The ISO 639-1 code of a catalogue's language, and whether its texts leave no doubt."""

    code: str
    sure: bool


def catalogue_language(texts: Sequence[str], column_names: Sequence[str] = ()) -> DetectedLanguage:
    """Return the language of most texts. Short texts are read together with the names of the columns.

    A short text is a guess: that of the classifier if it is likely enough, else English.
    """
    texts = [text for text in texts if text.strip()]
    for language, script in (("ja", _KANA), ("ko", _HANGUL)):
        if sum(1 for text in texts if script.search(text)) > len(texts) / 3:
            return DetectedLanguage(language, sure=True)
    if sum(1 for text in texts if len(_HAN.findall(text)) >= 2) > len(texts) / 2:
        japanese = any(_KANA.search(name) for name in column_names)
        return DetectedLanguage("ja" if japanese else "zh", sure=not japanese)
    step = max(1, len(texts) // 400)
    words = _CODE.sub(" ", "\n".join(text[:_PRODUCT_CHARACTERS] for text in texts[::step]))[:_MAX_CHARACTERS]
    language, probability = _classified(words)
    if probability >= _SURE_PROBABILITY and sum(map(str.isalpha, words)) >= _SURE_CHARACTERS:
        return DetectedLanguage(language, sure=True)
    if probability < _MIN_PROBABILITY:
        names = " ".join(re.sub(r"[\W_]+", " ", name) for name in column_names)
        language, probability = _classified(f"{words}\n{names}")
    return DetectedLanguage(language if probability >= _MIN_PROBABILITY else DEFAULT_LANGUAGE, sure=False)


def language_name(code: str) -> str:
    """Return the English name of a language code, the code itself where it is not known."""
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(code.replace("-", "_")).english_name or code
    except (UnknownLocaleError, ValueError):
        return code


def _classified(text: str) -> tuple[str, float]:
    """Return the likeliest language of a text and its probability."""
    probabilities: dict[str, float] = {}
    for language, probability in _identifier().rank(text.lower()):
        language = _NORWEGIAN.get(language, language)
        probabilities[language] = probabilities.get(language, 0.0) + float(probability)
    return max(probabilities.items(), key=lambda entry: entry[1])


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([language for language in LANGUAGES if language in identifier.labels])
    return identifier


def detect_product_language(text: str, default: str) -> str:
    """Return `zh` when the text has two Chinese characters or more, one per two Latin words, and no kana or hangul.

    Any other text has the language `default`.
    """
    text = text[:_PRODUCT_CHARACTERS]
    han = len(_HAN.findall(text))
    if han >= 2 and not _KANA_HANGUL.search(text) and 2 * han >= len(_LATIN_WORD.findall(text)):
        return "zh"
    return default
