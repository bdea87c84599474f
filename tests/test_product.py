"""Cells of every kind: what a product takes from them, and what is left out with a reason."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from indexer.catalogue.product import (
    CellError,
    RowError,
    language_of,
    read_available,
    read_date,
    read_id,
    read_keywords,
    read_language,
    read_number,
    read_pictures,
    read_product,
    read_text,
)
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


def test_a_whole_row_becomes_a_product() -> None:
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
    assert product.images == ("a.jpg", "b.jpg", "http://x/c.jpg", "a.jpg")
    assert product.numbers == {"price": 12.5}
    assert product.keywords == {"colour": "red", "tags": ["new", "5", "true"]}
    assert (product.language, product.group, product.available, product.created) == (
        "en",
        "70",
        True,
        "2024-02-29",
    )


def test_cells_that_do_not_fit_are_left_out_and_told_and_the_product_stays() -> None:
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
def test_a_row_without_a_usable_id_is_no_product(value: Any) -> None:
    with pytest.raises(RowError, match="id"):
        read_id(value, "id")


def test_ids_are_text() -> None:
    assert [read_id(value, "id") for value in ("a", 5, 5.0, " 007 ", "x" * 512)] == [
        "a",
        "5",
        "5",
        "007",
        "x" * 512,
    ]


@pytest.mark.parametrize(
    "value", ["nan", "-Infinity", float("nan"), float("inf"), 10**400, "1,299", "1_0", "5 kg", []]
)
def test_what_is_no_finite_number_is_missing_never_zero(value: Any) -> None:
    with pytest.raises(CellError):
        read_number(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [("5", 5), (" -1.5e3 ", -1500), (".5", 0.5), (Decimal("2.5"), 2.5), (True, 1), (0, 0)],
)
def test_numbers(value: Any, number: float) -> None:
    assert read_number(value) == number


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        ("2024-02-29", "2024-02-29"),
        ("2024-02-29T12:00:00+02:00", "2024-02-29T10:00:00.000Z"),
        ("2009-12-10T00:00:00Z", "2009-12-10T00:00:00.000Z"),
        (2011, "2011-01-01"),
        ("1999", "1999-01-01"),
        (date(2020, 1, 2), "2020-01-02"),
        (datetime(2020, 1, 2, 3, tzinfo=UTC), "2020-01-02T03:00:00.000Z"),
    ],
)
def test_dates(value: Any, iso: str) -> None:
    assert read_date(value) == iso


@pytest.mark.parametrize("value", ["soon", "31.12.2020", 1.5, True, "2023-02-29", []])
def test_what_is_no_date(value: Any) -> None:
    with pytest.raises(CellError, match="not a"):
        read_date(value)


def test_lists_in_cells() -> None:
    assert read_keywords('["a", "b", "a"]') == ["a", "b"]
    assert read_keywords("a|b") == ["a", "b"]
    assert read_keywords("[new") == "[new"
    assert read_keywords(["a"]) == ["a"]
    assert read_keywords(["", None]) is None
    assert read_pictures('["x.jpg"]') == ["x.jpg"]
    assert read_pictures({"bytes": b"\xff", "path": "x.jpg"}) == [b"\xff"]
    assert read_pictures("data:image/png;base64,a|b") == ["data:image/png;base64,a|b"]
    with pytest.raises(CellError, match="65 pictures"):
        read_pictures([f"{n}.jpg" for n in range(65)])
    with pytest.raises(CellError):
        read_pictures([5])


def test_texts() -> None:
    assert read_text(["a", "b"]) == "a, b"
    assert read_text("a\0b") == "a b"
    assert read_text(5) == "5"
    with pytest.raises(CellError):
        read_text({"a": 1})


@pytest.mark.parametrize(
    ("value", "available"),
    [
        ("Yes", True),
        ("out of stock", False),
        (0, False),
        ("3", True),
        ("https://schema.org/InStock", True),
        (False, False),
    ],
)
def test_availability(value: Any, available: bool) -> None:
    assert read_available(value) is available


def test_the_language_of_a_row() -> None:
    assert [read_language(value) for value in ("zh-CN", "EN", "pt_BR")] == ["zh", "en", "pt"]
    assert language_of("红色 连衣裙", "en") == "zh"
    assert language_of("Apple 手机壳 iPhone", "en") == "zh"
    assert language_of("Teapot with the sign 茶 of tea on it", "en") == "en"
    assert language_of("赤いドレス", "ja") == "ja"
    assert language_of("", "de") == "de"
