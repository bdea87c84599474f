"""The text of a query, reduced to what the engine accepts, and its language by script. Pure."""

from __future__ import annotations

import re
import unicodedata

from vitrine.notation.cjk import CJK, HAN, HANGUL, KANA

# The engine refuses a query of more than 1,024 clauses, and each term is a clause in each of four fields.
MAX_TERMS = 160
# In UTF-8 and escaped, so many characters still fit the 16 KB of context that travel through the engine.
MAX_CHARACTERS = 3_000

# Each match becomes at most one term in the engine's analyzers: a CJK character, a run of letters or of digits, any
# other character. The standard tokenizer splits runs at 255 characters.
TERM = re.compile(rf"[{CJK}]|[^\W\d_{CJK}]{{1,255}}|\d{{1,255}}|\S")
# Full-width letters, digits and signs, half-width kana, and the ideographic space.
_WIDTH_FORMS = re.compile("[\u3000\uff00-\uffef]+")
# Other forms of letters and digits: 𝐛𝐨𝐥𝐝, ㎏, ½, no-break space. Superscripts stay, so that ™ is no word.
_FORMS = ("<font>", "<square>", "<fraction>", "<noBreak>")
_MIXED_NUMBER = re.compile("(\\d)(?=[¼-¾⅐-⅞])")  # 1½ is no 11/2
_HAN, _KANA, _HANGUL = (re.compile(f"[{script}]") for script in (HAN, KANA, HANGUL))


def clean_words(text: str | None) -> str:
    """Return the words of a query as one line that the engine always accepts; empty when it has none.

    Full-width letters and digits become those of normal width, letters and their accents one character, lone surrogates and
    control characters spaces. The text beyond `MAX_TERMS` terms or `MAX_CHARACTERS`
    characters is left out: the beginning of a very long query is still searched.
    """
    if not text:
        return ""
    beginning = text[: 4 * MAX_CHARACTERS]
    printable = "".join(" " if unicodedata.category(char) in ("Cc", "Cs") else char for char in beginning)
    line = " ".join(_normalized(printable).split())[:MAX_CHARACTERS]
    return first_terms(line, MAX_TERMS)


def _normalized(text: str) -> str:
    """Return the text with the compatibility forms of letters and digits replaced (NFKC), and composed (NFC)."""
    if text.isascii():
        return text
    text = _WIDTH_FORMS.sub(lambda run: unicodedata.normalize("NFKC", run[0]), text)
    text = _MIXED_NUMBER.sub(r"\1 ", text)
    replaced = (
        unicodedata.normalize("NFKC", char) if unicodedata.decomposition(char).startswith(_FORMS) else char
        for char in text
    )
    return unicodedata.normalize("NFC", "".join(replaced).replace("\u2044", "/"))


def first_terms(line: str, count: int) -> str:
    """Return the beginning of a line that has at most `count` terms."""
    for number, term in enumerate(TERM.finditer(line), 1):
        if number == count:
            return line[: term.end()]
    return line


def count_terms(line: str) -> int:
    """Return the number of terms of a line, at most."""
    return sum(1 for _ in TERM.finditer(line))


def language_of(words: str, default: str = "en") -> str:
    """Return the language of a query: `zh`, `ja` or `ko` by script, `other` if it is not in Latin letters.

    Text in Latin letters or without letters is taken for `default`, the catalogue's language, if that is written in
    Latin letters, else for English.
    """
    if _KANA.search(words):
        return "ja"
    if _HANGUL.search(words):
        return "ko"
    if _HAN.search(words):
        return "zh"
    letters = [char for char in words if char.isalpha()]
    latin = sum(unicodedata.name(char, "").startswith(("LATIN", "FULLWIDTH LATIN")) for char in letters)
    if 2 * latin < len(letters):
        return default if default not in ("en", "zh", "ja", "ko") else "other"
    return "en" if default in ("zh", "ja", "ko") else default
