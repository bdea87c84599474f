"""Query understanding: words that products have stand, misspelled ones are corrected, and the vocabulary is an artifact."""

from __future__ import annotations

from math import exp
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensearch.index.fields import FieldPlan, IndexSchema
from opensearch.understanding.plan import Correction, QueryPlan, understand
from opensearch.understanding.spelling.typos import edit_log_probability
from opensearch.understanding.spelling.word import correct_word
from opensearch.understanding.vocabulary.artifact import Vocabulary
from opensearch.understanding.vocabulary.build import make_vocabulary
from opensearch.understanding.vocabulary.counts import ProductCounts
from opensearch.understanding.vocabulary.tables import NearTable, PairTable, TextTable
from opensearch.understanding.vocabulary.typed_words import typed_words
from opensearch.understanding.words import fold, spelled_out, words_of
from vitrine.errors import ArtifactError

TITLES = {
    "Wireless mouse for laptop and notebook": 40,
    "Wireless keyboard, women's pink edition": 30,
    "Red running shoes": 60,
    "Red cotton dress": 50,
    "Silver teapot with lid": 20,
    "Toner cartridge KAL-081520 für Drucker": 25,
    "Bücherregal aus Eiche von Müller": 20,
    "红色连衣裙": 10,
    "Wireles adapter": 1,
    "Fred the bear": 1,
}
SCHEMA = IndexSchema(FieldPlan())


def vocabulary_of(
    titles: dict[str, int],
    language: str = "en",
    typed: dict[str, int] | None = None,
    codes: tuple[str, ...] = (),
) -> Vocabulary:
    counts = ProductCounts()
    counts.add_codes("p-1", codes)
    for title, products in titles.items():
        for _ in range(products):
            counts.add(title, title, {})
    return make_vocabulary(counts, language, typed)


VOCABULARY = vocabulary_of(TITLES)


@pytest.mark.parametrize(
    ("typed", "searched"),
    [
        ("wirless mouse", "wireless mouse"),  # a dropped letter
        ("wirelses mouse", "wireless mouse"),  # swapped letters
        ("keyboaard", "keyboard"),  # a doubled letter
        ("runnimg shoes", "running shoes"),  # a neighbouring key
        ("qireless mouse", "wireless mouse"),  # the first letter
        ("Notebok", "notebook"),
        ("wirelss-keybord", "wireless-keyboard"),
        ("red dreess 42", "red dress 42"),
        ("redshoes", "red shoes"),
        ("lapt op and mouse", "laptop and mouse"),
        ("mueller", "müller"),
        ("buecherregal", "bücherregal"),
        ("catrridge, red", "cartridge, red"),
    ],
)
def test_a_misspelled_word_becomes_the_catalogues_word(typed: str, searched: str) -> None:
    assert understand(typed, SCHEMA, VOCABULARY) == QueryPlan(typed, searched, Correction(typed, searched))


@pytest.mark.parametrize(
    "typed",
    [
        "wireless mouse",
        "laptops",  # the stem of a word that products have
        "muller",  # the engine compares without accents
        "KAL-081521",  # a code one digit away from a product's
        "42",
        "rad",  # a short word
        "fred",  # of one product, and a letter away from a frequent word
        "lid",
        "红色连衣群",
        "xylophone",  # nothing near
        "silver lining",
        "user@example.com",
        "house",  # a common word of the language, two letters away from mouse
        "",
    ],
)
def test_other_words_stand_as_typed(typed: str) -> None:
    assert understand(typed, SCHEMA, VOCABULARY) == QueryPlan(typed, typed)


CHINESE = vocabulary_of({"红色连衣裙": 20, "运动鞋": 10, "Nike 连衣裙": 5, "绿色背包": 3}, "zh")
TRADITIONAL = vocabulary_of({"紅色連衣裙": 20, "運動鞋": 10}, "zh")


@pytest.mark.parametrize(
    ("typed", "searched", "vocabulary"),
    [
        ("lianyiqun", "连衣裙", CHINESE),
        ("lian yi qun", "连衣裙", CHINESE),
        ("Hongse Lianyiqun", "红色连衣裙", CHINESE),
        ("nike lianyiqun", "nike 连衣裙", CHINESE),
        ("lvse beibao", "绿色背包", CHINESE),
        ("紅色連衣裙", "红色连衣裙", CHINESE),
        ("红色连衣裙", "紅色連衣裙", TRADITIONAL),
        ("yundongxie", "運動鞋", TRADITIONAL),
    ],
)
def test_pinyin_and_the_other_script_become_the_catalogues_signs(
    typed: str, searched: str, vocabulary: Vocabulary
) -> None:
    assert understand(typed, SCHEMA, vocabulary) == QueryPlan(typed, searched, Correction(typed, searched))


@pytest.mark.parametrize("typed", ["nike", "running shoes", "红色连衣裙", "xie", "背包nikee", "beibao红色"])
def test_latin_words_of_a_chinese_catalogue_and_its_own_signs_stand(typed: str) -> None:
    assert understand(typed, SCHEMA, CHINESE).words == typed


def test_a_short_word_before_a_number_stands() -> None:
    vocabulary = vocabulary_of({"Maxi dress": 50, "Maxi skirt": 30})
    assert understand("dress max", SCHEMA, vocabulary).words == "dress maxi"
    assert understand("dress max 40", SCHEMA, vocabulary).words == "dress max 40"


def test_a_word_that_products_write_with_a_hyphen_stands_without_it() -> None:
    with_hyphen = vocabulary_of({"USB-C cable": 5, "USB hub": 50, "Fast charger": 50})
    without = vocabulary_of({"USB C cable": 5, "USB hub": 50, "Fast charger": 50})
    assert understand("usbc", SCHEMA, with_hyphen).words == "usbc"
    assert understand("usbc", SCHEMA, without).words == "usb"


def test_words_that_several_shoppers_typed_and_clicked_after_are_known() -> None:
    searches: list[tuple[str, str | None]] = [(f"Sneeker {n % 2}", f"robot {n % 2}") for n in range(500)]
    searches += [("wirless sneakers", f"shopper {n}") for n in range(4)]
    searches += [("wireless sneakers", f"shopper {n}") for n in range(10, 20)]
    searches += [("zorbix", None), ("zorbix", ""), ("zorbix", "a"), ("zorbix", "b")]
    typed = typed_words(searches)
    # far more shoppers type wireless than wirless; two robots and searches without shopper make no word
    assert typed == {"sneakers": 14, "wireless": 10}
    without, with_log = vocabulary_of(TITLES), vocabulary_of(TITLES, typed=typed)
    assert understand("sneekers", SCHEMA, without).words == "sneekers"
    assert understand("sneekers", SCHEMA, with_log).words == "sneakers"
    assert with_log.typed == typed


def test_a_word_of_the_log_weighs_less_than_one_that_many_products_have() -> None:
    titles = {"hook for walls": 400, "red dress": 400}
    few, many = vocabulary_of(titles, typed={"hooka": 3}), vocabulary_of(titles, typed={"hooka": 400})
    assert understand("hooka", SCHEMA, vocabulary_of(titles)).words == "hook"
    assert understand("hooka", SCHEMA, few).words == understand("hooka", SCHEMA, many).words == "hooka"
    hook, hooka = many.id_of("hook"), many.id_of("hooka")
    assert hook is not None
    assert hooka is not None
    assert many.probability(hook) > 10 * many.probability(hooka) > 0
    assert (many.count_of(hook), many.count_of(hooka)) == (400, 0)


def test_a_code_of_letters_is_never_corrected() -> None:
    titles = {"Abcd writing board": 40, "Oled television": 60}
    codes = ("qled", "abcx", "p1", "redshoes")
    assert understand("abcx board", SCHEMA, vocabulary_of(titles)).words == "abcd board"
    assert understand("oledd", SCHEMA, vocabulary_of(titles)).words == "oled"
    for typed in ("abcx board", "ABCX", "AB-CX", "QLED television"):
        assert understand(typed, SCHEMA, vocabulary_of(titles, codes=codes)).words == typed


def test_an_id_with_signs_is_no_code_of_letters() -> None:
    counts = ProductCounts()
    counts.add_codes("red-shoes", ["redshoes", "abcx", "a1"])
    counts.add_codes("QLED", ["qled"])
    assert counts.codes == {"abcx", "qled"}


def test_verbatim_switches_the_correction_off() -> None:
    assert understand("wirless", SCHEMA, VOCABULARY, verbatim=True) == QueryPlan("wirless", "wirless")


def test_an_index_without_vocabulary_is_searched_verbatim() -> None:
    assert understand("wirless", SCHEMA) == QueryPlan("wirless", "wirless")


def test_the_other_words_of_the_query_decide_between_equally_near_words() -> None:
    vocabulary = vocabulary_of({"steel kettle": 30, "steep path": 30})
    ids = {word: vocabulary.id_of(word) for word in ("kettle", "path")}
    assert correct_word("steeo", vocabulary, [ids["kettle"] or 0]) == "steel"
    assert correct_word("steeo", vocabulary, [ids["path"] or 0]) == "steep"


def test_a_word_that_products_have_is_replaced_by_a_far_more_frequent_one_only() -> None:
    few = vocabulary_of({"wireles": 1, "wireless": 10})
    many = vocabulary_of({"wireles": 1, "wireless": 4_000})
    assert correct_word("wireles", few) is None
    assert correct_word("wireles", many) == "wireless"


@given(st.text(max_size=80))
@settings(deadline=None)
def test_any_text_is_understood(text: str) -> None:
    plan = understand(text, SCHEMA, VOCABULARY)
    assert plan.typed == text
    assert plan.words == text or plan.corrected


def test_an_error_is_as_probable_as_its_kind() -> None:
    # shares of single errors: dropped 0.30, swapped 0.17, doubled 0.13, beside 0.18; 5 letters, 7 keys a letter
    assert exp(edit_log_probability("mouse", "muse") or 0) == pytest.approx(0.30 / 5)
    assert exp(edit_log_probability("mouse", "mosue") or 0) == pytest.approx(0.17 / 5)
    assert exp(edit_log_probability("mouse", "mouuse") or 0) == pytest.approx(0.13 / 5)
    assert exp(edit_log_probability("mouse", "mouae") or 0) == pytest.approx(0.18 / (7 * 5))
    assert exp(edit_log_probability("mouse", "ouse") or 0) == pytest.approx(0.5 * 0.30 / 5)
    assert edit_log_probability("mouse", "mouse") == 0
    assert edit_log_probability("mouse", "table") is None


@given(st.text("abcdef", min_size=4, max_size=9), st.data())
def test_every_single_error_of_a_word_is_near_it(word: str, data: st.DataObject) -> None:
    i = data.draw(st.integers(0, len(word) - 2))
    swapped = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    others = (word[:i] + letter + word[i + kept :] for letter, kept in (("", 1), ("q", 0), ("q", 1)))
    typed = data.draw(st.sampled_from([swapped, *others]))
    assert NearTable.of([(7, word)]).near(typed, 1) == [7]


def test_pairs_are_counted_in_either_order() -> None:
    table = PairTable.of(
        np.array([1, 2, 3, 2, 1], dtype=np.uint64), np.array([3, 2], dtype=np.uint8), 1 << 12
    )
    assert [table.count(1, 2), table.count(2, 1), table.count(3, 1), table.count(2, 3)] == [2, 2, 1, 1]
    assert table.count(3, 4) == 0


def test_texts_are_found_under_their_keys() -> None:
    table, order = TextTable.of(["b", "a", "b"], ["first", "é", "second"])
    assert [[table.text(id) for id in ids] for ids in table.find(["b", "c", "a"])] == [
        ["first", "second"],
        [],
        ["é"],
    ]
    assert sorted(order.tolist()) == [0, 1, 2]


def test_words_are_letters_in_lower_case() -> None:
    assert words_of("USB-C 32GB Women’s 红色 Café") == ["usb", "c", "gb", "women's", "café"]
    assert [fold(word) for word in ("Café", "Straße", "Übergröße")] == ["cafe", "strasse", "ubergrosse"]
    assert spelled_out("Größe") == "groesse"


def test_a_saved_vocabulary_opens_as_it_was(tmp_path: Path) -> None:
    VOCABULARY.save(tmp_path)
    opened = Vocabulary.open(tmp_path)
    assert opened.facts == VOCABULARY.facts
    assert understand("wirless mouse", SCHEMA, opened) == understand("wirless mouse", SCHEMA, VOCABULARY)
    mouse = opened.id_of("mouse")
    assert mouse is not None
    assert opened.count_of(mouse) == 40


def test_an_empty_vocabulary_corrects_nothing(tmp_path: Path) -> None:
    vocabulary_of({}).save(tmp_path)
    assert understand("wirless mouse", SCHEMA, Vocabulary.open(tmp_path)).corrected is None


def test_a_damaged_vocabulary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="vitrine index"):
        Vocabulary.open(tmp_path)
    VOCABULARY.save(tmp_path)
    (tmp_path / "near.ids.npy").write_bytes(b"not an array")
    with pytest.raises(ArtifactError, match="vitrine index"):
        Vocabulary.open(tmp_path)
