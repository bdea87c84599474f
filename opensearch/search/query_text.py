"""What a shopper typed, made fit for the engine, and the language that its script gives away. Pure."""

from __future__ import annotations

import re
import unicodedata

# One term of the engine's analyzers at most each: a CJK sign, a run of letters or of digits, any other sign.
# The standard tokenizer cuts runs at 255.
_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U0001b000-\U0001b2ff\U00020000-\U0003ffff"
_TERM = re.compile(rf"[{_CJK}]|[^\W\d_{_CJK}]{{1,255}}|\d{{1,255}}|\S")
# The engine refuses a query of more than 1,024 clauses, and a term is one in each of four fields.
MOST_TERMS = 160
# Escaped and in UTF-8 this many still fit the 16 KB of context that travel through the engine.
MOST_CHARACTERS = 3_000

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KANA = re.compile(r"[\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f]")
_HANGUL = re.compile(r"[\u1100-\u11ff\uac00-\ud7af]")


def clean_words(text: str | None) -> str:
    """Give the words of a query as one line that the engine always takes; empty when there are none.

    Lone surrogates and control characters become spaces, and what goes beyond `MOST_TERMS` terms or
    `MOST_CHARACTERS` characters is left out: the beginning of a very long query is still answered.
    """
    if not text:
        return ""
    read = text[: 4 * MOST_CHARACTERS]
    plain = "".join(" " if unicodedata.category(sign) in ("Cc", "Cs") else sign for sign in read)
    line = " ".join(plain.split())[:MOST_CHARACTERS]
    for count, term in enumerate(_TERM.finditer(line), 1):
        if count == MOST_TERMS:
            return line[: term.end()]
    return line


def language_of(words: str, usual: str = "en") -> str:
    """Tell the language of a query: `zh`, `ja`, `ko` by their signs, `other` if not in Latin letters.

    Latin letters, and no letters at all, are taken for `usual`, the catalogue's language, if it is written
    in them, else for English.
    """
    if _KANA.search(words):
        return "ja"
    if _HANGUL.search(words):
        return "ko"
    if _HAN.search(words):
        return "zh"
    letters = [sign for sign in words if sign.isalpha()]
    latin = sum(unicodedata.name(sign, "").startswith(("LATIN", "FULLWIDTH LATIN")) for sign in letters)
    if 2 * latin < len(letters):
        return usual if usual not in ("en", "zh", "ja", "ko") else "other"
    return "en" if usual in ("zh", "ja", "ko") else usual
