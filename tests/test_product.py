"""Catalogue rows as products: the fields of the plan, the id, the language, and cells left out with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from indexer.catalogue.notation.languages import detect_product_language
from indexer.catalogue.product import RowError, read_id, read_product
from opensearch.index.fields import FieldPlan

PLAN = FieldPlan(
    text=("about",),
    images=("image", "more"),
    numbers=("price",),
    keywords=("colour", "tags"),
    dates=("since",),
    language_field="lang",
    group="style",
    available="stock",
    created="since",
)


def test_a_row_becomes_a_product() -> None:
    row = {
        "id": 7,
        "title": " Red shoe ",
        "about": "For running",
        "image": "a.jpg|b.jpg",
        "more": ["http://x/c.jpg", "a.jpg"],
        "price": "12.50",
        "colour": "red",
        "tags": ["new", 5, True],
        "since": "2024-02-29",
        "lang": "EN_us",
        "style": 70.0,
        "stock": 3,
        "unplanned": object(),
    }
    product, dropped = read_product(row, PLAN)
    assert dropped == []
    assert product.id == "7"
    assert product.title == "Red shoe"
    assert product.images == ("a.jpg", "b.jpg", "http://x/c.jpg")
    assert product.numbers == {"price": 12.5}
    assert product.keywords == {"colour": "red", "tags": ["new", "5", "true"]}
    assert (product.language, product.group, product.available, product.created) == (
        "en",
        "70",
        True,
        "2024-02-29",
    )


def test_cells_that_do_not_fit_are_left_out_with_a_reason_and_the_product_stays() -> None:
    row = {
        "id": "1",
        "title": {"de": "Schuh"},
        "price": "N/A",
        "since": "soon",
        "lang": 5,
        "colour": {"a": 1},
    }
    product, dropped = read_product(row, PLAN)
    assert product.id == "1"
    assert product.title == ""
    assert product.numbers == {}
    assert product.created is None
    assert {cell.column for cell in dropped} == {"title", "price", "since", "lang", "colour"}
    assert next(cell.reason for cell in dropped if cell.column == "price") == "'N/A' is not a number"


@pytest.mark.parametrize("value", [None, "", "  ", [], {}, 1.5, True, "x" * 513, "红" * 171])
def test_a_row_without_a_usable_id_is_an_error(value: Any) -> None:
    with pytest.raises(RowError, match="id"):
        read_id(value, "id")


def test_ids_become_text() -> None:
    assert [read_id(value, "id") for value in ("a", 5, 5.0, " 007 ", "x" * 512)] == [
        "a",
        "5",
        "5",
        "007",
        "x" * 512,
    ]


def test_chinese_text_makes_a_chinese_product_and_other_text_has_the_default_language() -> None:
    assert detect_product_language("红色 连衣裙", "en") == "zh"
    assert detect_product_language("Apple 手机壳 iPhone", "en") == "zh"
    assert detect_product_language("Teapot with the sign 茶 of tea on it", "en") == "en"
    assert detect_product_language("赤いドレス", "ja") == "ja"
    assert detect_product_language("", "de") == "de"
