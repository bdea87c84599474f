"""The language of a catalogue and of a product, by the script and the letters of their texts.

py3langid ships its model of 97 languages in 4 MB and reads a text in a tenth of a millisecond. Lingua is better on
single words, but a catalogue has a thousand rows of text, and lingua has no wheel for every supported Python.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

# The languages that the engine has an analyzer for, and English for the rest.
LANGUAGES = (
    "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "ga", "gl", "hi", "hu",
    "hy", "id", "it", "lt", "lv", "nb", "nl", "nn", "no", "pl", "pt", "ro", "ru", "sv", "th", "tr", "uk", "vi",
)  # fmt: skip
DEFAULT_LANGUAGE = "en"
_MIN_PROBABILITY = 0.6  # product names of a few words are recognized with less, and stay English
_MAX_CHARACTERS = 20_000
_PRODUCT_CHARACTERS = 2000  # the beginning of the text that decides the language
_NORWEGIAN = {"nb": "no", "nn": "no"}

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")
_KANA_HANGUL = re.compile(r"[\u3040-\u30ff\uac00-\ud7af]")
_LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+")
_CODE = re.compile(r"\S*\d\S*|\S+://\S+")


def catalogue_language(texts: Sequence[str]) -> str:
    """Return the language of most texts; English when it is not recognized."""
    texts = [text for text in texts if text.strip()]
    if not texts:
        return DEFAULT_LANGUAGE
    for language, script in (("ja", _KANA), ("ko", _HANGUL)):
        if sum(1 for text in texts if script.search(text)) > len(texts) / 3:
            return language
    if sum(1 for text in texts if len(_HAN.findall(text)) >= 2) > len(texts) / 2:
        return "zh"
    step = max(1, len(texts) // 400)
    words = _CODE.sub(" ", "\n".join(text[:_PRODUCT_CHARACTERS] for text in texts[::step]))
    language, probability = _classified(words[:_MAX_CHARACTERS])
    return language if probability >= _MIN_PROBABILITY else DEFAULT_LANGUAGE


def _classified(text: str) -> tuple[str, float]:
    """Return the likeliest language of a text and its probability."""
    probabilities: dict[str, float] = {}
    for language, probability in _identifier().rank(text):
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
