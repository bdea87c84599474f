"""Query understanding: words that products have stand, misspelled ones are corrected, and the vocabulary is an artifact."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch.index.fields import FieldPlan, IndexSchema
from opensearch.understanding.plan import Correction, QueryPlan, understand
from opensearch.understanding.vocabulary import Vocabulary, count_words
from opensearch.understanding.words import words_of
from vitrine.errors import ArtifactError

TEXTS = [
    "Wireless mouse for laptop and notebook",
    "Wireless keyboard, women's pink edition",
    "Red running shoes size 42",
    "Toner cartridge KAL-081520 für Drucker",
    "红色连衣裙 cotton dress",
]
VOCABULARY = count_words(TEXTS)
SCHEMA = IndexSchema(FieldPlan())


@pytest.mark.parametrize(
    ("typed", "searched"),
    [
        ("wirless mouse", "wireless mouse"),  # dropped letter
        ("wirelses mouse", "wireless mouse"),  # swapped letters
        ("keyboaard", "keyboard"),  # doubled letter
        ("runnimg shoes", "running shoes"),  # neighbouring key
        ("Notebok", "notebook"),
        ("wireles-keybord", "wireless-keyboard"),
        ("red dreess 42", "red dress 42"),
    ],
)
def test_a_misspelled_word_becomes_the_catalogues_word(typed: str, searched: str) -> None:
    assert understand(typed, SCHEMA, VOCABULARY) == QueryPlan(typed, searched, Correction(typed, searched))


@pytest.mark.parametrize(
    "typed",
    [
        "wireless mouse",
        "laptops",  # the stem of a word that products have
        "KAL-081521",  # a code one digit away from a product's
        "42",
        "rad",  # a short word
        "红色连衣群",
        "xylophone",  # nothing near
        "",
    ],
)
def test_other_words_stand_as_typed(typed: str) -> None:
    assert understand(typed, SCHEMA, VOCABULARY) == QueryPlan(typed, typed)


def test_verbatim_switches_the_correction_off() -> None:
    assert understand("wirless", SCHEMA, VOCABULARY, verbatim=True) == QueryPlan("wirless", "wirless")


def test_of_equally_near_words_the_more_frequent_one_is_taken() -> None:
    corrector = Vocabulary({"lamps": 3, "lamb": 40, "lamp": 90}, 100).corrector
    assert corrector.correct("lamq") == "lamp"


def test_a_word_of_one_product_is_no_correction_in_a_large_catalogue() -> None:
    corrector = Vocabulary({"wireles": 1, "wireless": 500}, 10_000).corrector
    assert corrector.correct("wirelesr") == "wireless"


@given(st.text(max_size=80))
def test_any_text_is_understood_and_its_plan_stands(text: str) -> None:
    plan = understand(text, SCHEMA, VOCABULARY)
    assert understand(plan.words, SCHEMA, VOCABULARY).words == plan.words or plan.corrected is None


def test_words_are_letters_in_lower_case() -> None:
    assert words_of("USB-C 32GB Women’s 红色 Café") == ["usb", "c", "gb", "women's", "café"]


def test_a_saved_vocabulary_opens_as_it_was(tmp_path: Path) -> None:
    vocabulary = count_words(TEXTS)
    vocabulary.save(tmp_path)
    assert Vocabulary.open(tmp_path) == vocabulary
    assert vocabulary.frequencies["wireless"] == 2


def test_a_folder_without_vocabulary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="index the catalogue again"):
        Vocabulary.open(tmp_path)
