"""The words of a text, as the vocabulary counts them and as a query is read. Pure."""

from __future__ import annotations

import re

MAX_WORD = 40  # characters; longer runs of letters are data, not words
# Letters of alphabets; a run of Chinese, Japanese or Korean signs is no word that can be misspelled letter by letter.
_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
WORD = re.compile(rf"[^\W\d_{_CJK}]+(?:['’][^\W\d_{_CJK}]+)?")


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, in order; numbers, codes' digits and Chinese signs are left out."""
    return [
        word for match in WORD.finditer(text) if len(word := match[0].lower().replace("’", "'")) <= MAX_WORD
    ]
