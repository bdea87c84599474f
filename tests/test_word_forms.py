"""Words joined or split, signs, units, accents and compounds: each form of a query finds the same product first."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from support.word_pairs import MORE_PAIRS, MORE_PRODUCTS

from indexer.catalogue.product import Product
from indexer.catalogue.rows import CatalogueRow
from indexer.load.document import document, fields_of
from indexer.load.survey import survey
from opensearch.analysis.chains import analysis_settings
from opensearch.analysis.compounds import compound_words, compounds_of
from opensearch.analysis.languages import LANGUAGES, field_language
from opensearch.analysis.stop_words import stop_words
from opensearch.analysis.survey import usable_chains
from opensearch.index import meta, versions
from opensearch.index.bulk import Action, write
from opensearch.index.fields import FieldPlan, IndexSchema
from opensearch.search.query import Fusion, Page, Query, hybrid_body
from opensearch.search.retrieve import retrieve

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

PLAN = FieldPlan(language_field="language")
# Titles by language and id; every word of a query that could mislead stands in some other product.
PRODUCTS = {
    "en": {
        "laptop": "Gaming laptop 15 inch with 32 GB memory",
        "laptop-bag": "Bag with many pockets",
        "top": "Red top with long sleeves",
        "lap": "Lap desk with a cushion",
        "router": "Wi-Fi router for two bands",
        "table": "Router table for wood",
        "scale": "Scale with fine display",
        "tshirt": "Crew neck T-Shirt, cotton",
        "shirt": "Shirt with T pattern",
        "cable": "USB-C cable, braided, 2 m",
        "usb-a": "Cable for USB A and vitamin C",
        "speaker": "Bluetooth speaker for outdoors",
        "brush": "Toothbrush with soft bristles",
        "blue": "Speaker stand in blue",
        "shampoo": "Shampoo for dry hair 500 ml",
        "shampoo-small": "Shampoo for dry hair 250 ml",
        "flour": "Flour for bread 1 kg",
        "flour-large": "Flour for bread 25 kg",
        "men": "Men's shoes, brown leather",
        "women": "Women's shoes, brown leather",
        "kids": "Shoes for kids, brown leather",
        "cafe": "Café table, round",
        "tv": 'Smart TV 55" with four ports',
        "tv-small": 'Smart TV 32" with four ports',
        "tv-stand": "Stand for a TV of 40 inch",
        "phone": "Phone S21+ in black",
        "phone-small": "Phone S21 in black",
        "book-c": "Learning C++ in a month",
        "book": "Learning to paint in a month",
        "jeans": "Levi's jeans 501",
        "ac": "A/C unit with remote",
        "hm": "H&M shirt dress",
        "battery": "Power bank 10,000 mAh",
        "battery-small": "Power bank 5,000 mAh",
        "e-bike": "E-Bike with 80 km range",
        "bike": "Bike for the road",
        "sheet": "Bed sheet 160 x 200 cm",
        "sheet-wide": "Bed sheet 180 x 200 cm",
    },
    "de": {
        "kinderfahrrad": "Kinderfahrrad 20 Zoll mit Klingel",
        "fahrradhelm": "Fahrradhelm für Erwachsene",
        "fahrrad": "Fahrrad für Herren, 28 Zoll, mit Licht",
        "mütze": "Mütze für Kinder",
        "kleid": "Kleid für Damen in Größe 38",
        "hose": "Hose für Herren in Größe 38",
        "regen": "Jacke gegen Regen, blau",
        "jacke": "Jacke für den Winter, blau",
        "fußball": "Fußball aus Leder, Gr. 5",
        "leder": "Gürtel aus Leder",
        "bälle": "Bälle für den Hund",
        "saft": "Apfelsaft 0,75 l",
        "saft-klein": "Apfelsaft 0,2 l",
        "müller": "Tasse von Müller & Sohn",
        "tasse": "Tasse mit Muster",
    },
    "nl": {
        "kinderfiets": "Kinderfiets met zijwieltjes",
        "kinderen": "Muts voor kinderen",
        "fiets": "Fiets voor dames",
        "kinder": "Kinder pyjama",
        "tafel": "Tafel van eiken, rond",
    },
    "sv": {
        "barncykel": "Barncykel med stödhjul",
        "barn": "Mössa för barn",
        "cykel": "Cykel för vuxna",
        "bord": "Bord av ek",
    },
    "fr": {
        "eau": "Eau d'orange 0,5 l",
        "orange": "Confiture d'abricot",
        "pull": "Pulls en laine pour l'été",
        "laine": "Bonnet en laine pour l'hiver",
    },
    "es": {"camion": "Camión de juguete", "juguete": "Juguetes de madera"},
    "it": {"olio": "L'olio d'oliva, bottiglia 750 ml", "bottiglia": "Bottiglia di vetro"},
    "ru": {"рубашка": "Рубашка мужская", "куртка": "Куртка женская"},
    "zh": {
        "洗发水": "洗发水500毫升",
        "恤": "T恤 白色 短袖",
        "裙": "红色连衣裙",
        "鞋": "蓝色跑鞋",
        "包": "黑色背包",
        "裤": "黑色长裤",
        "wifi": "Wi-Fi路由器",
        "灯": "白色台灯",
    },
    "ko": {"운동화": "빨간 운동화"},
}
# A product, and queries of which each must find it before all others.
PAIRS = {
    "laptop": ("laptop", "lap top", "lap-top", "laptops", "laptop 32gb", "laptop 32 gb", "laptop 32-GB", "15-inch laptop"),
    "router": ("wifi router", "wi-fi router", "wi fi router", "wi\u2011fi router", "WiFi", "Wi Fi"),
    "tshirt": ("t-shirt", "tshirt", "t shirt", "t\u2011shirt", "T-Shirts", "tshirts"),
    "cable": ("usb-c cable", "usb c cable", "usbc cable", "USB‑C Cable 200cm", "usb c 2m"),
    "speaker": ("bluetooth speaker", "blue tooth speaker", "blue-tooth speakers"),
    "brush": ("toothbrush", "tooth brush", "tooth-brush"),
    "shampoo": ("shampoo 500ml", "shampoo 500 ml", "shampoo 0.5 l", "shampoo 0,5 l", "shampoo 0.5-liter", "shampoo 50cl"),
    "flour": ("flour 1kg", "flour 1 kg", "flour 1000g", "flour 1000 g"),
    "men": ("men's shoes", "mens shoes", "men shoes", "men\u2019s shoe"),
    "cafe": ("café table", "cafe table", "cafe\u0301 table"),
    "tv": ('tv 55"', "tv 55 inch", "55-inch tv", "tv 55 zoll", "55\u2033 tv"),
    "phone": ("phone s21+", "phone s21 plus", "s21plus"),
    "book-c": ("c++", "learning c++"),
    "jeans": ("levi's jeans", "levis jeans", "levi jeans"),
    "battery": ("power bank 10000 mah", "powerbank 10000mah", "power bank 10,000 mAh"),
    "ac": ("a/c unit", "ac unit", "a/c"),
    "hm": ("h&m dress", "hm dress", "H&M"),
    "e-bike": ("e-bike", "ebike", "e bike"),
    "sheet": ("bed sheet 160x200", "bed sheet 160 x 200cm", "bed sheet 160\u00d7200"),
    "kinderfahrrad": ("kinderfahrrad", "kinder fahrrad", "fahrrad kinder", "Kinder-Fahrrad", "Kinderfahrräder"),
    "kleid": ("damenkleid", "damen kleid", "kleider damen"),
    "regen": ("regenjacke", "regen jacke", "regenjacken", "jacke regen"),
    "fußball": ("fußball", "fussball", "fuß-ball", "fussbälle"),
    "saft": ("apfelsaft 0.75 l", "apfelsaft 750ml", "apfel saft 75 cl"),
    "müller": ("müller & sohn", "mueller und sohn", "muller sohn"),
    "kinderfiets": ("kinderfiets", "kinder fiets"),
    "barncykel": ("barncykel", "barn cykel", "cykel barn", "barncyklar"),
    "eau": ("eau orange", "eau d'orange 500ml", "eau d\u2019orange"),
    "pull": ("pull été", "pull ete", "pulls d'ete"),
    "camion": ("camión", "camion", "camiones"),
    "olio": ("olio oliva", "olio d'oliva", "dell'olio"),
    "рубашка": ("рубашки", "рубашка мужские"),
    "洗发水": ("洗发水500ml", "洗发水 0.5 升", "500毫升洗发水"),
    "恤": ("白色T恤", "T恤 短袖", "T 恤短袖"),
    "wifi": ("路由器",),
    "裙": ("连衣裙", "红色连衣裙"),
    "운동화": ("운동화",),
}  # fmt: skip

for _language, _titles in MORE_PRODUCTS.items():
    PRODUCTS[_language] |= _titles
PAIRS |= MORE_PAIRS

# Two forms of one word in each language, which a stemmer or a normalization makes one term.
INFLECTED = {
    "ar": ("كتاب", "الكتاب"), "bg": ("маса", "масата"), "bn": ("বই", "বইগুলি"), "ca": ("sabata", "sabates"),
    "cs": ("boty", "bota"), "da": ("skjorte", "skjorter"), "de": ("Hose", "Hosen"), "el": ("παπούτσι", "παπούτσια"),
    "en": ("shoe", "shoes"), "es": ("zapato", "zapatos"), "et": ("raamat", "raamatud"), "eu": ("mendi", "mendiak"),
    "fa": ("كتاب", "کتاب"), "fi": ("talo", "talot"), "fr": ("chaussure", "chaussures"), "ga": ("bróg", "mbróg"),
    "gl": ("zapato", "zapatos"), "hi": ("जूता", "जूते"), "hu": ("cipő", "cipők"), "hy": ("կոշիկ", "կոշիկներ"),
    "id": ("sepatu", "sepatunya"), "it": ("scarpa", "scarpe"), "lt": ("batas", "batai"), "lv": ("kurpe", "kurpes"),
    "nl": ("schoen", "schoenen"), "no": ("skjorte", "skjorter"), "pt": ("sapato", "sapatos"),
    "pt-br": ("sapato", "sapatos"), "ro": ("pantof", "pantofi"), "ru": ("куртка", "куртки"), "sr": ("ципела", "ципеле"),
    "sv": ("skjorta", "skjortor"), "tr": ("kitap", "kitaplar"), "ckb": ("پێڵاو", "پێڵاوەکان"),
}  # fmt: skip


def rows() -> Iterator[CatalogueRow]:
    for language, titles in PRODUCTS.items():
        for id_, title in titles.items():
            yield CatalogueRow(1, {"id": f"id {id_}", "title": title, "language": language})


@pytest.fixture(scope="module")
def catalogue(engine: OpenSearch) -> Iterator[tuple[str, IndexSchema]]:
    alias = f"forms-{uuid4().hex[:8]}"
    schema = IndexSchema(PLAN)
    index = versions.create_version(engine, alias, schema, survey=survey(rows(), PLAN))
    try:
        schema = meta.schema_of(engine, index)
        products = [
            Product(row.values["id"], row.values["title"], language=row.values["language"]) for row in rows()
        ]
        actions = [
            Action("index", product.id, document(fields_of(product, (), schema.chains), {}, []))
            for product in products
        ]
        assert {outcome.status for outcome in write(engine, index, actions)} == {"created"}
        versions.publish(engine, alias, index)
        yield alias, schema
    finally:
        engine.indices.delete(index=index)


def found(engine: OpenSearch, catalogue: tuple[str, IndexSchema], words: str) -> list[str]:
    """The ids of the lexical sub-query alone, with equal scores in any order."""
    alias, schema = catalogue
    body = hybrid_body(Query(words), schema, fusion=Fusion(sub_queries=["lexical"]))
    return [candidate.id.removeprefix("id ") for candidate in retrieve(engine, alias, body).candidates]


def test_stop_words_with_umlauts_and_accents_find_nothing(
    engine: OpenSearch, catalogue: tuple[str, IndexSchema]
) -> None:
    assert found(engine, catalogue, "mütze für") == found(engine, catalogue, "mütze")
    assert "mütze" in found(engine, catalogue, "mütze für")


@pytest.mark.parametrize(
    ("product", "words"), [(id_, words) for id_, forms in PAIRS.items() for words in forms]
)
def test_every_form_finds_the_product_first(
    engine: OpenSearch, catalogue: tuple[str, IndexSchema], product: str, words: str
) -> None:
    assert found(engine, catalogue, words)[:1] == [product]


@pytest.fixture(scope="module")
def languages(engine: OpenSearch) -> Iterator[str]:
    """An index with the chain of every language that the engine has without a plugin."""
    chains = {language: variants[-1].name for language, variants in LANGUAGES.items() if language != "pl"}
    index = f"forms-languages-{uuid4().hex[:8]}"
    settings = {"index": {"number_of_replicas": 0}, "analysis": analysis_settings(chains)}
    engine.indices.create(index=index, body={"settings": settings})
    yield index
    engine.indices.delete(index=index)


def test_every_language_of_the_engine_has_a_chain_of_its_own(engine: OpenSearch, languages: str) -> None:
    terms = {
        language: [_terms(engine, languages, f"vitrine_{language}_search", form) for form in forms]
        for language, forms in INFLECTED.items()
    }
    assert {language: pair for language, pair in terms.items() if pair[0] != pair[1]} == {}


STOPPED = {language: chains[-1].stop for language, chains in LANGUAGES.items() if chains[-1].stop}


def test_stop_words_are_those_of_the_engine(engine: OpenSearch) -> None:
    for name in set(STOPPED.values()) - {"english"}:
        words = " ".join(word for word in stop_words(name) if word != "and")
        body = {
            "tokenizer": "whitespace",
            "filter": [{"type": "stop", "stopwords": f"_{name}_"}],
            "text": words,
        }
        assert engine.indices.analyze(body=body)["tokens"] == [], name


# The tokenizer of Thai, which has no spaces, splits some stop words.
@pytest.mark.parametrize("language", sorted(STOPPED.keys() - {"th"}))
def test_stop_words_leave_no_term_and_no_stemmed_word_becomes_one(
    engine: OpenSearch, languages: str, language: str
) -> None:
    words = [word for word in stop_words(STOPPED[language] or "") if re.fullmatch(r"\w+", word)]
    for analyzer in ("", "_search", "_words"):
        assert _terms(engine, languages, f"vitrine_{language}{analyzer}", " ".join(words)) == []
    # a stop word with one more letter at its end, which a stemmer may take away
    others = sorted({word + letter for word in words for letter in {w[-1] for w in words}} - set(words))[
        :3000
    ]
    for analyzer in ("", "_search"):
        kept = _places(engine, languages, f"vitrine_{language}{analyzer}", others)
        assert [word for word, found in zip(others, kept, strict=True) if not found] == []


def _places(engine: OpenSearch, index: str, analyzer: str, words: list[str]) -> list[bool]:
    """Whether each of the words leaves a term."""
    starts = list(accumulate((len(word) + 1 for word in words), initial=0))[:-1]
    answer = engine.indices.analyze(index=index, body={"analyzer": analyzer, "text": " ".join(words)})
    found = {bisect_right(starts, token["start_offset"]) - 1 for token in answer["tokens"]}
    return [number in found for number in range(len(words))]


@pytest.mark.parametrize("words", ["für", "gegen", "für den", "with", "voor", "withe", "the"])
def test_stop_words_alone_find_the_products_that_hold_them(
    engine: OpenSearch, catalogue: tuple[str, IndexSchema], words: str
) -> None:
    titles = {
        id_: title.lower().split() for of_language in PRODUCTS.values() for id_, title in of_language.items()
    }
    holding = {id_ for id_, title in titles.items() if set(words.split()) <= set(title)}
    assert set(found(engine, catalogue, words)) == holding


def test_stop_words_do_not_count_among_the_words_that_a_sorted_search_needs(
    engine: OpenSearch, catalogue: tuple[str, IndexSchema]
) -> None:
    alias, schema = catalogue
    page = Page(sort=[{"id": {"order": "asc"}}])
    candidates = retrieve(engine, alias, hybrid_body(Query("mütze für"), schema, page=page)).candidates
    assert [candidate.id for candidate in candidates] == ["id mütze"]


def _terms(engine: OpenSearch, index: str, analyzer: str, text: str) -> list[str]:
    answer = engine.indices.analyze(index=index, body={"analyzer": analyzer, "text": text})
    return [token["token"] for token in answer["tokens"]]


def test_languages_are_those_of_the_plan_and_of_the_rows(engine: OpenSearch) -> None:
    languages = ["de", "pt-BR", "nb", "tlh", "pl"]
    chains = usable_chains(engine, languages)
    assert {"en", "zh", "any", "de", "pt-br", "no"} <= set(chains)
    assert "tlh" not in chains
    assert field_language("pt", chains) == "pt-br"
    assert field_language("nn", chains) == "no"
    assert field_language("fr", chains) == "any"


def test_compounds_are_split_by_the_words_of_the_catalogue() -> None:
    words = ("Kinderfahrrad", "Fahrrad", "Kinder", "Arbeitshose", "Arbeit", "Hose", "Tasche", "Asche")
    compounds = compounds_of(compound_words(" ".join(words)))
    assert compounds.parts == ("arbeit", "fahrrad", "hose", "kinder")
    assert set(compounds.words) == {word.lower() for word in words}


def test_a_long_query_stays_below_the_clauses_of_the_engine(
    engine: OpenSearch, catalogue: tuple[str, IndexSchema]
) -> None:
    words = " ".join(f"laptop-{number} kinderfahrrad{number} w{number}" for number in range(300))
    assert found(engine, catalogue, words)
