"""Readable text: markup, entities, control and zero-width characters go, other signs stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.catalogue.notation.text_cleaning import clean_text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Mugs &amp; cups", "Mugs & cups"),
        ("<p>A <b>light</b> mug.</p><script>let a='pear'</script><style>p{}</style>", "A light mug."),
        ("Line<br>break", "Line\nbreak"),
        ("<table><tr><td>Height</td><td>9&nbsp;cm</td></tr></table>", "Height\n9 cm"),
        ("&lt;p&gt;escaped&lt;/p&gt;", "escaped"),
        ("<![CDATA[<i>x</i>]]>", "x"),
        ("a < b and c > d", "a < b and c > d"),
        ("I <3 tea, AT&T, List<String>", "I <3 tea, AT&T, List<String>"),
        ("ze\u200bro \x07bell\ufeff", "zero bell"),
        ("u\u0308ber", "über"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("", ""),
    ],
)
def test_text_is_what_a_browser_shows(text: str, clean: str) -> None:
    assert clean_text(text) == clean


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80))
def test_clean_text_has_no_control_characters_and_no_space_at_its_ends(text: str) -> None:
    clean = clean_text(text)
    assert clean == clean.strip()
    assert not any(ord(sign) < 32 and sign not in "\n\t" for sign in clean)
