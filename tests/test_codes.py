"""Codes: their forms, the codes in a query, and that a product with the exact code comes first whatever vectors say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import pytest

from indexer.catalogue.inference.infer import infer_plan
from indexer.catalogue.notation.column_names import is_code_name
from indexer.catalogue.product import read_product
from indexer.load.document import document, fields_of
from opensearch.analysis.codes import code_forms, query_codes
from opensearch.index import versions
from opensearch.index.bulk import Action, write
from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from opensearch.search.query import Fusion, Page, Query, hybrid_body
from opensearch.search.retrieve import Candidate, retrieve

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


@pytest.mark.parametrize(
    ("code", "forms"),
    [
        ("BX.4410-07", ["bx441007"]),
        ("00417", ["00417", "417"]),
        ("0012345678905", ["0012345678905", "12345678905"]),  # EAN-13 of the UPC below
        ("012345678905", ["012345678905", "12345678905"]),
        ("0-306-40615-2", ["0306406152", "306406152", "9780306406157"]),  # ISO 2108's example
        ("0-306-40615-3", ["0306406153", "306406153"]),  # wrong check digit
        ("--", []),
        ("x" * 65, []),
    ],
)
def test_a_code_is_found_by_its_forms(code: str, forms: list[str]) -> None:
    assert code_forms(code) == forms


@pytest.mark.parametrize(
    ("words", "certain"),
    [
        ("BX.4410-07", {"bx441007"}),
        ("bx 4410 07", {"bx441007"}),
        ("brake pad bx441007", {"bx441007"}),
        ("nord wh-900xt5 case", {"wh900xt5"}),
        ("62-318", {"62318"}),
        ("4006381333931", {"4006381333931"}),
        ("red shoes", set()),
        ("iphone 12", set()),
        ("shoes size 42", set()),
        ("501", set()),  # trousers, or the counter of some product
        ("shampoo 500ml", set()),
        ("0,75 l", set()),
        ("tv 55 inch 4k", set()),
        ("1.249,00", set()),
        ("sheet 160x200cm", set()),
        ("t-shirt", set()),
    ],
)
def test_codes_of_a_query_are_told_from_words_prices_and_quantities(words: str, certain: set[str]) -> None:
    assert set(query_codes(words).certain) == certain


def test_only_a_single_word_is_searched_as_the_beginning_of_codes() -> None:
    assert query_codes("ab12").prefixes == ("ab12",)
    assert query_codes("case for ab12").prefixes == ()
    assert query_codes("iphone 12").prefixes == ()
    assert query_codes("case for ab12").tokens == ("ab12",)


def test_columns_of_codes_are_known_by_name_and_content() -> None:
    names = "SKU|ean_code|GTIN13|Hersteller-Nr.|modelNumber|part no|货号|Référence|barcode"
    assert all(map(is_code_name, names.split("|")))
    assert not any(
        map(is_code_name, ["price", "colour code", "zip code", "phone", "janitor", "season", "title"])
    )
    rows = [
        {
            "id": str(n),
            "name": f"lamp {n}",
            "sku": f"L-{n}",
            "ean": 4006381330000 + n,
            "reference": "see page",
        }
        for n in range(20)
    ]
    assert infer_plan(rows).codes == ("sku", "ean")


ROWS: list[dict[str, str | None]] = [
    {"sku": "BX.4410-07", "name": "Brake pad", "ean": "4006381444101", "mpn": "07.C11.30"},
    {"sku": "BX.4410-08", "name": "Brake pad rear", "ean": "4006381444118", "mpn": "07.C11.31"},
    {"sku": "62-318", "name": "Window seal", "ean": "0040063814447", "mpn": "WS 42"},
    {"sku": "ZT40STEELQ", "name": "Lever", "ean": "4006381444132", "mpn": "ZT40"},
    {"sku": "00417", "name": "Wiper", "ean": "4006381444149", "mpn": "AR 551/2K"},
    {"sku": "12MINI", "name": "Screw", "ean": "4006381444156", "mpn": None},
    {"sku": "P1", "name": "Phone 12 mini", "ean": None, "mpn": None},
    {"sku": "P2", "name": "Phone case 12", "ean": None, "mpn": "black"},
    {"sku": "P3", "name": "Black lamp, black shade", "ean": None, "mpn": None},
]
PLAN = FieldPlan(id="sku", title="name", keywords=("ean",), codes=("ean", "mpn"))
SCHEMA = IndexSchema(PLAN, {"text": VectorField("words-1", "words-1", 4)})
FAR, NEAR = np.array([1, 0, 0, 0], np.float32), np.array([0, 1, 0, 0], np.float32)


@pytest.fixture(scope="module")
def shop(engine: OpenSearch) -> Iterator[str]:
    """An index whose vectors say that `P3` is the nearest product to every query."""
    alias = f"codes-{uuid4().hex[:8]}"
    index = versions.create_version(engine, alias, SCHEMA)
    try:
        actions = []
        for row in ROWS:
            product, dropped = read_product(row, PLAN)
            assert dropped == []
            vector = NEAR if product.id == "P3" else FAR
            actions.append(Action("index", product.id, document(fields_of(product), {"text": vector}, [])))
        assert {outcome.status for outcome in write(engine, index, actions)} == {"created"}
        versions.publish(engine, alias, index)
        yield alias
    finally:
        engine.indices.delete(index=index)


def search(engine: OpenSearch, shop: str, words: str, fusion: Fusion) -> list[Candidate]:
    body = hybrid_body(Query(words, {"text": NEAR}), SCHEMA, fusion=fusion)
    return retrieve(engine, shop, body).candidates


@pytest.mark.parametrize("method", ["min_max", "rrf"])
@pytest.mark.parametrize(
    ("words", "product"),
    [
        ("BX.4410-07", "BX.4410-07"),
        ("bx.4410-08", "BX.4410-08"),
        ("BX441007", "BX.4410-07"),
        ("bx 4410 07", "BX.4410-07"),
        ("brake pad BX441008", "BX.4410-08"),
        ("62-318", "62-318"),
        ("00417", "00417"),
        ("4006381444132", "ZT40STEELQ"),
        ("40063814447", "62-318"),
        ("00040063814447", "62-318"),
        ("07.C11.31", "BX.4410-08"),
        ("ar551/2k", "00417"),
        ("zt40", "ZT40STEELQ"),
        ("WS-42", "62-318"),
    ],
)
def test_an_exact_code_outranks_the_nearest_vector(
    engine: OpenSearch, shop: str, words: str, product: str, method: str
) -> None:
    first = search(engine, shop, words, Fusion(method=method, weights={"lexical": 0.1, "text": 0.9}))[0]
    assert (first.id, first.exact_code) == (product, True)
    assert "code" not in first.sub_query_scores
    (text_first, *_) = search(engine, shop, words, Fusion(sub_queries=("text",)))
    assert text_first.id == product


@pytest.mark.parametrize(
    ("words", "product"),
    [("ZT40STEEL", "ZT40STEELQ"), ("417", "00417"), ("phone 12", "P1"), ("black", "P3")],
)
def test_a_beginning_comes_first_by_words_and_other_words_are_no_codes(
    engine: OpenSearch, shop: str, words: str, product: str
) -> None:
    found = search(engine, shop, words, Fusion(sub_queries=("lexical",)))
    assert found[0].id == product
    assert not found[0].exact_code


def test_a_sorted_search_finds_codes(engine: OpenSearch, shop: str) -> None:
    body = hybrid_body(Query("BX441008"), SCHEMA, page=Page(sort=[{"id": "asc"}]))
    assert [candidate.id for candidate in retrieve(engine, shop, body).candidates] == ["BX.4410-08"]


@pytest.mark.parametrize(
    ("words", "matches"),
    [
        ("BX441008", {"BX.4410-08"}),
        ("brake pad BX441008", {"BX.4410-08", "BX.4410-07", "P3"}),
        ("BX441009", {"P3"}),  # no product has it
    ],
)
def test_products_with_the_code_that_is_the_whole_query_are_all_that_match(
    engine: OpenSearch, shop: str, words: str, matches: set[str]
) -> None:
    body = hybrid_body(Query(words, {"text": NEAR}), SCHEMA, floors={"text": 0.5}, page=Page(facets=["ean"]))
    answer = retrieve(engine, shop, body)
    assert {candidate.id for candidate in answer.candidates if candidate.matches} == matches
    assert (answer.total, answer.total_is_exact) == (len(matches), True)
    with_ean = matches - {"P3"}
    assert len(answer.facets["ean"]["values"]) == len(with_ean)
