"""What a shopper types becomes words that the engine takes, in a language told by its signs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch.search.query_text import _TERM, MOST_CHARACTERS, MOST_TERMS, clean_words, language_of


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=5_000))
def test_any_text_becomes_a_short_line_of_unicode(text: str) -> None:
    words = clean_words(text)
    words.encode()
    assert len(words) <= MOST_CHARACTERS
    assert sum(1 for _ in _TERM.finditer(words)) <= MOST_TERMS
    assert clean_words(words) == words
    assert words.splitlines() in ([], [words])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ""),
        ("  \n\t ", ""),
        (" red\u3000 shoes\n", "red shoes"),
        ("a\x00b\ud800c", "a b c"),
        ("红色 跑鞋", "红色 跑鞋"),
        ("word " * 10_000, ("word " * MOST_TERMS).strip()),
        ("红" * 10_000, "红" * MOST_TERMS),
    ],
)
def test_words(text: str | None, words: str) -> None:
    assert clean_words(text) == words


@pytest.mark.parametrize(
    ("words", "usual", "language"),
    [
        ("red shoes", "en", "en"),
        ("rote schuhe", "de", "de"),
        ("red shoes", "zh", "en"),
        ("红色 Nike 跑鞋", "en", "zh"),
        ("赤いシャツ", "en", "ja"),
        ("빨간 신발", "en", "ko"),
        ("красные туфли", "en", "other"),
        ("красные туфли", "ru", "ru"),
        ("501 !!", "en", "en"),
        ("", "en", "en"),
        ("Ｎｉｋｅ", "en", "en"),
    ],
)
def test_language(words: str, usual: str, language: str) -> None:
    assert language_of(words, usual) == language
