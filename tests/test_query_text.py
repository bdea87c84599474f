"""The words of a query: one line that the engine accepts, and the language by script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch.search.query_text import MAX_CHARACTERS, MAX_TERMS, TERM, clean_words, language_of


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=5_000))
def test_any_text_becomes_a_short_line_of_unicode(text: str) -> None:
    words = clean_words(text)
    words.encode()
    assert len(words) <= MAX_CHARACTERS
    assert sum(1 for _ in TERM.finditer(words)) <= MAX_TERMS
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
        ("ｚｈ０００１２ ￥50以下", "zh00012 ¥50以下"),
        ("ｶﾞﾗｽ 5㎏ 𝐛𝐨𝐥𝐝 1½", "ガラス 5kg bold 1 1/2"),
        ("gro\u0308\u00dfe 42", "größe 42"),
        ("LEGO™ men´s 10²", "LEGO™ men´s 10²"),
        ("word " * 10_000, ("word " * MAX_TERMS).strip()),
        ("红" * 10_000, "红" * MAX_TERMS),
    ],
)
def test_words_are_one_line_without_control_characters(text: str | None, words: str) -> None:
    assert clean_words(text) == words


@pytest.mark.parametrize(
    ("words", "default", "language"),
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
def test_the_script_decides_the_language(words: str, default: str, language: str) -> None:
    assert language_of(words, default) == language
